"""The image that reads uploads, as docker/build.sh makes it."""

from __future__ import annotations

from functools import cache

import devices
from tests.docker.site_images import build

IMAGE = f"actnas/validation:{devices.__version__}"


@cache
def image() -> str:
    """Its name, built with the layers of earlier builds."""
    build("validation")
    return IMAGE
