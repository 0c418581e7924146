"""One activation everywhere, at a glance: a row a target, shaded by how far it is from SiLU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from devices.activations import CATALOG
from devices.targets import TARGETS, Target
from webapp.leaderboard.models import Reference
from webapp.leaderboard.references import BASELINE

USUAL = ("YOLOv8n", 320)
STEPS = (0.02, 0.05, 0.12, 0.30)  # of a ratio: where the next shade begins


@dataclass(frozen=True)
class Row:
    """One target on one device model; None where an activation was not measured."""

    target: Target
    device_model: str
    cells: list[Reference | None]

    @property
    def shaded(self) -> list[tuple[Reference | None, str]]:
        """Each cell with the name of its shade."""
        return [(cell, shade(cell) if cell else "") for cell in self.cells]


@dataclass(frozen=True)
class Glance:
    """One model at one image size, and which others there are."""

    family: str
    imgsz: int
    families: list[str]
    sizes: list[int]
    titles: list[str]
    rows: list[Row]


def glance(references: Sequence[Reference], *, family: str = "", imgsz: str = "") -> Glance | None:
    """The model and size asked for as far as they are known, else the usual; None without any.

    ``imgsz`` is the number as the address has it.
    """
    known = sorted({(row.family, row.imgsz) for row in references})
    if not known:
        return None
    asked = [one for one in known if family in {"", one[0]} and (not imgsz or imgsz == str(one[1]))]
    chosen = min(asked or known, key=lambda one: (one[0] != USUAL[0], one[1] != USUAL[1], one))
    rows = [row for row in references if (row.family, row.imgsz) == chosen]
    shown = [n for n in CATALOG if n != BASELINE and any(row.activation == n for row in rows)]
    by_place: dict[tuple[str, str], dict[str, Reference]] = {}
    for row in rows:
        by_place.setdefault((row.target, row.device_model), {})[row.activation] = row
    return Glance(
        *chosen,
        families=sorted({name for name, _ in known}),
        sizes=sorted({size for name, size in known if name == chosen[0]}),
        titles=[CATALOG[name].title for name in shown],
        rows=[
            Row(target, device_model, [found.get(name) for name in shown])
            for target in TARGETS
            for (name, device_model), found in by_place.items()
            if name == target.id
        ],
    )


def shade(reference: Reference) -> str:
    """``faster-1`` to ``faster-4``, ``slower-1`` to ``slower-4``, or "": nothing is claimed.

    That is where the interval reaches 1, or the ratio is nearer to 1 than the first step.
    """
    low, high = reference.ratio_low, reference.ratio_high
    if low is not None and high is not None and low <= 1 <= high:
        return ""
    step = sum(abs(reference.ratio - 1) >= bound for bound in STEPS)
    return f"{'faster' if reference.ratio < 1 else 'slower'}-{step}" if step else ""
