from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0002_export_and_pause"),
    ]

    operations = [
        migrations.AddField(
            model_name="job",
            name="device_s",
            field=models.FloatField(
                help_text="for how many seconds its latest run had its device", null=True
            ),
        ),
    ]
