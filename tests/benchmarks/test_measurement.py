"""The benchmark of measurements: it may be ended at any time, and its page says how far it is.

Its figures come from ``make bench-measurement``; here one trial or two run on the tiny detector.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from devices.protocol import MeasureResult, Settings
from tests.benchmarks.measurement import __main__ as benchmark
from tests.benchmarks.measurement import numbers_of, trials
from tests.benchmarks.measurement.bed import IMGSZ, LARGER, Bed
from tests.benchmarks.numbers import Number
from tests.benchmarks.rows import Rows
from tests.devices import graphs, jobs


@pytest.fixture
def bed(tmp_path: Path) -> Bed:
    return Bed(tmp_path, jobs.detector(tmp_path))


@pytest.fixture
def rows(tmp_path: Path) -> Rows:
    return Rows(tmp_path / "rows", packages=("onnxruntime", "numpy"))


def keep(rows: Rows, kind: str, *which: object, imgsz: int = IMGSZ, **values: Any) -> None:
    rows.add(kind, trials.inputs(kind, *which, imgsz=imgsz), lambda: values)


def number(rows: Rows, name: str) -> Number:
    return next(found for found in numbers_of.numbers(rows) if found.name == name)


def test_the_added_nodes_change_nothing(bed: Bed) -> None:
    images = graphs.images(1).astype(np.float32) / 255
    plain, longer = (
        onnxruntime.InferenceSession(bed.file(nodes).path, providers=["CPUExecutionProvider"])
        for nodes in (0, 10)
    )
    feeds = {plain.get_inputs()[0].name: images}
    for one, other in zip(plain.run(None, feeds), longer.run(None, feeds), strict=True):
        np.testing.assert_array_equal(one, other)
    assert bed.file(10).sha256 != bed.file(0).sha256


class Cut(Bed):
    """A bed that is taken away when it has measured ``left`` times."""

    left = 1

    def measure(self, arms: dict[str, int], settings: Settings) -> MeasureResult:
        if not self.left:
            raise KeyboardInterrupt
        type(self).left -= 1
        return super().measure(arms, settings)


def test_a_run_that_is_cut_off_loses_nothing_and_is_gone_on_with(
    bed: Bed, rows: Rows, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(trials, "AA_S", 0.5)
    cut = Cut(bed.work, bed.plain)

    def run(trials_left: int) -> list[dict[str, Any]]:
        monkeypatch.setattr(Cut, "left", trials_left)
        with pytest.raises(KeyboardInterrupt):
            benchmark.add(rows, cut, cut, kinds={"aa_idle"}, end=math.inf)
        return trials.done(rows, "aa_idle")

    first = run(1)
    both = run(1)
    assert (len(first), len(both)) == (1, 2)
    assert both[0] == first[0]
    no_time_for_another = time.monotonic() + 1
    benchmark.add(rows, cut, cut, kinds={"aa_idle"}, end=no_time_for_another)
    found = numbers_of.numbers(rows)
    benchmark.write(rows, found, tmp_path)
    assert "2 of 200 comparisons" in (tmp_path / "measurement.md").read_text()
    assert not any(one.met or one.value is not None for one in found)


def test_an_effect_is_looked_for_as_the_site_does(bed: Bed) -> None:
    """One real lease, a second long: nodes in great number are seen to cost time."""
    real = trials._sizes(bed, {"few": 100, "many": 200}, trials._settings(1, 1.0))
    many = real["sizes"]["many"]
    assert many["ratio"] > 1.02
    assert many["interval"][0] <= many["ratio"] <= many["interval"][1]
    assert {"load_1min_before", "seconds", "sizes"} == set(real)
    assert set(real["sizes"]) == {"few", "many"}


def test_what_is_as_common_as_noise_is_not_called_different(rows: Rows) -> None:
    """A tenth of the comparisons is 1 % off: too many for the intervals, none beyond the floor."""
    for n in range(trials.AA):
        ratio = 1.01 if n % 10 == 0 else 1.0002
        keep(rows, "aa_idle", n, ratio=ratio, interval=[ratio - 0.001, ratio + 0.001])
    excluding, called = (
        number(rows, "aa_idle_excluding_1"),
        number(rows, "aa_idle_called_different"),
    )
    assert (excluding.value, excluding.met) == (20, False)
    assert (called.value, called.met) == (0, True)


def test_an_effect_needs_its_truth_and_a_noise_floor(rows: Rows, tmp_path: Path) -> None:
    for n in range(trials.TRIALS):
        for kind in ("effect", "effect_large"):
            ratio = 1.02 if n < 55 or kind == "effect_large" else 1.001
            one = {"ratio": ratio, "interval": [ratio - 0.003, ratio + 0.003]}
            keep(rows, kind, n, sizes=dict.fromkeys(trials.nodes_of(kind), one))
    assert number(rows, "effect_2pct").value is None
    for n in range(20):
        keep(rows, "aa_idle", n, ratio=1.002, interval=[1.0, 1.004])
    assert "so far 55 detected" in number(rows, "effect_2pct").note
    for n in range(trials.TRUTHS):
        ratio = 1.02 + 0.00001 * (n % 2)
        for kind in ("truth", "truth_large"):
            keep(rows, kind, n, sizes={size: {"ratio": ratio} for size in trials.nodes_of(kind)})
    found = number(rows, "effect_2pct")
    assert (found.value, found.met) == (55, True)
    assert number(rows, "effect_5pct").value == 60
    assert "true ratio 1.0200 +- 0.0000" in found.note
    benchmark.write(rows, numbers_of.numbers(rows), tmp_path)
    assert "55 of 60" in (tmp_path / "measurement.md").read_text()


def test_a_container_is_held_against_the_noise_floor(rows: Rows) -> None:
    keep(rows, "local", 0, ratio=1.05)
    for n in range(trials.CONTAINERS):
        keep(rows, "container", n, ratio=1.05 * (1 + 0.001 * n))
    assert number(rows, "container_vs_local").value is None  # nothing to hold it against yet
    for n in range(20):
        keep(rows, "aa_idle", n, ratio=1.003, interval=[1.0, 1.006])
    found = number(rows, "container_vs_local")
    assert found.value == pytest.approx(0.002)
    assert found.met
    assert found.target[1] == pytest.approx(0.003)


def test_the_order_of_opening_and_the_plain_loop(rows: Rows) -> None:
    for n in range(trials.PAIRS):
        keep(rows, "pairs", n, pairs=[1.0005, 0.9995, 1.0004])
    for n in range(trials.REPEATS):
        for imgsz, paired in ((LARGER, 0.002), (IMGSZ, 0.01)):
            spread = {"plain": 1 + 0.01 * (n % 3), "paired": 1 + paired * (n % 3), "each_s": 1.0}
            keep(rows, "spread", n, imgsz=imgsz, **spread)
    bias, times = number(rows, "order_bias"), number(rows, "spread_vs_plain")
    assert bias.value == pytest.approx(0.00013, abs=2e-5)
    assert bias.met
    assert times.value == pytest.approx(5.0)
    assert f"at {IMGSZ} px 1.00 times" in times.note


def test_what_says_most_comes_first(bed: Bed) -> None:
    """In twenty minutes: every short part, and idle comparisons enough for a noise floor."""
    spent, kinds = 0.0, []
    for trial in trials.trials(bed, bed):
        spent += trial.seconds
        if spent > 20 * 60:
            break
        kinds.append(trial.kind)
    counts = {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}
    assert list(counts)[:5] == ["pairs", "container", "local", "spread", "aa_idle"]
    assert counts["aa_idle"] >= 20
    assert len(list(trials.trials(bed, bed))) == 4 + 3 + 1 + 2 * 20 + 2 * 200 + 2 * (10 + 60)
