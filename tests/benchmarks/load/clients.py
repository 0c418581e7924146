"""Eight clients that ask as fast as they are answered, and what they saw."""

from __future__ import annotations

import http.client
import math
import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.load.servers import Site

CLIENTS = 8


@dataclass(frozen=True)
class Window:
    """What the clients saw for a while; ``taken_ms``: of each answer; ``cpu_s``: of the site."""

    taken_ms: list[float]
    failed: list[str]
    octets: int
    spent_s: float
    cpu_s: float
    load_before: float


def ask(
    site: Site, addresses: Sequence[str], *, seconds: float, headers: dict[str, str] | None = None
) -> Window:
    """``CLIENTS`` clients go through ``addresses`` for ``seconds``."""
    sent = {"Accept-Encoding": "gzip", **(headers or {})}
    taken: list[list[float]] = [[] for _ in range(CLIENTS)]
    failed: list[str] = []
    octets = [0] * CLIENTS
    end = time.monotonic() + seconds

    def client(number: int) -> None:
        connection = http.client.HTTPConnection(*site.address, timeout=60)
        for address in _turns(addresses, number):
            if time.monotonic() > end:
                return
            begun = time.perf_counter()
            try:
                connection.request("GET", address, headers=sent)
                answer = connection.getresponse()
                body = answer.read()
            except (OSError, http.client.HTTPException) as error:
                failed.append(f"{address}: {error!r}")
                connection.close()
                continue
            taken[number].append(1000 * (time.perf_counter() - begun))
            octets[number] += len(body)
            if answer.status != 200:
                failed.append(f"{address}: {answer.status}")

    load, cpu, begun = os.getloadavg()[0], site.cpu_s(), time.monotonic()
    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Window(
        taken_ms=[ms for list_ in taken for ms in list_],
        failed=failed,
        octets=sum(octets),
        spent_s=time.monotonic() - begun,
        cpu_s=site.cpu_s() - cpu,
        load_before=load,
    )


def pooled(windows: Sequence[Window]) -> dict[str, Any]:
    """The answers of all windows together, and what each of them saw.

    Raises:
        SystemExit: there was no answer at all.
    """
    found = sorted(ms for window in windows for ms in window.taken_ms)
    failed = [text for window in windows for text in window.failed]
    if not found:
        raise SystemExit(f"bench-load: no answer at all: {failed[:3]}")
    spent = sum(window.spent_s for window in windows)
    return {
        "requests": len(found),
        "seconds": round(spent, 2),
        "requests_s": round(len(found) / spent, 1),
        "percentiles_ms": [round(quantile(found, q / 100), 2) for q in range(101)],
        "p95_interval_ms": list(quantile_interval(found, 0.95)),
        "p95_of_each_window_ms": [
            round(quantile(sorted(window.taken_ms), 0.95), 2) for window in windows
        ],
        "cpu_ms_a_request": round(1000 * sum(window.cpu_s for window in windows) / len(found), 2),
        "kib_an_answer": round(sum(window.octets for window in windows) / len(found) / 1024, 1),
        "failed": failed[:5],
        "load_1min_before": round(windows[0].load_before, 2),
    }


def once(site: Site, addresses: Sequence[str], *, headers: dict[str, str]) -> None:
    """Ask for each address once, one after the other."""
    connection = http.client.HTTPConnection(*site.address, timeout=60)
    for address in addresses:
        connection.request("GET", address, headers={"Accept-Encoding": "gzip", **headers})
        connection.getresponse().read()
    connection.close()


def quantile(ordered: Sequence[float], q: float) -> float:
    """The smallest value that at least the share ``q`` does not exceed."""
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)]


def quantile_interval(ordered: Sequence[float], q: float) -> tuple[float, float]:
    """95 % interval of a quantile by order statistics (normal approximation of the binomial)."""
    n = len(ordered)
    half = 1.96 * math.sqrt(n * q * (1 - q))
    low, high = (min(n - 1, max(0, round(n * q + side))) for side in (-half, half))
    return round(ordered[low], 2), round(ordered[high], 2)


def _turns(addresses: Sequence[str], number: int) -> Iterator[str]:
    index = number * len(addresses) // CLIENTS
    while True:
        yield addresses[index % len(addresses)]
        index += 1
