"""Where a stranger's bytes come in. Each door takes any bytes: it may only refuse, in one line."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from devices.assignment import Assignment
from devices.errors import BadRequest
from devices.graph import check_untrusted, find_sites
from engine import archive, labels, yaml_limits
from engine.errors import BadDataSet, BadModel, UserError
from engine.pickle_check import check_checkpoint
from tests.devices import graphs
from tests.hostile import pickles, sets, yamls

REFUSALS = (UserError, BadRequest)
Door = Callable[[bytes, Path], object]


def file(content: bytes, folder: Path, name: str) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def label(content: bytes, folder: Path) -> None:
    found = labels.read(file(content, folder, "a.txt"), classes=3)
    assert found.shape[1] == 5
    assert ((found[:, 1:] >= -labels.SLACK) & (found[:, 1:] <= 1 + labels.SLACK)).all()


def unzipped(content: bytes, folder: Path) -> None:
    out = folder / "out"
    out.mkdir()
    archive.unpack(file(content, folder, "a.zip"), out, max_bytes=2**24)
    assert all(path.resolve().is_relative_to(out.resolve()) for path in out.rglob("*"))


def graph(content: bytes, folder: Path) -> None:
    find_sites(check_untrusted(file(content, folder, "a.onnx")))


def assignment(content: bytes, folder: Path) -> None:
    found = Assignment.from_json(content.decode(errors="replace"))
    assert Assignment.from_json(found.to_json()) == found


DOORS: dict[str, Door] = {
    "checkpoint": lambda content, folder: check_checkpoint(file(content, folder, "a.pt")),
    "pickle": lambda content, folder: check_checkpoint(
        file(pickles.archive(content), folder, "a.pt")
    ),
    "yaml": lambda content, folder: yaml_limits.read(
        file(content, folder, "a.yaml"), error=BadModel
    ),
    "data-yaml": lambda content, folder: yaml_limits.read(
        file(content, folder, "data.yaml"), error=BadDataSet
    ),
    "label": label,
    "zip": unzipped,
    "onnx": graph,
    "assignment": assignment,
}


def seeds(door: str) -> list[bytes]:
    """What is good, and some of what is hostile: places to start from."""
    nowhere = Path("/nowhere/canary")
    if door in ("checkpoint", "pickle"):
        found = [case.make(nowhere) for case in pickles.CASES if case.sample]
        return [content for content in found if len(content) < 4096]
    return {
        "yaml": [yamls.GOOD.encode()],
        "data-yaml": [sets.YAML],
        "label": [b"1 0.5 0.5 0.25 0.25\n0 0.1 0.1 0.2 0.1 0.2 0.2\n"],
        "zip": [sets.pack({"data.yaml": sets.YAML, "images/a.png": b"x"})],
        "onnx": [graphs.detector(sites=True).SerializeToString()],
        "assignment": [
            Assignment.uniform(("model.0.act", "model.1.act"), "silu").to_json().encode()
        ],
    }[door]


def knock(door: str, content: bytes) -> None:
    """Try one input.

    Raises:
        AssertionError: it was refused with more than a line, or taken although it may not be.
        Exception: anything but a refusal is a mistake of ours.
    """
    with tempfile.TemporaryDirectory() as folder:
        said = "taken"
        try:
            DOORS[door](content, Path(folder))
        except REFUSALS as error:
            said = str(error)
    assert said
    assert "\n" not in said, said
