"""Reference figures: the uniform study of ``make bench-devices``, taken in and shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import transaction

from devices.activations import CATALOG
from devices.provenance import hardware_name
from devices.targets import TARGETS, Target
from webapp.errors import Refused
from webapp.leaderboard.models import Reference

SCHEMA = "actnas.uniform/1"
BASELINE = "silu"


def take_in(path: Path) -> int:
    """Store the figures of a targets.json; what is known of the same place is replaced. How many.

    Raises:
        Refused: it is none, or names a target or an activation that this site does not know.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["schema"] != SCHEMA:
            raise Refused(f"{path.name} is of the schema {document['schema']!r}; needed: {SCHEMA}")
        found = [one for row in document["rows"] for one in _references(row)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refused(f"{path.name} holds no uniform study: {error!r}") from None
    with transaction.atomic():
        for key, values in found:
            Reference.objects.update_or_create(**key, defaults=values)
    return len(found)


def _references(row: dict[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """(what names it, its figures) of every activation of one lease."""
    inputs, values = row["inputs"], row["values"]
    known = {target.id for target in TARGETS}
    strange = ({inputs["target"]} - known) | (set(values["arms"]) - set(CATALOG))
    if strange:
        raise Refused(f"{sorted(strange)[0]!r} is no target and no activation of this site")
    place = {"family": inputs["model"], "imgsz": inputs["imgsz"], "target": inputs["target"]}
    place["device_model"] = _device_model(values)
    return [
        (
            {**place, "activation": activation},
            {
                "kind": values["kind"],
                "latency_ms": arm["latency_ms"],
                "ratio": arm["ratio"],
                "ratio_low": arm["interval"][0] if arm["interval"] else None,
                "ratio_high": arm["interval"][1] if arm["interval"] else None,
                "ratio_one_table": arm["ratio_one_table"],
                "memory": arm["memory"],
                "memory_unit": arm["memory_unit"] or "",
                "measured": row["at"],
            },
        )
        for activation, arm in values["arms"].items()
    ]


def _device_model(values: dict[str, Any]) -> str:
    if values["kind"] == "modelled":
        return str(values["target"]["title"])[:120]
    name = hardware_name(values["provenance"]["machine"], values["target"]["hardware"])
    return (name or "unknown")[:120]


@dataclass(frozen=True)
class Line:
    """One model at one size: the baseline's latency, and a cell an activation, None where it was
    not measured."""

    family: str
    imgsz: int
    baseline: Reference | None
    cells: list[Reference | None]


@dataclass(frozen=True)
class Study:
    """The figures of one target on one device model."""

    target: Target
    device_model: str
    titles: list[str]
    lines: list[Line]


def tables(references: Sequence[Reference]) -> list[Study]:
    """Every target with reference figures, in the order of the table of targets."""
    by_place: dict[tuple[str, str], list[Reference]] = {}
    for row in references:
        by_place.setdefault((row.target, row.device_model), []).append(row)
    return [
        _study(target, device_model, rows)
        for target in TARGETS
        for (name, device_model), rows in by_place.items()
        if name == target.id
    ]


def _study(target: Target, device_model: str, rows: list[Reference]) -> Study:
    shown = [name for name in CATALOG if any(row.activation == name for row in rows)]
    shown = [name for name in shown if name != BASELINE]
    by_model: dict[tuple[str, int], dict[str, Reference]] = {}
    for row in rows:
        by_model.setdefault((row.family, row.imgsz), {})[row.activation] = row
    lines = [
        Line(family, imgsz, found.get(BASELINE), [found.get(name) for name in shown])
        for (family, imgsz), found in by_model.items()
    ]
    return Study(target, device_model, [CATALOG[name].title for name in shown], lines)
