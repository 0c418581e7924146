import django.db.models.deletion
from django.db import migrations, models

LISTED = models.Q(("public", True), ("withdrawn__isnull", True))
INDEXES = {
    "entry_in_rank": ["ranking", "rank", "ratio"],
    "entry_in_ratio": ["ranking", "ratio"],
    "entry_in_latency": ["ranking", "latency_ms"],
    "entry_in_map": ["ranking", "map50_95"],
    "entry_in_loss": ["ranking", "loss"],
    "entry_in_memory": ["ranking", "memory_ratio"],
    "entry_in_age": ["ranking", "created"],
    "entry_in_family": ["ranking", "family"],
    "entry_in_model": ["ranking", "detector"],
    "entry_by_ratio": ["ratio"],
    "entry_by_latency_ms": ["latency_ms"],
    "entry_by_map50_95": ["map50_95"],
    "entry_by_loss": ["loss"],
    "entry_by_memory_ratio": ["memory_ratio"],
    "entry_by_created": ["created"],
}


class Migration(migrations.Migration):
    dependencies = [("leaderboard", "0005_rankings_of_entries")]

    operations = [
        *(
            migrations.RemoveIndex(model_name="entry", name=name)
            for name in ("entry_group_rank", "entry_created", "entry_listing")
        ),
        migrations.AlterField(
            model_name="entry",
            name="ranking",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="rows",
                to="leaderboard.ranking",
            ),
        ),
        *(
            migrations.AddIndex(
                model_name="entry",
                index=models.Index(condition=LISTED, fields=fields, name=name),
            )
            for name, fields in INDEXES.items()
        ),
    ]
