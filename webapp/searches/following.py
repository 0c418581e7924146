"""A request as its page shows it: every target with its stages, and the log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.contrib.auth.models import AnonymousUser, User

from devices.targets import Target, get
from webapp.jobs.choices import ALIVE, State
from webapp.leaderboard.models import Entry
from webapp.searches import cross, services
from webapp.searches.choices import StageState
from webapp.searches.estimates import Pace, pace_of, work_of
from webapp.searches.models import Search, SearchEvent, SearchRequest
from webapp.searches.tried import Tried
from webapp.searches.veil import Veil, over

LOG_LINES = 200

# State of a job -> the badge's class and its word.
BADGES: dict[str, tuple[str, str]] = {
    State.QUEUED: ("waiting", "queued"),
    State.RUNNING: ("running", "running"),
    State.WAITING: ("waiting", "waiting"),
    State.PAUSED: ("waiting", "paused"),
    State.FINISHED: ("done", "finished"),
    State.FAILED: ("failed", "failed"),
    State.CANCELLED: ("waiting", "cancelled"),
}

_MARKS = {StageState.WAITING: "todo", StageState.RUNNING: "running", StageState.FINISHED: "done"}


@dataclass(frozen=True)
class Lane:
    """One target of the request."""

    search: Search
    entries: list[Entry]
    pace: Pace
    veil: Veil

    @property
    def target(self) -> Target:
        return get(self.search.target)

    @cached_property
    def progress(self) -> services.Progress:
        return self.veil.progress(services.progress(self.search))

    @property
    def badge(self) -> tuple[str, str]:
        return BADGES[self.progress.state]

    @property
    def stages(self) -> list[dict[str, Any]]:
        """The planned stages with their marks; the one that broke is marked as failed."""
        broken = self.progress.state in (State.FAILED, State.CANCELLED)
        rows = []
        for stage in self.progress.stages:
            mark = _MARKS[StageState(stage["state"])]
            rows.append({**stage, "mark": "failed" if broken and mark == "running" else mark})
        return rows

    @property
    def seconds(self) -> float:
        """What the finished stages took together."""
        return sum(stage["seconds"] or 0.0 for stage in self.progress.stages)

    @property
    def titles(self) -> dict[str, str]:
        """Name of a stage -> what it is called on the page."""
        return {stage["name"]: stage["title"] for stage in self.progress.stages}

    @property
    def verdict(self) -> dict[str, Any] | None:
        """The verdict of the finished search: sentence, kind, chosen arm, reasons."""
        found: dict[str, Any] | None = (self.search.result or {}).get("verdict")
        return found

    @cached_property
    def remaining_s(self) -> float | None:
        """About how long it will still take; None where nothing like it has finished yet."""
        if self.progress.is_final or self.is_paused:
            return None
        return self.pace.remaining_s(self.search.target, self.progress.stages)

    @property
    def is_paused(self) -> bool:
        return self.progress.state == State.PAUSED

    @property
    def can_pause(self) -> bool:
        return self.progress.state in ALIVE

    @cached_property
    def tried(self) -> Tried:
        """The mixes that it tried; none before it is finished."""
        return Tried(self.search)

    @property
    def has_figures(self) -> bool:
        """Whether there is a result to draw."""
        return self.search.result is not None

    @property
    def can_retry(self) -> bool:
        return self.progress.state in (State.FAILED, State.CANCELLED)


@dataclass(frozen=True)
class LogLine:
    at: datetime
    target: str
    text: str


@dataclass(frozen=True)
class Follow:
    """A request, for its owner (``mine``) or another ``reader``."""

    request: SearchRequest
    reader: User | AnonymousUser

    @property
    def mine(self) -> bool:
        """Whether the reader may act on it."""
        return self.request.is_owned_by(self.reader) or self.reader.is_staff

    @cached_property
    def veil(self) -> Veil:
        """Between the reader and private uploads."""
        return over(self.request, reader=self.reader)

    @cached_property
    def lanes(self) -> list[Lane]:
        searches = self.request.searches.select_related("job", "device__host", "request")
        entries: dict[str, list[Entry]] = {}
        for entry in (
            Entry.objects.standing()
            .filter(search__request=self.request)
            .only("pk", "name", "arm", "search", "rank", "ratio", "is_choice")
            .order_by("-is_choice", "ratio")
        ):
            entries.setdefault(entry.search_id, []).append(entry)
        pace = pace_of(self.request.targets, recipe=self.request.recipe, work=work_of(self.request))
        order = {target: index for index, target in enumerate(self.request.targets)}
        lanes = [Lane(search, entries.get(search.pk, []), pace, self.veil) for search in searches]
        return sorted(lanes, key=lambda lane: order.get(lane.search.target, len(order)))

    @property
    def is_over(self) -> bool:
        return all(lane.progress.is_final for lane in self.lanes)

    @cached_property
    def matrix(self) -> cross.Matrix | None:
        """What the targets' best mixes take on each other; None with fewer than two results."""
        return next(iter(cross.matrices(lane.search for lane in self.lanes)), None)

    @property
    def moves(self) -> bool:
        """Whether the page will say something else without anybody asking."""
        return not self.is_over or (self.matrix is not None and bool(self.matrix.pending))

    @property
    def summary(self) -> str:
        """``1 of 3 targets finished``: what a screen reader announces when it changes."""
        done = sum(lane.progress.is_final for lane in self.lanes)
        return f"{done} of {len(self.lanes)} targets finished"

    @cached_property
    def log(self) -> list[LogLine]:
        """The latest lines of every target's log, oldest first."""
        titles = {lane.search.pk: lane.titles for lane in self.lanes}
        targets = {lane.search.pk: lane.search.target for lane in self.lanes}
        events = SearchEvent.objects.filter(search__request=self.request).order_by("-pk")
        return [
            LogLine(
                event.at,
                targets[event.search_id],
                self.veil.text(_said(event, titles[event.search_id])),
            )
            for event in reversed(events[:LOG_LINES])
        ]


def _said(event: SearchEvent, titles: dict[str, str]) -> str:
    title = titles.get(event.stage, event.stage)
    said = [event.kind] if event.kind != "log" else []
    said += [event.message] if event.message and event.message != title else []
    return ": ".join(part for part in (title, ", ".join(said)) if part)
