"""A worker process whose jobs of the kind ``validate_model`` run ``kinds.slow``."""

from __future__ import annotations

import sys

import django

django.setup()

from webapp.jobs.choices import Kind  # noqa: E402 (the app registry comes first)
from webapp.jobs.handlers import HANDLERS, Handler  # noqa: E402
from webapp.jobs.worker import BESIDE, PRELOAD, work  # noqa: E402

PRELOAD.clear()

BESIDE.clear()
HANDLERS[Kind.VALIDATE_MODEL] = Handler(
    run="tests.webapp.jobs.kinds.slow", ended="tests.webapp.jobs.kinds.ended"
)
work(sys.argv[1:], burst=False)
