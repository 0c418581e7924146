from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0003_device_time"),
    ]

    operations = [
        migrations.AlterField(
            model_name="job",
            name="kind",
            field=models.CharField(
                choices=[
                    ("validate_model", "Validate a model"),
                    ("validate_data_set", "Validate a data set"),
                    ("search", "Search"),
                    ("train", "Train"),
                    ("measure", "Measure"),
                    ("export", "Export the leaderboard"),
                    ("analysis", "Analyse the site"),
                ],
                max_length=20,
            ),
        ),
    ]
