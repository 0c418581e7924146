"""A list as one file, sent while it is read: any length, with nothing of it in memory."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

from django.http import StreamingHttpResponse

from webapp import paging
from webapp.leaderboard import columns
from webapp.leaderboard.models import Entry
from webapp.leaderboard.selection import Selection

KINDS = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl"}
_AT_ONCE = 1000  # rows a query
_BLOCK = 250


def answer(selection: Selection, kind: str) -> StreamingHttpResponse:
    """The list of ``selection`` in its order, as ``csv`` or ``jsonl`` (an object a line).

    What is published or withdrawn meanwhile may be in it or not; a snapshot is exact.
    """
    write = {"csv": _csv, "jsonl": _jsonl}[kind]
    response = StreamingHttpResponse(_blocks(write(_lines(selection))), content_type=KINDS[kind])
    response.headers["Content-Disposition"] = f'attachment; filename="actnas-entries.{kind}"'
    return response


def _lines(selection: Selection) -> Iterator[dict[str, Any]]:
    rows = selection.entries().select_related("owner").only(*columns.fields())
    entries: Iterator[Entry] = paging.every(rows, order=selection.order, size=_AT_ONCE)
    for entry in entries:
        yield columns.line(entry, is_ranking=not selection.wide)


def _blocks(lines: Iterator[str]) -> Iterator[str]:
    """Some hundred lines at a time: each block is a write to the network."""
    while block := "".join(islice(lines, _BLOCK)):
        yield block


class _Echo:
    """A file for csv.writer that gives back what is written."""

    def write(self, text: str) -> str:
        return text


def _csv(lines: Iterator[dict[str, Any]]) -> Iterator[str]:
    writer = csv.DictWriter(_Echo(), columns.ALL)
    yield writer.writerow(dict(zip(columns.ALL, columns.ALL, strict=True)))
    for line in lines:
        yield writer.writerow(line)


def _jsonl(lines: Iterator[dict[str, Any]]) -> Iterator[str]:
    for line in lines:
        yield json.dumps(line) + "\n"
