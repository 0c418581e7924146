import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import webapp.ids


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("jobs", "0005_deliver"),
        ("searches", "0002_distil"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Webhook",
            fields=[
                (
                    "id",
                    models.CharField(
                        default=webapp.ids.new_id,
                        editable=False,
                        max_length=12,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("url", models.CharField(max_length=500)),
                (
                    "site",
                    models.CharField(
                        help_text="our own address, as its maker reached us", max_length=200
                    ),
                ),
                ("version", models.PositiveIntegerField(default=1, help_text="of the secret")),
                (
                    "failures",
                    models.PositiveIntegerField(
                        default=0, help_text="deliveries that failed in a row"
                    ),
                ),
                (
                    "switched_off",
                    models.DateTimeField(
                        help_text="since when, after too many failures", null=True
                    ),
                ),
                ("created", models.DateTimeField(auto_now_add=True)),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="webhooks",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-created", "pk"],
            },
        ),
        migrations.CreateModel(
            name="Delivery",
            fields=[
                (
                    "id",
                    models.CharField(
                        default=webapp.ids.new_id,
                        editable=False,
                        max_length=12,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("event", models.CharField(max_length=20)),
                (
                    "body",
                    models.TextField(
                        help_text="what is signed and sent, the same in every attempt"
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("delivered", "Delivered"),
                            ("failed", "Failed"),
                        ],
                        default="pending",
                        max_length=10,
                    ),
                ),
                (
                    "attempts",
                    models.JSONField(default=list, help_text="[{at, status, error, seconds}]"),
                ),
                (
                    "not_before",
                    models.DateTimeField(
                        help_text="when the next attempt is due; null while a job is at it",
                        null=True,
                    ),
                ),
                ("created", models.DateTimeField(auto_now_add=True)),
                (
                    "job",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="delivery",
                        to="jobs.job",
                    ),
                ),
                (
                    "search",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="deliveries",
                        to="searches.search",
                    ),
                ),
                (
                    "webhook",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deliveries",
                        to="webhooks.webhook",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "deliveries",
                "ordering": ["-created", "pk"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "pending")),
                        fields=["not_before"],
                        name="delivery_due",
                    )
                ],
            },
        ),
    ]
