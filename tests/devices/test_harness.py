from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from devices import harness
from devices.errors import BadRequest, MeasurementFailed, Unsupported
from devices.harness import State
from devices.protocol import Settings
from devices.runtimes.base import Image, Session
from devices.runtimes.onnxruntime import OnnxRuntime
from tests.devices import graphs

Open = Callable[[], Session]
FEW = Settings(
    min_blocks=2, max_blocks=3, rounds=4, warmup=1, warmup_ms=0, half_width=1e-9, max_seconds=60
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return graphs.save(graphs.detector(), tmp_path_factory.mktemp("harness") / "tiny.onnx")


@pytest.fixture
def open_one(model: Path) -> Open:
    return partial(OnnxRuntime().open, model, threads=1)


def _image(seed: int = 0) -> Image:
    image: Image = graphs.images(1, seed=seed).astype(np.float32) / np.float32(255)
    return image


def _measure(sessions: dict[str, Open], settings: Settings, **changes: Any) -> harness.Samples:
    arguments: dict[str, Any] = {
        "baseline": "base",
        "settings": settings,
        "inputs": [_image()],
        "between": lambda state: None,
        **changes,
    }
    return harness.measure(sessions, **arguments)


class _Diary:
    """A real session that writes down what is done with it."""

    def __init__(self, inner: Session, name: str, diary: list[tuple[str, str]]) -> None:
        self._inner, self._name, self._diary = inner, name, diary
        self.shape = inner.shape
        diary.append(("open", name))

    def run(self, image: Image) -> list[NDArray[Any]]:
        self._diary.append(("run", self._name))
        return self._inner.run(image)

    def close(self) -> None:
        self._diary.append(("close", self._name))
        self._inner.close()


def _noted(open_one: Open, names: Sequence[str], diary: list[tuple[str, str]]) -> dict[str, Open]:
    def opener(name: str) -> Open:
        return lambda: _Diary(open_one(), name, diary)

    return {name: opener(name) for name in names}


def test_samples_are_blocks_of_rounds_for_every_arm(open_one: Open) -> None:
    samples = _measure({"base": open_one, "one": open_one, "two": open_one}, FEW)
    assert samples.stopped == "blocks"
    assert set(samples.ms) == {"base", "one", "two"}
    for blocks in samples.ms.values():
        assert [len(block) for block in blocks] == [4, 4, 4]
        assert all(0 < ms < 1000 for block in blocks for ms in block)


def test_each_block_has_fresh_sessions_and_shuffled_rounds(open_one: Open) -> None:
    diary: list[tuple[str, str]] = []
    names = ["base", "one", "two"]
    sessions = _noted(open_one, names, diary)
    settings = FEW.model_copy(update={"min_blocks": 6, "max_blocks": 6, "rounds": 5})
    _measure(sessions, settings)

    runs = 3 * (1 + 5)
    length = 3 + runs + 3
    assert len(diary) == 6 * length
    opened, orders = set(), set()
    for start in range(0, len(diary), length):
        block = diary[start : start + length]
        assert [what for what, _ in block] == ["open"] * 3 + ["run"] * runs + ["close"] * 3
        opened.add(tuple(name for _, name in block[:3]))
        timed = [name for _, name in block[6:-3]]
        for i in range(0, len(timed), 3):
            assert sorted(timed[i : i + 3]) == names  # interleaved: each arm once a round
            orders.add(tuple(timed[i : i + 3]))
    assert len(opened) > 1
    assert len(orders) > 3


def test_a_fast_session_is_warmed_up_by_time_all_equally_often(open_one: Open) -> None:
    """A run of the tiny detector takes far less than the milliseconds that it is warmed up for."""
    diary: list[tuple[str, str]] = []
    sessions = _noted(open_one, ["base", "one"], diary)
    settings = FEW.model_copy(update={"max_blocks": 2, "warmup_ms": 30})
    begun = time.perf_counter()
    _measure(sessions, settings)
    assert time.perf_counter() - begun >= 2 * 2 * 0.030
    runs = [name for what, name in diary if what == "run"]
    kept = 2 * settings.rounds
    assert runs.count("base") == runs.count("one") > kept + 2 * settings.warmup


def test_the_seed_decides_the_order(open_one: Open) -> None:
    def diary_of(seed: int) -> list[tuple[str, str]]:
        diary: list[tuple[str, str]] = []
        sessions = _noted(open_one, ("base", "one", "two"), diary)
        _measure(sessions, FEW.model_copy(update={"seed": seed}))
        return diary

    assert diary_of(1) == diary_of(1)
    assert diary_of(1) != diary_of(2)


def test_it_stops_at_the_width_but_not_before_min_blocks(open_one: Open) -> None:
    settings = FEW.model_copy(update={"half_width": 1e9, "min_blocks": 4, "max_blocks": 10})
    samples = _measure({"base": open_one, "one": open_one}, settings)
    assert samples.stopped == "interval"
    assert len(samples.ms["one"]) == 4


def test_it_stops_when_time_is_up(open_one: Open) -> None:
    settings = FEW.model_copy(update={"max_seconds": 1e-3, "max_blocks": 100, "rounds": 50})
    samples = _measure({"base": open_one, "one": open_one}, settings)
    assert samples.stopped == "time"
    assert [len(block) for block in samples.ms["one"]] == [1, 1]  # the least that has an interval


def test_a_lonely_baseline_is_measured(open_one: Open) -> None:
    samples = _measure({"base": open_one}, FEW)
    assert samples.stopped == "interval"
    assert len(samples.ms["base"]) == 2


def test_between_blocks_it_says_where_it_is(open_one: Open) -> None:
    states: list[State] = []
    _measure({"base": open_one, "one": open_one}, FEW, between=states.append)
    assert [state.blocks for state in states] == [1, 2, 3]
    assert states[0].half_width == float("inf")
    assert 0 < states[2].half_width < float("inf")
    assert states[0].seconds < states[1].seconds < states[2].seconds


def test_an_error_between_blocks_ends_it_and_leaves_the_process_as_it_was(open_one: Open) -> None:
    before = os.sched_getaffinity(0)
    diary: list[tuple[str, str]] = []

    def stop(state: State) -> None:
        raise MeasurementFailed("cancelled")

    with pytest.raises(MeasurementFailed, match="cancelled"):
        _measure({"base": lambda: _Diary(open_one(), "base", diary)}, FEW, between=stop)
    assert os.sched_getaffinity(0) == before
    assert gc.isenabled()
    assert diary[-1] == ("close", "base")


def test_sessions_are_closed_when_one_cannot_be_opened(open_one: Open, tmp_path: Path) -> None:
    diary: list[tuple[str, str]] = []
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    sessions: dict[str, Open] = {
        "base": lambda: _Diary(open_one(), "base", diary),
        "one": partial(OnnxRuntime().open, broken, threads=1),
    }
    for seed in range(4):  # in either order
        with pytest.raises(MeasurementFailed, match=r"cannot load broken\.onnx"):
            _measure(sessions, FEW.model_copy(update={"seed": seed}))
    opened = [what for what, _ in diary]
    assert opened.count("open") == opened.count("close") > 0


def test_it_pins_to_cpus_of_the_real_affinity(open_one: Open) -> None:
    before = os.sched_getaffinity(0)
    seen: list[set[int]] = []

    def look(state: State) -> None:
        seen.append(os.sched_getaffinity(0))

    samples = _measure({"base": open_one}, FEW, between=look)
    assert samples.cpus == (max(before),)
    assert seen == [{max(before)}] * 2
    assert os.sched_getaffinity(0) == before


def test_more_threads_than_cpus_are_refused(open_one: Open) -> None:
    settings = FEW.model_copy(update={"threads": 4096})
    with pytest.raises(Unsupported, match="threads: 4096, but this process may use"):
        _measure({"base": open_one}, settings)


def test_bad_requests(open_one: Open) -> None:
    with pytest.raises(BadRequest, match="baseline 'base' is no arm; arms: one"):
        _measure({"one": open_one}, FEW)
    with pytest.raises(BadRequest, match="no input image"):
        _measure({"base": open_one}, FEW, inputs=[])
