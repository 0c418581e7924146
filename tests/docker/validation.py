"""The image that reads uploads, as docker/build.sh makes it."""

from __future__ import annotations

import os
import subprocess
from functools import cache

import pytest

import devices
from tests import machine
from tests.conftest import ROOT

IMAGE = f"actnas/validation:{devices.__version__}"


@cache
def image() -> str:
    """Its name, built with the layers of earlier builds."""
    done = subprocess.run(
        [str(ROOT / "docker" / "build.sh"), "validation"],
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
    return IMAGE
