"""Restoring a backup into an empty site: all of it, or nothing."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import transaction
from django.db.models import F
from django.utils import timezone

import devices
from webapp import environment
from webapp.jobs.choices import State
from webapp.jobs.models import Job
from webapp.ops.backup import archive, database, files
from webapp.ops.backup.archive import BackupError
from webapp.ops.backup.making import key_file, key_mark
from webapp.pool.choices import DeviceState
from webapp.pool.models import Device, Host


@dataclass(frozen=True)
class Restored:
    """``tokens_work``: whether API tokens made on the old site open the new one."""

    made: str
    rows: int
    tokens_work: bool


def restore(path: Path) -> Restored:
    """Bring back the site that was backed up to ``path``.

    Everything is unpacked beside the site and compared with its hash first; rows come in one
    transaction, and files are taken away again if that fails.

    Raises:
        BackupError: damaged, foreign, of another version, or this site is not empty.
    """
    with archive.reading(path) as reader:
        _check_versions(reader.head)
        if found := database.in_the_way() or files.in_the_way():
            raise BackupError(f"can only be restored into an empty site; here is {found}")
        settings.VAR.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="restore-", dir=settings.VAR) as work:
            reader.unpack(Path(work))
            rows = _install(Path(work))
    tokens_work = reader.head.get("key") == key_mark() or (
        not environment.text("ACTNAS_SECRET_KEY") and (settings.VAR / "secret_key").exists()
    )
    return Restored(made=str(reader.head.get("made")), rows=rows, tokens_work=tokens_work)


def _check_versions(head: dict[str, Any]) -> None:
    theirs, ours = set(head.get("migrations", [])), set(database.migrations())
    if theirs == ours:
        return
    version = head.get("version")
    if unknown := sorted(theirs - ours):
        why = f"its migration {unknown[0]} is not known here"
    else:
        why = f"it lacks the migration {sorted(ours - theirs)[0]}"
    raise BackupError(
        f"is of version {version}, this is {devices.__version__}: {why}; "
        "restore it with the version that made it, then upgrade"
    )


def _install(unpacked: Path) -> int:
    call_command("migrate", interactive=False, verbosity=0)
    with ExitStack() as undo:
        with transaction.atomic():
            rows = database.load(unpacked / "database")
            _nobody_works_here_yet()
            files.install(unpacked, undo)
            _install_key(unpacked / "secret_key", undo)
        undo.pop_all()  # it is in: nothing is taken back
    return rows


def _nobody_works_here_yet() -> None:
    """What ran when the backup was made runs again; that counts as no attempt."""
    Job.objects.filter(state=State.RUNNING).update(
        state=State.QUEUED,
        claim=F("claim") + 1,
        sent=F("sent") + 1,
        queued_at=timezone.now(),
        heartbeat=None,
        worker="",
        message="restored from a backup",
    )
    Host.objects.update(leased_by=None, leased_at=None, lease_heartbeat=None, agent_heartbeat=None)
    Device.objects.update(state=DeviceState.IDLE)


def _install_key(found: Path, undo: ExitStack) -> None:
    if not found.exists() or environment.text("ACTNAS_SECRET_KEY"):
        return
    path = key_file()
    before = path.read_bytes() if path.exists() else None
    undo.callback(path.unlink if before is None else lambda: path.write_bytes(before))
    path.touch(mode=0o600)
    path.write_bytes(found.read_bytes())
