"""Search requests: make them, follow them, end them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import TextChoices

from devices import activations as catalog
from engine.epochs import FEWEST
from webapp.accounts import quotas
from webapp.catalog.choices import UploadState, Visibility
from webapp.catalog.models import DataSet, Detector
from webapp.errors import NotReady, Refused
from webapp.jobs import queues
from webapp.jobs import services as jobs
from webapp.jobs.choices import ALIVE, FINAL, OPEN, Kind, State
from webapp.jobs.models import Job
from webapp.pool.services import choose_device
from webapp.searches import stages
from webapp.searches.choices import Augment, CostModel, Recipe, Unit
from webapp.searches.models import Search, SearchEvent, SearchRequest
from webapp.webhooks import services as webhooks

SEARCH_LIMIT_S = 6 * 3600
BROKEN = (State.FAILED, State.CANCELLED)  # may be run again
PAUSED = (State.PAUSED,)  # may be resumed
DEFAULT_ACTIVATIONS = ("relu", "silu", "hardswish", "leaky_relu")


@dataclass(frozen=True)
class Wish:
    """What a request asks for beside the model and the data set. None: the engine's default."""

    targets: Sequence[str]
    activations: Sequence[str] = DEFAULT_ACTIVATIONS
    recipe: str = Recipe.SUPERNET
    max_latency_ratio: float | None = None
    max_memory_ratio: float | None = None
    max_map_loss: float | None = None
    epochs: int | None = None
    distil: bool = False
    augment: str = Augment.SHIFT
    cost_model: str = ""
    unit: str = Unit.SITE
    time_limit_min: float | None = None
    seed: int = 0
    imgsz: int | None = None


def create_request(
    *,
    owner: User,
    detector: Detector,
    data_set: DataSet | None,
    wish: Wish,
    name: str = "",
    visibility: str = Visibility.PUBLIC,
) -> SearchRequest:
    """A request and one queued search a target.

    Raises:
        devices.errors.BadRequest: an unknown target or activation; the message lists the known.
        Refused: a value out of its range, or a target that no device offers now.
        NotReady: the model or the data set has not passed its check.
        QuotaExceeded: the owner may not begin so many searches now.
    """
    _check_wish(wish)
    if visibility not in Visibility.values:
        raise Refused(f"unknown visibility {visibility!r}; known: {', '.join(Visibility.values)}")
    targets = list(dict.fromkeys(wish.targets))
    devices = {target: choose_device(target) for target in targets}
    _check_upload(detector, "model")
    if data_set is not None:
        _check_upload(data_set, "data set")
    values = asdict(wish) | {
        "targets": targets,
        "activations": list(catalog.check(list(wish.activations))),
    }
    with transaction.atomic():
        quotas.lock(owner)
        quotas.check_searches(owner, starting=len(targets), new=True)
        request = SearchRequest.objects.create(
            owner=owner,
            name=name.strip()[:120] or _name_of(detector, visibility),
            detector=detector,
            data_set=data_set,
            visibility=visibility,
            **values,
        )
        for target in targets:
            search = Search(request=request, target=target, device=devices[target])
            search.job = jobs.create(
                kind=Kind.SEARCH,
                queue=queues.SEARCH,
                payload={"id": search.pk, "search": search.pk},
                owner=owner,
                limit_s=SEARCH_LIMIT_S,
            )
            search.save(force_insert=True)
    return request


def _name_of(detector: Detector, visibility: str) -> str:
    """The model's name; its family where everybody may see the search and not the model."""
    tells = visibility == Visibility.PUBLIC and detector.visibility == Visibility.PRIVATE
    return (detector.family or "YOLO") if tells else detector.name


def _check_upload(upload: Detector | DataSet, what: str) -> None:
    if upload.state == UploadState.REFUSED:
        raise NotReady(f"{what} {upload.name!r} was refused: {upload.reason}")
    if not upload.is_ready:
        raise NotReady(f"{what} {upload.name!r} is still being checked; ask again when it is ready")


def _check_wish(wish: Wish) -> None:
    if not wish.targets:
        raise Refused("no target given; name at least one")
    _check_choice("recipe", wish.recipe, Recipe)
    _check_choice("augment", wish.augment, Augment)
    _check_choice("unit", wish.unit, Unit)
    if wish.cost_model:
        _check_choice("cost_model", wish.cost_model, CostModel)
    if wish.recipe == Recipe.PAPER and wish.cost_model not in {"", CostModel.ONE_AT_A_TIME}:
        raise Refused(
            f"the recipe 'paper' measures one swap at a time; cost_model is {wish.cost_model!r}, "
            "leave it empty"
        )
    _check_range("max_latency_ratio", wish.max_latency_ratio, above=0, most=10)
    _check_range("max_memory_ratio", wish.max_memory_ratio, above=0, most=10)
    _check_range("max_map_loss", wish.max_map_loss, above=-1e-12, most=1)
    _check_range("epochs", wish.epochs, above=FEWEST - 1, most=settings.MAX_EPOCHS)
    _check_range("time_limit_min", wish.time_limit_min, above=0, most=settings.MAX_TIME_LIMIT_MIN)
    _check_range("imgsz", wish.imgsz, above=31, most=2048)
    if not 0 <= wish.seed < 2**31:
        raise Refused(f"seed is {wish.seed}; accepted: 0 to {2**31 - 1}")
    if wish.imgsz is not None and wish.imgsz % 32:
        raise Refused(f"imgsz is {wish.imgsz}; accepted: multiples of 32 from 32 to 2048")


def _check_choice(name: str, value: str, known: type[TextChoices]) -> None:
    if value not in known.values:
        shown = ", ".join(filter(None, known.values))
        raise Refused(f"unknown {name.replace('_', ' ')} {value!r}; known: {shown}")


def _check_range(name: str, value: float | None, *, above: float, most: float) -> None:
    if value is not None and not above < value <= most:
        low = f"from {above + 1:g}" if name in {"epochs", "imgsz"} else f"above {max(above, 0):g}"
        shown = f"{value:g}" if isinstance(value, float) else value  # an int may be no float
        raise Refused(f"{name} is {shown}; accepted: {low} up to {most:g}")


def cancel_search(search: Search, *, by: User, reason: str = "") -> bool:
    """Cancel a search that has not ended, with what only it was waiting for. Its owner sees who
    did it (``by``), and the ``reason`` if there is one."""
    job = search.job
    if job is None:
        return False
    said = f"cancelled {jobs.by_whom(job, by)}" + (f": {reason}" if reason else "")
    return jobs.cancel(job, by=by, reason=said)


def cancel_request(request: SearchRequest, *, by: User) -> int:
    """Cancel every search of a request that has not ended; how many that were."""
    searches = request.searches.select_related("job").filter(job__state__in=OPEN)
    return sum(cancel_search(search, by=by) for search in searches)


def pause(search: Search, *, by: User) -> bool:
    """Stop a search until it is resumed; what it has finished stays. Whether it was going on."""
    return search.job is not None and jobs.pause(search.job, by=by)


def pause_request(request: SearchRequest, *, by: User) -> int:
    """Pause every search of a request that is going on; how many that were."""
    searches = request.searches.select_related("job").filter(job__state__in=ALIVE)
    return sum(pause(search, by=by) for search in searches)


def resume(search: Search, *, by: User) -> bool:
    """Let a paused search go on from the stages that it finished; whether it was paused.

    Raises:
        QuotaExceeded: its owner asks, who may not have one more going on.
    """
    return _begin_again(search.request, PAUSED, by=by, only=search) == 1


def resume_request(request: SearchRequest, *, by: User) -> int:
    """Resume every paused search of a request, or none; how many that were.

    Raises:
        QuotaExceeded: its owner asks, who may not have so many more going on.
    """
    return _begin_again(request, PAUSED, by=by)


def retry(search: Search, *, by: User, reason: str = "") -> bool:
    """Run a failed or cancelled search again from the stages that it finished; whether it was one.

    Raises:
        QuotaExceeded: its owner asks, who may not have one more going on.
    """
    return _begin_again(search.request, BROKEN, by=by, only=search, reason=reason) == 1


def retry_request(request: SearchRequest, *, by: User) -> int:
    """Run every failed or cancelled search of a request again, or none; how many that were.

    Raises:
        QuotaExceeded: its owner asks, who may not have so many more going on.
    """
    return _begin_again(request, BROKEN, by=by)


def _begin_again(
    request: SearchRequest,
    states: tuple[State, ...],
    *,
    by: User,
    only: Search | None = None,
    reason: str = "",
) -> int:
    """Queue a request's searches (or ``only`` one) again that are in one of ``states``; how many.

    The owner's quotas hold for the owner; an administrator may start what would exceed them.
    """
    with transaction.atomic():
        quotas.lock(request.owner)
        asked = request.searches.all() if only is None else [only]
        rows = Job.objects.filter(search__in=asked, state__in=states).select_related("owner")
        found = list(rows)
        if by.pk == request.owner_id:
            quotas.check_searches(by, starting=len(found), new=False)
        return sum(_go_on(job, by=by, reason=reason) for job in found)


def _go_on(job: Job, *, by: User, reason: str) -> bool:
    if job.state == State.PAUSED:
        return jobs.resume(job, by=by)
    for needed in job.waits_for.filter(state__in=BROKEN):
        jobs.restart(needed)
    return jobs.restart(job, by=by, reason=reason)


def search_job_ended(job: Job) -> None:
    """Log how a search ended, and tell its owner's webhooks."""
    search = Search.objects.select_related("request").filter(job=job).first()
    if search is not None:
        SearchEvent.objects.create(
            search=search, stage=search.stage, kind="log", message=job.reason or job.state
        )
        webhooks.search_ended(search, job)


@dataclass(frozen=True)
class Progress:
    """How far a search is. ``position`` is 1 for the next in its queue, None when not queued.

    ``waiting`` is what it waits for: kind, title, state, fraction, message, queue position.
    """

    state: str
    fraction: float
    stage: str
    message: str
    reason: str
    position: int | None
    stages: list[dict[str, Any]]
    waiting: list[dict[str, Any]]
    is_final: bool


def progress(search: Search) -> Progress:
    """How far ``search`` is, for its page and the API."""
    job = search.job
    if job is None:
        return Progress(
            state=State.FAILED,
            fraction=0.0,
            stage=search.stage,
            message="",
            reason="its job was removed",
            position=None,
            stages=search.stages,
            waiting=[],
            is_final=True,
        )
    needed = _needed(job) if job.state == State.WAITING else []
    rows = [dict(row) for row in search.stages]
    if needed:
        # The stage moves with what it waits for: the search itself is not running.
        done = sum(1.0 if other.is_final else other.progress for other in needed) / len(needed)
        for row in rows:
            if row["name"] == search.stage:
                row["fraction"] = max(row["fraction"], min(done, 0.99))
    return Progress(
        state=job.state,
        fraction=1.0 if job.state == State.FINISHED else stages.overall(rows),
        stage=search.stage,
        message=job.message,
        reason=job.reason,
        position=job.position,
        stages=rows,
        waiting=_waiting(needed),
        is_final=job.state in FINAL,
    )


def _needed(job: Job) -> list[Job]:
    return list(job.waits_for.select_related("training", "measurement__device__host"))


def _waiting(needed: list[Job]) -> list[dict[str, Any]]:
    return [
        {
            "kind": other.kind,
            "title": _title(other),
            "state": other.state,
            "fraction": other.progress,
            "message": _trouble(other) or other.message,
            "position": other.position,
        }
        for other in needed
        if not other.is_final
    ]


def _trouble(job: Job) -> str:
    """Why a queued measurement will not start soon, where that is known."""
    if job.kind != Kind.MEASURE or job.state != State.QUEUED:
        return ""
    device = job.measurement.device
    if device is None:
        return "its device was removed from the pool"
    if device.trouble:
        return f"waits until {device} is back in service; it is {device.trouble}"
    if device.is_remote_bundle:
        return f"waits until it is carried to {device} in a bundle, and its results are imported"
    if not device.host.has_agent:
        return f"waits until the agent of {device.host} is back"
    return ""


def _title(job: Job) -> str:
    if job.kind == Kind.TRAIN:
        return str(job.training)
    if job.kind == Kind.MEASURE:
        return f"measurement {job.measurement.document['id']}"
    return str(job)
