"""Stored files of uploads that have no row: what a process left that was killed between the two."""

from __future__ import annotations

import logging
from contextlib import suppress

from django.core.files.storage import default_storage

from webapp.catalog.models import DataSet, Detector

log = logging.getLogger(__name__)

_KINDS: tuple[type[Detector] | type[DataSet], ...] = (Detector, DataSet)
_AT_ONCE = 500  # keys in one query


class Orphans:
    """Finds and removes them; :meth:`sweep` now and then.

    A file is stored before its row is committed, so one without a row may be on its way in. Only
    what had none at two looks is litter: how old it is, no clock needs to say.
    """

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def sweep(self) -> int:
        """Remove the folders of uploads that had no row now and at the last call; how many."""
        found = {
            f"{kind.STORED_BELOW}/{key}"
            for kind in _KINDS
            for key in _without_row(_folders(kind.STORED_BELOW), kind)
        }
        litter = found & self._seen
        for folder in sorted(litter):
            log.warning("stored files %s belong to no upload; removed", folder)
            remove(folder)
        self._seen = found - litter
        return len(litter)


def remove(folder: str) -> None:
    """Remove a folder of the storage with all that is in it."""
    try:
        folders, files = default_storage.listdir(folder)
    except FileNotFoundError:
        return
    for name in folders:
        remove(f"{folder}/{name}")
    for name in files:
        default_storage.delete(f"{folder}/{name}")
    with suppress(OSError):  # another process may have put something there
        default_storage.delete(folder)  # an object store has no folders, and does nothing


def _folders(place: str) -> list[str]:
    try:
        return list(default_storage.listdir(place)[0])
    except FileNotFoundError:
        return []


def _without_row(keys: list[str], kind: type[Detector] | type[DataSet]) -> set[str]:
    found = set(keys)
    for start in range(0, len(keys), _AT_ONCE):
        some = keys[start : start + _AT_ONCE]
        found -= set(kind.objects.filter(pk__in=some).values_list("pk", flat=True))
    return found
