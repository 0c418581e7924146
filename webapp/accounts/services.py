"""Tokens of an account, and its end: everything that its owner brought goes with it."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Q

from webapp.accounts.models import ApiToken
from webapp.audit.choices import Action
from webapp.audit.services import record
from webapp.catalog.models import DataSet, Detector
from webapp.catalog.services import data_set_folder
from webapp.errors import Refused
from webapp.folders import Folder
from webapp.jobs import services as jobs
from webapp.jobs.choices import OPEN
from webapp.jobs.models import Job
from webapp.leaderboard import services as leaderboard
from webapp.leaderboard import snapshots
from webapp.leaderboard.models import Entry, Snapshot
from webapp.searches.models import SearchRequest, Training

NOBODY = "deleted-user"  # owns public uploads that other people's results rest on


@dataclass(frozen=True)
class Belongings:
    """What goes with an account; ``kept`` are public uploads that other people's searches use."""

    models: int
    data_sets: int
    requests: int
    entries: int
    tokens: int
    webhooks: int
    kept: list[str]


def belongings(user: User) -> Belongings:
    """What :func:`delete_account` would delete, and what it would keep without the name."""
    models, data_sets = _used_by_others(user, Detector), _used_by_others(user, DataSet)
    return Belongings(
        models=Detector.objects.filter(owner=user).count() - len(models),
        data_sets=DataSet.objects.filter(owner=user).count() - len(data_sets),
        requests=SearchRequest.objects.filter(owner=user).count(),
        entries=Entry.objects.filter(owner=user).count(),
        tokens=user.tokens.count(),
        webhooks=user.webhooks.count(),
        kept=[upload.name for upload in (*models, *data_sets)],
    )


def issue_token(*, user: User, name: str, scopes: list[str] | None = None) -> tuple[ApiToken, str]:
    """A new token of ``user``, with every scope unless some are named, and its text, which is never
    seen again."""
    with transaction.atomic():
        token, text = ApiToken.objects.issue(user=user, name=name, scopes=scopes)
        may = f"may {', '.join(token.scopes)}"
        record(by=user, action=Action.ISSUED, what=token, detail=may)
    return token, text


def revoke_token(token: ApiToken, *, by: User) -> bool:
    """Make a token worthless; whether it was of use until now."""
    with transaction.atomic():
        revoked = token.revoke()
        if revoked:
            whose = f"of {token.user.get_username()}"
            record(by=by, action=Action.REVOKED, what=token, detail=whose)
    return revoked


def delete_account(user: User, *, by: User) -> None:
    """Delete the user with every upload, search, entry, token, webhook and file.

    The audit trail keeps the name: it says who did what, also when they are gone.

    Public uploads that other people's searches use stay, owned by nobody; snapshots lose the
    user's rows and are written again.

    Raises:
        Refused: the user is an administrator.
    """
    if user.is_superuser:
        raise Refused("an administrator's account is deleted by another administrator")
    with transaction.atomic():
        user.webhooks.all().delete()  # first: they are not told what is cancelled now
        for job in Job.objects.filter(owner=user, state__in=OPEN):
            jobs.cancel(job, reason="its owner deleted the account")
        record(by=by, action=Action.DELETED, what=user, detail="with everything in the account")
        _hand_over(user)
        folders, files = _folders(user), _files(user)
        torn = list(Snapshot.objects.filter(rows__entry__owner=user).distinct())
        leaderboard.delete(Entry.objects.filter(owner=user))
        Training.objects.filter(pk__in=[row.pk for row in _own_trainings(user)]).delete()
        user.delete()
        for snapshot in torn:
            snapshot.folder.remove()  # the old files name the user
            snapshots.export_again(snapshot)
        transaction.on_commit(lambda: _remove(folders, files))


def _used_by_others(user: User, model: type[Detector] | type[DataSet]) -> list[Detector | DataSet]:
    others = Q(requests__isnull=False) & ~Q(requests__owner=user)
    return list(model.objects.filter(others, owner=user).distinct())


def _hand_over(user: User) -> None:
    uploads = [*_used_by_others(user, Detector), *_used_by_others(user, DataSet)]
    if not uploads:
        return
    nobody, made = User.objects.get_or_create(username=NOBODY, defaults={"is_active": False})
    if made:
        nobody.set_unusable_password()
        nobody.save()
    for upload in uploads:
        type(upload).objects.filter(pk=upload.pk).update(owner=nobody)
        if upload.job_id is not None:  # jobs go with their owner
            Job.objects.filter(pk=upload.job_id).update(owner=nobody)


def _own_trainings(user: User) -> list[Training]:
    """Trainings that only this user's searches asked for."""
    rows = Training.objects.filter(job__needed_by__owner=user).distinct()
    return [
        row
        for row in rows.select_related("job")
        if row.job is not None and not row.job.needed_by.exclude(owner=user).exists()
    ]


def _folders(user: User) -> list[Folder]:
    requests = SearchRequest.objects.filter(owner=user).prefetch_related("searches")
    return [
        *(search.folder for request in requests for search in request.searches.all()),
        *(data_set_folder(row) for row in DataSet.objects.filter(owner=user)),
        *(training.folder for training in _own_trainings(user)),
    ]


def _files(user: User) -> list[str]:
    models = Detector.objects.filter(owner=user).values_list("file", flat=True)
    data_sets = DataSet.objects.filter(owner=user)
    archives = data_sets.values_list("archive", flat=True)
    thumbnails = [facts["file"] for row in data_sets for facts in row.thumbnails]
    return [name for name in (*models, *archives, *thumbnails) if name]


def _remove(folders: list[Folder], files: list[str]) -> None:
    for folder in folders:
        folder.remove()
    for name in files:
        default_storage.delete(name)
