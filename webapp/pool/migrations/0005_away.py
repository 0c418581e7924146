from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("pool", "0004_health"),
    ]

    operations = [
        migrations.AddField(
            model_name="device",
            name="away",
            field=models.CharField(
                blank=True,
                help_text="why it takes no jobs now: its engine does not answer",
                max_length=300,
            ),
        ),
    ]
