"""Results as pandas DataFrames, with the unit in the name of every column that has one.

>>> tables = frames.of(Result.read(Path("out/result.json")))
>>> tables["arms"][["arm", "latency_ms", "loss_map50_95"]]
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from devices.assignment import Assignment
from engine.documents import Range
from engine.result import Result

Format = Literal["csv", "parquet"]


def of(result: Result) -> dict[str, pd.DataFrame]:
    """Every table of a result: ``arms``, ``candidates``, ``cost_table``, ``estimates``."""
    return {
        "arms": arms(result),
        "candidates": candidates(result),
        "cost_table": cost_table(result),
        "estimates": estimates(result),
    }


def arms(result: Result) -> pd.DataFrame:
    """One row an arm. The memory column carries the target's unit: memory_kib or memory_mib."""
    unit = next((a.memory_unit for a in result.arms if a.memory_unit), None)
    memory = f"memory_{unit.lower()}" if unit else "memory"
    rows = []
    for arm in result.arms:
        rows.append(
            {
                "target": result.target,
                "kind": result.kind,
                "arm": arm.name,
                "chosen": arm.name == result.verdict.chosen,
                **_assignment(arm.assignment),
                "file": arm.file,
                "file_sha256": arm.file_sha256,
                "map50": arm.map50,
                "map50_95": arm.map50_95,
                **_ends("map50_95", arm.map50_95_ci),
                "loss_map50_95": arm.loss,
                **_ends("loss_map50_95", arm.loss_ci),
                "latency_ms": arm.latency_ms,
                "latency_ratio": arm.latency_ratio,
                **_ends("latency_ratio", arm.ratio_ci),
                memory: arm.memory,
                "memory_ratio": arm.memory_ratio,
                "lease": arm.lease,
            }
        )
    return _frame(rows, text=("target", "kind", "arm", "assignment", "file", "file_sha256"))


def candidates(result: Result) -> pd.DataFrame:
    """One row a composed candidate: what was predicted and what was measured."""
    rows = [
        {
            "target": result.target,
            **_assignment(c.assignment),
            "round": c.round,
            "solver": c.solver,
            "penalty": c.penalty,
            "predicted_latency_ratio": c.predicted_ratio,
            "measured_latency_ratio": c.measured_ratio,
            "measured_latency_ratio_one_table": c.measured_ratio_one_table,
            **_ends("measured_latency_ratio", c.interval),
            "predicted_memory_ratio": c.predicted_memory_ratio,
            "measured_memory_ratio": c.measured_memory_ratio,
            "val_map50_95": c.map50_95,
            "expected_loss_map50_95": c.expected_loss,
            "pareto": c.pareto,
            "chosen": c.chosen,
        }
        for c in result.candidates
    ]
    return _frame(rows, text=("target", "assignment", "solver"))


def cost_table(result: Result) -> pd.DataFrame:
    """One row a (site, activation). ``latency_change_ratio`` is the predicted change of the whole
    model's ratio when only that site is swapped."""
    if result.cost_table is None:
        return pd.DataFrame()
    table = result.cost_table.table()
    unit = f"memory_change_{table.memory_unit.lower()}" if table.memory_unit else None
    rows = []
    for row, site in enumerate(table.sites):
        for column, activation in enumerate(table.activations):
            entry: dict[str, Any] = {
                "target": result.target,
                "site_index": row,
                "site": site,
                "activation": activation,
                "original": table.baseline[site] == activation,
                "latency_ms": table.ms[row, column],
                "latency_change_ratio": table.ratios[row, column],
            }
            if unit is not None and table.memory is not None:
                entry[unit] = table.memory[row, column]
            rows.append(entry)
    return pd.DataFrame(rows)


def estimates(result: Result) -> pd.DataFrame:
    """One row a (estimator, site, activation) penalty, then one a scored whole assignment."""
    rows: list[dict[str, Any]] = []
    for estimate in result.estimates:
        common = {"estimator": estimate.estimator, "unit": estimate.unit}
        for row, values in enumerate(estimate.penalty or []):
            for activation, value in zip(estimate.activations, values, strict=True):
                rows.append(
                    {
                        **common,
                        "what": "penalty",
                        "site_index": row,
                        "site": result.sites[row].path,
                        "activation": activation,
                        "value": value,
                    }
                )
        for score in estimate.scores:
            rows.append(
                {
                    **common,
                    "what": "score",
                    **_assignment(score.assignment),
                    "value": score.value,
                }
            )
    return _frame(rows, text=("estimator", "unit", "what", "site", "activation", "assignment"))


def write(
    result: Result, folder: Path, *, formats: Sequence[Format] = ("csv", "parquet")
) -> list[Path]:
    """Writes every table that has rows as <name>.csv and <name>.parquet; says which files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, frame in of(result).items():
        if frame.empty:
            continue
        for kind in formats:
            path = folder / f"{name}.{kind}"
            if kind == "csv":
                frame.to_csv(path, index=False)
            else:
                frame.to_parquet(path, index=False)
            written.append(path)
    return written


def _assignment(assignment: Assignment) -> dict[str, Any]:
    counts = assignment.counts()
    return {
        "assignment": assignment.hash,
        "activations": " ".join(f"{name}:{n}" for name, n in counts.items()),
    }


def _ends(column: str, interval: Range | None) -> dict[str, float | None]:
    low, high = interval if interval is not None else (None, None)
    return {f"{column}_low": low, f"{column}_high": high}


def _frame(rows: list[dict[str, Any]], *, text: tuple[str, ...]) -> pd.DataFrame:
    """A frame whose columns are numbers even where every entry is None."""
    frame = pd.DataFrame(rows)
    for column in frame.columns:
        if frame[column].isna().all():
            frame[column] = frame[column].astype("string" if column in text else "float64")
    return frame
