"""Searches: ask for them, follow them, act on them, read what they found."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Literal
from urllib.parse import quote

from engine.remote.connection import POLL_S, Connection, Document, SiteError

ENDED = {"finished": "done", "failed": "failed", "cancelled": "cancelled"}  # states, in words
Action = Literal["cancel", "pause", "resume", "retry"]


class Searches(Connection):
    """Calls about searches. A *request* is what was asked for; it has one *search* a target."""

    def search(self, wish: Document) -> Document:
        """Asks for a search; the answer holds one search for each target."""
        return self._create("searches", wish)

    def estimate(
        self,
        targets: Sequence[str],
        *,
        data_set: str = "",
        recipe: str | None = None,
        epochs: int | None = None,
    ) -> list[Document]:
        """How long a search would take on each target, by the last ones like it."""
        asked = {"data_set": data_set, "recipe": recipe, "epochs": epochs}
        return list(self._read("searches/estimate", targets=list(targets), **asked))

    def requests(self, *, everyone: bool = False) -> Iterator[Document]:
        """One's own requests, the newest first; with what ``everyone`` may see."""
        return self._pages("searches", everyone=everyone)

    def request(self, request: str) -> Document:
        """The request with the state and progress of its searches."""
        return dict(self._send("GET", f"searches/{request}").json())

    def watch(self, request: str, *, limit_s: float | None = None) -> Iterator[Document]:
        """The request again and again, until every search of it has ended.

        Raises:
            SiteError: that took longer than ``limit_s``.
        """
        deadline = None if limit_s is None else time.monotonic() + limit_s
        while True:
            found = self.request(request)
            yield found
            if all(search["state"] in ENDED for search in found["searches"]):
                return
            if deadline is not None and time.monotonic() > deadline:
                raise SiteError(
                    f"the searches were not done after {(limit_s or 0) / 60:.0f} minutes"
                )
            time.sleep(POLL_S)

    def cancel(self, request: str, *, target: str | None = None) -> Document:
        """Ends every search of the request that has not ended; or that of one target alone.

        Like the three that follow, it returns the request, or the search of that target.
        """
        return self._act("cancel", request, target)

    def pause(self, request: str, *, target: str | None = None) -> Document:
        """Stops what is going on; what is finished stays."""
        return self._act("pause", request, target)

    def resume(self, request: str, *, target: str | None = None) -> Document:
        """Lets what is paused go on."""
        return self._act("resume", request, target)

    def retry(self, request: str, *, target: str | None = None) -> Document:
        """Runs what failed or was cancelled again, from the stage that failed."""
        return self._act("retry", request, target)

    def log(self, request: str) -> Iterator[Document]:
        """What the request's searches wrote down, the newest first."""
        return self._pages(f"searches/{request}/log")

    def cross(self, request: str) -> Document:
        """The best mix of each target, as the request's other targets see it."""
        return dict(self._read(f"searches/{request}/cross"))

    def measure_cross(self, request: str) -> Document:
        """Has the pairs measured that are missing, once every search has ended."""
        return self._create(f"searches/{request}/cross", {})

    def tried(self, search: str) -> list[Document]:
        """The mixes that a search has tried so far, the fastest first."""
        return list(self._read(f"searches/{search}/tried"))

    def result(self, search: str) -> Document:
        """result.json of a finished search."""
        return dict(self._read(f"searches/{search}/result"))

    def _act(self, action: Action, request: str, target: str | None) -> Document:
        of = f"targets/{quote(target, safe='')}/" if target is not None else ""
        return self._create(f"searches/{request}/{of}{action}", {})
