"""How well a cost table predicts mixes it has never seen, and what it costs to fill."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import onnx

from devices import targets
from devices.protocol import Settings
from engine import costs
from engine.costs import arms, mixes, neighbours
from engine.costs.agreement import agreement
from tests.benchmarks.engine.testbed import Bed
from tests.benchmarks.numbers import Number

HELD_OUT = 16
HELD_OUT_SEED = 99
# ELU and Mish break ONNX Runtime's layout, GELU stays unfused: what is hard to add up.
MEASURED = ("silu", "relu", "leaky_relu", "hardswish", "gelu", "elu", "mish")
MODELLED = ("silu", "relu", "leaky_relu", "hardswish")
FIVE = ("silu", "relu", "leaky_relu", "hardswish", "relu6")  # 57 sites x 4 alternatives
PREDICTED = {
    "cpu-openvino-fp32": MEASURED,
    "cpu-onnxruntime-int8": MEASURED,
    "npu-ethos-u55-128-int8": MODELLED,
}
NAMES = {
    "cpu-openvino-fp32": "predict_openvino",
    "cpu-onnxruntime-int8": "predict_ort_int8",
    "npu-ethos-u55-128-int8": "predict_u55",
}
SETTINGS = Settings(max_seconds=60.0, half_width=0.004, max_blocks=60, seed=1)
# What the two ways to fill a table of 57 sites x 4 alternatives may measure for, in seconds.
OURS, THEIRS = 45.0, 600.0


def run(bed: Bed) -> None:
    """Adds the rows that are missing: minutes of device time a target."""
    for target, activations in PREDICTED.items():
        _row(bed, target, "combined", activations)
    for target in ("cpu-openvino-fp32", "cpu-onnxruntime-int8"):
        for way, seconds in (("uniform_profile", OURS), ("one_at_a_time", THEIRS)):
            _row(bed, target, way, FIVE, seconds)


def _row(
    bed: Bed,
    target: str,
    way: str,
    activations: tuple[str, ...],
    seconds: float = SETTINGS.max_seconds,
) -> None:
    settings = SETTINGS.model_copy(update={"max_seconds": seconds})
    inputs = {
        "model": bed.model.sha256,
        "base": bed.base.sha256,
        "target": target,
        "cost_model": way,
        "activations": list(activations),
        "held_out": [HELD_OUT, HELD_OUT_SEED],
        "settings": settings.model_dump(mode="json"),
    }

    def make() -> dict[str, Any]:
        setup = costs.Setup(
            measure=bed.measure,
            target=target,
            base=bed.base,
            original=bed.original,
            activations=activations,
            calibration=bed.calibration if targets.get(target).precision == "int8" else None,
            settings=settings,
            pairs=tuple(neighbours.edges(onnx.load(bed.base.path))),
        )
        table = costs.get(way)(setup)
        unseen = mixes.draw(bed.original, activations, HELD_OUT, seed=HELD_OUT_SEED)
        named = {arms.BASELINE: bed.original, **{f"mix {mix.hash}": mix for mix in unseen}}
        result = replace(setup, settings=SETTINGS).run("held-out", named, profile=False)
        truth = [arms.find(result, f"mix {mix.hash}") for mix in unseen]
        predicted = [table.predict_ratio(mix) for mix in unseen]
        return {
            "table_device_s": table.details["seconds"],
            "mixes": [mix.to_json() for mix in unseen],
            "predicted": predicted,
            "measured": [arm.ratio for arm in truth],
            "intervals": [[a.ratio_interval.low, a.ratio_interval.high] for a in truth],
            "agreement": agreement(predicted, [arm.ratio for arm in truth]).to_json(),
            "details": {k: table.details.get(k) for k in ("held_out", "neighbours", "noise_floor")},
            "provenance": result.provenance.model_dump(mode="json"),
        }

    bed.rows.add("predict", inputs, make)


def numbers(bed: Bed) -> list[Number]:
    """predict_* and cost_table_device_s, from the rows."""
    rows = bed.rows.of("predict")
    found = []
    for target, name in NAMES.items():
        bound = 0.002 if target.startswith("npu") else 0.01
        row = _find(rows, target, "combined", PREDICTED[target])
        if row is None:
            found.append(Number(name, "ratio", ("<=", bound)))
            continue
        agreed = row["values"]["agreement"]
        error, half = agreed["mean_abs_error"], agreed["half_width"]
        found.append(
            Number(
                name,
                "ratio",
                ("<=", bound),
                error,
                (error - half, error + half),
                f"mean distance of predicted and "
                f"{'modelled' if target.startswith('npu') else 'measured'} ratio of "
                f"{agreed['n']} mixes never seen; {_relative(row):.2%} of the ratio",
            )
        )
        if not target.startswith("npu"):
            found.append(
                Number(f"{name}_spearman", "rank correlation", (">=", 0.95), agreed["spearman"])
            )
    return [*found, *_cost_of_tables(rows)]


def _cost_of_tables(rows: list[dict[str, Any]]) -> list[Number]:
    found = []
    for target in ("cpu-openvino-fp32", "cpu-onnxruntime-int8"):
        ours = _find(rows, target, "uniform_profile", FIVE, OURS)
        theirs = _find(rows, target, "one_at_a_time", FIVE, THEIRS)
        seconds = None if ours is None else float(ours["values"]["table_device_s"])
        found.append(Number(f"cost_table_device_s ({target})", "s", ("<=", 60.0), seconds))
        share, note = None, ""
        if ours is not None and theirs is not None:
            share = float(theirs["values"]["table_device_s"]) / float(seconds or np.nan)
            errors = [row["values"]["agreement"]["mean_abs_error"] for row in (ours, theirs)]
            note = f"mean error {errors[0]:.4f} against {errors[1]:.4f} one at a time"
        found.append(
            Number(
                f"cost_table_less_than_one_at_a_time ({target})",
                "times",
                (">=", 10.0),
                share,
                note=note,
            )
        )
    return found


def _relative(row: dict[str, Any]) -> float:
    """Mean error as a share of what was measured: mixes may be several times slower."""
    pairs = zip(row["values"]["predicted"], row["values"]["measured"], strict=True)
    return float(np.mean([abs(predicted - truth) / truth for predicted, truth in pairs]))


def _find(
    rows: list[dict[str, Any]],
    target: str,
    way: str,
    activations: tuple[str, ...],
    seconds: float = SETTINGS.max_seconds,
) -> dict[str, Any] | None:
    wanted = {"target": target, "cost_model": way, "activations": list(activations)}
    for row in rows:
        same = all(row["inputs"][key] == value for key, value in wanted.items())
        if same and row["inputs"]["settings"]["max_seconds"] == seconds:
            return row
    return None
