"""The leaderboard: publish what searches found, list it, withdraw it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from devices.provenance import hardware_name
from devices.targets import get as get_target
from webapp.audit.choices import Action
from webapp.audit.services import record
from webapp.catalog.choices import Visibility
from webapp.catalog.models import Detector
from webapp.leaderboard import ranking
from webapp.leaderboard.models import BASELINE, Entry
from webapp.searches.models import Search, SearchRequest

if TYPE_CHECKING:
    from engine.arms import Arm
    from engine.result import Chosen, Result


def publish(search: Search) -> list[Entry]:
    """Make entries of a finished search: its mixes, and the arm that its verdict names.

    Only what has a file with mAP and latency measured on it becomes an entry: a cost study makes
    none. The same entries if asked again. Called by the search's worker.
    """
    from engine.result import Result

    result = Result.model_validate(search.result)
    companions = {chosen.arm: chosen for chosen in result.chosen}
    wanted = {*companions, result.verdict.chosen}
    with transaction.atomic():
        return [
            _publish(search, result, arm, companions.get(arm.name))
            for arm in result.arms
            if arm.name in wanted and _is_complete(arm)
        ]


def _is_complete(arm: Arm) -> bool:
    figures = (arm.file, arm.map50, arm.map50_95, arm.latency_ms, arm.latency_ratio)
    return None not in figures


def _files(search: Search, result: Result, arm: Arm, companions: Chosen | None) -> dict[str, str]:
    """Download names and paths in the search's folder; the assignment is always among them."""
    assert arm.file is not None  # complete arms have one
    paths = [arm.file]
    if companions is not None:
        extra = (companions.assignment, companions.state_dict, companions.yaml)
        paths += [file.path for file in extra if file is not None]
    else:
        path = f"{arm.file}.assignment.json"
        (search.path / path).write_text(arm.assignment.to_json(), encoding="utf-8")
        paths.append(path)
    # The export that the target's own file was converted from; nothing was measured on it.
    export = (arm.details.get("onnx") or {}).get("path")
    if export is not None and export not in paths and (search.path / export).is_file():
        paths.append(export)
    named = {Path(path).name: path for path in paths}
    # What its ratio counts from, so that anybody can measure both again.
    base = next((one.file for one in result.arms if one.name == BASELINE and one.file), None)
    if base is not None and base not in paths and (search.path / base).is_file():
        name = Path(base).name
        named[name if name not in named else f"{BASELINE}-{name}"] = base
    return named


def _publish(search: Search, result: Result, arm: Arm, companions: Chosen | None) -> Entry:
    request = search.request
    if request.data_set is None:
        raise ValueError(f"search {search.pk} has an mAP but no data set")
    uploaded = next((other for other in result.arms if other.name == "uploaded"), None)
    values: dict[str, Any] = {
        "owner": request.owner,
        "detector": request.detector,
        "data_set": request.data_set,
        "name": request.name,
        "family": result.model.family,
        "target": result.target,
        "kind": result.kind,
        "device_model": _device_model(search, result, arm),
        "data_set_version": request.data_set.version,
        "imgsz": result.model.imgsz,
        "assignment": arm.assignment.mapping,
        "assignment_hash": arm.assignment.hash,
        "mix": " ".join(_in_site_order(request.detector, arm.assignment.mapping)),
        "file": arm.file,
        "file_sha256": arm.file_sha256,
        "files": _files(search, result, arm, companions),
        "map50": arm.map50,
        "map50_95": arm.map50_95,
        "map_low": arm.map50_95_ci[0] if arm.map50_95_ci else None,
        "map_high": arm.map50_95_ci[1] if arm.map50_95_ci else None,
        "loss": arm.loss,
        "loss_low": arm.loss_ci[0] if arm.loss_ci else None,
        "loss_high": arm.loss_ci[1] if arm.loss_ci else None,
        "latency_ms": arm.latency_ms,
        "ratio": arm.latency_ratio,
        "ratio_low": arm.ratio_ci[0] if arm.ratio_ci else None,
        "ratio_high": arm.ratio_ci[1] if arm.ratio_ci else None,
        "noise_floor": result.noise_floor if result.kind == "measured" else None,
        "noisy": result.noisy,
        "ratio_to_uploaded": _ratio_to(uploaded, arm),
        "ratio_one_table": arm.one_table_ratio,
        "memory": arm.memory,
        "memory_unit": arm.memory_unit or "",
        "memory_ratio": arm.memory_ratio,
        "verdict": result.verdict.kind,
        "sentence": result.verdict.sentence,
        "met": _is_within_limits(request, arm),
        "is_choice": arm.name == result.verdict.chosen,
        # Their details (raw samples, per class) stay in the search's own result.
        "arms": [
            {
                **one.model_dump(mode="json", exclude={"details"}),
                "ratio_one_table": one.one_table_ratio,
            }
            for one in result.arms
        ],
        "notes": result.notes,
        "public": request.visibility == Visibility.PUBLIC,
    }
    values["ranking"] = ranking.home(values)
    # An entry is published once: a second run of the search's last step changes nothing.
    entry, made = Entry.objects.get_or_create(search=search, arm=arm.name, defaults=values)
    if made and entry.public:
        ranking.enter(entry)
    return entry


def _in_site_order(detector: Detector, mapping: Mapping[str, str]) -> list[str]:
    """The activations, input first: in the order that the model's validation found."""
    known = {site["path"]: index for index, site in enumerate(detector.sites)}
    return [mapping[path] for path in sorted(mapping, key=lambda p: known.get(p, len(known)))]


def _is_within_limits(request: SearchRequest, arm: Arm) -> bool:
    """Whether the arm keeps every limit of its search and reaches its goals."""
    pairs = (
        (arm.loss, request.max_map_loss),
        (arm.memory_ratio, request.max_memory_ratio),
        (arm.latency_ratio, request.max_latency_ratio),
    )
    return all(most is None or (value is not None and value <= most) for value, most in pairs)


def _ratio_to(uploaded: Arm | None, arm: Arm) -> float | None:
    """Latency of ``arm`` over that of the uploaded file: the quotient of their paired ratios."""
    if uploaded is None or not uploaded.latency_ratio or arm.latency_ratio is None:
        return None
    return arm.latency_ratio / uploaded.latency_ratio


def _device_model(search: Search, result: Result, arm: Arm) -> str:
    """What was measured on: the lease's own record of its GPU or CPU, else the device's row."""
    lease = result.provenance.leases.get(arm.lease or "")
    machine = lease.machine if lease and result.kind == "measured" else {}
    recorded = hardware_name(machine, get_target(result.target).hardware)
    if recorded:
        return recorded[:120]
    return search.device.model if search.device and search.device.model else "unknown"


def withdraw(entry: Entry, *, by: User, reason: str) -> bool:
    """Take an entry off the leaderboard; its page stays, with the reason."""
    with transaction.atomic():
        changed = Entry.objects.filter(pk=entry.pk, withdrawn__isnull=True).update(
            withdrawn=timezone.now(), withdrawn_reason=reason[:300], rank=None
        )
        if changed == 1:
            if entry.public:
                ranking.leave([entry])
            record(by=by, action=Action.WITHDRAWN, what=entry, detail=reason)
    return changed == 1


def delete(entries: QuerySet[Entry]) -> None:
    """Delete entries for good; those that they beat move up."""
    with transaction.atomic():
        listed = list(entries.filter(public=True, withdrawn__isnull=True))
        entries.delete()
        ranking.leave(listed)


def raw_samples(entry: Entry) -> dict[str, list[list[float]]]:
    """{arm: blocks of latency samples in ms} of the lease that measured the entry; {} if modelled.

    Blocks hold fresh sessions; the samples of a block are in the order in which they were taken.
    """
    found = (entry.search.result or {}).get("arms", [])
    lease = next((arm["lease"] for arm in found if arm["name"] == entry.arm), None)
    return {
        arm["name"]: arm["details"]["samples_ms"]
        for arm in found
        if arm["lease"] == lease and arm["details"].get("samples_ms")
    }


def open_file(entry: Entry, name: str) -> IO[bytes] | None:
    """The download ``name`` of an entry, or None if it has no such file."""
    relative = entry.files.get(name)
    if relative is None:
        return None
    try:
        return entry.search.folder.open(relative)
    except FileNotFoundError:
        return None
