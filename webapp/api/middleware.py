"""What holds for every request of the API: rate limits, idempotency keys, ETags, problems."""

from __future__ import annotations

from typing import cast
from urllib.parse import unquote

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.http import ConditionalGetMiddleware
from django.shortcuts import render

from webapp.api import limits, problems, replays
from webapp.middleware import Handler

PREFIX = "/api/v1/"


class ApiMiddleware:
    """Pages pass through; their forms are limited, those with secrets like tokens."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response
        self.conditional = ConditionalGetMiddleware(self._answer)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path.startswith(PREFIX):
            return self._api(request)
        allowance = limits.of_page(request)
        if allowance is not None and allowance.exceeded:
            wait_s = allowance.reset_s
            page = render(request, "429.html", {"wait_s": wait_s}, status=429)
            page.headers["Retry-After"] = str(wait_s)
            return page
        return self.get_response(request)

    def _api(self, request: HttpRequest) -> HttpResponseBase:
        allowance = limits.of_api(request)
        response: HttpResponseBase
        if allowance is not None and allowance.exceeded:
            response = problems.response(
                429,
                f"more than {allowance.limit} {allowance.bucket} requests in a minute; "
                f"ask again in {allowance.reset_s} s",
                code="too-many-requests",
            )
        elif "\0" in request.path or "\0" in unquote(request.META.get("QUERY_STRING", "")):
            # No text of ours holds one, and PostgreSQL refuses to look for it.
            response = problems.response(400, "the address holds the character NUL")
        else:
            # An ETag for every readable answer; 304 where the caller has it already.
            response = problems.from_any(request, cast(HttpResponseBase, self.conditional(request)))
        if allowance is not None:
            for name, value in allowance.headers.items():
                response.headers[name] = value
        return response

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        if replays.applies_to(request):
            return replays.once(request, self.get_response)
        return self.get_response(request)
