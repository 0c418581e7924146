from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0004_analysis"),
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
                    ("deliver", "Deliver to a webhook"),
                ],
                max_length=20,
            ),
        ),
    ]
