import logging

from django.db import DatabaseError, migrations, transaction

log = logging.getLogger("webapp.leaderboard")

EXTENSION = "CREATE EXTENSION IF NOT EXISTS pg_trgm"
INDEX = """
CREATE INDEX IF NOT EXISTS entry_words ON leaderboard_entry
USING gin (upper(name::text) gin_trgm_ops, upper(arm::text) gin_trgm_ops)
WHERE public AND withdrawn IS NULL
"""


def forwards(apps, schema_editor):
    """A trigram index, as text searches ask (webapp/leaderboard/words.py); PostgreSQL alone has it.

    pg_trgm comes with PostgreSQL, and who owns a database may put it there; but some servers lack
    it, or do not let their users. Without it a text search reads the entries of its ranking.
    """
    connection = schema_editor.connection
    if connection.vendor != "postgresql":
        return
    try:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute(EXTENSION)
    except DatabaseError as error:
        why = str(error).strip().splitlines()[0]
        log.warning("text search has no index: %s (docs/operations.md: Text search)", why)
        return
    with connection.cursor() as cursor:
        cursor.execute(INDEX)


def backwards(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP INDEX IF EXISTS entry_words")


class Migration(migrations.Migration):
    dependencies = [("leaderboard", "0011_references")]

    operations = [migrations.RunPython(forwards, backwards)]
