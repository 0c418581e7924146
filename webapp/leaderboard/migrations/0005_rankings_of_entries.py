"""Every entry gets its ranking, every ranking its totals. Ranks stay as they are."""

from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.db.models import Count, Max

GROUP = ("target", "device_model", "data_set_version", "imgsz")
MOST_MODELS = 50


def fill(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    entries: Any = apps.get_model("leaderboard", "Entry").objects.order_by()
    rankings: Any = apps.get_model("leaderboard", "Ranking").objects
    for row in list(entries.values(*GROUP).annotate(data_set=Max("data_set"))):
        group = {name: row[name] for name in GROUP}
        ranking, _ = rankings.get_or_create(**group, defaults={"data_set_id": row["data_set"]})
        entries.filter(**group, ranking=None).update(ranking=ranking)
        listed = entries.filter(ranking=ranking, public=True, withdrawn=None)
        families = dict(listed.values_list("family").annotate(n=Count("pk")).order_by("family"))
        used = listed.values_list("detector").annotate(n=Count("pk")).order_by("-n", "detector")
        rankings.filter(pk=ranking.pk).update(
            entries=sum(families.values()),
            families=families,
            most_used=[list(pair) for pair in used[:MOST_MODELS]],
        )


class Migration(migrations.Migration):
    dependencies = [("leaderboard", "0004_rankings")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop, elidable=True)]
