"""Entries of the leaderboard as a DataFrame."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from engine.remote.connection import Document

_NESTED = {"assignment", "files", "notes"}
_INTERVALS = {"map_ci": "map50_95", "loss_ci": "loss", "ratio_ci": "latency_ratio"}


def of_entries(entries: Iterable[Document]) -> pd.DataFrame:
    """A row an entry, in the order given; intervals as ``*_low`` and ``*_high``."""
    return pd.DataFrame([_row(entry) for entry in entries])


def _row(entry: Document) -> Document:
    row = {key: value for key, value in entry.items() if key not in _NESTED}
    for interval, stem in _INTERVALS.items():
        low, high = row.pop(interval) or (None, None)
        row |= {f"{stem}_low": low, f"{stem}_high": high}
    return row
