"""The site's public HTTP API, as a user's script uses it. Nothing here knows the site's code."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

Document = dict[str, Any]
_TIMEOUT = httpx.Timeout(60.0, read=300.0)


class ApiError(Exception):
    """The site refused, or did not answer; ``str()`` is one line."""


class Client:
    """One user of the site at ``url``. A context manager; ``sign_up`` comes first.

    Every method raises ApiError when the site does not answer or says no.
    """

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=f"{url}/api/v1/", timeout=_TIMEOUT)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self._http.close()

    def sign_up(self, *, username: str, password: str) -> None:
        """Makes the account and uses a token of it from now on."""
        who = {"username": username, "password": password}
        self._json("POST", "users", json=who)
        token = self._json("POST", "tokens", json={**who, "name": "demo"})["token"]
        self._http.headers["Authorization"] = f"Bearer {token}"

    def targets(self) -> list[Document]:
        """Every target of the site; ``offered`` says whether a device serves it now."""
        return list(self._json("GET", "targets"))

    def upload(self, kind: str, file: Path, *, name: str, progress: Callable[[float], None]) -> str:
        """Uploads ``file`` to ``kind`` ("models" or "data-sets"); returns its id."""
        with _Watched(file, progress) as opened:
            files = {"file": (file.name, opened, "application/octet-stream")}
            return str(self._json("POST", kind, files=files, data={"name": name})["id"])

    def upload_state(self, kind: str, upload: str) -> Document:
        """The model or data set: its ``state``, the ``reason`` if it was refused, its content."""
        return dict(self._json("GET", f"{kind}/{upload}"))

    def search(self, wish: Document) -> Document:
        """Asks for a search; the answer holds one search for each target."""
        return dict(self._json("POST", "searches", json=wish))

    def request(self, request: str) -> Document:
        """The request with the state and progress of its searches."""
        return dict(self._json("GET", f"searches/{request}"))

    def result(self, search: str) -> Document:
        """result.json of a finished search."""
        return dict(self._json("GET", f"searches/{search}/result"))

    def leaderboard(self, *, target: str) -> list[Document]:
        """The entries for ``target``, best rank first."""
        return list(self._json("GET", "leaderboard", params={"target": target})["entries"])

    def download(self, *, entry: str, name: str, into: Path) -> str:
        """Writes a file of an entry to ``into``; returns its sha256."""
        digest = hashlib.sha256()
        try:
            with self._http.stream("GET", f"entries/{entry}/files/{quote(name)}") as answer:
                if answer.is_error:
                    answer.read()
                _check(answer)
                with into.open("wb") as out:
                    for chunk in answer.iter_bytes():
                        digest.update(chunk)
                        out.write(chunk)
        except httpx.HTTPError as error:
            raise ApiError(f"GET {name} of entry {entry}: {error}") from None
        return digest.hexdigest()

    def _json(self, method: str, path: str, **arguments: Any) -> Any:
        try:
            answer = self._http.request(method, path, **arguments)
        except httpx.HTTPError as error:
            raise ApiError(f"{method} /api/v1/{path}: {error or type(error).__name__}") from None
        _check(answer)
        return answer.json()


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


def _check(answer: httpx.Response) -> None:
    if answer.is_success:
        return
    where = f"{answer.request.method} {answer.request.url.path}: {answer.status_code}"
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = answer.reason_phrase
    raise ApiError(f"{where} {detail}")
