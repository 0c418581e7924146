"""First pages of the leaderboard, kept in Redis: whole as visitors get them, and what is the same
for everybody by itself, the list and the scatter's points.

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


def name(request: HttpRequest, selection: Selection, *, state: int) -> str | None:
    """What this page is kept under; None where it is made for this search alone.

    ``state`` is that of the rankings in ``selection``. Only what the page itself offers has a name:
    nobody can fill Redis with made-up addresses.
    """
    if selection.text or selection.model or not settings.KEEP_PAGES_S:
        return None
    if selection.family and selection.family not in selection.families():
        return None
    # A kept page's links repeat its address: one that says more, or otherwise, is not for others.
    offered = selection.offered()
    if any(values not in ([offered.get(name)], [""]) for name, values in request.GET.lists()):
        return None
    ranking = selection.ranking.pk if selection.ranking else ""
    told = (state, ranking, selection.family, selection.precision, selection.met, selection.sort)
    return hashlib.sha256(repr(told).encode()).hexdigest()[:32]


def part(name: str | None, make: Callable[[], str], *, kind: str) -> str:
    """The ``kind`` of thing kept under ``name``, else what ``make()`` returns: nobody's own."""
    key = None if name is None else f"actnas-{kind}:{name}"
    body = None if key is None else _get(key)
    if body is not None:
        return gzip.decompress(body).decode()
    text = make()
    if key is not None:
        _put(key, gzip.compress(text.encode(), compresslevel=1, mtime=0))
    return text


def page(
    name: str | None, make: Callable[[], HttpResponse], *, request: HttpRequest
) -> HttpResponse:
    """The page kept under ``name``, else what ``make()`` returns; without Redis it is made anew.

    A reader who is signed in, or to whom something is to be said, gets a page of their own.
    """
    personal = {settings.SESSION_COOKIE_NAME, CookieStorage.cookie_name} & request.COOKIES.keys()
    key = None if name is None or personal else f"actnas-page:{name}"
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
    if key is not None:
        # Nothing on it is a person's. A page that may not share its opener's process makes the
        # browser start another one, which is a fifth of a visitor's first render.
        answer.headers["Cross-Origin-Opener-Policy"] = "unsafe-none"
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
        queues.connection().set(key, body, ex=settings.KEEP_PAGES_S)
    except RedisError as error:
        log.warning("no pages are kept: %s", error)
