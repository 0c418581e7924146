"""Log lines: what they are about, and how they look.

Every line says for which job and search it was written, whichever thread or library wrote it: a
whole story is found by one id in the logs of web, workers and agents.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

_OWN = ("search", "job")
# Libraries that print through handlers of their own.
_HEADSTRONG = ("ultralytics", "rq.worker", "rq.job", "py.warnings")
_NOTHING: Mapping[str, object] = MappingProxyType({})
_here: ContextVar[Mapping[str, object]] = ContextVar("ids of log lines", default=_NOTHING)
_everywhere: dict[str, object] = {}


@contextmanager
def about(ids: Mapping[str, object], *, whole_process: bool = False) -> Iterator[None]:
    """Lines of the block carry ``ids``: those of this thread, or of every thread.

    A process that runs one job takes ``whole_process``, for threads that libraries start.
    """
    before = dict(_everywhere)
    token = _here.set({**_here.get(), **ids})
    if whole_process:
        _everywhere.update(ids)
    try:
        yield
    finally:
        _here.reset(token)
        if whole_process:
            _everywhere.clear()
            _everywhere.update(before)


def also_about(ids: Mapping[str, object]) -> None:
    """Within :func:`about`: from here on lines carry these, too."""
    _here.set({**_here.get(), **ids})


def ids_of(record: logging.LogRecord) -> dict[str, object]:
    """What the line is about: its own ``extra``, else its thread's, else its process's."""
    known = {**_everywhere, **_here.get()}
    own = {name: record.__dict__[name] for name in _OWN if name in record.__dict__}
    # Django logs an answer's status when every middleware has ended, with the request itself.
    if name := getattr(record.__dict__.get("request"), "log_id", None):
        own["request"] = name
    return {**known, **own}


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        document: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **ids_of(record),
            "process": record.process,
        }
        if "ms" in record.__dict__:
            document["ms"] = record.__dict__["ms"]
        if record.exc_info:
            document["error"] = self.formatException(record.exc_info)
        return json.dumps(document, default=str)


def take_over() -> None:
    """Send what headstrong libraries log through our handler, too; they may be loaded late."""
    logging.captureWarnings(True)
    for name in _HEADSTRONG:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
