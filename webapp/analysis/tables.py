"""The tables of the analysis: their columns and the words for them. Units are in the names."""

from __future__ import annotations

import csv
import io
from typing import Any

from webapp.jobs.choices import State

WINDOWS = (7, 30, 90)  # days

TABLES: dict[str, tuple[str, ...]] = {
    "searches": ("day", *State.values),
    "devices": ("device", "name", "jobs", "failed", "measuring_s", "share"),
    "stages": ("target", "stage", "title", "searches", "median_s", "p90_s"),
    "queues": ("queue", "jobs", "median_s", "p90_s", "longest_s"),
}


def as_csv(table: str, rows: list[dict[str, Any]]) -> str:
    """One of the tables as CSV, with its header; missing figures are empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, TABLES[table])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
