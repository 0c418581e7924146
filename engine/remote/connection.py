"""One user's connection to a site: requests that survive a busy site, and lists of many pages."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import httpx

from engine.errors import EngineError, UserError

Document = dict[str, Any]

POLL_S = 1.0  # between two looks at what takes time
ATTEMPTS = 4  # of a request that the site is too busy for, or that the network lost
LONGEST_PAUSE_S = 60.0
CHUNK = 1 << 20
PAGE = 200  # rows that a list is asked for at once
_TIMEOUT = httpx.Timeout(60.0, read=300.0)
_BUSY = {429, 502, 503, 504}


class SiteError(EngineError):
    """The site did not do what was asked; ``str()`` is one line. ``code`` is problem+json's."""

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class SiteRefused(SiteError, UserError):
    """The site said no, and would say so again."""


class Connection:
    """Everything below ``/api/v1`` of the site at ``url``; a context manager."""

    def __init__(self, url: str, *, token: str | None = None) -> None:
        try:
            self._http = httpx.Client(base_url=f"{url.rstrip('/')}/api/v1/", timeout=_TIMEOUT)
        except httpx.InvalidURL as error:
            raise SiteRefused(f"{url!r} is no address of a site: {error}") from None
        if token is not None:
            self._sign(token)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._http.close()

    def _sign(self, token: str) -> None:
        if not token.isascii() or not token.isprintable() or " " in token:
            raise SiteRefused("the token holds characters that no token has; copy it again")
        self._http.headers["Authorization"] = f"Bearer {token}"

    def _read(self, path: str, **asked: Any) -> Any:
        """The document at ``path``; what was not ``asked`` (None) stays unsaid."""
        return self._send("GET", path, params=_given(asked)).json()

    def _pages(self, path: str, **asked: Any) -> Iterator[Document]:
        """Every row of a list, however many pages it has."""
        cursor: str | None = ""
        while cursor is not None:
            here = {**_given(asked), "size": PAGE, **({"cursor": cursor} if cursor else {})}
            answer = self._send("GET", path, params=here)
            yield from answer.json()
            following = answer.links.get("next", {}).get("url")
            # Only the cursor: behind a proxy the site may know itself by another address.
            cursor = httpx.URL(following).params.get("cursor") if following else None

    def _create(self, path: str, body: Document) -> Document:
        """What a POST made, once, however often the network makes us ask."""
        key = {"Idempotency-Key": uuid.uuid4().hex}
        answer = self._send("POST", path, json=body, headers=key)
        return dict(answer.json()) if answer.content else {}

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

    def _save(self, path: str, what: str, into: Path, progress: Callable[[float], None]) -> str:
        """Write what ``path`` answers to ``into``, whole or not at all; its sha256."""
        part = into.with_name(f".{into.name}.part")
        digest, done = hashlib.sha256(), 0
        try:
            with self._http.stream("GET", path) as answer:
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
            raise SiteError(f"GET {what}: {error}") from None
        finally:
            part.unlink(missing_ok=True)
        return digest.hexdigest()


def _given(asked: Document) -> Document:
    return {name: value for name, value in asked.items() if value is not None}


def _is_busy(answer: httpx.Response) -> bool:
    # 409 with a date: what we sent before the line broke is still at work.
    later = answer.status_code == httpx.codes.CONFLICT and "Retry-After" in answer.headers
    return later or answer.status_code in _BUSY


def _pause(answer: httpx.Response, attempt: int) -> float:
    asked = answer.headers.get("Retry-After", "")
    return min(float(asked), LONGEST_PAUSE_S) if asked.isdigit() else 0.5 * 2**attempt


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
