"""The site's public HTTP API, as a user's script uses it. Nothing here knows the site's code."""

from __future__ import annotations

import hashlib
import io
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

import httpx

from engine.errors import EngineError, UserError

if TYPE_CHECKING:
    import pandas as pd

Document = dict[str, Any]
Kind = Literal["models", "data-sets"]

POLL_S = 1.0
ATTEMPTS = 4  # of a request that the site is too busy for, or that the network lost
LONGEST_PAUSE_S = 60.0
CHUNK = 1 << 20
ENDED = {"finished": "done", "failed": "failed", "cancelled": "cancelled"}  # states, in words
_TIMEOUT = httpx.Timeout(60.0, read=300.0)
_BUSY = {429, 502, 503, 504}


class SiteError(EngineError):
    """The site did not do what was asked; ``str()`` is one line. ``code`` is problem+json's."""

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class SiteRefused(SiteError, UserError):
    """The site said no, and would say so again."""


class Client:
    """One user of the site at ``url``; without a token, anybody. A context manager.

    Every method raises SiteRefused when the site says no and SiteError when it does not answer.
    What is created is created once, however often the network makes us ask: each such request has
    its own key.
    """

    def __init__(self, url: str, *, token: str | None = None) -> None:
        try:
            self._http = httpx.Client(base_url=f"{url.rstrip('/')}/api/v1/", timeout=_TIMEOUT)
        except httpx.InvalidURL as error:
            raise SiteRefused(f"{url!r} is no address of a site: {error}") from None
        if token is not None:
            self._sign(token)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self._http.close()

    def sign_up(self, *, username: str, password: str, token_name: str = "script") -> str:
        """Makes the account; returns a token of it, which is used from now on."""
        who = {"username": username, "password": password}
        self._create("users", who)
        made = self._send("POST", "tokens", json={**who, "name": token_name})
        token = str(made.json()["token"])
        self._sign(token)
        return token

    def targets(self) -> list[Document]:
        """Every target of the site; ``offered`` says whether a device serves it now."""
        return list(self._send("GET", "targets").json())

    def upload(
        self,
        file: Path,
        *,
        kind: Kind | None = None,
        name: str = "",
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
                    data={"name": name},
                    headers={"Idempotency-Key": key},
                )

        return dict(self._answer(f"POST {kind}", once).json())

    def upload_state(self, kind: Kind, upload: str) -> Document:
        """The model or data set: its ``state``, the ``reason`` if it was refused, its content."""
        return dict(self._send("GET", f"{kind}/{upload}").json())

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

    def search(self, wish: Document) -> Document:
        """Asks for a search; the answer holds one search for each target."""
        return dict(self._create("searches", wish).json())

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

    def cancel(self, request: str) -> Document:
        """Ends every search of the request that has not ended."""
        return dict(self._create(f"searches/{request}/cancel", {}).json())

    def result(self, search: str) -> Document:
        """result.json of a finished search."""
        return dict(self._send("GET", f"searches/{search}/result").json())

    def entry(self, entry: str) -> Document:
        """An entry with every arm of its search."""
        return dict(self._send("GET", f"entries/{entry}").json())

    def entries(self, **filters: str | int) -> Iterator[Document]:
        """The leaderboard's entries in its order, all pages. Filters are those of GET /leaderboard:
        target, device_model, data_set, imgsz, family, kind, owner, q, order."""
        cursor: str | None = ""
        while cursor is not None:
            asked = {**filters, "size": 200, **({"cursor": cursor} if cursor else {})}
            page = self._send("GET", "leaderboard", params=asked).json()
            yield from page["entries"]
            cursor = page["next"]

    def leaderboard(self, **filters: str | int) -> pd.DataFrame:
        """The same as a table (engine/remote/frame.py)."""
        from engine.remote.frame import of_entries

        return of_entries(self.entries(**filters))

    def download(
        self,
        *,
        entry: str,
        name: str,
        into: Path,
        progress: Callable[[float], None] = lambda fraction: None,
    ) -> str:
        """Writes a file of an entry to ``into``, whole or not at all; returns its sha256."""
        part = into.with_name(f".{into.name}.part")
        digest, done = hashlib.sha256(), 0
        try:
            with self._http.stream("GET", f"entries/{entry}/files/{quote(name)}") as answer:
                if answer.is_error:
                    answer.read()
                _check(answer)
                total = int(answer.headers.get("Content-Length") or 0)
                with part.open("wb") as out:
                    for chunk in answer.iter_bytes(CHUNK):
                        digest.update(chunk)
                        out.write(chunk)
                        done += len(chunk)
                        progress(done / total if total else 1.0)
            part.replace(into)
        except httpx.HTTPError as error:
            raise SiteError(f"GET {name} of entry {entry}: {error}") from None
        finally:
            part.unlink(missing_ok=True)
        return digest.hexdigest()

    def _sign(self, token: str) -> None:
        if not token.isascii() or not token.isprintable() or " " in token:
            raise SiteRefused("the token holds characters that no token has; copy it again")
        self._http.headers["Authorization"] = f"Bearer {token}"

    def _create(self, path: str, body: Document) -> httpx.Response:
        return self._send("POST", path, json=body, headers={"Idempotency-Key": uuid.uuid4().hex})

    def _send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        return self._answer(
            f"{method} {path}", lambda: self._http.request(method, path, **arguments)
        )

    def _answer(self, what: str, once: Callable[[], httpx.Response]) -> httpx.Response:
        """The answer of ``once``, which is asked again where the site is busy or out of reach."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = once()
            except httpx.HTTPError as error:
                if attempt == ATTEMPTS:
                    reason = str(error) or type(error).__name__
                    raise SiteError(f"{self._http.base_url}: {what}: {reason}") from None
                time.sleep(0.25 * 2**attempt)
                continue
            if not _is_busy(answer) or attempt == ATTEMPTS:
                break
            time.sleep(_pause(answer, attempt))
        _check(answer)
        return answer


def kind_of(file: Path) -> Kind:
    """What the site takes the file for: data sets are zips."""
    return "data-sets" if file.suffix.lower() == ".zip" else "models"


def _is_busy(answer: httpx.Response) -> bool:
    # 409 with a date: what we sent before the line broke is still at work.
    later = answer.status_code == httpx.codes.CONFLICT and "Retry-After" in answer.headers
    return later or answer.status_code in _BUSY


def _pause(answer: httpx.Response, attempt: int) -> float:
    asked = answer.headers.get("Retry-After", "")
    return min(float(asked), LONGEST_PAUSE_S) if asked.isdigit() else 0.5 * 2**attempt


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
        problem = answer.json()
        detail, code = problem["detail"], str(problem.get("code", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        detail, code = answer.reason_phrase, ""
    kind = SiteRefused if answer.is_client_error else SiteError
    raise kind(f"{where} {detail}", code=code)
