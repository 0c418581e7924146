"""``python -m tests.webapp.upgrades.upgrade FILE``: brings a recorded site up to this schema.

In the database and folder that the environment names, which must be new. Prints JSON: what of its
rows is not as it was, and the status of pages that show them.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import django

django.setup()

from django.apps import apps  # noqa: E402 (the app registry comes first)
from django.core.management import call_command  # noqa: E402
from django.core.management.color import no_style  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.db.migrations.executor import MigrationExecutor  # noqa: E402
from django.test import Client  # noqa: E402

from tests.webapp.upgrades.record import plain  # noqa: E402

Rows = dict[str, list[dict[str, Any]]]
PAGES = (
    "/?target=npu-ethos-u55-128-int8",
    "/api/v1/leaderboard",
    "/entries/{entry}/",
    "/api/v1/entries/{entry}",
    "/searches/{request}/",
    "/api/v1/searches/{request}",
    "/models/{model}/",
    "/data-sets/{data_set}/",
    "/devices/",
    "/devices/looking-glass-cpu/",
    "/snapshots/{snapshot}/",
)


def go_back(migrations: list[str]) -> Any:
    """Give the empty database the schema that these migrations make; the models as they were.

    Raises:
        SystemExit: one of them needs a migration that is not among them.
    """
    executor = MigrationExecutor(connection)
    wanted = {(app, name) for app, _, name in (full.partition(".") for full in migrations)}
    nodes = executor.loader.graph.node_map
    ends = [
        node
        for node in wanted
        if not any(
            child.key in wanted and child.key[0] == node[0] for child in nodes[node].children
        )
    ]
    state = executor.migrate(ends)
    if later := set(MigrationExecutor(connection).loader.applied_migrations) - wanted:
        sys.exit(f"a released migration needs a later one: {sorted(later)[0]}")
    return state.apps


def fill(old: Any, rows: Rows) -> None:
    """Put the release's rows into its tables, each as it was."""
    models = []
    with transaction.atomic():
        old.get_model(
            "contenttypes.ContentType"
        ).objects.all().delete()  # Django's migrations make some
        for label, lines in rows.items():
            model = old.get_model(label)
            models.append(model)
            fields = {field.attname: field for field in model._meta.concrete_fields}
            for line in lines:
                values = {name: fields[name].to_python(value) for name, value in line.items()}
                model(**values).save_base(raw=True, force_insert=True)
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), models):
            cursor.execute(statement)


def changes(rows: Rows) -> list[str]:
    """What of the old rows is gone or is not as it was."""
    found = []
    for label, lines in rows.items():
        try:
            model = apps.get_model(label)
        except LookupError:
            found.append(f"{label}: there is no such model any more")
            continue
        fields = {field.attname: field for field in model._meta.concrete_fields}
        key = model._meta.pk.attname
        now = {plain(fields[key], row): row for row in model._base_manager.all()}
        for line in lines:
            row = now.get(line[key])
            if row is None:
                found.append(f"{label} {line[key]}: gone")
                continue
            for name, value in line.items():
                if name not in fields:
                    found.append(f"{label}.{name}: there is no such column any more")
                elif plain(fields[name], row) != value:
                    found.append(f"{label} {line[key]}.{name}: {plain(fields[name], row)!r}")
    return sorted(set(found))


def pages(rows: Rows) -> dict[str, int]:
    """Status of the pages that show the old rows."""
    known = {
        "entry": rows["leaderboard.Entry"][0]["id"],
        "request": rows["searches.SearchRequest"][0]["id"],
        "model": rows["catalog.Detector"][0]["id"],
        "data_set": rows["catalog.DataSet"][0]["id"],
        "snapshot": rows["leaderboard.Snapshot"][0]["id"],
    }
    client = Client(raise_request_exception=False, headers={"Host": "localhost"})
    return {page: client.get(page.format(**known)).status_code for page in PAGES}


def main(path: Path) -> None:
    release = json.loads(gzip.decompress(path.read_bytes()))
    rows: Rows = release["rows"]
    fill(go_back(list(release["migrations"])), rows)
    call_command("migrate", verbosity=0, interactive=False)
    print(json.dumps({"changes": changes(rows), "pages": pages(rows)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
