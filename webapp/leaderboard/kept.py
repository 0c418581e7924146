"""First pages of the leaderboard, kept in Redis as they were sent to the last visitor.

A page's name holds the state of all rankings, so that no page outlives a publication, a withdrawal
or a deletion, and nobody has to remember which pages those change. What else stands on a page (how
long ago, the name of an account) may be a minute old.
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import secrets
from collections.abc import Callable
from io import BytesIO

from django.conf import settings
from django.contrib.messages.storage.cookie import CookieStorage
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers
from redis.exceptions import RedisError

from webapp.jobs import queues
from webapp.leaderboard.selection import Selection

log = logging.getLogger(__name__)

KEEP_S = 60
_PREFIX = "actnas-page:"


def name(request: HttpRequest, selection: Selection, *, state: int) -> str | None:
    """What this page is kept under; None where it is made for this visitor or this search alone.

    ``state`` is that of the rankings in ``selection``. Only what the page itself offers has a name:
    nobody can fill Redis with made-up addresses.
    """
    personal = {settings.SESSION_COOKIE_NAME, CookieStorage.cookie_name} & request.COOKIES.keys()
    deep = {"after", "before"} & request.GET.keys()
    if personal or deep or selection.text or selection.model:
        return None
    if selection.family and selection.family not in selection.families():
        return None
    ranking = selection.ranking.pk if selection.ranking else ""
    told = (state, ranking, selection.family, selection.precision, selection.met, selection.sort)
    return _PREFIX + hashlib.sha256(repr(told).encode()).hexdigest()[:32]


def page(
    key: str | None, make: Callable[[], HttpResponse], *, request: HttpRequest
) -> HttpResponse:
    """The page kept under ``key``, else what ``make()`` returns; without Redis it is made anew."""
    takes_gzip = "gzip" in request.headers.get("Accept-Encoding", "")
    body = None if key is None else _get(key)
    if body is not None:
        answer = HttpResponse(body if takes_gzip else gzip.decompress(body))
    else:
        answer = make()
        if key is not None and answer.status_code == 200 and not answer.cookies:
            body = gzip.compress(answer.content, compresslevel=6, mtime=0)
            _put(key, body)
        if takes_gzip:
            answer.content = body or _packed_once(answer.content)
    if takes_gzip:
        answer.headers["Content-Encoding"] = "gzip"
    patch_vary_headers(answer, ["Accept-Encoding", "Cookie"])
    return answer


def _packed_once(page: bytes) -> bytes:
    """Packed for one reader: a fifth more bytes than kept pages have, for a third of the time.

    Its length says nothing about what is in it: a name of random length stands in the head, as
    Django's own middleware has it (breachattack.com).
    """
    packed = BytesIO()
    name = secrets.token_hex(secrets.randbelow(50))
    with gzip.GzipFile(name, "wb", compresslevel=1, fileobj=packed, mtime=0) as file:
        file.write(page)
    return packed.getvalue()


def _get(key: str) -> bytes | None:
    try:
        found = queues.connection().get(key)
    except RedisError as error:
        log.warning("no pages are kept: %s", error)
        return None
    return found if isinstance(found, bytes) else None


def _put(key: str, body: bytes) -> None:
    try:
        queues.connection().set(key, body, ex=KEEP_S)
    except RedisError as error:
        log.warning("no pages are kept: %s", error)
