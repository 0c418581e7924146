"""``python -m tests.webapp.upgrades.record``: keeps this version's schema, with rows in it.

To be run when a version is released. It writes ``releases/VERSION.json.gz``: the migrations with
their sha256, and every row of a small site (Wonderland: plainly fictional). From then on every
later version is tested to bring that site up to its own schema.
"""

from __future__ import annotations

import gzip
import hashlib
import inspect
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

RELEASES = Path(__file__).parent / "releases"
_DJANGOS = ("admin.", "auth.", "contenttypes.", "sessions.")


def migrations() -> dict[str, str]:
    """``{"app.name": sha256 of its file}`` of every migration of ours; "" for Django's own."""
    from django.db.migrations.loader import MigrationLoader

    loader = MigrationLoader(None, ignore_no_migrations=True)
    found = {}
    for (app, name), migration in sorted(loader.disk_migrations.items()):
        module = sys.modules[type(migration).__module__]
        ours = module.__name__.startswith("webapp.")
        text = inspect.getsource(module).encode() if ours else b""
        found[f"{app}.{name}"] = hashlib.sha256(text).hexdigest() if ours else ""
    return found


def rows() -> dict[str, list[dict[str, Any]]]:
    """Every row of the database, by model and column, as JSON can hold it."""
    from django.apps import apps

    found = {}
    for model in apps.get_models(include_auto_created=True):
        if not model._meta.managed or model._meta.proxy:
            continue
        found[model._meta.label] = [
            {field.attname: plain(field, row) for field in model._meta.concrete_fields}
            for row in model._base_manager.order_by("pk")
        ]
    return found


def plain(field: Any, row: Any) -> Any:
    """The value of a row's column as JSON can hold it; ``field.to_python`` takes it back."""
    value = field.value_from_object(row)
    if value is None or isinstance(value, bool | int | float | str | list | dict):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else field.value_to_string(row)


def fill() -> None:
    """A row in every table of ours."""
    from tests.browser import factories
    from webapp.accounts.models import Allowance, ApiToken
    from webapp.api.models import Replay
    from webapp.audit.choices import Action
    from webapp.audit.services import record
    from webapp.jobs.choices import Kind
    from webapp.jobs.models import Job
    from webapp.leaderboard import snapshots
    from webapp.leaderboard.models import Entry
    from webapp.pool.models import NoiseCheck
    from webapp.searches.models import SearchEvent, Training

    alice, queen = factories.user("alice"), factories.user("red-queen", staff=True, superuser=True)
    cat, data = factories.detector(alice), factories.data_set(alice)
    cpu, npu = factories.pool()
    NoiseCheck.objects.filter(pk__gt=2).delete()
    cpu_target, npu_target = "cpu-openvino-fp32", "npu-ethos-u55-128-int8"
    ask = factories.request
    asked = ask(alice, cat, data, name="Finder", target_ids=[cpu_target, npu_target])
    done, _ = factories.finished_search(asked, npu_target, npu, seed=1)
    live = factories.running_search(asked, cpu_target, cpu)
    assert live.job is not None
    job = Job.objects.create(kind=Kind.TRAIN, queue=factories.NOBODYS, owner=alice)
    Training.objects.create(hash="0" * 16, title="adapt to the data", spec={}, job=job)
    live.job.needs.add(job)
    live.job.waits_for.add(job)
    SearchEvent.objects.create(search=done, stage="decide", kind="finished", message="Decide")
    factories.webhook(alice, done)
    factories.analysed()
    listed = Entry.objects.listed().order_by("pk")
    snapshots.take(listed, title="All entries", query="target=all", is_ranking=False)
    ApiToken.objects.issue(user=alice, name="looking glass")
    Allowance.objects.create(user=alice, searches_at_once=3, note="tea parties")
    record(by=queen, action=Action.ENABLED, what=cpu)
    Replay.objects.create(key="k" * 64, fingerprint="f" * 64, status=201, body=b'{"id": "grin"}')


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"DJANGO_SETTINGS_MODULE": "webapp.settings", "ACTNAS_VAR": folder}
        os.environ.pop("ACTNAS_DATABASE_URL", None)
        import django

        django.setup()
        from django.core.management import call_command

        import devices

        call_command("migrate", verbosity=0)
        fill()
        known, found = migrations(), rows()
        for label, lines in found.items():
            if not lines and not label.startswith(_DJANGOS):
                sys.exit(f"no row of {label}: make one in {__file__}")
        RELEASES.mkdir(exist_ok=True)
        path = RELEASES / f"{devices.__version__}.json.gz"
        with gzip.GzipFile(path, "wb", mtime=0) as out:
            document = {"version": devices.__version__, "migrations": known, "rows": found}
            out.write(json.dumps(document).encode())
        print(f"{path}: {len(known)} migrations, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
