"""The web process is killed while it takes in an upload, and while it stores it."""

from __future__ import annotations

import json
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from tests.faults.conftest import YAML, Site

pytestmark = pytest.mark.slow

BOUNDARY = "looking-glass"


def body() -> bytes:
    """A form with a model whose comment is longer than what a socket holds back."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="y.yaml"\r\n\r\n'
    text = YAML.read_bytes().replace(b"yolov8", b"yolov8n") + b"\n# " + b"x" * 200_000
    return head.encode() + text + f"\r\n--{BOUNDARY}--\r\n".encode()


def head(site: Site, length: int, *, key: str = "") -> bytes:
    lines = [
        "POST /api/v1/models HTTP/1.1",
        f"Host: {urlsplit(site.stack.url).netloc}",
        f"Authorization: Bearer {site.token}",
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}",
        f"Content-Length: {length}",
        "Connection: close",
        *([f"Idempotency-Key: {key}"] if key else []),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def connect(site: Site) -> socket.socket:
    place = urlsplit(site.stack.url)
    assert place.hostname is not None
    return socket.create_connection((place.hostname, place.port or 80), timeout=60)


def answer_of(line: socket.socket) -> bytes:
    found = b""
    try:
        while chunk := line.recv(65536):
            found += chunk
    except ConnectionResetError:
        pass
    return found


def stored(site: Site) -> set[Path]:
    return {path for path in (site.stack.data / "storage").rglob("*") if path.is_file()}


def models(site: Site) -> int:
    ((count,),) = site.rows("SELECT count(*) FROM catalog_detector")
    return int(count)


@contextmanager
def half_sent(site: Site, *, key: str = "") -> Iterator[tuple[socket.socket, bytes]]:
    """A line on which half an upload has come in, and the other half of it."""
    sent = body()
    with connect(site) as line:
        line.sendall(head(site, len(sent), key=key) + sent[: len(sent) // 2])
        site.until(lambda: list((site.stack.data / "uploads").glob("*.upload*")))
        yield line, sent[len(sent) // 2 :]


def worker_of(site: Site) -> psutil.Process:
    """The process that answers; its master starts another one when it dies."""
    (worker,) = site.until(psutil.Process(site.stack.process("web")).children)
    return worker


def again(site: Site, *, key: str) -> bytes:
    """The same request to the successor, as a client does whose line broke; the whole answer."""
    sent = body()
    with connect(site) as line:
        line.sendall(head(site, len(sent), key=key) + sent)
        return answer_of(line)


def test_an_upload_is_whole_or_not_there_and_can_be_sent_again(site: Site) -> None:
    known, files = models(site), stored(site)
    with half_sent(site, key="died-early") as (line, _):
        worker_of(site).kill()
        assert answer_of(line) == b""  # no word of success
    assert models(site) == known
    assert stored(site) == files
    assert again(site, key="died-early").split()[1] == b"201"  # not "still at work"
    ((model,),) = site.rows("SELECT id FROM catalog_detector ORDER BY created DESC LIMIT 1")
    assert site.script.ready("models", model)["state"] == "ready"
    # Half a file of a dead process is litter: an agent takes it away.
    site.until(lambda: not list((site.stack.data / "uploads").iterdir()))


def test_what_was_made_before_it_could_be_answered_is_not_made_twice(site: Site) -> None:
    """Redis stands still: the process hangs where all is stored, and has said nothing yet."""
    known = models(site)
    redis = psutil.Process(site.stack.process("redis"))
    with half_sent(site, key="died-late") as (line, rest):
        redis.suspend()
        try:
            line.sendall(rest)
            site.until(lambda: models(site) == known + 1)
            worker_of(site).kill()
        finally:
            redis.resume()
        assert answer_of(line) == b""
    answer = again(site, key="died-late")
    assert answer.split()[1] == b"201"
    assert b"idempotent-replay: true" in answer.lower()
    assert models(site) == known + 1
    ((model,),) = site.rows("SELECT id FROM catalog_detector ORDER BY created DESC LIMIT 1")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["id"] == model
    assert site.script.ready("models", model)["state"] == "ready"


def test_a_stored_file_whose_row_never_came_is_swept(site: Site) -> None:
    known, files = models(site), stored(site)
    database = sqlite3.connect(site.stack.data / "actnas.sqlite3", isolation_level=None)
    with half_sent(site) as (line, rest), closing(database):
        database.execute("BEGIN IMMEDIATE")  # nobody else can write a row now
        line.sendall(rest)
        (orphan,) = site.until(lambda: stored(site) - files)
        worker_of(site).kill()
        database.execute("ROLLBACK")
        assert answer_of(line) == b""
    assert orphan.exists()
    site.until(lambda: stored(site) == files)
    assert models(site) == known
