"""Very many entries, made by the database from a few that were really published."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.db.models import Model

from devices.assignment import Assignment
from tests.benchmarks.load.leaderboard import FAMILIES, SEED
from tests.browser import factories
from webapp.leaderboard import ranking
from webapp.leaderboard.models import Entry, Ranking
from webapp.searches.models import Search, SearchRequest

MIXES, OWNERS, MODELS = 2000, 200, 300
TARGETS = ("cpu-openvino-fp32", "cpu-onnxruntime-int8", "cpu-litert-int8", "npu-ethos-u55-128-int8")
CPUS, DATA_SETS = 5, 2  # a target; 40 rankings together, the largest with an eighth of all entries
_ENTRIES_A_SEARCH = 4
_FILLED = ("leaderboard_entry", "searches_search", "searches_searchrequest")
_NAMES = ["cat", "hare", "dormouse", "gryphon"]


def prepare() -> None:
    """What entries stand on: people, models, data sets, and one published entry a target."""
    alice = factories.user("alice")
    model, data = factories.detector(alice), factories.data_set(alice)
    devices = {device.slug.rpartition("-")[2]: device for device in factories.pool()}
    for index, target in enumerate(TARGETS):
        asked = factories.request(alice, model, data, name="Cat finder", target_ids=[target])
        factories.finished_search(asked, target, devices[target.split("-")[0]], seed=index)
    with connection.cursor() as cursor:
        _many(cursor, alice, OWNERS, username="'user-' || g")
        _many(cursor, model, MODELS, id="'m' || lpad(g::text, 11, '0')", name="'Finder ' || g")
        cursor.execute("CREATE TABLE bench_mix (n int PRIMARY KEY, doc jsonb, hash text, mix text)")
        dice = random.Random(SEED)
        with cursor.copy("COPY bench_mix FROM STDIN") as copy:
            for n in range(MIXES):
                copy.write_row((n, *_mix(dice)))


def _mix(dice: random.Random) -> tuple[str, str, str]:
    """An assignment as searches find them: most sites run one activation, some another."""
    main, other = dice.sample(factories.ACTIVATIONS, 2)
    share = dice.uniform(0.05, 0.5)
    pairs = [(path, other if dice.random() < share else main) for path in factories.PATHS]
    mix = Assignment(tuple(pairs))
    return json.dumps(mix.mapping), mix.hash, " ".join(activation for _, activation in pairs)


def fill(entries: int) -> None:
    """Replace all copies by ``entries`` new ones, spread over forty rankings as ``1 / (k + 5)``."""
    bases = {entry.target: entry for entry in Entry.objects.filter(arm="mix")}
    with connection.cursor() as cursor, _bare(cursor, *_FILLED):
        cursor.execute("DELETE FROM leaderboard_entry WHERE name LIKE 'Copy%'")
        cursor.execute("DELETE FROM searches_search WHERE id LIKE 's%-'")
        cursor.execute("DELETE FROM searches_searchrequest WHERE id LIKE 'r%-'")
        cursor.execute("SET max_parallel_workers_per_gather = 0")
        cursor.execute("SELECT setseed(%s)", [SEED / 100])
        asked = next(iter(bases.values())).search
        searches = entries // _ENTRIES_A_SEARCH + 1
        number = "lpad(to_hex(g), 10, '0') || '-'"
        _many(
            cursor,
            SearchRequest.objects.get(pk=asked.request_id),
            searches,
            id=f"'r' || {number}",
            name="'Copy of ' || g",
        )
        _many(
            cursor,
            Search.objects.get(pk=asked.pk),
            searches,
            id=f"'s' || {number}",
            request_id=f"'r' || {number}",
            job_id="NULL",
            result="NULL",
            stages="'[]'",
        )
        first = 0
        for place, count in _shares(entries):
            _entries(cursor, bases[place.target], place, first=first, count=count)
            first += count
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")  # so that no page waits for what filling left to write
    for place in Ranking.objects.all():
        ranking.recount(place.pk)


def _shares(entries: int) -> list[tuple[Ranking, int]]:
    """The forty rankings, and how many of the copies each holds."""
    known = Ranking.objects.order_by("target", "pk").values_list("target", "data_set")
    data_set = dict(known)
    groups = [
        (target, f"Looking-Glass CPU {cpu}", f"{factories._hash(str(data))}")
        for cpu in range(CPUS)
        for data in range(DATA_SETS)
        for target in TARGETS
    ]
    weights = [1 / (index + 5) for index in range(len(groups))]
    shares = [round(entries * weight / sum(weights)) for weight in weights]
    shares[0] += entries - sum(shares)
    found = []
    for (target, device_model, version), count in zip(groups, shares, strict=True):
        place, _ = Ranking.objects.get_or_create(
            target=target,
            device_model=device_model,
            data_set_version=version,
            imgsz=320,
            defaults={"data_set_id": data_set[target]},
        )
        found.append((place, count))
    return found


def _entries(cursor: Any, base: Entry, place: Ranking, *, first: int, count: int) -> None:
    """Copies of ``base`` in the ranking ``place``; ranks are drawn near what figures suggest."""
    modelled = base.kind == "modelled"
    family = f"(ARRAY{list(FAMILIES)!r})[1 + floor({len(FAMILIES)} * u.d * u.d)::int]"
    own = {
        "id": f"substr(md5('{place.pk}-' || u.g), 1, 12)",
        "search_id": f"'s' || lpad(to_hex(u.g / {_ENTRIES_A_SEARCH}), 10, '0') || '-'",
        "arm": f"'mix:' || mod(u.g, {_ENTRIES_A_SEARCH})",
        "name": f"'Copy ' || (ARRAY{_NAMES})[1 + mod(u.g, {len(_NAMES)})] || ' ' || u.g",
        "owner_id": f"(SELECT min(id) FROM auth_user) + mod(u.g, {OWNERS})",
        "detector_id": f"'m' || lpad((1 + mod(u.g, {MODELS}))::text, 11, '0')",
        "family": family,
        "device_model": f"'{place.device_model}'",
        "data_set_version": f"'{place.data_set_version}'",
        "ranking_id": str(place.pk),
        "rank": "1 + u.place / 3",
        "assignment": "m.doc",
        "assignment_hash": "m.hash",
        "mix": "m.mix",
        "met": "u.e < 0.4",
        "file_sha256": "md5(u.g::text) || md5('x' || u.g)",
        "ratio": "u.ratio",
        "ratio_low": "NULL" if modelled else "u.ratio - u.half",
        "ratio_high": "NULL" if modelled else "u.ratio + u.half",
        "latency_ms": f"{base.latency_ms / base.ratio} * u.ratio",
        "map50": "u.score + 0.15",
        "map50_95": "u.score",
        "map_low": "u.score - 0.02",
        "map_high": "u.score + 0.02",
        "loss": "0.6 - u.score",
        "loss_low": "0.596 - u.score",
        "loss_high": "0.604 - u.score",
        "memory_ratio": "0.5 + u.ratio / 2",
        "arms": "'[]'",  # lists never read them
        "created": "now() - u.e * interval '700 days'",
    }
    columns = [str(field.column) for field in Entry._meta.local_concrete_fields]
    chosen = ", ".join(own.get(column, f't."{column}"') for column in columns)
    cursor.execute(
        f"""
        INSERT INTO leaderboard_entry ({", ".join(f'"{column}"' for column in columns)})
        SELECT {chosen}
        FROM leaderboard_entry t,
             (SELECT *, row_number() OVER (ORDER BY ratio - score) AS place
              FROM (SELECT g, 0.62 + 0.4 * a * a AS ratio, 0.002 + 0.01 * b AS half,
                           0.48 + 0.12 * sqrt(c) AS score, c, d, e
                    FROM (SELECT g, random() a, random() b, random() c, random() d, random() e
                          FROM generate_series({first}, {first + count - 1}) g) drawn) w) u
             JOIN bench_mix m ON m.n = mod(u.g * 7919::bigint, {MIXES})
        WHERE t.id = %s
        """,
        [base.pk],
    )


def _many(cursor: Any, row: Model, n: int, **own: str) -> None:
    """``n`` copies of a row; ``own`` are SQL expressions over ``g`` (1 to n)."""
    table = row._meta.db_table
    serial = row._meta.pk is not None and row._meta.pk.get_internal_type().endswith("AutoField")
    columns = [
        str(field.column)
        for field in row._meta.local_concrete_fields
        if not (serial and field.primary_key)
    ]
    chosen = ", ".join(own.get(column, f't."{column}"') for column in columns)
    names = ", ".join(f'"{column}"' for column in columns)
    cursor.execute(
        f'INSERT INTO "{table}" ({names}) SELECT {chosen} '
        f'FROM "{table}" t, generate_series(0, {n}) g WHERE t.id = %s',
        [row.pk],
    )


@contextmanager
def _bare(cursor: Any, *tables: str) -> Iterator[None]:
    """Inside the block ``tables`` have no index but those of constraints, and nothing is checked
    row by row; afterwards all indexes are there again."""
    cursor.execute(
        """
        SELECT indexname, indexdef FROM pg_indexes
        WHERE schemaname = current_schema() AND tablename = ANY(%s)
          AND indexname NOT IN (SELECT conname FROM pg_constraint)
        """,
        [list(tables)],
    )
    found = cursor.fetchall()
    for name, _ in found:
        cursor.execute(f'DROP INDEX "{name}"')
    cursor.execute("SET session_replication_role = replica")
    try:
        yield
    finally:
        cursor.execute("SET session_replication_role = origin")
        for _, definition in found:
            cursor.execute(definition)
