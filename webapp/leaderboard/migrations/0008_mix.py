from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("leaderboard", "0007_noise")]

    operations = [
        migrations.AddField(
            model_name="entry",
            name="mix",
            field=models.TextField(
                default="", help_text="the activation of each site, input first, as lists draw it"
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="entry",
            name="met",
            field=models.BooleanField(
                default=False,
                help_text="whether it keeps its search's limits and reaches its goal",
            ),
        ),
    ]
