import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("jobs", "0003_device_time"),
    ]

    operations = [
        migrations.CreateModel(
            name="Analysis",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("made", models.DateTimeField(help_text="null: not finished", null=True)),
                (
                    "document",
                    models.JSONField(default=dict, help_text="{days: {table: rows}}"),
                ),
                (
                    "job",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="analysis",
                        to="jobs.job",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "analyses",
                "ordering": ["-pk"],
            },
        ),
    ]
