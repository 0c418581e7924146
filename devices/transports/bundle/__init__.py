"""A folder of jobs that is carried to a machine which nobody reaches, and its results back.

``write`` makes the folder: jobs, their files, this package, the list of packages to install, one
command. ``run`` is that command. ``read`` and ``check`` judge what comes back.
"""

from __future__ import annotations

from devices.transports.bundle.documents import (
    RESULTS,
    Bundle,
    BundledJob,
    Results,
    Returned,
)
from devices.transports.bundle.reading import check, manifest, read
from devices.transports.bundle.running import run
from devices.transports.bundle.writing import write

__all__ = [
    "RESULTS",
    "Bundle",
    "BundledJob",
    "Results",
    "Returned",
    "check",
    "manifest",
    "read",
    "run",
    "write",
]
