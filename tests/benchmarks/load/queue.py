"""Ten thousand searches on fifty simulated devices: who gets a turn when, and what a turn costs.

A search is reduced to what it waits for: one job on its device's queue that holds the device's host
for a simulated time. Jobs, turns, claims, leases and RQ are the site's own.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import statistics
import tempfile
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.benchmarks.load import simulated
from tests.benchmarks.load.clients import quantile
from tests.benchmarks.load.servers import Site
from tests.benchmarks.numbers import Number
from tests.benchmarks.rows import Rows

SEARCHES, DEVICES, HOSTS = 10_000, 50, 25
# Half of everything is one account's; the others have little each, and some come late.
HOG, OTHERS, LATE = 5_000, 40, 10
MOST_S = 420.0
DECISIONS = 300
SWEEP_S = 3.0  # as an agent does: it finds messages that got lost


def inputs() -> dict[str, Any]:
    return {
        "searches": SEARCHES,
        "devices": DEVICES,
        "hosts": HOSTS,
        "hog": HOG,
        "others": OTHERS,
        "late": LATE,
        "sleep_s": list(simulated.SLEEP_S),
    }


def missing(rows: Rows, sizes: tuple[int, ...]) -> bool:
    """Whether the row is missing."""
    return rows.find("queue", inputs()) is None


def run(rows: Rows, site: Site, sizes: tuple[int, ...]) -> None:
    """Adds the row; the process must see the database of ``site``."""
    rows.add("queue", inputs(), lambda: _measure(site))


def _measure(site: Site) -> dict[str, Any]:
    from webapp.jobs import services
    from webapp.jobs.models import Job

    simulated.take_over()
    users, queues = _people(), _pool()
    load = os.getloadavg()[0]
    queueing = _queue(users, queues)
    deciding = _decide(queues)
    print(f"  queued {Job.objects.queued().count():,} jobs", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        os.environ[simulated.LOG] = folder
        workers = [_fork(queue) for queue in queues]
        try:
            begun, before = time.monotonic(), _children_s() + site.cpu_s()
            late = _late(users, queues)
            swept = 0
            while time.monotonic() - begun < MOST_S and Job.objects.alive().exists():
                time.sleep(SWEEP_S)
                swept += services.sweep()
            spent = time.monotonic() - begun
        finally:
            for pid in workers:
                os.kill(pid, signal.SIGKILL)
            for pid in workers:
                os.waitpid(pid, 0)
            cpu = _children_s() + site.cpu_s() - before
        lines = [
            json.loads(line)
            for path in Path(folder).iterdir()
            for line in path.read_text().splitlines()
        ]
    states = Counter(Job.objects.values_list("state", flat=True))
    found = {
        "queueing_ms": _spread(queueing),
        "decision_ms": _spread(deciding),
        "seconds": round(spent, 1),
        "jobs_s": round(len(lines) / spent, 1),
        "states": dict(states),
        "cpu_ms_a_job": round(1000 * cpu / max(1, len(lines)), 2),
        "runs": len(lines),
        "swept": swept,
        "run_twice": len(lines) - len({line["job"] for line in lines}),
        "double_leases": _overlaps(lines),
        "load_1min_before": round(load, 2),
        "load_1min_after": round(os.getloadavg()[0], 2),
        **_fairness(lines, hog=users[0].pk, late=late),
    }
    told = {name: value for name, value in found.items() if name != "owners_in_order"}
    print(f"  queue: {told}", flush=True)
    return found


def _children_s() -> float:
    """Processor seconds of the workers that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _people() -> list[Any]:
    from django.contrib.auth.models import User

    names = [f"searcher-{n}" for n in range(1 + OTHERS + LATE)]
    return User.objects.bulk_create([User(username=name) for name in names])


def _pool() -> list[str]:
    """The queues of the devices, two of which share a host."""
    from webapp.pool.models import Device, Host

    hosts = Host.objects.bulk_create([Host(name=f"sim-{n}") for n in range(HOSTS)])
    made = Device.objects.bulk_create(
        [
            Device(host=hosts[n % HOSTS], name=f"Simulated {n}", slug=f"sim-{n}", targets=[])
            for n in range(DEVICES)
        ]
    )
    return [device.queue for device in made]


def _queue(users: list[Any], queues: list[str]) -> list[float]:
    """Queue everything but the latecomers, the hog first; seconds that each took."""
    from webapp.jobs import services
    from webapp.jobs.choices import Kind

    hog, *others = users[: 1 + OTHERS]
    rest = SEARCHES - HOG - LATE * DEVICES
    owners = [hog] * HOG + [others[n % OTHERS] for n in range(rest)]
    taken = []
    # Each owner's searches go round the devices.
    places = Counter[int]()
    for owner in owners:
        begun = time.perf_counter()
        services.create(
            kind=Kind.SEARCH,
            queue=queues[places[owner.pk] % DEVICES],
            payload={},
            owner=owner,
        )
        taken.append(time.perf_counter() - begun)
        places[owner.pk] += 1
    return taken


def _decide(queues: list[str]) -> list[float]:
    """Seconds that a worker takes to find and claim the next job, with everything queued.

    The claims are taken back.
    """
    from django.db import transaction

    from webapp.jobs.models import Job

    taken = []
    for n in range(DECISIONS):
        with transaction.atomic():
            begun = time.perf_counter()
            job = Job.objects.claim_next(queues[n % len(queues)], worker="bench:1:1")
            taken.append(time.perf_counter() - begun)
            assert job is not None
            transaction.set_rollback(True)
    return taken


def _late(users: list[Any], queues: list[str]) -> set[int]:
    """After a while, people who had nothing queued want one search on every device."""
    from webapp.jobs import services
    from webapp.jobs.choices import Kind

    time.sleep(5.0)
    late = users[1 + OTHERS :]
    for user in late:
        for queue in queues:
            services.create(kind=Kind.SEARCH, queue=queue, payload={}, owner=user)
    return {user.pk for user in late}


def _fork(queue: str) -> int:
    from django.db import connections

    connections.close_all()
    child = os.fork()
    if child:
        return child
    try:
        from webapp.jobs import queues as rq_queues

        rq_queues._connection.cache_clear()
        simulated.work(queue)
    finally:
        os._exit(0)


def _overlaps(lines: list[dict[str, Any]]) -> int:
    """Pairs of measurements that held one host at the same time."""
    by_host: dict[int, list[tuple[float, float]]] = {}
    for line in lines:
        by_host.setdefault(line["host"], []).append((line["begun"], line["ended"]))
    count = 0
    for spans in by_host.values():
        spans.sort()
        count += sum(later[0] < earlier[1] for earlier, later in pairwise(spans))
    return count


def _fairness(lines: list[dict[str, Any]], *, hog: int, late: set[int]) -> dict[str, Any]:
    """Per device queue: turns and shares while everybody waits, and how often a job was overtaken.

    ``turns_apart``: by how many turns two owners differed who both still had jobs there; 1 where
    everybody has one turn a round. Jain's index over the turns that owners got, from 1 / owners
    (one gets all) to 1 (all the same), is taken as long as every owner of the queue still has a job
    in it; that moment lies within a round, for which even perfect turns are below 1. ``passed``
    counts, for each job, those that began between its queueing and its own begin; ``bound`` is what
    turns promise.
    """
    by_queue: dict[str, list[dict[str, Any]]] = {}
    for line in sorted(lines, key=lambda line: line["begun"]):
        by_queue.setdefault(line["queue"], []).append(line)
    jain, apart, late_passed, late_bound, excess = [], [], [], [], []
    for runs in by_queue.values():
        early = [run["owner"] for run in runs if run["owner"] not in late]
        jain.append(_jain(early, hog=hog))
        apart.append(_turns_apart(early))
        for index, run in enumerate(runs):
            if run["owner"] not in late:
                continue
            before = [other for other in runs[:index] if other["begun"] >= run["queued"]]
            late_passed.append(len(before))
            waiting = {other["owner"] for other in runs if other["queued"] <= run["queued"]}
            # One job of each other owner of the same turn, and the one that was being served.
            late_bound.append(len(waiting | late) + 1)
            excess.append(late_passed[-1] - late_bound[-1])
    return {
        "jain": round(statistics.fmean(jain), 4) if jain else None,
        "jain_worst_queue": round(min(jain), 4) if jain else None,
        "turns_apart": max(apart, default=None),
        "late_passed_by": _spread(late_passed, scale=1) if late_passed else None,
        "late_bound": max(late_bound) if late_bound else None,
        "starved": sum(n > 0 for n in excess),
        "owners_in_order": {
            name: " ".join(str(run["owner"]) for run in runs) for name, runs in by_queue.items()
        },
    }


def _turns_apart(owners: list[int]) -> int:
    """``owners``: whose job began, in order; all of their jobs waited from the start."""
    left, got, most = Counter(owners), Counter(dict.fromkeys(owners, 0)), 0
    for owner in owners:
        got[owner] += 1
        left[owner] -= 1
        turns = [got[one] for one in got if left[one]]
        most = max(most, max(turns, default=0) - min(turns, default=0))
    return most


def _jain(owners: list[int], *, hog: int) -> float:
    """Of the turns until the first owner but the hog has no more jobs."""
    total, got = Counter(owners), Counter[int]()
    for owner in owners:
        got[owner] += 1
        if got[owner] == total[owner] and owner != hog:
            break
    shares = [got[owner] for owner in total]
    return sum(shares) ** 2 / (len(shares) * sum(n * n for n in shares))


def _spread(values: list[Any], *, scale: float = 1000) -> dict[str, float]:
    ordered = sorted(values)
    named = {"p50": 0.5, "p95": 0.95, "max": 1.0}
    return {name: round(scale * quantile(ordered, q), 3) for name, q in named.items()} | {
        "mean": round(scale * statistics.fmean(ordered), 3),
        "n": len(ordered),
    }


def numbers(rows: Rows) -> list[Number]:
    """Lost, double, starved, the shares and the cost of a decision, from the row."""
    row = rows.find("queue", inputs())
    if row is None:
        names = ("lost", "double_leases", "starved", "turns_apart", "decision")
        bounds = (("<=", 0.0), ("<=", 0.0), ("<=", 0.0), ("<=", 1.0), ("<=", 10.0))
        return [
            Number(f"queue_{name}", "", bound)  # type: ignore[arg-type]
            for name, bound in zip(names, bounds, strict=True)
        ]
    values = row["values"]
    done = values["states"].get("finished", 0)
    note = f"{values['jobs_s']} jobs/s, load {values['load_1min_before']}"
    return [
        Number("queue_lost", "searches", ("<=", 0), SEARCHES - done, note=note),
        Number("queue_double_leases", "pairs", ("<=", 0), values["double_leases"]),
        Number(
            "queue_starved",
            "searches",
            ("<=", 0),
            values["starved"],
            note=f"overtaken by more than one of each other owner; at most "
            f"{values['late_passed_by']['max']:.0f} were",
        ),
        Number(
            "queue_turns_apart",
            "turns",
            ("<=", 1),
            values["turns_apart"],
            note=f"between two who both wait; Jain's index {values['jain']}, "
            f"{values['jain_worst_queue']} of the worst queue (within a round)",
        ),
        Number(
            "queue_decision",
            "ms",
            ("<=", 10.0),
            values["decision_ms"]["p95"],
            note=f"p95 of finding and claiming the next of {SEARCHES:,}; "
            f"p50 {values['decision_ms']['p50']}; queueing p50 {values['queueing_ms']['p50']}",
        ),
    ]
