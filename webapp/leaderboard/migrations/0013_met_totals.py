"""Every ranking gets its totals of entries that keep their searches' limits."""

from typing import Any

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.db.models import Count


def fill(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    entries: Any = apps.get_model("leaderboard", "Entry").objects.order_by()
    for ranking in apps.get_model("leaderboard", "Ranking").objects.all():
        met = entries.filter(ranking=ranking, public=True, withdrawn=None, met=True)
        families = met.values_list("family").annotate(n=Count("pk")).order_by("family")
        ranking.families_met = dict(families)
        ranking.save(update_fields=["families_met"])


class Migration(migrations.Migration):
    dependencies = [("leaderboard", "0012_words")]
    operations = [
        migrations.AddField(
            model_name="ranking",
            name="families_met",
            field=models.JSONField(
                default=dict,
                help_text="{family: listed entries that keep their search's limits}",
            ),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop, elidable=True),
    ]
