"""Two hundred people who upload a model of 12 MB at the same moment."""

from __future__ import annotations

import hashlib
import http.client
import os
import threading
import time
from typing import Any

from tests.benchmarks.load.clients import quantile
from tests.benchmarks.load.servers import THREADS, WORKERS, Site
from tests.benchmarks.numbers import Number
from tests.benchmarks.rows import Rows

UPLOADS, OCTETS, OWNERS = 200, 12_000_000, 20
MOST_RSS_MIB = 300.0
_BOUNDARY = "actnas-load"
_WAIT_S = 300


def inputs() -> dict[str, Any]:
    return {"uploads": UPLOADS, "octets": OCTETS, "workers": WORKERS, "threads": THREADS}


def missing(rows: Rows, sizes: tuple[int, ...]) -> bool:
    """Whether the row is missing."""
    return rows.find("uploads", inputs()) is None


def run(rows: Rows, site: Site, sizes: tuple[int, ...]) -> None:
    """Adds the row; the process must see the database of ``site``."""
    rows.add("uploads", inputs(), lambda: _measure(site))


def _measure(site: Site) -> dict[str, Any]:
    from webapp.catalog.models import Detector
    from webapp.jobs import queues

    tokens = _tokens()
    body = os.urandom(OCTETS)
    sent: dict[str, str] = {}
    taken: list[float] = []
    failed: list[str] = []
    start = threading.Barrier(UPLOADS + 1)

    def upload(number: int) -> None:
        start.wait()
        begun = time.monotonic()
        try:
            name, digest = _upload(site, number, tokens[number % OWNERS], body)
            sent[name] = digest
            taken.append(time.monotonic() - begun)
        except (OSError, http.client.HTTPException, ValueError) as error:
            failed.append(f"{number}: {error!r}"[:200])

    threads = [threading.Thread(target=upload, args=(n,)) for n in range(UPLOADS)]
    for thread in threads:
        thread.start()
    load, cpu, begun = os.getloadavg()[0], site.cpu_s(), time.monotonic()
    peak: dict[int, float] = {}
    start.wait()
    while any(thread.is_alive() for thread in threads):
        for worker in site.web_workers():
            rss = worker.memory_info().rss / 2**20
            peak[worker.pid] = max(peak.get(worker.pid, 0.0), rss)
        time.sleep(0.05)
    spent = time.monotonic() - begun
    stored = 0
    for row in Detector.objects.all():
        with row.file.open("rb") as file:
            whole = hashlib.file_digest(file, "sha256").hexdigest()
        stored += whole == row.sha256 == sent.get(row.name)
    found = {
        "answered": len(taken),
        "stored_whole": stored,
        "queued": queues.length(queues.VALIDATE),
        "failed": failed[:5],
        "seconds": round(spent, 2),
        "mib_s": round(UPLOADS * OCTETS / 2**20 / spent, 1),
        "percentiles_s": [round(quantile(sorted(taken), q / 100), 2) for q in range(101)],
        "rss_peak_mib": [round(value, 1) for value in sorted(peak.values())],
        "cpu_s_a_upload": round((site.cpu_s() - cpu) / UPLOADS, 3),
        "left_in_temporary_folder": len(list((site.data / "var" / "uploads").iterdir())),
        "load_1min_before": round(load, 2),
    }
    print(f"  uploads: {found}", flush=True)
    return found


def _tokens() -> list[str]:
    from django.contrib.auth.models import User

    from webapp.accounts.models import ApiToken

    made = []
    for number in range(OWNERS):
        user = User.objects.create(username=f"uploader-{number}")
        made.append(ApiToken.objects.issue(user=user, name="load")[1])
    return made


def _upload(site: Site, number: int, token: str, body: bytes) -> tuple[str, str]:
    """(name, sha256) of one more model, no two of which are equal.

    Raises:
        ValueError: any answer but 201.
    """
    name = f"model-{number}"
    own = name.encode().ljust(64)
    head = (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="name"\r\n\r\n{name}\r\n'
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; '
        f'filename="{name}.onnx"\r\nContent-Type: application/octet-stream\r\n\r\n'
    ).encode() + own
    tail = f"\r\n--{_BOUNDARY}--\r\n".encode()
    connection = http.client.HTTPConnection(*site.address, timeout=_WAIT_S)
    connection.putrequest("POST", "/api/v1/models")
    for key, value in {
        "Authorization": f"Bearer {token}",
        "Content-Type": f"multipart/form-data; boundary={_BOUNDARY}",
        "Content-Length": str(len(head) + len(body) + len(tail)),
    }.items():
        connection.putheader(key, value)
    connection.endheaders(head)
    view = memoryview(body)
    for place in range(0, len(view), 2**18):  # 200 people do not send in one piece
        connection.send(view[place : place + 2**18])
    connection.send(tail)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    if answer.status != 201:
        raise ValueError(f"{answer.status}: {text[:120]!r}")
    return name, hashlib.sha256(own + body).hexdigest()


def numbers(rows: Rows) -> list[Number]:
    """Uploads lost and the largest web process, from the row."""
    row = rows.find("uploads", inputs())
    values = None if row is None else row["values"]
    note = ""
    if values is not None:
        note = f"{values['seconds']} s, {values['mib_s']} MiB/s, load {values['load_1min_before']}"
    lost = None
    if values is not None:
        whole = min(values["answered"], values["stored_whole"], values["queued"])
        lost = UPLOADS - whole
    return [
        Number("uploads_lost", "uploads", ("<=", 0), lost, note=note),
        Number(
            "upload_web_process",
            "MiB",
            ("<=", MOST_RSS_MIB),
            None if values is None else max(values["rss_peak_mib"]),
            note="resident, the larger of the web processes",
        ),
    ]
