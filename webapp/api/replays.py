"""Idempotency keys: a creating request that is sent twice is done once.

The second copy gets the first one's answer, with the header ``Idempotent-Replay: true``. What the
request made and the answer to it are committed together: whoever dies leaves both or neither.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial, wraps
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone

from webapp.api import limits, problems
from webapp.api.models import KEPT, Replay
from webapp.jobs.processes import is_alive, is_here, this_process

HEADER = "Idempotency-Key"
_SECRETS = ("/tokens", "/webhooks", "/secret")
_LONGEST = 200
_ABANDONED_S = 600  # an unfinished row this old belongs to a process elsewhere that died


def answers_with_a_secret(path: str) -> bool:
    """Whether a POST to this path of the API is answered with a secret: that is never stored."""
    return path.endswith(_SECRETS)


def applies_to(request: HttpRequest) -> bool:
    """Whether the request asks to be done only once, and its answer may be stored."""
    return (
        request.method == "POST"
        and HEADER in request.headers
        and not answers_with_a_secret(request.path)
    )


def once(
    request: HttpRequest, answer: Callable[[HttpRequest], HttpResponseBase]
) -> HttpResponseBase:
    """The stored answer, or that of ``answer(request)``, which is stored unless it failed."""
    given = request.headers[HEADER]
    if not 1 <= len(given) <= _LONGEST:
        return problems.response(
            422,
            f"{HEADER} has {len(given)} characters; accepted: 1 to {_LONGEST}",
            code="bad-idempotency-key",
        )
    try:
        key, fingerprint = _key(request, given), _fingerprint(request)
    except RequestDataTooBig:
        return answer(request)  # which refuses it, too
    Replay.objects.filter(created__lt=timezone.now() - KEPT).delete()
    row, made = _claim(key, fingerprint)
    if not made:
        return _again(row, fingerprint, given)
    mine = Replay.objects.filter(pk=row.pk, status=0)
    try:
        with ExitStack() as stack:
            # Called by the operation, see whole(); ends with the block.
            request.begin = partial(stack.enter_context, transaction.atomic())  # type: ignore[attr-defined]
            response = answer(request)
            if response.status_code >= 500:
                raise _TakenBack(response)
            if response.status_code < 400 and isinstance(response, HttpResponse):
                _keep(mine, response, given)
    except _TakenBack as error:
        return error.response
    finally:
        mine.delete()  # nothing was made: the same key may try again
    return response


class _TakenBack(Exception):
    """What the request made must go; ``response`` is answered instead."""

    def __init__(self, response: HttpResponseBase) -> None:
        super().__init__()
        self.response = response


def whole(view: Callable[..., Any]) -> Callable[..., Any]:
    """An operation whose work is committed together with the stored answer, see :func:`once`.

    The transaction begins when the caller is known and the body is read: it holds others up, and
    a body may take minutes to come.
    """

    @wraps(view)
    def run(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if (begin := getattr(request, "begin", None)) is not None:
            begin()
        return view(request, *args, **kwargs)

    return run


def _keep(mine: QuerySet[Replay], response: HttpResponse, given: str) -> None:
    """Store the answer.

    Raises:
        _TakenBack: somebody thought this process dead, and does the request now.
    """
    changed = mine.update(
        status=response.status_code,
        content_type=response.headers.get("Content-Type", "")[:80],
        body=response.content,
    )
    if changed != 1:
        raise _TakenBack(_busy(given))


def _claim(key: str, fingerprint: str) -> tuple[Replay, bool]:
    # One of two copies that come at once makes the row; the unique key decides.
    try:
        with transaction.atomic():
            me = this_process()
            return Replay.objects.create(key=key, fingerprint=fingerprint, worker=me), True
    except IntegrityError:
        row = Replay.objects.get(key=key)
    if row.status == 0 and _is_abandoned(row):
        Replay.objects.filter(pk=row.pk, status=0).delete()
        return _claim(key, fingerprint)
    return row, False


def _is_abandoned(row: Replay) -> bool:
    """Whether the process that ran the request died: nothing was made, nobody will answer.

    Should one elsewhere be alive after all, what it makes is taken back: see _keep."""
    if is_here(row.worker):
        return not is_alive(row.worker)
    return abs((timezone.now() - row.created).total_seconds()) > _ABANDONED_S


def _again(row: Replay, fingerprint: str, given: str) -> HttpResponse:
    if row.fingerprint != fingerprint:
        return problems.response(
            422,
            f"{HEADER} {given!r} was used for another request within the last 24 hours",
            code="idempotency-key-reused",
        )
    if row.status == 0:
        return _busy(given)
    response = HttpResponse(bytes(row.body), status=row.status, content_type=row.content_type)
    response.headers["Idempotent-Replay"] = "true"
    return response


def _busy(given: str) -> HttpResponse:
    busy = problems.response(
        409,
        f"the first request with {HEADER} {given!r} is still at work; ask again",
        code="idempotency-key-in-use",
    )
    busy.headers["Retry-After"] = "2"
    return busy


def _key(request: HttpRequest, given: str) -> str:
    """Who sends it is part of it: nobody can read another's answer by guessing a key."""
    sender = (
        request.headers.get("Authorization")
        or request.COOKIES.get(settings.SESSION_COOKIE_NAME)
        or limits.address(request)
    )
    return hashlib.sha256(f"{sender}\0{given}".encode()).hexdigest()


def _fingerprint(request: HttpRequest) -> str:
    """Method, address and body; of an upload its length, as its bytes are not read here."""
    kind = request.content_type or ""
    parts = [str(request.method), request.get_full_path(), kind]
    digest = hashlib.sha256("\0".join(parts).encode())
    if kind.startswith("multipart/"):
        digest.update(request.META.get("CONTENT_LENGTH", "").encode())
    else:
        digest.update(request.body)
    return digest.hexdigest()
