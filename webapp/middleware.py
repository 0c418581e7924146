"""Small middlewares: a log line a request, the content security policy, a cap on bodies."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.shortcuts import render

from webapp import logs
from webapp.ui import cdn, theme

log = logging.getLogger(__name__)

Handler = Callable[[HttpRequest], HttpResponseBase]

_FORM_SLACK = 2**20  # multipart boundaries and the other fields


_REQUEST_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)


class RequestLogMiddleware:
    """Gives every request an id, which its log lines and its answer carry.

    A proxy's own X-Request-ID is kept. With ACTNAS_LOG=json each request is one line; it names the
    route and not the address, because some addresses are secrets (a password's reset).
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        sent = request.headers.get("X-Request-ID", "")
        name = sent if _REQUEST_ID.fullmatch(sent) else secrets.token_hex(8)
        request.log_id = name  # type: ignore[attr-defined]
        begun = time.monotonic()
        with logs.about({"request": name}):
            response = self.get_response(request)
            if settings.LOG == "json":
                route = request.resolver_match.route if request.resolver_match else "no such page"
                ms = round(1000 * (time.monotonic() - begun), 1)
                text = "%s %s: %s"
                log.info(text, request.method, route, response.status_code, extra={"ms": ms})
        response.headers["X-Request-ID"] = name
        return response

    def process_view(
        self,
        request: HttpRequest,
        view: Callable[..., HttpResponseBase],
        args: Sequence[object],
        kwargs: Mapping[str, object],
    ) -> None:
        if search := kwargs.get("search_id"):
            logs.also_about({"search": search})


def policy() -> str:
    """The Content-Security-Policy: our own files, the CDN files that pages name, nothing inline
    but the theme's script.

    Whole addresses, because a CDN that mirrors npm serves everybody's code.
    """
    scripts = [cdn.url(name) for name in cdn.FILES]
    outside = "".join(f" {url}" for url in scripts if urlsplit(url).netloc)
    return "; ".join(
        (
            "default-src 'self'",
            f"script-src 'self' {theme.SOURCE}{outside}",
            "style-src 'self'",
            "img-src 'self' data:",
            "connect-src 'self'",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


class ContentSecurityPolicyMiddleware:
    """Puts the policy on every response that does not carry its own."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response
        self.policy = policy()

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", self.policy)
        return response


class BodySizeMiddleware:
    """Refuses a body above the largest upload before a byte of it is read.

    A WSGI request without Content-Length has no body for Django, so the header decides.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        limit = max(settings.MAX_MODEL_BYTES, settings.MAX_DATA_SET_BYTES) + _FORM_SLACK
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not length.isdigit() or int(length) <= limit:
            return self.get_response(request)
        detail = f"the upload has {int(length):,} bytes; the largest accepted has {limit:,}"
        if request.path.startswith("/api/"):
            return JsonResponse(
                {
                    "type": "urn:actnas:problem:too-large",
                    "code": "too-large",
                    "title": "Upload too large",
                    "status": 413,
                    "detail": detail,
                },
                status=413,
                content_type="application/problem+json",
            )
        return render(request, "413.html", {"detail": detail}, status=413)
