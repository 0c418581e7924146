from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("api", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="replay",
            name="worker",
            field=models.CharField(
                blank=True,
                default="",
                help_text="host:pid:start of the web process that runs it",
                max_length=120,
            ),
            preserve_default=False,
        ),
    ]
