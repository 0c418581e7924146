"""The leaderboard: entries, their files, snapshots; targets and devices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx

from engine.remote.connection import PAGE, Connection, Document, SiteError

if TYPE_CHECKING:
    import pandas as pd


class Board(Connection):
    """Calls about what everybody may see, and about one's own entries."""

    def targets(self) -> list[Document]:
        """Every target of the site; ``offered`` says whether a device serves it now."""
        return list(self._read("targets"))

    def devices(self) -> list[Document]:
        """The devices of the pool and how they are."""
        return list(self._read("devices"))

    def device(self, slug: str) -> Document:
        """A device with its checks, its queue and its best entries."""
        return dict(self._read(f"devices/{quote(slug)}"))

    def rankings(self) -> list[Document]:
        """Every ranking that has an entry: what to narrow :meth:`entries` to."""
        return list(self._read("leaderboard/rankings"))

    def entries(self, **filters: str | int) -> Iterator[Document]:
        """The leaderboard's entries in its order, all pages. Filters are those of GET /leaderboard:
        target, device_model, data_set, imgsz, family, kind, owner, q, order."""
        cursor: str | None = ""
        while cursor is not None:
            asked = {**filters, "size": PAGE, **({"cursor": cursor} if cursor else {})}
            page = self._read("leaderboard", **asked)
            yield from page["entries"]
            cursor = page["next"]

    def leaderboard(self, **filters: str | int) -> pd.DataFrame:
        """The same as a table (engine/remote/frame.py)."""
        from engine.remote.frame import of_entries

        return of_entries(self.entries(**filters))

    def references(self) -> Iterator[Document]:
        """One activation everywhere: well-known models on the targets that were studied."""
        return self._pages("references")

    def entry(self, entry: str) -> Document:
        """An entry with every arm of its search."""
        return dict(self._read(f"entries/{entry}"))

    def samples(self, entry: str) -> Document:
        """Every latency sample (ms) of the lease that measured the entry."""
        return dict(self._read(f"entries/{entry}/samples"))

    def withdraw(self, entry: str, *, reason: str) -> Document:
        """Takes an own entry off the leaderboard; its address stays and says the reason."""
        return self._create(f"entries/{entry}/withdraw", {"reason": reason})

    def download(
        self,
        *,
        entry: str,
        name: str,
        into: Path,
        progress: Callable[[float], None] = lambda fraction: None,
    ) -> str:
        """Writes a file of an entry to ``into``, whole or not at all; returns its sha256."""
        path = f"entries/{entry}/files/{quote(name)}"
        return self._save(path, f"{name} of entry {entry}", into, progress)

    def take_snapshot(self, **filters: str | int) -> Document:
        """Keeps the list that the filters name as it is now, at an address that stays."""
        return self._create("leaderboard/snapshots", dict(filters))

    def snapshot(self, snapshot: str) -> Document:
        """A snapshot; ``files`` has the addresses of its exports once a worker wrote them."""
        return dict(self._read(f"leaderboard/snapshots/{snapshot}"))

    def download_snapshot(self, snapshot: str, *, kind: str, into: Path) -> str:
        """Writes its csv, parquet or json to ``into``, whole or not at all; returns its sha256.

        Raises:
            SiteError: the file is not written (yet).
        """
        files = self.snapshot(snapshot)["files"]
        if kind not in files:
            written = ", ".join(files) or "none"
            raise SiteError(f"snapshot {snapshot} has no {kind} file yet; written: {written}")
        # Where we know the site to be: the token goes nowhere else.
        address = self._http.base_url.copy_with(path=httpx.URL(files[kind]).path)
        what = f"the {kind} file of snapshot {snapshot}"
        return self._save(str(address), what, into, lambda fraction: None)
