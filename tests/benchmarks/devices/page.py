"""docs/benchmarks/targets.md and targets.json, made of the rows and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from devices.activations import CATALOG
from devices.targets import TARGETS
from tests.benchmarks.devices.study import ACTIVATIONS, SETTINGS
from tests.benchmarks.devices.testbed import STRUCTURES
from tests.benchmarks.rows import Rows, dumps

SCHEMA = "actnas.uniform/1"


def write(rows: Rows, folder: Path) -> None:
    """Writes the page and the JSON that a site imports, into ``folder``."""
    order = {target.id: index for index, target in enumerate(TARGETS)}
    models = list(STRUCTURES)
    found = sorted(
        rows.of("uniform"),
        key=lambda row: (
            order[row["inputs"]["target"]],
            models.index(row["inputs"]["model"]),
            row["inputs"]["imgsz"],
        ),
    )
    document = {"schema": SCHEMA, "rows": [_without_samples(row) for row in found]}
    (folder / "targets.json").write_text(dumps(document) + "\n")
    parts = [
        "# One activation everywhere",
        "Made by `make bench-devices` from the rows in `targets.json` (with raw samples: in "
        "`rows/devices`): YOLOv5n (its body with the head of YOLOv8), YOLOv8n and YOLO11n with "
        "random weights, as latency does not depend on them. Figures are latencies as a ratio to "
        "SiLU at every site of the same model, from one "
        f"lease of at most {SETTINGS.max_seconds:.0f} s; in parentheses half the 95 % interval. "
        "Below 1 is faster. Modelled figures come from Arm's compiler and have no interval; "
        "beside them stands the ratio to SiLU as a single table. *refused*: the target's tools "
        "cannot run it. A run adds what is missing.",
    ]
    for target in TARGETS:
        own = [row for row in found if row["inputs"]["target"] == target.id]
        if not own:
            continue
        parts += [f"## {target.title} ({target.kind})", _table(own)]
        if target.notes:
            parts.append(f"{target.notes[0].upper()}{target.notes[1:]}.")
    missing = [t.id for t in TARGETS if t.id not in {row["inputs"]["target"] for row in found}]
    if missing:
        parts += ["## Not measured yet", ", ".join(f"`{name}`" for name in missing)]
    (folder / "targets.md").write_text("\n\n".join(parts) + "\n")


def _without_samples(row: dict[str, Any]) -> dict[str, Any]:
    """Raw samples stay in the rows' own files: a site takes in figures."""
    values = {name: value for name, value in row["values"].items() if name != "samples_ms"}
    return {**row, "values": values}


def _table(rows: list[dict[str, Any]]) -> str:
    lines = []
    for row in rows:
        values = row["values"]
        baseline = values["arms"][ACTIVATIONS[0]]
        line: dict[str, str] = {
            "model": row["inputs"]["model"],
            "px": str(row["inputs"]["imgsz"]),
            "SiLU (ms)": f"{baseline['latency_ms']:.3g}",
        }
        if values["kind"] == "measured":
            line["load before"] = str(values["load_1min_before"])
        for name in ACTIVATIONS[1:]:
            line[CATALOG[name].title] = _cell(values, name)
        if baseline["memory"] is not None:
            line["memory, SiLU"] = f"{baseline['memory']:.4g} {baseline['memory_unit']}"
        lines.append(line)
    return str(pd.DataFrame(lines).to_markdown(index=False, disable_numparse=True))


def _cell(values: dict[str, Any], name: str) -> str:
    arm = values["arms"].get(name)
    if arm is None:
        return "*refused*"
    text = f"{arm['ratio']:.3f}"
    if arm["interval"] is not None:
        low, high = arm["interval"]
        return f"{text} ({(high - low) / 2:.3f})"
    one_table = arm["ratio_one_table"]
    return text if one_table is None else f"{text}, {one_table:.3f}"
