"""``actnas remote repeat``: measure an entry's own file again, beside the baseline that it had."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devices.assignment import Assignment
from devices.errors import BadRequest
from devices.protocol import Arm, File, MeasureJob, MeasureResult, Settings
from engine.commands.inputs import Outcome
from engine.errors import EngineError

if TYPE_CHECKING:
    from engine.remote import Client

_SAME = 0.01  # modelled ratios tie within it, as they do in rankings
_BASELINE, _ENTRY = "baseline", "entry"


def add_arguments(action: argparse.ArgumentParser) -> None:
    action.add_argument("entry", metavar="ENTRY")
    action.add_argument("--seconds", type=float, default=60.0, help="measure at most so long")


def run(client: Client, options: argparse.Namespace) -> Outcome:
    """What was published and what this machine says, as ``actnas.repeat/1``.

    The files are downloaded, and must have the published sha256 and assignment.

    Raises:
        BadRequest: the site keeps no baseline for this entry, or --seconds is out of its range.
        EngineError: a download is not the file that was published.
    """
    from devices.transports import local
    from engine.console import Reporter

    if not 0 < options.seconds < 3600:
        raise BadRequest(
            f"--seconds is {options.seconds}; more than 0 and less than 3600 is needed"
        )
    entry = client.entry(options.entry)
    if entry["withdrawn"]:
        raise BadRequest(f"entry {options.entry} was withdrawn: {entry['withdrawn_reason']}")
    if entry["baseline_file"] is None:
        raise BadRequest(f"the site keeps no baseline file of entry {options.entry}")
    with tempfile.TemporaryDirectory(prefix="actnas-") as folder, Reporter() as reporter:
        files = {
            name: _fetch(client, entry, file, Path(folder) / name)
            for name, file in ((_BASELINE, "baseline"), (_ENTRY, "measured"))
        }
        _check_assignment(client, entry, Path(folder) / "assignment.json")
        job = MeasureJob(
            id=f"repeat-{options.entry}",
            target=entry["target"],
            arms=[Arm(name=name, file=file, ready=True) for name, file in files.items()],
            baseline=_BASELINE,
            settings=Settings(max_seconds=options.seconds),
        )
        result = local.run(
            job,
            timeout_s=options.seconds + 900,
            progress=lambda fraction, text: reporter.progress("measure", fraction, text),
        )
    document = {
        "schema": "actnas.repeat/1",
        "entry": options.entry,
        "file_sha256": files[_ENTRY].sha256,
        "assignment_hash": entry["assignment_hash"],
        "published": {
            "latency_ms": entry["latency_ms"],
            "ratio": entry["latency_ratio"],
            "ratio_ci": entry["ratio_ci"],
            "device_model": entry["device_model"],
        },
        "agrees": agrees(entry, result),
        "result": result.model_dump(mode="json"),
    }
    return document, lambda: _show(entry, result)


def agrees(entry: dict[str, Any], result: MeasureResult) -> bool:
    """Whether the ratio of now and the published one may be the same: their intervals meet, or,
    where they are modelled, they are within 1 %."""
    found = result.arm(_ENTRY)
    if entry["ratio_ci"] is None:
        return abs(found.ratio / entry["latency_ratio"] - 1) <= _SAME
    low, high = entry["ratio_ci"]
    return found.ratio_interval.low <= high and low <= found.ratio_interval.high


def _fetch(client: Client, entry: dict[str, Any], kind: str, into: Path) -> File:
    """The entry's file of that kind, which must be the one that was measured."""
    name = entry[f"{kind}_file"]
    into.mkdir()
    path = into / Path(name).name  # a site's word never leads out of the folder
    digest = client.download(entry=entry["id"], name=name, into=path)
    wanted = entry["file_sha256"] if kind == "measured" else entry["baseline_sha256"]
    if digest != wanted:
        raise EngineError(f"{name} of entry {entry['id']} has sha256 {digest}, not {wanted}")
    return File(path=str(path), sha256=digest)


def _check_assignment(client: Client, entry: dict[str, Any], into: Path) -> None:
    name = next(name for name in entry["files"] if name.endswith("assignment.json"))
    client.download(entry=entry["id"], name=name, into=into)
    found = Assignment.from_json(into.read_text(encoding="utf-8")).hash
    if found != entry["assignment_hash"]:
        raise EngineError(
            f"{name} of entry {entry['id']} is the assignment {found}, "
            f"not {entry['assignment_hash']}"
        )


def _show(entry: dict[str, Any], result: MeasureResult) -> None:
    found = result.arm(_ENTRY)
    ends = found.ratio_interval
    between = f" ({ends.low:.3f}-{ends.high:.3f})" if result.kind == "measured" else ""
    published = entry["ratio_ci"]
    was = f" ({published[0]:.3f}-{published[1]:.3f})" if published else ""
    machine = result.provenance.machine.get("cpu", {})
    here = machine.get("model name", "this machine") if isinstance(machine, dict) else machine
    print(f"{entry['name']}, {entry['arm']}, on {entry['target']}")
    print(f"file       sha256 {entry['file_sha256']}, as published")
    print(f"assignment {entry['assignment_hash']}, as published")
    print(f"published  {entry['latency_ratio']:.3f}{was} on {entry['device_model']}")
    print(f"here       {found.ratio:.3f}{between} on {here}")
    print("the ratios agree" if agrees(entry, result) else "the ratios differ")
