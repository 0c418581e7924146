from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("leaderboard", "0009_mixes_of_entries")]

    operations = [
        migrations.RemoveIndex(model_name="entry", name="entry_in_family"),
        migrations.AddIndex(
            model_name="entry",
            index=models.Index(
                condition=models.Q(("public", True), ("withdrawn__isnull", True)),
                fields=["ranking", "family", "met"],
                name="entry_in_family",
            ),
        ),
    ]
