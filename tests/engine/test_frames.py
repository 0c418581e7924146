from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from engine import frames, report
from engine.errors import BadSearch
from engine.result import Result
from engine.summary import SummaryTarget
from tests.engine import builders


@pytest.fixture(scope="module")
def result() -> Result:
    return builders.result()


def test_arms_carry_units_in_their_column_names(result: Result) -> None:
    frame = frames.arms(result).set_index("arm")
    assert list(frame.index) == ["uploaded", "reference", "uniform:relu", "mix"]
    mix = frame.loc["mix"]
    assert mix["latency_ms"] == pytest.approx(8.1)
    assert mix["latency_ratio_low"] == pytest.approx(0.80)
    assert mix["memory_mib"] == 11.0
    assert mix["loss_map50_95_high"] == 0.005
    assert mix["activations"] == "silu:2 relu:1"
    assert frame["chosen"].tolist() == [False, False, False, True]


def test_cost_table_has_one_row_a_pair(result: Result) -> None:
    frame = frames.cost_table(result)
    assert len(frame) == 9
    assert frame.groupby("site")["original"].sum().tolist() == [1, 1, 1]
    assert (frame.loc[frame["original"], "latency_change_ratio"] == 0).all()
    assert "memory_change_kib" in frame


def test_estimates_hold_penalties_and_scores(result: Result) -> None:
    frame = frames.estimates(result)
    penalties = frame[frame["what"] == "penalty"]
    assert len(penalties) == 6
    assert penalties["value"].isna().sum() == 1
    assert frame[frame["what"] == "score"]["assignment"].tolist() == [builders.MIX.hash]


def test_candidates_show_prediction_beside_measurement(result: Result) -> None:
    row = frames.candidates(result).iloc[0]
    assert row["predicted_latency_ratio"] == 0.82
    assert row["measured_latency_ratio_low"] == 0.805
    assert bool(row["pareto"])


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_files_read_back_as_the_same_tables(
    result: Result, tmp_path: Path, kind: frames.Format
) -> None:
    written = frames.write(result, tmp_path, formats=[kind])
    assert [path.name for path in written] == [
        f"{name}.{kind}" for name in ("arms", "candidates", "cost_table", "estimates")
    ]
    for path in written:
        back = pd.read_csv(path) if kind == "csv" else pd.read_parquet(path)
        frame = frames.of(result)[path.stem]
        assert list(back.columns) == list(frame.columns)
        numbers = frame.select_dtypes("number")
        pd.testing.assert_frame_equal(back[numbers.columns], numbers, check_dtype=False)


def test_the_report_shows_every_arm_and_the_verdict(result: Result) -> None:
    console = Console(width=160, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(report.render(result))
    text = console.export_text()
    for expected in (
        "YOLOv8n on cpu-openvino-fp32",
        "(measured)",
        "(n = 300)",
        "SiLU 2 ReLU 1",
        "0.810 (0.800-0.820)",
        "+0.002 (-0.001 to +0.005)",
        "MiB",
        "19 % (18.0-20.0) faster on cpu-openvino-fp32",
        "recommended: mix",
        "left out of mAP: 3 classes",
    ):
        assert expected in text


def test_results_are_written_whole_and_read_back(result: Result, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    result.write(path)
    assert Result.read(path) == result
    assert list(tmp_path.iterdir()) == [path]


def test_a_result_that_is_none_is_named(result: Result, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    with pytest.raises(BadSearch, match=r"cannot read .*result\.json: No such file"):
        Result.read(path)
    path.write_text("{}")
    with pytest.raises(BadSearch, match=r"result\.json is no Result: model: Field required"):
        Result.read(path)


def test_the_summary_holds_the_published_part(result: Result) -> None:
    target = SummaryTarget.of(result)
    assert [arm.name for arm in target.arms] == [arm.name for arm in result.arms]
    assert target.verdict == result.verdict
    assert target.arms[-1].file_sha256 == "a" * 64
