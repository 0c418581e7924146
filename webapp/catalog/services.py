"""Uploads: take them in, have them checked, record the verdict."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models.fields.files import FieldFile

from webapp import rates
from webapp.accounts import quotas
from webapp.catalog import orphans
from webapp.catalog.choices import UploadState, Visibility
from webapp.catalog.models import DataSet, Detector, Upload
from webapp.catalog.uploads import sha256_of
from webapp.errors import Refused, StorageFull, TooLarge, TooOften, is_storage_full
from webapp.folders import Folder
from webapp.jobs import queues
from webapp.jobs import services as jobs
from webapp.jobs.choices import Fault, Kind, State
from webapp.jobs.models import Job

log = logging.getLogger(__name__)

MODEL_SUFFIXES = (".pt", ".yaml", ".yml", ".onnx")
DATA_SET_SUFFIXES = (".zip",)
MAX_NAME = 120
_VALIDATION_LIMIT_S = 1800


def upload_model(
    *,
    owner: User,
    file: UploadedFile,
    name: str = "",
    visibility: str = Visibility.PRIVATE,
) -> Detector:
    """Store a model and have it checked by a worker. Its content is not looked at here.

    Raises:
        Refused: an empty file, a wrong suffix; TooLarge: above settings.MAX_MODEL_BYTES;
        TooOften: too many in a minute; QuotaExceeded: the owner's uploads would be too large;
        StorageFull: there is no room for it.
    """
    _check(file, owner=owner, suffixes=MODEL_SUFFIXES, limit=settings.MAX_MODEL_BYTES)
    detector = Detector(**_common(owner, file, name, visibility))
    _store(
        detector, detector.file, file, kind=Kind.VALIDATE_MODEL, limit_s=_VALIDATION_LIMIT_S // 3
    )
    return detector


def upload_data_set(
    *,
    owner: User,
    file: UploadedFile,
    name: str = "",
    visibility: str = Visibility.PRIVATE,
) -> DataSet:
    """Store a zipped data set and have it checked and unpacked by a worker.

    Raises:
        Refused: an empty file, a wrong suffix; TooLarge: above settings.MAX_DATA_SET_BYTES;
        TooOften: too many in a minute; QuotaExceeded: the owner's uploads would be too large;
        StorageFull: there is no room for it.
    """
    _check(file, owner=owner, suffixes=DATA_SET_SUFFIXES, limit=settings.MAX_DATA_SET_BYTES)
    data_set = DataSet(**_common(owner, file, name, visibility))
    _store(
        data_set,
        data_set.archive,
        file,
        kind=Kind.VALIDATE_DATA_SET,
        limit_s=_VALIDATION_LIMIT_S,
    )
    return data_set


def model_job_ended(job: Job) -> None:
    """Record on the model that its check failed; success was recorded by the check itself."""
    detector = Detector.objects.filter(job=job).first()
    if detector is not None and job.state != State.FINISHED:
        _refuse(detector, detector.file, job)


def data_set_job_ended(job: Job) -> None:
    """Record on the data set that its check failed, and remove what it unpacked."""
    data_set = DataSet.objects.filter(job=job).first()
    if data_set is not None and job.state != State.FINISHED:
        _refuse(data_set, data_set.archive, job)
        transaction.on_commit(data_set_folder(data_set).remove)


def data_set_folder(data_set: DataSet) -> Folder:
    """Where the check unpacks a data set."""
    return Folder(f"data-sets/{data_set.pk}")


def _common(owner: User, file: UploadedFile, name: str, visibility: str) -> dict[str, Any]:
    if visibility not in Visibility.values:
        raise Refused(f"unknown visibility {visibility!r}; known: {', '.join(Visibility.values)}")
    if "\0" in name:
        raise Refused("the name holds the character NUL")
    file_name = (file.name or "upload")[-120:]
    return {
        "owner": owner,
        "name": (name.strip() or Path(file_name).stem)[:120],
        "file_name": file_name,
        "sha256": sha256_of(file),
        "size": file.size or 0,
        "visibility": visibility,
    }


def _check(file: UploadedFile, *, owner: User, suffixes: tuple[str, ...], limit: int) -> None:
    _check_rate(owner)
    name = file.name or ""
    if not name.isprintable():
        raise Refused(f"the file name {name[:120]!r} holds a character that cannot be shown")
    if len(name) > MAX_NAME:
        raise Refused(f"the file name has {len(name)} characters; at most {MAX_NAME}")
    if Path(name).suffix.lower() not in suffixes:
        raise Refused(f"file {name!r} is not accepted here; accepted: {', '.join(suffixes)}")
    if not file.size:
        raise Refused(f"file {name!r} is empty")
    if file.size > limit:
        raise TooLarge(f"file {name!r} has {file.size:,} bytes; the largest accepted has {limit:,}")
    quotas.check_upload(owner, name=name, size=file.size)  # before it is stored


def _check_rate(owner: User) -> None:
    spent = rates.spend("upload", settings.RATE_UPLOADS, f"user {owner.pk}")
    if spent is not None and spent.exceeded:
        raise TooOften(
            f"more than {spent.limit} uploads in a minute; send it again in {spent.reset_s} s",
            wait_s=spent.reset_s,
        )


def _store(
    upload: Detector | DataSet, field: FieldFile, file: UploadedFile, *, kind: Kind, limit_s: int
) -> None:
    try:
        field.save(file.name or "upload", file, save=False)
        with transaction.atomic():
            quotas.lock(upload.owner)  # another upload may have come in meanwhile
            quotas.check_upload(upload.owner, name=upload.file_name, size=upload.size)
            upload.job = jobs.create(
                kind=kind,
                queue=queues.VALIDATE,
                payload={"id": upload.pk},
                owner=upload.owner,
                limit_s=limit_s,
            )
            upload.save(force_insert=True)
    except BaseException as error:
        _forget(upload)
        if is_storage_full(error):
            raise StorageFull from error
        raise


def _forget(upload: Detector | DataSet) -> None:
    """No row, no file. What cannot be removed now is left to the sweep of orphans."""
    try:
        orphans.remove(upload.stored_in)
    except Exception:  # every kind of storage has errors of its own
        log.exception("stored files %s are left to the sweep", upload.stored_in)


def _refuse(upload: Upload, field: FieldFile, job: Job) -> None:
    users = job.fault == Fault.USER
    reason = job.reason if users else f"could not be checked: {job.reason}"
    type(upload).objects.filter(pk=upload.pk).update(state=UploadState.REFUSED, reason=reason)
    if users:  # what was refused is not kept; what we failed to check can be checked again
        storage, name = field.storage, field.name
        if name:
            transaction.on_commit(lambda: storage.delete(name))
