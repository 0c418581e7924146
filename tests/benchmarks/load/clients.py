"""Eight clients that ask as fast as they are answered, and what they saw."""

from __future__ import annotations

import http.client
import math
import os
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from tests.benchmarks.load.servers import Site

CLIENTS = 8


def ask(
    site: Site, addresses: Sequence[str], *, seconds: float, headers: dict[str, str] | None = None
) -> dict[str, Any]:
    """Latencies of ``CLIENTS`` clients that go through ``addresses`` for ``seconds``."""
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
    spent = time.monotonic() - begun
    found = sorted(ms for list_ in taken for ms in list_)
    if not found:
        raise SystemExit(f"bench-load: no answer at all: {failed[:3]}")
    return {
        "requests": len(found),
        "seconds": round(spent, 2),
        "requests_s": round(len(found) / spent, 1),
        "percentiles_ms": [round(quantile(found, q / 100), 2) for q in range(101)],
        "p95_interval_ms": list(quantile_interval(found, 0.95)),
        "cpu_ms_a_request": round(1000 * (site.cpu_s() - cpu) / len(found), 2),
        "kib_an_answer": round(sum(octets) / len(found) / 1024, 1),
        "failed": failed[:5],
        "load_1min_before": round(load, 2),
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
