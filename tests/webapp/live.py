"""A script's view of a running site: httpx against the public API, nothing else."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

PASSWORD = "a-curious-password-7"
ENDED = {"finished", "failed", "cancelled"}


class Script:
    """One user of the site at ``url``."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=f"{url}/api/v1", timeout=60)
        who = {"username": "scripted", "password": PASSWORD}
        self.http.post("/users", json=who).raise_for_status()
        token = self.http.post("/tokens", json=who).raise_for_status().json()["token"]
        self.http.headers["Authorization"] = f"Bearer {token}"

    def upload(self, kind: str, path: Path, *, limit_s: float = 120) -> dict[str, Any]:
        """Upload a file and wait for the verdict of its check."""
        with path.open("rb") as file:
            made = self.http.post(f"/{kind}", files={"file": (path.name, file)})
        key = made.raise_for_status().json()["id"]
        deadline = time.monotonic() + limit_s
        while True:
            row: dict[str, Any] = self.http.get(f"/{kind}/{key}").raise_for_status().json()
            if row["state"] in {"ready", "refused"}:
                return row
            assert time.monotonic() < deadline, row
            time.sleep(0.3)

    def search(
        self,
        wish: dict[str, Any],
        *,
        limit_s: float,
        seen: Callable[[dict[str, Any]], None] = lambda search: None,
    ) -> dict[str, Any]:
        """Ask for a search and follow it to its end; ``seen`` gets every look at every search."""
        made = self.http.post("/searches", json=wish)
        assert made.status_code == 201, made.text
        deadline = time.monotonic() + limit_s
        while True:
            answer = self.http.get(f"/searches/{made.json()['id']}").raise_for_status()
            request: dict[str, Any] = answer.json()
            for search in request["searches"]:
                seen(search)
            if all(search["state"] in ENDED for search in request["searches"]):
                return request
            assert time.monotonic() < deadline, request
            time.sleep(0.3)


def zipped(folder: Path, into: Path) -> Path:
    with zipfile.ZipFile(into, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder))
    return into
