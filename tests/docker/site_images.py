"""Images of the site, as docker/build.sh makes them."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests import machine
from tests.conftest import ROOT


def build(*names: str) -> None:
    """Build them on this machine's base image, with the layers of earlier builds."""
    done = subprocess.run(
        [str(ROOT / "docker" / "build.sh"), *names],
        env={
            **os.environ,
            "ACTNAS_BASE_IMAGE": machine.BASE_IMAGE,
            "ACTNAS_BUILD_NETWORK": "host",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.fail((done.stdout + done.stderr)[-4000:])
