"""The surroundings of a search on the command line: this process and this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from devices import hostlock, noise
from devices.protocol import MeasureJob, MeasureResult
from devices.transports import local
from engine.services import Event, Limit
from engine.training.run import run as training
from engine.training.spec import TrainingSpec


class LocalServices:
    """Everything in this process and on this machine: what the command line uses.

    ``trainings`` is the folder that holds one folder per training, named by its hash, so that
    searches share them.
    """

    trains_elsewhere = False

    def __init__(
        self,
        *,
        trainings: Path,
        on_event: Callable[[Event], None] | None = None,
        measure_timeout_s: float = 1800.0,
    ) -> None:
        self._trainings = trainings
        self._on_event = on_event
        self._timeout_s = measure_timeout_s
        self._trains = False
        self._limit = Limit()

    def measure(self, job: MeasureJob) -> MeasureResult:
        def progress(fraction: float, message: str) -> None:
            self.emit(Event("measure", "progress", message, fraction))

        def pause(seconds: float) -> None:
            progress(0.0, f"a noisy lease: measured again in {seconds:.0f} s")
            time.sleep(seconds)

        def measure() -> MeasureResult:
            return local.run(job, timeout_s=self._timeout_s, progress=progress)

        return noise.settled(measure, checks=(), pause=pause)

    def train(self, spec: TrainingSpec) -> Path:
        folder = self._trainings / spec.hash
        if self._trains:  # the training that another one starts from
            return training(spec, folder=folder, services=self)
        self._trains = True
        try:
            with hostlock.yielding():  # measurements of other processes wait for pause points
                return training(spec, folder=folder, services=self)
        finally:
            self._trains = False

    def emit(self, event: Event) -> None:
        if self._on_event is not None:
            self._on_event(event)

    def pause_point(self) -> None:
        self._limit.check()
        hostlock.pause_point()

    def limit(self, seconds: float | None) -> None:
        self._limit.set(seconds)
