"""Landlock: files, TCP and signals that a process gives up for itself; needs no privileges.

The kernel's own words are in its userspace-api/landlock document. Python's standard library has no
call for it, so these are three system calls.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable
from pathlib import Path

__all__ = ["restrict", "version"]

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same numbers on every architecture
_VERSION_FLAG, _PATH_BENEATH = 1, 1
_READ = (1 << 0) | (1 << 2) | (1 << 3)  # execute, read a file, list a folder
_WRITE = sum(
    1 << bit for bit in (1, 4, 5, 7, 8, 12)
)  # files, folders, links; no sockets, no devices
_OF_A_FILE = (1 << 0) | (1 << 1) | (1 << 2) | (1 << 14)
_REFER, _TRUNCATE, _IOCTL = 1 << 13, 1 << 14, 1 << 15
_TCP, _SCOPES = 0b11, 0b11  # bind and connect; abstract sockets and signals

_libc = ctypes.CDLL(None, use_errno=True)


def version() -> int:
    """The version that this kernel speaks; 0: none."""
    found = _libc.syscall(_CREATE, None, ctypes.c_size_t(0), _VERSION_FLAG)
    return max(found, 0)


def restrict(*, read: Iterable[Path], write: Iterable[Path]) -> bool:
    """From now on only files below these folders can be opened; False: the kernel has no Landlock.

    TCP and signals to processes outside go, too, where the kernel's version can. The caller has set
    no_new_privs. Folders that do not exist, or that it cannot get to, are left out.

    Raises:
        OSError: the kernel refuses.
    """
    spoken = version()
    if spoken == 0:
        return False
    handled = (1 << 13) - 1
    handled |= (_REFER if spoken >= 2 else 0) | (_TRUNCATE if spoken >= 3 else 0)
    handled |= _IOCTL if spoken >= 5 else 0
    asked = struct.pack("=QQQ", handled, _TCP if spoken >= 4 else 0, _SCOPES if spoken >= 6 else 0)
    asked = asked[: 24 if spoken >= 6 else 16 if spoken >= 4 else 8]
    ruleset = _call(_CREATE, asked, ctypes.c_size_t(len(asked)), 0)
    try:
        for path in read:
            _allow(ruleset, path, _READ & handled)
        for path in write:
            _allow(ruleset, path, (_READ | _WRITE | _REFER | _TRUNCATE) & handled)
        _call(_RESTRICT, ruleset, 0)
    finally:
        os.close(ruleset)
    return True


def _allow(ruleset: int, path: Path, access: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):
        return
    try:
        if not path.is_dir():
            access &= _OF_A_FILE
        _call(_ADD, ruleset, _PATH_BENEATH, struct.pack("=Qi", access, place), 0)
    finally:
        os.close(place)


def _call(number: int, *arguments: object) -> int:
    found = int(_libc.syscall(number, *arguments))
    if found < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"landlock (system call {number}): {os.strerror(code)}")
    return found
