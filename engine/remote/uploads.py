"""Models and data sets: send them, wait for their check, list them."""

from __future__ import annotations

import io
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import httpx

from engine.remote.connection import POLL_S, Connection, Document, SiteError, SiteRefused

Kind = Literal["models", "data-sets"]


class Uploads(Connection):
    """Calls about models and data sets."""

    def upload(
        self,
        file: Path,
        *,
        kind: Kind | None = None,
        name: str = "",
        visibility: str = "private",
        progress: Callable[[float], None] = lambda fraction: None,
    ) -> Document:
        """Sends a model, or a data set where it is a .zip; the site checks it meanwhile."""
        kind = kind or kind_of(file)
        key = uuid.uuid4().hex

        def once() -> httpx.Response:
            with _Watched(file, progress) as opened:
                return self._http.post(
                    kind,
                    files={"file": (file.name, opened, "application/octet-stream")},
                    data={"name": name, "visibility": visibility},
                    headers={"Idempotency-Key": key},
                )

        return dict(self._answer(f"POST {kind}", once).json())

    def uploads(self, kind: Kind, *, everyone: bool = False) -> Iterator[Document]:
        """One's own models or data sets, the newest first; with what ``everyone`` may see."""
        return self._pages(kind, everyone=everyone)

    def upload_state(self, kind: Kind, upload: str) -> Document:
        """The model or data set: its ``state``, the ``reason`` if it was refused, its content."""
        return dict(self._read(f"{kind}/{upload}"))

    def pictures(self, data_set: str) -> list[Document]:
        """Thumbnails of a data set: addresses, with the boxes on them."""
        return list(self._read(f"data-sets/{data_set}/pictures"))

    def ready(
        self,
        kind: Kind,
        upload: str,
        *,
        limit_s: float = 900,
        seen: Callable[[Document], None] = lambda found: None,
    ) -> Document:
        """The upload once the site has checked it; ``seen`` gets every look at it until then.

        Raises:
            SiteRefused: the upload cannot be used; the message is the reason.
            SiteError: the check took longer than ``limit_s``.
        """
        deadline = time.monotonic() + limit_s
        while True:
            found = self.upload_state(kind, upload)
            seen(found)
            if found["state"] == "ready":
                return found
            if found["state"] == "refused":
                raise SiteRefused(
                    f"the site refused {found['file_name']}: {found['reason']}", code="refused"
                )
            if time.monotonic() > deadline:
                raise SiteError(f"{found['file_name']} is still {found['state']} after {limit_s} s")
            time.sleep(POLL_S)


def kind_of(file: Path) -> Kind:
    """What the site takes the file for: data sets are zips."""
    return "data-sets" if file.suffix.lower() == ".zip" else "models"


class _Watched(io.FileIO):
    """A file that tells how much of it was read, as a fraction."""

    def __init__(self, path: Path, progress: Callable[[float], None]) -> None:
        super().__init__(path, "rb")
        self._total = path.stat().st_size
        self._progress = progress

    def read(self, size: int | None = -1) -> bytes:
        chunk = super().read(-1 if size is None else size)
        self._progress(self.tell() / self._total if self._total else 1.0)
        return chunk or b""
