"""Taking rights away from the calling process, for good."""

from __future__ import annotations

import ctypes
import os
import resource
import struct
import sys
import sysconfig
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from devices import confinement
from engine.sandbox import landlock

__all__ = ["NOBODY", "Confinement", "Limits", "confine"]

NOBODY = 65534
MIB = 2**20
_NEW_USER, _NEW_NET, _NEW_IPC = 0x10000000, 0x40000000, 0x08000000
_NO_NEW_PRIVS, _DUMPABLE = 38, 4
_CAPSET, _CAPABILITY_V3 = {"x86_64": 126, "aarch64": 91}, 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Limits:
    """``memory_mib`` on top of what the process has, ``cpu_s`` of processor time."""

    memory_mib: int = 4096
    cpu_s: int = 600
    file_mib: int = 20 * 1024  # of one file that is written
    files: int = 256  # open at once


@dataclass(frozen=True)
class Confinement:
    """What the process really lost: looked at afterwards, not assumed."""

    user: int
    network: bool  # no network of any kind
    files: bool  # nothing of the machine but its programs
    processes: bool  # cannot start any


def confine(*, read: Path, write: Path, limits: Limits, container: bool = False) -> Confinement:
    """Keep the calling process, which has one thread, to the folders ``read`` and ``write``.

    It may also read programs and libraries, and start nothing. As root it becomes *nobody*; else it
    stays who it is, without capabilities. ``container``: a container without network and with
    nothing of the machine in it is around the process, which counts where the kernel refuses more.

    Raises:
        OSError: a limit that every kernel has was refused.
    """
    around = confinement.read() if container else None
    _limit(limits)
    os.umask(0o022)
    _no_new_privileges()
    was_root = os.geteuid() == 0
    if was_root:
        network = _libc.unshare(_NEW_NET | _NEW_IPC) == 0
        # while paths below private folders can still be looked up; the rules follow the folders
        files = landlock.restrict(read=[*_programs(), read], write=[write])
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    else:
        files = landlock.restrict(read=[*_programs(), read], write=[write])
        network = _libc.unshare(_NEW_USER | _NEW_NET | _NEW_IPC) == 0
        _drop_capabilities()
    _libc.prctl(_DUMPABLE, 0, 0, 0, 0)  # nobody's other processes cannot look in
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    os.chdir(write)
    files = files and not _can_list(Path("/root")) and not _can_list(Path("/proc"))
    if around is not None:
        network = network or around.interfaces == ["lo"]
        files = files or (around.root_read_only and not around.writable)
    return Confinement(
        user=os.getuid(),
        network=network,
        files=files,
        processes=not _can_fork(),
    )


def _limit(limits: Limits) -> None:
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    for what, soft in (
        (resource.RLIMIT_AS, now + limits.memory_mib * MIB),
        (resource.RLIMIT_CPU, limits.cpu_s),
        (resource.RLIMIT_FSIZE, limits.file_mib * MIB),
        (resource.RLIMIT_NOFILE, limits.files),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        most = soft if hard == resource.RLIM_INFINITY else min(soft, hard)
        resource.setrlimit(what, (most, most))


def _programs() -> list[Path]:
    """Where Python and its libraries are, and what they open late."""
    places = {sys.prefix, sys.base_prefix, *sysconfig.get_paths().values(), *sys.path}
    ours = str(Path(__file__).resolve().parents[2])
    config = os.environ.get("YOLO_CONFIG_DIR", "")
    places |= {ours + "/engine", ours + "/devices", config}
    places -= {"", "/", ours}  # not the whole checkout: a site may keep its var/ there
    system = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/share", "/etc/ld.so.cache")
    return [Path(place) for place in sorted(places)] + [
        Path(place) for place in (*system, "/dev/null", "/dev/urandom", "/dev/zero")
    ]


def _no_new_privileges() -> None:
    if _libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_NO_NEW_PRIVS) was refused")


def _drop_capabilities() -> None:
    """Those that a new user namespace gave; they are good for nothing outside of it."""
    number = _CAPSET.get(os.uname().machine)
    if number is not None:
        _libc.syscall(number, struct.pack("=Ii", _CAPABILITY_V3, 0), bytes(24))


def _can_list(folder: Path) -> bool:
    try:
        os.listdir(folder)
    except OSError:
        return False
    return True


def _can_fork() -> bool:
    try:
        child = os.fork()
    except OSError:
        return False
    if child == 0:
        os._exit(0)
    with suppress(ChildProcessError):
        os.waitpid(child, 0)
    return True
