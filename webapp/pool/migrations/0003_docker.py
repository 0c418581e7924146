from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("pool", "0002_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="device",
            name="engine",
            field=models.CharField(
                blank=True,
                help_text="of Docker: unix:///path, ssh://user@host, tcp://host:port; empty: this host's",
                max_length=200,
            ),
        ),
        migrations.AddField(
            model_name="device",
            name="tls",
            field=models.CharField(
                blank=True,
                help_text="on the agent's machine, with ca.pem, cert.pem and key.pem: what tcp needs",
                max_length=300,
                verbose_name="TLS folder",
            ),
        ),
        migrations.AlterField(
            model_name="device",
            name="transport",
            field=models.CharField(
                choices=[("local", "Subprocess on the host"), ("docker", "Docker container")],
                default="local",
                max_length=10,
            ),
        ),
    ]
