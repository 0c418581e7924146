"""The rows of the site, as JSON lines by Django's own serialiser: one file a model.

The same on every database that Django knows, so that a backup of SQLite may be restored into
PostgreSQL and the other way round.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.core import serializers
from django.core.management.color import no_style
from django.core.serializers.base import DeserializationError
from django.core.serializers.json import DjangoJSONEncoder
from django.core.serializers.jsonl import Serializer as Jsonl
from django.db import DatabaseError, connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.models import Model

from webapp.ops.backup.archive import BackupError, Writer, spool

_PASSING = {"sessions.Session", "api.Replay"}  # sign-ins, and answers kept for a day
_FROM_MIGRATIONS = {"contenttypes.ContentType", "auth.Permission"}  # there before the first row
_CHUNK = 500


class _Exact(DjangoJSONEncoder):
    """Django's encoder cuts times to milliseconds; lists are sorted by them."""

    def default(self, o: Any) -> Any:
        return o.isoformat() if isinstance(o, datetime) else super().default(o)


class _Lines(Jsonl):
    """A row in one piece: Django writes it token by token, which takes three times as long."""

    def end_object(self, obj: Any) -> None:
        self.stream.write(json.dumps(self.get_dump_object(obj), **self.json_kwargs) + "\n")
        self._current = None


def kept() -> list[type[Model]]:
    """Every model whose rows are in a backup, the tables behind many-to-many fields included."""
    return [
        model
        for model in sorted(apps.get_models(include_auto_created=True), key=_label)
        if model._meta.managed and not model._meta.proxy and _label(model) not in _PASSING
    ]


def migrations() -> list[str]:
    """The schema that this version's code describes."""
    loader = MigrationLoader(None, ignore_no_migrations=True)
    return sorted(f"{app}.{name}" for app, name in loader.disk_migrations)


@contextmanager
def snapshot() -> Iterator[None]:
    """The database as it is now, however long the block takes; nobody waits for it."""
    if connection.vendor != "sqlite":
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield
        return
    # Not atomic(): that begins a transaction that keeps all writers waiting (settings.py).
    with connection.cursor() as cursor:
        cursor.execute("BEGIN DEFERRED")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ROLLBACK")


def dump(writer: Writer) -> int:
    """Put every row into the archive; how many."""
    total = 0
    with snapshot():
        for model in kept():
            with spool() as content:
                total += _write(model, content)
                writer.add(f"database/{_label(model)}.jsonl", content)
    return total


def _write(model: type[Model], content: IO[bytes]) -> int:
    text = io.TextIOWrapper(content, encoding="utf-8", newline="\n")
    count = 0

    def rows() -> Iterator[Model]:
        nonlocal count
        for row in model._base_manager.order_by("pk").iterator(chunk_size=_CHUNK):
            count += 1
            yield row

    # Columns only: many-to-many rows come with their own table instead of a query a row.
    columns = [field.name for field in model._meta.concrete_fields]
    _Lines().serialize(rows(), stream=text, fields=columns, cls=_Exact)
    text.detach()
    return count


def in_the_way() -> str | None:
    """What of this site's rows a restore would mix with, or None."""
    there = set(connection.introspection.table_names())
    for model in kept():
        if _label(model) in _FROM_MIGRATIONS or model._meta.db_table not in there:
            continue
        if count := model._base_manager.count():
            return f"{count} rows of {_label(model)}"
    return None


def load(folder: Path) -> int:
    """Put the rows of a backup into the empty tables; how many. Inside a transaction of the caller.

    Raises:
        BackupError: a model is missing or unknown, or a row does not fit.
    """
    found = {path.stem for path in folder.glob("*.jsonl")}
    expected = {_label(model) for model in kept()}
    if found != expected:
        raise BackupError(f"the rows of {sorted(found ^ expected)[0]} are missing or unknown")
    ContentType.objects.all().delete()  # with the permissions: the backup's have its numbers
    total = 0
    try:
        for model in kept():
            with (folder / f"{_label(model)}.jsonl").open(encoding="utf-8") as lines:
                for row in serializers.deserialize("jsonl", lines):
                    row.save(force_insert=True)
                    total += 1
        with connection.cursor() as cursor:
            for statement in connection.ops.sequence_reset_sql(no_style(), kept()):
                cursor.execute(statement)
        connection.check_constraints()
    except (DatabaseError, DeserializationError, json.JSONDecodeError) as error:
        line = (str(error).splitlines() or [type(error).__name__])[0]
        raise BackupError(f"its rows do not fit this database: {line}") from error
    finally:
        ContentType.objects.clear_cache()
    return total


def _label(model: type[Model]) -> str:
    return model._meta.label
