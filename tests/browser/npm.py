"""Files of npm packages, for tests: the very bytes that a CDN which mirrors npm serves."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import tarfile
from pathlib import Path


class NpmMissing(Exception):
    """There is no npm on this machine, and the package is not in the cache; one line."""


def fetch(package: str, version: str, path: str, *, cache: Path) -> bytes:
    """The file ``path`` of ``package``@``version``, packed by npm once and then kept in ``cache``.

    Raises:
        NpmMissing: npm is not installed, or cannot reach its registry.
    """
    folder = cache / f"{package}-{version}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{package}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "package").is_dir():
            _pack(package, version, folder)
    return (folder / "package" / path).read_bytes()


def _pack(package: str, version: str, folder: Path) -> None:
    if shutil.which("npm") is None:
        raise NpmMissing(f"no npm to fetch {package}@{version} with: apt-get install npm")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    done = subprocess.run(
        ["npm", "pack", f"{package}@{version}", "--pack-destination", str(folder)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    archives = list(folder.glob("*.tgz"))
    if done.returncode or len(archives) != 1:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise NpmMissing(f"npm cannot pack {package}@{version}: {last}")
    with tarfile.open(archives[0]) as archive:
        archive.extractall(folder, filter="data")
