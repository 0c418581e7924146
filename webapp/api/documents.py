"""Rows as the API's documents."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest
from django.urls import reverse

from webapp.api import schemas
from webapp.catalog.models import DataSet, Detector
from webapp.catalog.pictures import Picture
from webapp.jobs.choices import FINAL
from webapp.jobs.models import Job
from webapp.leaderboard import snapshots
from webapp.leaderboard.models import Entry, Reference, Snapshot
from webapp.pool.history import Noise
from webapp.pool.models import HealthChange, HealthCheck
from webapp.searches import cross, veil
from webapp.searches.models import Search, SearchEvent, SearchRequest
from webapp.searches.services import progress
from webapp.searches.tried import Tried
from webapp.webhooks.models import Delivery, Webhook

Reader = User | AnonymousUser

_TRIED = (
    *("solver", "penalty", "predicted_ratio", "measured_ratio"),
    *("map50_95", "expected_loss", "pareto", "chosen"),
)


def _job(job: Job | None) -> schemas.JobOut | None:
    if job is None:
        return None
    return schemas.JobOut(
        state=job.state, fraction=job.progress, message=job.message, position=job.position
    )


def _upload(upload: Detector | DataSet) -> dict[str, Any]:
    fields = ("id", "name", "file_name", "sha256", "size", "state", "reason", "visibility")
    return {name: getattr(upload, name) for name in fields} | {
        "created": upload.created,
        "job": _job(upload.job),
        "classes": upload.names,
    }


def model(detector: Detector) -> schemas.ModelOut:
    return schemas.ModelOut(
        **_upload(detector),
        kind=detector.kind,
        family=detector.family,
        imgsz=detector.imgsz,
        has_weights=detector.has_weights,
        sites=detector.sites,
    )


def data_set(row: DataSet) -> schemas.DataSetOut:
    return schemas.DataSetOut(
        **_upload(row), version=row.version, images=row.images, boxes=row.boxes
    )


def search(row: Search, *, reader: Reader) -> schemas.SearchOut:
    """Its request must come with its model and data set."""
    at = veil.over(row.request, reader=reader).progress(progress(row))
    return schemas.SearchOut(
        id=row.pk,
        target=row.target,
        device=row.device.slug if row.device else None,
        state=at.state,
        fraction=at.fraction,
        stage=at.stage,
        message=at.message,
        reason=at.reason,
        position=at.position,
        stages=[schemas.StageOut.model_validate(stage) for stage in at.stages],
        waiting=[schemas.WaitingOut.model_validate(other) for other in at.waiting],
        verdict=row.result["verdict"]["sentence"] if row.result else None,
        entries=[entry.pk for entry in row.entries.all()],
    )


def picture(request: HttpRequest, row: DataSet, one: Picture) -> schemas.PictureOut:
    path = reverse("catalog:thumbnail", args=[row.pk, one.number])
    return schemas.PictureOut(
        url=request.build_absolute_uri(path),
        split=one.split,
        width=one.width,
        height=one.height,
        boxes=[
            schemas.BoxOut(label=box.name, x=box.x, y=box.y, width=box.width, height=box.height)
            for box in one.boxes
        ],
    )


def noise(one: Noise) -> schemas.NoiseOut:
    return schemas.NoiseOut(
        target=one.target.id,
        reach=one.reach,
        checks=[
            schemas.CheckOut(at=check.created, ratio=check.ratio, ratio_ci=[check.low, check.high])
            for check in one.checks
        ],
    )


def health_check(check: HealthCheck) -> schemas.HealthCheckOut:
    """Of a check that has figures."""
    assert check.ratio is not None
    return schemas.HealthCheckOut(
        at=check.created,
        ratio=check.ratio,
        ratio_ci=_pair(check.low, check.high) or [check.ratio, check.ratio],
        cause=check.cause,
        target=check.target,
        latency_ms=check.latency_ms,
        drift=check.drift,
    )


def health_change(change: HealthChange) -> schemas.HealthChangeOut:
    plain = set(schemas.HealthChangeOut.model_fields) - {"by"}
    by = "an administrator" if change.author else "a check"
    return schemas.HealthChangeOut(by=by, **{name: getattr(change, name) for name in plain})


def queued(job: Job) -> schemas.QueuedOut:
    plain = schemas.QueuedOut.model_fields
    return schemas.QueuedOut(**{name: getattr(job, name) for name in plain})


def event(row: SearchEvent, *, hidden: veil.Veil) -> schemas.LogOut:
    plain = set(schemas.LogOut.model_fields) - {"target", "message"}
    return schemas.LogOut(
        target=row.search.target,
        message=hidden.text(row.message),
        **{name: getattr(row, name) for name in plain},
    )


def reference(row: Reference) -> schemas.ReferenceOut:
    plain = set(schemas.ReferenceOut.model_fields) - {"ratio_ci"}
    interval = _pair(row.ratio_low, row.ratio_high)
    return schemas.ReferenceOut(ratio_ci=interval, **{name: getattr(row, name) for name in plain})


def tried(row: Search) -> list[schemas.TriedOut]:
    return [
        schemas.TriedOut(
            assignment=dict(one.document["assignment"]["choices"]),
            assignment_hash=one.hash,
            ratio_ci=one.document["interval"],
            **{name: one.document[name] for name in _TRIED},
        )
        for one in Tried(row).candidates
    ]


def crossed(row: SearchRequest) -> schemas.CrossOut:
    found = row.searches.select_related("request").order_by("pk")
    matrix = next(iter(cross.matrices(found)), None)
    if matrix is None:
        return schemas.CrossOut(
            request=row.pk, targets=[], mixes=[], cells=[], pending=[], verdict=""
        )
    return schemas.CrossOut(
        request=row.pk,
        targets=matrix.targets,
        mixes=[
            schemas.CrossMixOut(
                target=mix.search.target, arm=mix.arm["name"], assignment_hash=mix.hash
            )
            for mix, _ in matrix.rows
        ],
        cells=[
            schemas.CrossCellOut(
                mix_of=mix.search.target,
                target=target,
                ratio=cell.ratio if cell else None,
                ratio_ci=_pair(cell.low, cell.high) if cell else None,
                kind=cell.kind if cell else None,
            )
            for mix, cells in matrix.rows
            for target, cell in zip(matrix.targets, cells, strict=True)
        ],
        pending=matrix.pending,
        verdict=matrix.verdict,
    )


def request(row: SearchRequest, *, reader: Reader) -> schemas.RequestOut:
    """Its model and data set are named to whoever may see them."""
    searches = list(row.searches.select_related("job", "device").prefetch_related("entries"))
    for one in searches:
        one.request = row  # with the model and data set that it brought
    derived = {"model", "data_set", "is_cost_study", "state", "searches"}
    names = set(schemas.RequestOut.model_fields) - derived
    return schemas.RequestOut(
        **{name: getattr(row, name) for name in names},
        model=_shown(row.detector, reader),
        data_set=_shown(row.data_set, reader),
        is_cost_study=row.data_set is None,
        state="finished" if all(s.job and s.job.state in FINAL for s in searches) else "running",
        searches=[
            search(one, reader=reader)
            for one in sorted(searches, key=lambda s: row.targets.index(s.target))
        ],
    )


def _shown(upload: Detector | DataSet | None, reader: Reader) -> str | None:
    """The id of a model or data set that ``reader`` may see."""
    return upload.pk if upload is not None and upload.is_visible_to(reader) else None


def entry(row: Entry, *, reader: Reader, detail: bool = False) -> schemas.EntryOut:
    derived: dict[str, Any] = {
        "search": row.search_id,
        "request": row.search.request_id,
        "owner": row.owner.username,
        "data_set": _shown(row.data_set, reader),
        "map_ci": _pair(row.map_low, row.map_high),
        "loss_ci": _pair(row.loss_low, row.loss_high),
        "latency_ratio": row.ratio,
        "ratio_ci": _pair(row.ratio_low, row.ratio_high),
        "files": list(row.files),
        "measured_file": row.download_of(row.file),
        "baseline_file": row.baseline_download,
        "baseline_sha256": row.baseline["file_sha256"] if row.baseline else None,
    }
    plain = set(schemas.EntryOut.model_fields) - set(derived)
    values = {name: getattr(row, name) for name in plain} | derived
    return schemas.EntryDetail(**values, arms=row.arms) if detail else schemas.EntryOut(**values)


def _pair(low: float | None, high: float | None) -> list[float] | None:
    return None if low is None or high is None else [low, high]


def snapshot(request: HttpRequest, row: Snapshot) -> schemas.SnapshotOut:
    files = {
        kind: reverse("leaderboard:snapshot-file", args=[row.pk, kind])
        for kind, _ in snapshots.sizes(row)
    }
    return schemas.SnapshotOut(
        id=row.pk,
        title=row.title,
        is_ranking=row.is_ranking,
        created=row.created,
        url=request.build_absolute_uri(reverse("leaderboard:snapshot", args=[row.pk])),
        files={kind: request.build_absolute_uri(path) for kind, path in files.items()},
        job=_job(row.job),
    )


def webhook(row: Webhook) -> schemas.WebhookOut:
    return schemas.WebhookOut(**_webhook(row))


def webhook_with_secret(row: Webhook) -> schemas.WebhookSecret:
    return schemas.WebhookSecret(**_webhook(row), secret=row.secret)


def _webhook(row: Webhook) -> dict[str, Any]:
    return {name: getattr(row, name) for name in schemas.WebhookOut.model_fields}


def delivery(row: Delivery) -> schemas.DeliveryOut:
    plain = set(schemas.DeliveryOut.model_fields) - {"search", "attempts"}
    return schemas.DeliveryOut(
        **{name: getattr(row, name) for name in plain},
        search=row.search_id,
        attempts=[schemas.AttemptOut.model_validate(attempt) for attempt in row.attempts],
    )
