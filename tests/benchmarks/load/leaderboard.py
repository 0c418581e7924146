"""The leaderboard with ten thousand to a million entries, and what publishing one more costs."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import psutil

from tests.benchmarks.load import clients
from tests.benchmarks.load.servers import THREADS, WORKERS, Site, beside
from tests.benchmarks.numbers import Number
from tests.benchmarks.rows import Rows

SEED = 6
FAMILIES = ("YOLOv8n", "yolov5n", "YOLO11n", "YOLOv6n", "YOLOv10n")
SIZES = (10_000, 100_000, 1_000_000)
SECONDS, ROUNDS = 10.0, 3  # of each page: a machine that is slow for a while is so for all pages
MADE = ("first", "points", "deep", "filter", "text")  # by a site that keeps no pages
PAGES = ("kept", *MADE)
PARTS = ("size", *PAGES, "stream", "publish")  # each is a row; publishing changes the list
CACHED_MS, UNCACHED_MS = 50.0, 150.0
FIRST_BYTE_S, FLAT_MIB = 1.0, 32.0
STREAM_S = 45.0  # a stream is read for so long at most


def missing(rows: Rows, sizes: tuple[int, ...]) -> list[int]:
    """The sizes without all of their rows."""
    return [n for n in sizes if _lacking(rows, n)]


def _lacking(rows: Rows, n: int) -> list[str]:
    return [part for part in PARTS if rows.find("leaderboard", inputs(n, part)) is None]


def inputs(entries: int, part: str) -> dict[str, Any]:
    return {
        "entries": entries,
        "part": part,
        "clients": clients.CLIENTS,
        "seconds": SECONDS,
        "rounds": ROUNDS,
        "workers": WORKERS,
        "threads": THREADS,
        "seed": SEED,
    }


def by_size(rows: Sequence[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """{entries: {part: its values}} of the leaderboard's rows, small sizes first."""
    found: dict[int, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: (row["inputs"]["entries"], _place(row))):
        found.setdefault(row["inputs"]["entries"], {})[row["inputs"]["part"]] = row["values"]
    return found


def _place(row: dict[str, Any]) -> int:
    return PARTS.index(row["inputs"]["part"])


def run(rows: Rows, site: Site, sizes: tuple[int, ...]) -> None:
    """Adds the rows that are missing; the process must see the database of ``site``."""
    from tests.benchmarks.load import entries as made

    made.prepare()
    for n in missing(rows, sizes):
        begun = time.monotonic()
        made.fill(n)
        filled_s = round(time.monotonic() - begun, 1)
        print(f"{n:,} entries after {filled_s:.0f} s", flush=True)
        addresses = _addresses()
        with beside(site, {"ACTNAS_KEEP_PAGES_S": "0"}) as making:
            asked = [part for part in PAGES if part in _lacking(rows, n)]
            seen: dict[str, list[clients.Window]] = {part: [] for part in asked}
            for _ in range(ROUNDS):
                for part in asked:
                    seen[part].append(_ask(part, making if part in MADE else site, addresses))
            for part in _lacking(rows, n):
                at = partial(_measure, part, site, seen)
                row = rows.add("leaderboard", inputs(n, part), at)
                print(f"  {part}: {_told(row['values'])}", flush=True)


def _measure(part: str, site: Site, seen: dict[str, list[clients.Window]]) -> dict[str, Any]:
    if part == "size":
        return _database_mib()
    if part == "stream":
        return _stream(site)
    if part == "publish":
        return {"runs": _publish()}
    return clients.pooled(seen[part])


def _ask(part: str, site: Site, addresses: dict[str, list[str]]) -> clients.Window:
    headers = {} if part == "kept" else {"Cookie": f"sessionid={session_key()}"}
    clients.once(site, addresses[part][:60], headers=headers)  # warm, or kept
    return clients.ask(site, addresses[part], seconds=SECONDS, headers=headers)


def _told(values: dict[str, Any]) -> str:
    if "percentiles_ms" not in values:
        return str(values)
    at = values["percentiles_ms"]
    return (
        f"p50 {at[50]} p95 {at[95]} ms (windows: {values['p95_of_each_window_ms']}), "
        f"{values['requests_s']}/s, "
        f"{values['cpu_ms_a_request']} ms of processor"
    )


def session_key() -> str:
    """The session key of a reader who is signed in."""
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client()
    client.force_login(User.objects.get(username="user-1"))
    return str(client.cookies["sessionid"].value)


def _addresses() -> dict[str, list[str]]:
    """What is asked for, of all rankings by their size, and of the wide list."""
    from webapp import paging
    from webapp.leaderboard.models import Entry
    from webapp.leaderboard.selection import SORTS, rankings

    dice = random.Random(1)
    known = rankings()
    weights = [ranking.entries for ranking in known]

    def where(name: str) -> str:
        ranking = dice.choices(known, weights)[0]
        return f"?target={ranking.target}&ranking={ranking.key}&sort={name}"

    sorts = list(SORTS)
    wide = [name for name in sorts if name != "rank"]
    first = [f"/{where(dice.choice(sorts))}" for _ in range(160)]
    first += [f"/?target=all&sort={dice.choice(wide)}" for _ in range(40)]
    deep = []
    for _ in range(200):
        everywhere = dice.random() < 0.2
        name = dice.choice(wide if everywhere else sorts)
        order = SORTS[name][1]
        rows = Entry.objects.listed()
        ranking = dice.choices(known, weights)[0]
        if not everywhere:
            rows = rows.filter(ranking=ranking)
        # Any row is the end of some page; a random id is found by the primary key.
        row = rows.filter(pk__gte=f"{dice.getrandbits(48):012x}").order_by("pk").first()
        if row is None:
            continue
        place = "?target=all" if everywhere else f"?target={ranking.target}&ranking={ranking.key}"
        deep.append(f"/{place}&sort={name}&after={paging.cursor_of(row, order)}")
    filtered = [
        f"/{where(dice.choice(sorts))}&family={dice.choice(FAMILIES)}{dice.choice(('', '&met=1'))}"
        for _ in range(160)
    ]
    filtered += [f"/?target=all&precision={dice.choice(('int8', 'fp32'))}" for _ in range(40)]
    words = ("gryphon", "hare", "user-17", "dormouse 1234", "jabberwock")
    text = [f"/{where('rank')}&q={dice.choice(words).replace(' ', '+')}" for _ in range(50)]
    return {
        "kept": sorted(set(first))[:16],  # few enough that none expires before its turn
        "first": first,
        "points": [address.replace("/?", "/points.json?") for address in first[:160]],
        "deep": deep,
        "filter": filtered,
        "text": text,
    }


def _stream(site: Site) -> dict[str, Any]:
    """The list of everything as CSV: when its first byte came, and the largest web process."""
    import http.client

    before = [_rss_mib(worker) for worker in site.web_workers()]
    peak = max(before)
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.1):
            peak = max(peak, *(_rss_mib(worker) for worker in site.web_workers()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    connection = http.client.HTTPConnection(*site.address, timeout=60)
    begun = time.monotonic()
    connection.request("GET", "/entries.csv?target=all")
    answer = connection.getresponse()
    answer.read(1)
    first = time.monotonic() - begun
    lines, octets = 0, 1
    while time.monotonic() - begun < STREAM_S and (block := answer.read(65536)):
        lines += block.count(b"\n")
        octets += len(block)
    spent = time.monotonic() - begun
    connection.close()
    done.set()
    watcher.join()
    return {
        "first_byte_s": round(first, 3),
        "rows": lines,
        "seconds": round(spent, 2),
        "mib": round(octets / 2**20, 1),
        "rss_before_mib": round(max(before), 1),
        "rss_peak_mib": round(peak, 1),
    }


def _publish() -> list[dict[str, float]]:
    """Seconds to publish one more entry, in a large, a middling and a small ranking."""
    from webapp.ids import new_id
    from webapp.leaderboard import ranking
    from webapp.leaderboard.models import Entry, Ranking

    known = list(Ranking.objects.filter(entries__gt=1).order_by("-entries"))
    found = []
    for place in (known[0], known[len(known) // 2], known[-5]):
        rows = Entry.objects.filter(ranking=place).order_by("rank")
        for share in (0.1, 0.5):  # how far down it enters
            entry = rows[int(share * place.entries)]
            entry.pk, entry.arm, entry.rank = new_id(), f"again:{new_id()}", None
            begun = time.monotonic()
            entry.save(force_insert=True)
            moved = ranking.enter(entry)
            found.append(
                {
                    "entries": place.entries,
                    "share": share,
                    "seconds": round(time.monotonic() - begun, 4),
                    "moved": moved,
                }
            )
    return found


def _database_mib() -> dict[str, float]:
    from django.db import connection

    asked = "SELECT pg_table_size('leaderboard_entry'), pg_indexes_size('leaderboard_entry')"
    with connection.cursor() as cursor:
        cursor.execute(asked)
        table, indexes = cursor.fetchone()
    return {"table": round(table / 2**20, 1), "indexes": round(indexes / 2**20, 1)}


def _rss_mib(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / 2**20


def numbers(rows: Rows) -> list[Number]:
    """p95 of each page at the largest size, and the stream, from the rows."""
    largest = max(SIZES)
    found = []
    for name in ("kept", "first", "deep", "filter"):
        bound = CACHED_MS if name == "kept" else UNCACHED_MS
        row = rows.find("leaderboard", inputs(largest, name))
        at = None if row is None else row["values"]
        found.append(
            Number(
                f"leaderboard_p95_{name}",
                "ms",
                ("<=", bound),
                None if at is None else at["percentiles_ms"][95],
                None if at is None else tuple(at["p95_interval_ms"]),
                ""
                if at is None
                else f"{largest:,} entries, {at['requests_s']} requests/s, "
                f"{at['cpu_ms_a_request']} ms of processor each, "
                f"load average before {at['load_1min_before']}",
            )
        )
    row = rows.find("leaderboard", inputs(largest, "stream"))
    stream = None if row is None else row["values"]
    growth = None if stream is None else stream["rss_peak_mib"] - stream["rss_before_mib"]
    return [
        *found,
        Number(
            "export_first_byte",
            "s",
            ("<=", FIRST_BYTE_S),
            None if stream is None else stream["first_byte_s"],
        ),
        Number(
            "export_memory_growth",
            "MiB",
            ("<=", FLAT_MIB),
            growth,
            note="" if stream is None else f"{stream['rows']:,} rows in {stream['seconds']} s",
        ),
    ]
