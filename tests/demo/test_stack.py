"""The site that demo and serve run: it comes up whole, notices a death, and leaves nothing."""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest

from engine.remote import Client, SiteError
from webapp.demo.stack import Stack, StackFailed


def processes_of(data: Path) -> list[psutil.Process]:
    """Every process on this machine that works on the site in ``data``, but for its Redis.

    Redis writes its title over its environment.
    """
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("ACTNAS_VAR") == str(data):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def redis_servers() -> set[psutil.Process]:
    """Redis servers that this process started; other tests keep one of their own."""
    return {p for p in psutil.Process().children() if "redis-server" in p.name()}


def test_it_serves_the_api_and_leaves_no_process(tmp_path: Path) -> None:
    before = redis_servers()
    with Stack(tmp_path) as stack:
        with urlopen(f"{stack.url}/", timeout=30) as page:
            assert page.status == 200
        with Client(stack.url) as client:
            client.sign_up(username="tester", password="a long enough phrase")
            assert any(target["offered"] for target in client.targets())
            with pytest.raises(SiteError, match="no model 'nothing'"):
                client.upload_state("models", "nothing")
        assert len(processes_of(tmp_path)) > 3
        scratch = Path(stack.environment["ACTNAS_REDIS_URL"].removeprefix("unix://")).parent
        assert scratch.stat().st_mode & 0o077 == 0
    assert processes_of(tmp_path) == []
    assert redis_servers() == before
    assert not scratch.exists()


def test_a_part_that_dies_is_named_with_its_log(tmp_path: Path) -> None:
    before = redis_servers()
    with Stack(tmp_path) as stack:
        (redis,) = redis_servers() - before
        redis.kill()
        redis.wait(10)
        with pytest.raises(StackFailed, match=r"redis ended with status .*redis\.log"):
            stack.check()
    assert processes_of(tmp_path) == []


def test_a_taken_port_is_refused_and_nothing_stays(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"), Stack(tmp_path, port=port):
            pass
    assert processes_of(tmp_path) == []
