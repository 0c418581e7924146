"""Middle floor: the search, with PyTorch and ultralytics. Never imports Django.

Importing this package settles how ultralytics behaves in this process, which must happen before
ultralytics is imported anywhere: no network, no automatic installs, checkpoints read without
running code, silence on stdout, and its settings in a folder of our own instead of the home folder.
It also settles how OpenMP threads wait, which is read when torch is loaded.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path


def _settings_folder() -> str:
    """A folder that only this user can write to; ``ACTNAS_SETTINGS_DIR`` names another one."""
    wanted = os.environ.get("ACTNAS_SETTINGS_DIR")
    folder = Path(wanted or Path(tempfile.gettempdir()) / f"actnas-settings-{os.getuid()}")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if wanted is None and (found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode)):
        # Somebody else made it first, where all can write: do not read their settings.
        return tempfile.mkdtemp(prefix="actnas-settings-")
    return str(folder)


def _prepare_environment() -> None:
    os.environ["YOLO_OFFLINE"] = "true"
    os.environ["YOLO_AUTOINSTALL"] = "false"
    os.environ["ULTRALYTICS_SAFE_LOAD"] = "1"
    os.environ.setdefault("YOLO_VERBOSE", "false")
    # Threads that spin at barriers starve each other as soon as two of our processes compute at
    # once: two-threaded training steps took twice as long as with threads that sleep.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if "YOLO_CONFIG_DIR" not in os.environ or "MPLCONFIGDIR" not in os.environ:
        folder = _settings_folder()
        os.environ.setdefault("YOLO_CONFIG_DIR", folder)
        os.environ.setdefault("MPLCONFIGDIR", folder)


_prepare_environment()
