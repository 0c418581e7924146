from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Record",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField(auto_now_add=True, db_index=True)),
                (
                    "actor",
                    models.CharField(
                        db_index=True, help_text="user name at that time", max_length=150
                    ),
                ),
                ("actor_key", models.BigIntegerField(help_text="id of that user")),
                (
                    "action",
                    models.CharField(
                        choices=[
                            ("added", "Added"),
                            ("changed", "Changed"),
                            ("deleted", "Deleted"),
                            ("enabled", "Put into service"),
                            ("taken_out", "Taken out of service"),
                            ("cancelled", "Cancelled"),
                            ("requeued", "Queued again"),
                            ("paused", "Paused"),
                            ("resumed", "Resumed"),
                            ("withdrawn", "Withdrawn"),
                            ("issued", "Issued"),
                            ("revoked", "Revoked"),
                        ],
                        max_length=10,
                    ),
                ),
                ("kind", models.CharField(help_text="job, device, entry ...", max_length=30)),
                ("key", models.CharField(help_text="id of the object", max_length=40)),
                (
                    "title",
                    models.CharField(help_text="what the object was called", max_length=200),
                ),
                (
                    "detail",
                    models.TextField(blank=True, help_text="the reason, or what changed"),
                ),
            ],
            options={
                "ordering": ["-pk"],
                "indexes": [models.Index(fields=["kind", "key"], name="audit_object")],
            },
        ),
    ]
