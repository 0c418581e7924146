"""The best mix of each target of a request, measured on the others: did the search pay?

One measurement a target: its reference arm, its own best mix and those of the other targets, each
the exported file that its search trained, converted for this target, interleaved in one lease.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from devices.assignment import Assignment
from devices.errors import BadRequest
from devices.protocol import Arm, File, MeasureJob, Settings
from devices.targets import get as get_target
from webapp.accounts import quotas
from webapp.errors import NotReady, Refused
from webapp.jobs import services as jobs
from webapp.jobs.choices import ALIVE, FINAL, State
from webapp.pool.models import Device
from webapp.pool.services import choose_device
from webapp.searches import measuring
from webapp.searches.models import Measurement, Search, SearchRequest

CROSS = "cross"  # id of such a measurement
_FINAL = "final"  # id of the one whose figures are published: as long, and as sure
_REFERENCE = "reference"
_SAME = 0.01  # modelled ratios within it tie, as they do in rankings


@dataclass(frozen=True)
class Seen:
    """A mix's ratio on some target: ``low`` and ``high`` are None where modelled."""

    ratio: float
    low: float | None
    high: float | None
    kind: str
    own: bool  # whether the mix was searched for this very target
    one_table: float | None = None  # Ethos-U: the ratio with SiLU as one table in both models

    @property
    def ends(self) -> tuple[float, float]:
        """The interval; of a modelled ratio, what ties with it."""
        if self.low is None or self.high is None:
            return self.ratio * (1 - _SAME / 2), self.ratio * (1 + _SAME / 2)
        return self.low, self.high


@dataclass(frozen=True)
class Mix:
    """The best mix of a search: the arm that its verdict names if that is a mix, else its fastest
    mix."""

    search: Search
    arm: dict[str, Any]

    @property
    def hash(self) -> str:
        return _hash(self.arm)

    @property
    def file(self) -> File:
        """The fp32 file that was exported, which every target can convert.

        Raises:
            NotReady: the search kept none.
        """
        return _file(self.search, self.arm)


@dataclass(frozen=True)
class Matrix:
    """Rows are mixes, by the target for which they were searched; columns the request's targets.

    ``pending`` names the targets on which a measurement is queued or runs, ``broken`` holds
    (target, reason) where the latest one failed.
    """

    request_id: str
    request_name: str
    targets: list[str]
    rows: list[tuple[Mix, list[Seen | None]]]
    pending: list[str]
    broken: list[tuple[str, str]]

    @property
    def titles(self) -> list[str]:
        return [target_title(target) for target in self.targets]

    @property
    def named_rows(self) -> list[tuple[str, str, list[Seen | None]]]:
        """(title of the target, name of the arm, cells)."""
        return [
            (target_title(mix.search.target), str(mix.arm["name"]), cells)
            for mix, cells in self.rows
        ]

    @property
    def holds_anything(self) -> bool:
        """Whether any mix was measured on a target that is not its own."""
        return any(cell is not None and not cell.own for _, cells in self.rows for cell in cells)

    @property
    def missing(self) -> list[str]:
        """What would have to be measured, one line a pair."""
        return [
            f"the mix of {target_title(mix.search.target)} on {target_title(other)}"
            for mix, cells in self.rows
            for other, cell in zip(self.targets, cells, strict=True)
            if cell is None
        ]

    @property
    def can_be_measured(self) -> bool:
        """Whether there are mixes of two targets, a cell is empty, and nothing is under way."""
        return len(self.rows) > 1 and bool(self.missing) and not self.pending

    @property
    def pending_titles(self) -> list[str]:
        return [target_title(target) for target in self.pending]

    @property
    def broken_titles(self) -> list[tuple[str, str]]:
        return [(target_title(target), reason) for target, reason in self.broken]

    @cached_property
    def _answers(self) -> list[str]:
        """Of each target whose own mix and another one were seen on it: ``own`` is the fastest
        beyond the intervals, ``other`` one is, or it is a ``tie``."""
        answers = []
        for column in range(len(self.targets)):
            cells = [cells[column] for _, cells in self.rows]
            own = next((cell for cell in cells if cell is not None and cell.own), None)
            others = [cell for cell in cells if cell is not None and not cell.own]
            if own is None or not others:
                continue
            if all(own.ends[1] < other.ends[0] for other in others):
                answers.append("own")
            elif any(other.ends[1] < own.ends[0] for other in others):
                answers.append("other")
            else:
                answers.append("tie")
        return answers

    @property
    def verdict(self) -> str:
        """One sentence: whether searching for the hardware at hand paid in latency; "" if nothing
        can be said."""
        told = self._answers
        if not told:
            return ""
        parts = [
            f"on {told.count(answer)} of {len(told)} targets {words}"
            for answer, words in (
                ("own", "the mix that was searched for it is the fastest"),
                ("tie", "it ties with another target's mix"),
                ("other", "another target's mix is faster"),
            )
            if answer in told
        ]
        sentence = "; ".join(parts)
        return f"{sentence[0].upper()}{sentence[1:]}."


def matrices(searches: Iterable[Search]) -> list[Matrix]:
    """One a request of which two finished searches are among ``searches`` (with their requests).

    Two queries however many there are.
    """
    by_request: dict[str, list[Search]] = {}
    for search in searches:
        if search.result is not None:
            by_request.setdefault(search.request_id, []).append(search)
    several = {key: found for key, found in by_request.items() if len(found) > 1}
    latest: dict[str, Measurement] = {}
    if several:
        rows = Measurement.objects.filter(
            search__in=[one.pk for found in several.values() for one in found], document__id=CROSS
        )
        for row in rows.select_related("job").order_by("pk"):
            latest[row.search_id] = row
    return [_matrix(found, latest) for found in several.values()]


def ask(request: SearchRequest, *, by: User) -> int:
    """Queue a measurement of every target's best mix on each target of the request; how many.

    What was measured already is not measured again; what failed is tried once more.

    Raises:
        Refused: a target is offered by no device now, or fewer than two searches found a mix.
        NotReady: a search is still going on, or its files are gone.
        QuotaExceeded: the request's owner asks, who has used up the device time.
    """
    searches = list(request.searches.select_related("job", "device").order_by("pk"))
    if any(search.job is not None and search.job.state not in FINAL for search in searches):
        raise NotReady(f"search {request.pk} is still going on; its mixes are compared at the end")
    mixes = [mix for search in searches if (mix := best_mix(search)) is not None]
    if len(mixes) < 2:
        raise Refused(
            f"search {request.pk} found a mix for {len(mixes)} targets; at least 2 are needed"
        )
    wanted = [(mix.search, _job(mix.search, mixes), _device(mix.search)) for mix in mixes]
    with transaction.atomic():
        quotas.lock(request.owner)
        if by.pk == request.owner_id:
            quotas.check_device_time(by)
        return sum(
            _queue(search, job, device=device, request=request, by=by)
            for search, job, device in wanted
        )


def _queue(
    search: Search, job: MeasureJob, *, device: Device, request: SearchRequest, by: User
) -> bool:
    found = measuring.known(search, job)
    if found is None:
        measuring.queue(search, job, device=device, owner=request.owner)
        return True
    if found.job is None or found.job.state not in (State.FAILED, State.CANCELLED):
        return False
    return jobs.restart(found.job, by=by)


def best_mix(search: Search) -> Mix | None:
    """The best mix of a search; None where it found none, or is not finished."""
    if search.result is None:
        return None
    mixes = [
        arm
        for arm in search.result["arms"]
        if arm["name"].partition(":")[0] == "mix" and arm["latency_ratio"] is not None
    ]
    chosen = search.result["verdict"]["chosen"]
    named = [arm for arm in mixes if arm["name"] == chosen]
    best = named[0] if named else min(mixes, key=lambda arm: arm["latency_ratio"], default=None)
    return None if best is None else Mix(search, best)


def target_title(target: str) -> str:
    """The target's title; its id where this version of the site knows it no more."""
    try:
        return get_target(target).title
    except BadRequest:
        return target


def _job(search: Search, mixes: Sequence[Mix]) -> MeasureJob:
    """Every mix against the reference arm of ``search``, on its target, as its final one was."""
    assert search.result is not None
    documents = [row.document for row in search.measurements.order_by("pk")]
    final = next((one for one in documents if one.get("id") == _FINAL), None)
    images = next((one["calibration"] for one in documents if one.get("calibration")), None)
    base = next((arm for arm in search.result["arms"] if arm["name"] == _REFERENCE), None)
    if base is None:
        raise NotReady(f"search {search.pk} has no reference arm to compare with")
    files = {_REFERENCE: _file(search, base)}
    files |= {f"mix {mix.hash}": mix.file for mix in sorted(mixes, key=lambda one: one.hash)}
    return MeasureJob(
        id=CROSS,
        target=search.target,
        arms=[Arm(name=name, file=file) for name, file in files.items()],
        baseline=_REFERENCE,
        calibration=None if images is None else File.model_validate(images),
        settings=Settings() if final is None else Settings.model_validate(final["settings"]),
        memory=False,
    )


def _device(search: Search) -> Device:
    """Where the search measured, as long as that is in service; else another that offers it."""
    device = search.device
    if device is not None and device.in_service and search.target in device.targets:
        return device
    return choose_device(search.target)


def _file(search: Search, arm: dict[str, Any]) -> File:
    facts = arm["details"].get("onnx")
    if facts is None or not search.folder.sizes([facts["path"]]):
        raise NotReady(f"search {search.pk} kept no exported file of its arm {arm['name']!r}")
    return File(path=str(search.path / facts["path"]), sha256=facts["sha256"])


def _matrix(searches: Sequence[Search], latest: dict[str, Measurement]) -> Matrix:
    mixes = [mix for search in searches if (mix := best_mix(search)) is not None]
    states = {one.pk: latest[one.pk].state for one in searches if one.pk in latest}
    return Matrix(
        request_id=searches[0].request_id,
        request_name=searches[0].request.name,
        targets=[search.target for search in searches],
        rows=[
            (mix, [_cell(other, latest.get(other.pk), mix) for other in searches]) for mix in mixes
        ],
        pending=[one.target for one in searches if states.get(one.pk) in ALIVE],
        broken=[
            (one.target, _reason(latest[one.pk]))
            for one in searches
            if states.get(one.pk) in (State.FAILED, State.CANCELLED)
        ],
    )


def _reason(measurement: Measurement) -> str:
    return measurement.job.reason if measurement.job else ""


def _cell(search: Search, measurement: Measurement | None, mix: Mix) -> Seen | None:
    """What the measurement across targets says of the mix on the target of ``search``; without
    it, what that search's own arms or candidates say."""
    own = search.pk == mix.search.pk
    result = measurement.result if measurement is not None else None
    for arm in (result or {}).get("arms", []):
        if arm["name"] == f"mix {mix.hash}":
            assert result is not None
            exact = result["kind"] == "modelled"
            between = None if exact else arm["ratio_interval"]
            low, high = (between["low"], between["high"]) if between else (None, None)
            one_table = arm["details"].get("ratio_to_silu_table_baseline")
            return Seen(arm["ratio"], low, high, result["kind"], own, one_table)
    return _seen(search, mix.hash, own=own)


def _seen(search: Search, digest: str, *, own: bool) -> Seen | None:
    """The ratio of an assignment on the target of ``search``: as an arm, else as a candidate."""
    assert search.result is not None
    kind = str(search.result["kind"])
    for arm in search.result["arms"]:
        if arm["latency_ratio"] is not None and _hash(arm) == digest:
            low, high = arm["ratio_ci"] or (None, None)
            one_table = arm["details"].get("ratio_to_silu_table_baseline")
            return Seen(arm["latency_ratio"], low, high, kind, own, one_table)
    for candidate in search.result["candidates"]:
        if candidate["measured_ratio"] is not None and _hash(candidate) == digest:
            low, high = candidate["interval"] or (None, None)
            if kind == "modelled":
                low = high = None
            one_table = candidate.get("measured_ratio_one_table")
            return Seen(candidate["measured_ratio"], low, high, kind, own, one_table)
    return None


def _hash(document: dict[str, Any]) -> str:
    return Assignment.from_pairs(document["assignment"]["choices"]).hash
