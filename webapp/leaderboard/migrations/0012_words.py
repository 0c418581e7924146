import logging

from django.db import DatabaseError, migrations, transaction

log = logging.getLogger("webapp.leaderboard")

EXTENSION = "CREATE EXTENSION IF NOT EXISTS pg_trgm"
INDEX = """
CREATE INDEX IF NOT EXISTS entry_words ON leaderboard_entry
USING gin (upper(name::text) gin_trgm_ops, upper(arm::text) gin_trgm_ops)
WHERE public AND withdrawn IS NULL
"""
# How common a word is: PostgreSQL does not look that up in a partial index of expressions. A common
# one is soon found in the list's own order, and the index would find too many.
STATISTICS = """
CREATE STATISTICS IF NOT EXISTS entry_words_of_{column} ON (upper({column}::text))
FROM leaderboard_entry
"""
COLUMNS = ("name", "arm")


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
        if connection.pg_version >= 140000:  # older ones cannot keep them of an expression
            for column in COLUMNS:
                cursor.execute(STATISTICS.format(column=column))


def backwards(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP INDEX IF EXISTS entry_words")
        for column in COLUMNS:
            schema_editor.execute(f"DROP STATISTICS IF EXISTS entry_words_of_{column}")


class Migration(migrations.Migration):
    dependencies = [("leaderboard", "0011_references")]

    operations = [migrations.RunPython(forwards, backwards)]
