"""The web process is killed while it takes in an upload."""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from tests.faults.conftest import YAML, Site

pytestmark = pytest.mark.slow

BOUNDARY = "looking-glass"
KEY = "one-upload-two-tries"


def body() -> bytes:
    """A form with a model whose comment is longer than what a socket holds back."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="y.yaml"\r\n\r\n'
    text = YAML.read_bytes().replace(b"yolov8", b"yolov8n") + b"\n# " + b"x" * 200_000
    return head.encode() + text + f"\r\n--{BOUNDARY}--\r\n".encode()


def head(site: Site, length: int) -> bytes:
    lines = [
        "POST /api/v1/models HTTP/1.1",
        f"Host: {urlsplit(site.stack.url).netloc}",
        f"Authorization: Bearer {site.token}",
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}",
        f"Content-Length: {length}",
        f"Idempotency-Key: {KEY}",
        "Connection: close",
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


def test_an_upload_is_whole_or_not_there_and_can_be_sent_again(site: Site) -> None:
    uploads = site.stack.data / "uploads"
    models = site.rows("SELECT count(*) FROM catalog_detector")
    files, sent = stored(site), body()
    master = psutil.Process(site.stack.process("web"))
    with connect(site) as line:
        line.sendall(head(site, len(sent)) + sent[: len(sent) // 2])
        site.until(lambda: list(uploads.glob("*.upload*")))
        (worker,) = master.children()
        worker.kill()
        assert answer_of(line) == b""  # no word of success
    assert site.rows("SELECT count(*) FROM catalog_detector") == models
    assert stored(site) == files
    # The same request to its successor, as a client does whose line broke: not "still at work".
    with connect(site) as line:
        line.sendall(head(site, len(sent)) + sent)
        assert answer_of(line).split()[1] == b"201"
    ((model,),) = site.rows("SELECT id FROM catalog_detector ORDER BY created DESC LIMIT 1")
    assert site.script.ready("models", model)["state"] == "ready"
    # Half a file of a dead process is litter: an agent takes it away.
    site.until(lambda: not list(uploads.iterdir()), seconds=25)
