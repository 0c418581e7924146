"""Scoring an exported file with several sessions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from devices import runtimes, targets
from engine import evaluation, export
from engine.data import DataSet
from engine.stages import arms
from tests.engine.models import WithNet

SIDE = 320  # the checkpoint finds something at this size without training


@pytest.mark.parametrize(
    ("processors", "one_thread", "expected"),
    [
        (1, False, (1, 1)),
        (2, False, (2, 1)),
        (20, False, (8, 2)),
        (2, True, (2, 1)),
        (20, True, (20, 1)),
    ],
)
def test_no_more_threads_than_processors(
    processors: int, one_thread: bool, expected: tuple[int, int]
) -> None:
    assert arms.shared_out(processors, one_thread=one_thread) == expected


@pytest.mark.parametrize("target", ["cpu-onnxruntime-int8", "cpu-openvino-fp32"])
def test_sessions_side_by_side_score_as_one_with_all_threads(
    abd: WithNet, drawings: DataSet, target: str, tmp_path: Path
) -> None:
    row = targets.get(target)
    runtime = runtimes.get(row)
    split = drawings.arrays("val", SIDE, limit=4)
    plain = export.export(abd.net, tmp_path / "plain.onnx", imgsz=SIDE, names=abd.names).path
    out = tmp_path / f"file{runtime.suffix}"
    runtime.convert(plain, target=row, out=out, calibration=split.images)

    def scored(number: int, each: int) -> evaluation.Evaluation:
        sessions = [runtime.open(out, threads=each) for _ in range(number)]
        first, *others = (session.run for session in sessions)
        found = evaluation.evaluate(first, split, names=abd.names, also=others)
        for session in sessions:
            session.close()
        return found

    one, beside = scored(1, 2), scored(2, 1)
    assert one.summary() == beside.summary()
    assert len(one.stats.conf) > 0  # it would prove nothing on a model that finds nothing
    np.testing.assert_array_equal(one.stats.conf, beside.stats.conf)
