import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="apitoken",
            options={"ordering": ["-created"], "verbose_name": "API token"},
        ),
        migrations.CreateModel(
            name="Allowance",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "stored_mib",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="MiB of stored uploads; empty: the site's own limit, 0: no limit",
                        null=True,
                    ),
                ),
                (
                    "searches_at_once",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="searches going on at once; empty: the site's own limit, "
                        "0: no limit",
                        null=True,
                    ),
                ),
                (
                    "searches_a_day",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="searches started within 24 hours; empty: the site's own limit, "
                        "0: no limit",
                        null=True,
                    ),
                ),
                (
                    "device_s_a_day",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="seconds on devices within 24 hours; empty: the site's own "
                        "limit, 0: no limit",
                        null=True,
                    ),
                ),
                (
                    "note",
                    models.CharField(
                        blank=True, help_text="why, for administrators", max_length=200
                    ),
                ),
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="allowance",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
    ]
