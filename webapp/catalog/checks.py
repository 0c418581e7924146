"""Having an upload read by somebody who may do nothing else.

Each check runs in a container where an image for that is set. Else a worker keeps one warm server
of engine.sandbox beside it, and each check runs in a child of that. What comes back may be a lie of
a hostile file, so facts are validated and files are looked at before anything of them is kept.
"""

from __future__ import annotations

import logging
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from django.conf import settings

from engine.errors import EngineError
from engine.sandbox import landlock
from engine.sandbox.client import Checked, Server, ServerGone
from engine.sandbox.confine import NOBODY, Limits
from engine.sandbox.container import START_S
from engine.sandbox.task import INPUT, WORK, Request
from webapp.catalog import contained
from webapp.jobs import scratch
from webapp.jobs.context import JobContext

log = logging.getLogger(__name__)

_LEFT_S = 15  # of a job's time, to store what was found
_server: Server | None = None


def start() -> None:
    """Have a warm server beside this worker. Called before each fork: a dead one is replaced."""
    global _server
    if contained.configured():
        return
    if _server is None or not _server.is_alive():
        _server = Server()


@contextmanager
def checked(
    context: JobContext, *, kind: Literal["model", "data-set"], source: Path
) -> Iterator[tuple[Checked, Path]]:
    """What the upload ``source`` is, and the folder in which its reader could write.

    Raises:
        BadModel, BadDataSet: it cannot be used. CheckLost: worth another try. DeviceNotReady: there
            is no way to read it now.
    """
    with scratch.box(context.job.worker) as box:
        limit_s, ask = context.job.limit_s - _LEFT_S, _ask
        if contained.configured():
            limit_s, ask = limit_s - round(contained.PATIENCE_S + START_S), contained.ask
        found = ask(prepared(box, kind, source, limit_s=limit_s), context)
        log.info(
            "%s read: %s; %.0f MiB, %.1f s",
            source.name,
            found.held,
            found.usage.peak_mib,
            found.usage.seconds,
        )
        yield found, box


def _ask(request: Request, context: JobContext) -> Checked:
    timeout = float(request.limits.cpu_s)
    if _server is not None:
        try:
            return _server.check(
                request, timeout_s=timeout, while_waiting=context.check, progress=context.progress
            )
        except ServerGone as error:
            log.warning("%s; a new one is started", error)
    with Server() as server:
        return server.check(
            request, timeout_s=timeout, while_waiting=context.check, progress=context.progress
        )


def prepared(
    box: Path, kind: Literal["model", "data-set"], source: Path, *, limit_s: int
) -> Request:
    """Lay the upload into the empty ``box``, where its reader can read but not change it."""
    into, work = box / INPUT, box / WORK
    for folder in (into, work):
        folder.mkdir()
        folder.chmod(0o755)  # whatever the umask is
    _lay(source, into / source.name)
    if os.geteuid() == 0:
        os.chown(work, NOBODY, NOBODY)
    limits = Limits(memory_mib=settings.VALIDATION_MEMORY_MIB, cpu_s=limit_s)
    return Request(kind=kind, box=box, file=source.name, limits=limits)


def _lay(source: Path, target: Path) -> None:
    guarded = os.geteuid() == 0 or landlock.version() > 0  # the reader cannot write to it
    if guarded and source.stat().st_mode & stat.S_IROTH:
        try:
            os.link(source, target)
            return
        except OSError:  # another file system, or one without links
            pass
    shutil.copyfile(source, target)
    target.chmod(0o644)


def take(source: Path, target: Path) -> None:
    """Move what a reader wrote to ``target``, if it is nothing but plain files and folders.

    Raises:
        EngineError: there is something else among it, such as a link out of the folder.
    """
    for path in [source, *sorted(source.rglob("*"))]:
        facts = path.lstat()
        if not (stat.S_ISDIR(facts.st_mode) or stat.S_ISREG(facts.st_mode)) or (
            stat.S_ISREG(facts.st_mode) and facts.st_nlink != 1
        ):
            raise EngineError(f"the check left {path.name!r}, which is no plain file or folder")
        if os.geteuid() == 0:
            os.chown(path, os.getuid(), os.getgid(), follow_symlinks=False)
    shutil.move(source, target)
