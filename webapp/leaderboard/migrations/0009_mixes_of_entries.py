"""Every entry gets its mix in words, and whether it keeps its search's limits."""

from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.db.models import F, Q


def fill(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    entries: Any = apps.get_model("leaderboard", "Entry").objects.order_by()
    asked, kept = "search__request__", Q()
    for figure, limit in (
        ("loss", "max_map_loss"),
        ("memory_ratio", "max_memory_ratio"),
        ("ratio", "max_latency_ratio"),
    ):
        kept &= Q(**{f"{asked}{limit}__isnull": True}) | Q(**{f"{figure}__lte": F(asked + limit)})
    entries.filter(kept).update(met=True)
    batch = []
    rows = entries.select_related("detector").only("assignment", "mix", "detector__sites")
    for entry in rows.iterator(chunk_size=500):
        known = {site["path"]: index for index, site in enumerate(entry.detector.sites)}
        order = sorted(entry.assignment, key=lambda path: known.get(path, len(known)))
        entry.mix = " ".join(entry.assignment[path] for path in order)
        batch.append(entry)
        if len(batch) == 500:
            entries.bulk_update(batch, ["mix"])
            batch = []
    entries.bulk_update(batch, ["mix"])


class Migration(migrations.Migration):
    dependencies = [("leaderboard", "0008_mix")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop, elidable=True)]
