from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("searches", "0003_imported")]

    operations = [
        migrations.AddField(
            model_name="search",
            name="tried",
            field=models.JSONField(
                default=list, help_text="mixes tried so far, as the result will hold them"
            ),
        ),
    ]
