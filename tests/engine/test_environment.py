"""What importing the engine settles, seen from a fresh process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import engine.loading, engine.evaluation
from ultralytics.utils import AUTOINSTALL, ONLINE, SAFE_LOAD, SETTINGS
assert SAFE_LOAD and not AUTOINSTALL and not ONLINE
"""


def test_no_network_no_installs_and_nothing_in_the_home_folder(tmp_path: Path) -> None:
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    home.mkdir()
    temporary.mkdir()
    ours = {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(temporary)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=ours,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert not list(home.iterdir())
    settings = temporary / f"actnas-settings-{os.getuid()}"
    assert settings.stat().st_mode & 0o077 == 0
