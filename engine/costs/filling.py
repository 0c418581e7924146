"""Filling a cost table in one call: what every cost model is given, and the single-job ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from devices.assignment import Assignment
from devices.protocol import File, MeasureJob, MeasureResult, Settings
from engine.costs import arms
from engine.costs.table import CostTable


@dataclass(frozen=True)
class Setup:
    """What is measured, where and how: ``measure`` runs a job on the device and gives its result.

    ``base`` is the ONNX whose activations are swapped; ``pairs`` are neighbouring sites
    (engine/costs/neighbours.py), those that follow each other in site order where None. ``memory``
    asks for the memory figure of every arm, too, which takes a process each.
    """

    measure: Callable[[MeasureJob], MeasureResult]
    target: str
    base: File
    original: Assignment
    activations: tuple[str, ...]
    calibration: File | None = None
    settings: Settings | None = None
    seed: int = 0
    memory: bool = False
    pairs: tuple[tuple[str, str], ...] | None = None

    def run(self, id: str, named: dict[str, Assignment], *, profile: bool) -> MeasureResult:
        """The result of one job over the named assignments, ``original`` among them."""
        job = arms.job(
            id=id,
            target=self.target,
            base=self.base,
            arms=named,
            calibration=self.calibration,
            settings=self.settings,
            profile=profile,
        )
        return self.measure(job.model_copy(update={"memory": self.memory}))


class Way(Protocol):
    """A cost model that needs one job: a module of this package."""

    SOURCE: str
    PROFILED: bool

    def assignments(
        self, original: Assignment, activations: tuple[str, ...]
    ) -> dict[str, Assignment]:
        """What to measure, by arm name."""
        ...

    def table(
        self, result: MeasureResult, *, original: Assignment, activations: tuple[str, ...]
    ) -> CostTable:
        """The table that the job's result gives."""
        ...


class CostModel(Protocol):
    """Fills a cost table; the same one for the same answers of the device."""

    def __call__(self, setup: Setup) -> CostTable:
        """The table of ``setup``'s sites and activations.

        Raises:
            EngineError: the device did not answer what was asked.
        """
        ...


def one_job(way: Way) -> CostModel:
    """The cost model that measures what ``way`` asks for, in one job."""

    def fill(setup: Setup) -> CostTable:
        named = way.assignments(setup.original, setup.activations)
        result = setup.run(f"cost-{way.SOURCE}", named, profile=way.PROFILED)
        return way.table(result, original=setup.original, activations=setup.activations)

    return fill
