"""docs/benchmarks/engine.md and engine.json, made of the rows and nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd

from engine.arms import ONE_TABLE, REFERENCE
from engine.hypervolume import REFERENCE_POINT
from tests.benchmarks import numbers as numbers_of
from tests.benchmarks.engine import bakeoff, hypervolume, minutes, predict, searches
from tests.benchmarks.engine.testbed import SIZE, Bed
from tests.benchmarks.numbers import Number

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "actnas"  # equal rows give an equal picture


def write(bed: Bed, found: Sequence[Number], folder: Path) -> None:
    """Writes the page, the JSON with every row, and the pictures, into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    kinds = (
        *("predict", "cost-table", "bakeoff-truth", "bakeoff-scores"),
        *("hypervolume", "search", "minutes"),
    )
    rows = {kind: bed.rows.of(kind) for kind in kinds}
    document = {
        "schema": "actnas.numbers/1",
        "numbers": [number.to_json() for number in found],
        "rows": rows,
    }
    (folder / "engine.json").write_text(json.dumps(document, indent=1) + "\n")
    parts = [
        "# The engine, measured",
        "Made by `make bench-engine` from the rows in `engine.json`, which name the machine, the "
        "package versions and the seeds of each. A run adds the rows that are missing. Figures of "
        "npu-* targets are modelled by Arm's compiler; the others are measured.",
        "## Numbers",
        numbers_of.table(found).to_markdown(index=False),
        "## Latency of mixes that the cost table has never seen",
        _predictions(rows["predict"], rows["cost-table"], folder),
        "## Estimators against training",
        _estimators(bed),
        "## Ways to choose five mixes",
        _ways(bed),
        "## Whole searches",
        _searches(rows["search"]),
        "## How long a search takes",
        _minutes(rows["minutes"]),
        "## Machines",
        _machines(rows),
    ]
    (folder / "engine.md").write_text("\n\n".join(parts) + "\n")


def _predictions(
    predicted: list[dict[str, Any]], tables: list[dict[str, Any]], folder: Path
) -> str:
    lines = [
        _prediction(
            row,
            row["inputs"]["cost_model"],
            row["values"]["agreement"],
            lease=row["inputs"]["settings"]["max_seconds"],
            truth=predict.truth_s(row),
            device=row["values"]["table_device_s"],
        )
        for row in predicted
    ]
    lines += [
        _prediction(
            row,
            way,
            found["agreement"],
            lease=row["inputs"]["seconds"][way],
            truth=row["inputs"]["seconds"]["truth"],
            device=found["device_s"],
        )
        for row in tables
        for way, found in row["values"]["ways"].items()
    ]
    if not lines:
        return "Not measured yet."
    frame = pd.DataFrame(lines).sort_values(["target", "cost model", "lease (s)", "mixes for (s)"])
    shown = (predict.newest(predicted, target) for target in predict.NAMES)
    pictures = [
        f"![{row['inputs']['target']}]({_picture(row, folder)})" for row in shown if row is not None
    ]
    said = (
        "One line a way to fill the table and lease; *mixes for* is how long the held-out mixes "
        "were measured, *known to* the distance from the truth that their own intervals stand for: "
        "no prediction can be shown to be better than that."
    )
    return "\n\n".join([said, frame.to_markdown(index=False), *pictures])


def _prediction(
    row: dict[str, Any],
    way: str,
    agreed: dict[str, Any],
    *,
    lease: float,
    truth: float,
    device: float,
) -> dict[str, Any]:
    return {
        "target": row["inputs"]["target"],
        "cost model": way,
        "activations": len(row["inputs"]["activations"]),
        "mean error (ratio)": round(agreed["mean_abs_error"], 4),
        "known to": round(predict.noise(row), 4),
        "Spearman": round(agreed["spearman"] or float("nan"), 3),
        "mixes": agreed["n"],
        "lease (s)": lease,
        "mixes for (s)": truth,
        "device time (s)": round(device, 1),
    }


def _picture(row: dict[str, Any], folder: Path) -> str:
    from matplotlib.figure import Figure

    target, values = row["inputs"]["target"], row["values"]
    figure = Figure(figsize=(4.2, 4.0), layout="constrained")
    axes = figure.subplots()
    measured = values["measured"]
    ends = zip(measured, values["intervals"], strict=True)
    errors = [(abs(m - low), abs(high - m)) for m, (low, high) in ends]
    axes.errorbar(
        values["predicted"],
        measured,
        yerr=list(zip(*errors, strict=True)),
        fmt="o",
        markersize=4,
        capsize=2,
    )
    both = [*values["predicted"], *measured]
    axes.plot([min(both), max(both)], [min(both), max(both)], linewidth=0.8, color="grey")
    axes.set_xlabel("predicted latency ratio")
    axes.set_ylabel(f"{'modelled' if target.startswith('npu') else 'measured'} latency ratio")
    axes.set_title(target, fontsize=10)
    name = f"engine-predict-{target}.svg"
    figure.savefig(folder / name, metadata={"Date": None})
    return name


def _estimators(bed: Bed) -> str:
    frame = bakeoff.table(bed)
    if frame is None:
        return "Not measured yet."
    columns = ["estimator", "spearman", "spearman_low", "spearman_high", "kendall"]
    columns += ["share_of_ceiling", "margin", "margin_low", "margin_high"]
    said = (
        f"{bakeoff.MIXES} mixes, each trained alone for 2 epochs on {bakeoff.TRAIN} images, "
        f"{len(bakeoff.SEEDS)} seeds; the margin is to NWOT."
    )
    return f"{said}\n\n{frame[columns].round(3).to_markdown(index=False)}"


def _ways(bed: Bed) -> str:
    frame = hypervolume.table(bed)
    if frame is None:
        return "Not measured yet."
    said = (
        f"Five latency levels on {hypervolume.TARGET} (modelled), one pick a level, equal gradient "
        f"steps: {hypervolume.SUPERNET} supernet epochs and {hypervolume.ARM} a pick, or "
        f"{hypervolume.RICHER} a pick. mAP50-95 is of the int8 file on {hypervolume.SCORED} test "
        f"images, loss against the reference arm; the area is what the picks dominate up to "
        f"{REFERENCE_POINT}."
    )
    return f"{said}\n\n{frame.round(5).to_markdown(index=False)}"


def _searches(rows: list[dict[str, Any]]) -> str:
    lines = [line for row in rows for line in _arms(row)]
    if not lines:
        return "Not measured yet."
    frame = pd.DataFrame(lines).sort_values(["target", "goal", "seed", "arm"])
    said = (
        f"Every arm of every search: {searches.TRAIN} train images, {searches.EPOCHS} epochs an "
        "arm, with a teacher. Loss is mAP50-95 below the reference arm, on test; *one table* is "
        "the latency ratio with SiLU as a single table in both models; *last quarter* is what the "
        "reference arm gained on val in the last quarter of its epochs."
    )
    return f"{said}\n\n{frame.to_markdown(index=False)}"


def _arms(row: dict[str, Any]) -> list[dict[str, Any]]:
    inputs, values = row["inputs"], row["values"]
    figure, ratio, loss = inputs["goal"]
    gain = (values["training"] or {}).get("reference_gain")

    def shown(value: float | None, ends: Sequence[float] | None = None) -> str:
        if value is None:
            return ""
        return f"{value:.4g}" + (f" ({ends[0]:.4g} to {ends[1]:.4g})" if ends else "")

    return [
        {
            "target": inputs["target"],
            "goal": f"{figure} <= {ratio:g} at loss <= {loss:g}",
            "seed": inputs["seed"],
            "arm": arm["name"],
            "latency ratio": shown(arm["latency_ratio"], arm["ratio_ci"]),
            "one table": shown(arm["details"].get(ONE_TABLE)),
            "memory ratio": shown(arm["memory_ratio"]),
            "mAP50-95": shown(arm["map50_95"]),
            "loss": shown(arm["loss"], arm["loss_ci"]),
            "last quarter": shown(gain) if arm["name"] == REFERENCE else "",
        }
        for arm in values["arms"]
    ]


def _minutes(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "Not measured yet."
    lines = [
        {"target": target, "order": number, "minutes": spent, "cpus": row["machine"]["cpus"]}
        for row in rows
        for number, (target, spent) in enumerate(row["values"]["minutes"].items(), 1)
    ]
    said = (
        f"Searches of one request, one after another, on {minutes.TRAIN} train images at {SIZE} "
        "px: the first trains, the others share its trainings and train their own picks."
    )
    return f"{said}\n\n{pd.DataFrame(lines).to_markdown(index=False)}"


def _machines(rows: dict[str, list[dict[str, Any]]]) -> str:
    named = {
        json.dumps([row["machine"], row["versions"]], sort_keys=True)
        for found in rows.values()
        for row in found
    }
    lines = []
    for text in sorted(named):
        machine, versions = json.loads(text)
        cpu = machine["cpu"].get("model name", "unknown processor")
        packages = ", ".join(f"{name} {version}" for name, version in versions.items())
        lines.append(f"- {cpu}, {machine['cpus']} CPUs, {machine['system']}; {packages}")
    return "\n".join(lines) or "None yet."
