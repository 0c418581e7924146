"""What a search asks of its surroundings: measuring, training, telling how far it is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from devices.protocol import MeasureJob, MeasureResult
from engine.errors import BadSearch

if TYPE_CHECKING:
    from engine.training.spec import TrainingSpec


@dataclass(frozen=True)
class Event:
    """One thing that happened. ``fraction`` is how much of the stage is done, 0 to 1.

    ``tried`` comes with the kind of that name: every mix that the search has tried so far, as
    documents of engine.result.Candidate, whose unknown figures are None. ``seconds`` comes with
    "finished": how long the stage took, whatever became of the clock that tells ``at``.
    """

    stage: str
    kind: Literal["started", "progress", "finished", "log", "tried"]
    message: str = ""
    fraction: float | None = None
    tried: Sequence[dict[str, Any]] = ()
    seconds: float | None = None
    at: float = field(default_factory=time.time)


class Services(Protocol):
    """The surroundings of a search.

    ``measure`` and ``train`` may raise :class:`engine.errors.Pending` where the work is done by
    somebody else: the search then ends, and is started again once the result is there. Every
    method may raise :class:`engine.errors.Cancelled`. ``trains_elsewhere`` says whether ``train``
    returns at once.
    """

    trains_elsewhere: bool

    def measure(self, job: MeasureJob) -> MeasureResult:
        """The result of ``job`` on the search's device."""
        ...

    def train(self, spec: TrainingSpec) -> Path:
        """The folder of the finished training that ``spec`` describes."""
        ...

    def emit(self, event: Event) -> None:
        """Take note of an event."""
        ...

    def pause_point(self) -> None:
        """Called between batches: waits while somebody measures on this host.

        Raises:
            BadSearch: the time limit is over.
        """
        ...

    def limit(self, seconds: float | None) -> None:
        """In ``seconds`` from now pause points begin to end the work; None: never."""
        ...


class Limit:
    """A time from which on work ends, by a clock that nobody sets; at first there is none."""

    def __init__(self) -> None:
        self._until: float | None = None

    def set(self, seconds: float | None) -> None:
        """``seconds`` from now; None: never."""
        self._until = None if seconds is None else time.monotonic() + seconds

    def check(self) -> None:
        """Whether there is time left.

        Raises:
            BadSearch: there is none.
        """
        if self._until is not None and time.monotonic() > self._until:
            raise BadSearch(
                "the time limit is over; what is finished is kept: resume with a longer one, or "
                "ask for fewer epochs"
            )
