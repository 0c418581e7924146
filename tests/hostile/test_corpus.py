"""Every hostile upload goes through the sandbox that uploads go through, and does nothing there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from engine.errors import UserError
from engine.sandbox.client import Server
from tests.conftest import CACHE
from tests.hostile import images, labels, onnx_files, pickles, yamls, zips
from tests.hostile.case import Case
from webapp.catalog import checks
from webapp.jobs import scratch

KINDS = {
    "pickle": pickles.CASES,
    "yaml": yamls.CASES,
    "onnx": onnx_files.CASES,
    "zip": zips.CASES,
    "image": images.CASES,
    "label": labels.CASES,
}
MOST_MIB = 200  # above what a warm child begins with
MOST_S = 20.0
REPORT = CACHE / "hostile.json"

_measured: dict[str, dict[str, float | str]] = {}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as running:
        yield running
    if len(_measured) > 120:
        REPORT.write_text(json.dumps(_measured, indent=1))


@pytest.fixture(autouse=True)
def site(settings: Settings, tmp_path: Path) -> Path:
    settings.FOLDERS = tmp_path / "work"
    return tmp_path


def read(server: Server, case: Case, folder: Path) -> str:
    """Give the case to the sandbox, as a worker does; what its sender is told."""
    source = folder / case.file
    with scratch.box(f"test:{case.kind}:0") as box:
        canary = box / "tmp" / "canary"  # where the reader could write, if code in the file ran
        source.write_bytes(case.make(canary))
        request = checks.prepared(box, case.kind, source, limit_s=case.cpu_s)
        with pytest.raises(UserError) as caught:
            server.check(request, timeout_s=60)
        left = [path.name for path in (box / "tmp").iterdir()]
        said = str(caught.value)
        assert str(box) not in said.replace(str(canary), "what the file itself says")
    assert left == []
    assert not box.exists()
    usage = caught.value.usage
    _measured[f"{case.kind} {case.name}"] = {
        "peak_mib": round(usage.peak_mib, 1),
        "cpu_s": usage.cpu_s,
        "seconds": usage.seconds,
        "says": said,
    }
    assert usage.peak_mib < MOST_MIB
    assert usage.seconds < MOST_S
    return said


def cases(*, sample: bool) -> list[object]:
    return [
        pytest.param(case, id=f"{kind}-{case.name}")
        for kind, found in KINDS.items()
        for case in found
        if case.sample == sample
    ]


def test_there_are_enough_and_each_kind_has_some() -> None:
    assert sum(len(found) for found in KINDS.values()) >= 120
    for kind, found in KINDS.items():
        assert len({case.name for case in found}) == len(found), kind
        assert any(case.sample for case in found), kind


@pytest.mark.parametrize("case", cases(sample=True))
def test_it_is_refused(server: Server, case: Case, tmp_path: Path) -> None:
    said = read(server, case, tmp_path)
    assert re.search(case.says, said), said
    assert "\n" not in said
    assert len(said) <= 500


@pytest.mark.slow
@pytest.mark.parametrize("case", cases(sample=False))
def test_all_are_refused(server: Server, case: Case, tmp_path: Path) -> None:
    test_it_is_refused(server, case, tmp_path)
