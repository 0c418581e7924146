"""Sets the environment up once: checks the machine, makes .venv, installs what is pinned.

Runs on the system's Python with nothing but the standard library. A stamp in .venv holds the hash
of what was asked for, so that a second run installs nothing.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import os
import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / ".actnas-installed"
INPUTS = ("pyproject.toml", "constraints.txt")
EXTRAS = "dev,demo"
OLDEST = (3, 11)

# What the wheels of opencv-python (first two) and rdkit load, and Debian's package of it.
LIBRARIES = {
    "libGL.so.1": "libgl1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libXrender.so.1": "libxrender1",
    "libXext.so.6": "libxext6",
    "libexpat.so.1": "libexpat1",
}


def missing_packages() -> list[str]:
    """Debian packages that this machine lacks, in the order of LIBRARIES."""
    missing = []
    for library, package in LIBRARIES.items():
        try:
            ctypes.CDLL(library)
        except OSError:
            missing.append(package)
    if importlib.util.find_spec("ensurepip") is None:
        missing.append("python3-venv")
    return missing


def fingerprint() -> str:
    """A hash over everything that decides what gets installed, this script's Python included."""
    digest = hashlib.sha256(f"{platform.python_version()} {EXTRAS} {ROOT}".encode())
    for name in INPUTS:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def install() -> None:
    """Makes .venv and installs the pinned packages and this project into it."""
    python = VENV / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
    print("setup: installing the pinned packages (minutes, once)", flush=True)
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check"]
    command += ["-c", "constraints.txt", "-e", f".[{EXTRAS}]"]
    quiet = [] if sys.stdout.isatty() else ["--quiet"]
    # setuptools warns at length about every editable install; errors still show
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    subprocess.run(command + quiet, cwd=ROOT, env=environment, check=True, stdin=subprocess.DEVNULL)


def main() -> int:
    if sys.version_info < OLDEST:
        found = platform.python_version()
        print(f"setup: Python {found} found, 3.11 or newer is needed", file=sys.stderr)
        return 1
    missing = missing_packages()
    if missing:
        print(
            f"setup: missing on this machine: apt-get install {' '.join(missing)}", file=sys.stderr
        )
        return 1
    wanted = fingerprint()
    if STAMP.exists() and STAMP.read_text() == wanted:
        return 0
    STAMP.unlink(missing_ok=True)
    try:
        install()
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    STAMP.write_text(wanted)
    return 0


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main())
