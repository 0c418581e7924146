import django.db.models.deletion
from django.db import migrations, models

import webapp.leaderboard.models


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0002_thumbnails"),
        ("leaderboard", "0003_listing_index"),
    ]

    operations = [
        migrations.CreateModel(
            name="Ranking",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("target", models.CharField(max_length=60)),
                ("device_model", models.CharField(max_length=120)),
                ("data_set_version", models.CharField(max_length=64)),
                ("imgsz", models.PositiveIntegerField()),
                ("entries", models.PositiveIntegerField(default=0, help_text="listed ones")),
                (
                    "families",
                    models.JSONField(default=dict, help_text="{family: listed entries}"),
                ),
                (
                    "most_used",
                    models.JSONField(
                        default=list,
                        help_text="[[id, listed entries]] of the models with the most",
                    ),
                ),
                (
                    "version",
                    models.PositiveBigIntegerField(default=webapp.leaderboard.models.new_version),
                ),
                (
                    "data_set",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="rankings",
                        to="catalog.dataset",
                    ),
                ),
            ],
            options={
                "ordering": ["-entries", "device_model", "imgsz"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("target", "device_model", "data_set_version", "imgsz"),
                        name="ranking_once_a_group",
                    )
                ],
            },
        ),
        migrations.AddField(
            model_name="entry",
            name="ranking",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="rows",
                to="leaderboard.ranking",
            ),
        ),
    ]
