"""Timing several models against each other on a machine that is never quite still."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from devices import statistics
from devices.errors import BadRequest, Unsupported
from devices.protocol import Settings
from devices.runtimes.base import Clocked, Image, Session

_STOP_RESAMPLES = 400  # the stop rule needs a width, not a published interval
_WARMING = 0.25  # the largest share of a block's time that warming up by time may take


@dataclass(frozen=True)
class State:
    """Where a measurement is. ``half_width`` is the widest interval's; inf before two blocks."""

    blocks: int
    seconds: float
    half_width: float


@dataclass(frozen=True)
class Samples:
    """Latencies in ms of every arm: one list a block, one value a round, in the same order."""

    ms: dict[str, list[list[float]]]
    stopped: Literal["interval", "time", "blocks"]
    cpus: tuple[int, ...]
    seconds: float


def measure(
    sessions: Mapping[str, Callable[[], Session]],
    *,
    baseline: str,
    settings: Settings,
    inputs: list[Image],
    between: Callable[[State], None],
) -> Samples:
    """Times every arm in the same blocks and rounds.

    A block opens a fresh session of every arm in random order (where a session lands in memory
    moves its speed by about a percent, and later ones tend to be faster), warms each up for
    ``settings.warmup`` runs or ``settings.warmup_ms``, whichever takes longer, runs rounds in which
    every arm runs once in a shuffled order on the same image, and closes them. The process is
    pinned to ``settings.threads`` CPUs meanwhile. ``between`` is called after every block.

    It stops when every interval is narrower than ``settings.half_width`` either way, when the time
    or the blocks are used up: never on what the ratios are. ``settings.max_seconds`` covers
    everything in here; where the asked number of rounds leaves no room for ``min_blocks`` in it,
    fewer rounds are run, and no fewer than two blocks of one round.

    Raises:
        BadRequest: ``baseline`` is no arm, or there is no input image.
        Unsupported: the process may use fewer CPUs than ``settings.threads``.
    """
    if baseline not in sessions:
        raise BadRequest(f"baseline {baseline!r} is no arm; arms: {', '.join(sessions)}")
    if not inputs:
        raise BadRequest("no input image to measure with")
    rng = np.random.default_rng(settings.seed)
    samples: dict[str, list[list[float]]] = {name: [] for name in sessions}
    start = time.perf_counter()
    rounds = settings.rounds
    longest = 0.0
    with pinned(settings.threads) as cpus:
        while True:
            begun = time.perf_counter()
            blocks = len(samples[baseline])
            with _opened(sessions, rng) as opened:
                per_round = _warm_up(opened, inputs, settings)
                if blocks == 0:
                    set_up = time.perf_counter() - begun
                    rounds = _affordable(settings, set_up=set_up, per_round=per_round)
                block = _block(opened, inputs, rng, rounds)
            for name, values in block.items():
                samples[name].append(values)
            blocks += 1
            now = time.perf_counter()
            longest = max(longest, now - begun)
            width = _widest(samples, baseline, settings.seed)
            between(State(blocks, now - start, width))
            stopped = _stop(settings, blocks, time.perf_counter() - start, longest, width)
            if stopped is not None:
                return Samples(samples, stopped, cpus, time.perf_counter() - start)


def _stop(
    settings: Settings, blocks: int, seconds: float, longest: float, width: float
) -> Literal["interval", "time", "blocks"] | None:
    if blocks < 2:
        return None  # one block has no interval
    if blocks >= settings.min_blocks and width <= settings.half_width:
        return "interval"
    if seconds + longest > settings.max_seconds:
        return "time"
    return "blocks" if blocks >= settings.max_blocks else None


def _affordable(settings: Settings, *, set_up: float, per_round: float) -> int:
    room = settings.max_seconds / settings.min_blocks - set_up
    return int(np.clip(room / max(per_round, 1e-6), 1, settings.rounds))


def _widest(samples: dict[str, list[list[float]]], baseline: str, seed: int) -> float:
    if len(samples[baseline]) < 2:
        return float("inf")
    return max(
        (
            statistics.ratio(
                samples[baseline], arm, seed=seed, resamples=_STOP_RESAMPLES
            ).half_width
            for name, arm in samples.items()
            if name != baseline
        ),
        default=0.0,
    )


@contextmanager
def _opened(
    sessions: Mapping[str, Callable[[], Session]], rng: np.random.Generator
) -> Iterator[dict[str, Session]]:
    names = list(sessions)
    opened: dict[str, Session] = {}
    try:
        for i in rng.permutation(len(names)):
            opened[names[i]] = sessions[names[i]]()
        yield opened
    finally:
        for session in opened.values():
            session.close()


def _warm_up(opened: dict[str, Session], inputs: list[Image], settings: Settings) -> float:
    """Runs every session equally often; seconds that one round of all arms takes when warm.

    A fresh session is slow, and unsteady, for some 40 ms: two runs of a slow model, ten of a fast
    one. In a short lease that is no more than a share of a block.
    """
    fastest = dict.fromkeys(opened, float("inf"))
    wanted = len(opened) * settings.warmup_ms / 1e3
    end = time.perf_counter() + min(wanted, _WARMING * settings.max_seconds / settings.min_blocks)
    runs = 0
    while runs < max(settings.warmup, 1) or time.perf_counter() < end:
        for name, session in opened.items():
            fastest[name] = min(fastest[name], timed(session, inputs[runs % len(inputs)]))
        runs += 1
    return sum(fastest.values()) / 1e3


def _block(
    opened: dict[str, Session], inputs: list[Image], rng: np.random.Generator, rounds: int
) -> dict[str, list[float]]:
    names = list(opened)
    block: dict[str, list[float]] = {name: [] for name in names}
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(rounds):
            image = inputs[rng.integers(len(inputs))]
            for i in rng.permutation(len(names)):
                block[names[i]].append(timed(opened[names[i]], image))
    finally:
        if collecting:
            gc.enable()
    return block


def timed(session: Session, image: NDArray[Any]) -> float:
    """Milliseconds of one run, by the session's own clock where it has one."""
    if isinstance(session, Clocked):
        return session.timed(image)
    start = time.perf_counter_ns()
    session.run(image)
    return (time.perf_counter_ns() - start) / 1e6


@contextmanager
def pinned(threads: int) -> Iterator[tuple[int, ...]]:
    """Pins the calling thread, and threads it starts, to ``threads`` CPUs that it may really use.

    The highest numbers are taken: CPU 0 serves most interrupts. Yields the CPU numbers.

    Raises:
        Unsupported: the affinity mask holds fewer CPUs.
    """
    before = os.sched_getaffinity(0)
    if threads > len(before):
        raise Unsupported(
            f"threads: {threads}, but this process may use {len(before)} CPUs ({sorted(before)})"
        )
    cpus = tuple(sorted(before)[-threads:])
    os.sched_setaffinity(0, cpus)
    try:
        yield cpus
    finally:
        os.sched_setaffinity(0, before)
