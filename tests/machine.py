"""What marked tests need of the machine, and what to install where it is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from devices import cuda
from devices.errors import Unsupported

BASE_IMAGE = os.environ.get("ACTNAS_BASE_IMAGE", "actnas/base:bookworm")
_CAP_SYS_ADMIN = 21
POSTGRES_URL = "ACTNAS_TEST_POSTGRES"


@dataclass(frozen=True)
class Need:
    """``missing`` says in one line what to install or set, or returns None if nothing lacks."""

    missing: Callable[[], str | None]


def chromium() -> str | None:
    """Path of the Chromium that browser tests drive."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


def libfaketime() -> Path | None:
    """The library that gives processes with many threads another time of day."""
    return next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


@cache
def _no_docker() -> str | None:
    if shutil.which("docker") is None:
        return "no Docker client: run docker/engine.sh as root, or apt-get install docker.io"
    asked = subprocess.run(
        ["docker", "image", "inspect", BASE_IMAGE],
        capture_output=True,
        text=True,
        timeout=30,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if asked.returncode == 0:
        return None
    if "no such image" in asked.stderr.lower():
        return f"no image {BASE_IMAGE}: run docker/engine.sh, or set ACTNAS_BASE_IMAGE"
    return "no Docker engine answers: run docker/engine.sh as root, or start dockerd"


@cache
def compose() -> list[str] | None:
    """The command of Compose: v2 where the Docker client has it, else docker-compose 1.29."""
    plugin = ["docker", "compose"]
    if shutil.which("docker") is not None:
        asked = subprocess.run([*plugin, "version"], capture_output=True, timeout=30, check=False)
        if asked.returncode == 0:
            return plugin
    return ["docker-compose"] if shutil.which("docker-compose") is not None else None


def _no_compose() -> str | None:
    return None if compose() else "no Compose: apt-get install docker-compose"


def _no_chromium() -> str | None:
    return None if chromium() else "no Chromium: apt-get install chromium fonts-dejavu-core"


def _no_faketime() -> str | None:
    return None if libfaketime() else "no libfaketime: apt-get install faketime"


def _no_mount() -> str | None:
    status = Path("/proc/self/status").read_text()
    effective = int(next(line for line in status.splitlines() if "CapEff" in line).split()[1], 16)
    may = effective >> _CAP_SYS_ADMIN & 1
    return None if may else "small file systems cannot be mounted: run as root with CAP_SYS_ADMIN"


@cache
def _no_gpu() -> str | None:
    try:
        cuda.require()
    except Unsupported as error:
        return str(error)
    return None


def _no_postgres() -> str | None:
    if os.environ.get(POSTGRES_URL):
        return None
    return (
        f"no {POSTGRES_URL} (postgres://user:password@host/database): "
        "apt-get install postgresql, create a user that may create databases, set it"
    )


NEEDS: dict[str, Need] = {
    "compose": Need(_no_compose),
    "docker": Need(_no_docker),
    "browser": Need(_no_chromium),
    "faketime": Need(_no_faketime),
    "gpu": Need(_no_gpu),
    "mount": Need(_no_mount),
    "postgres": Need(_no_postgres),
}
