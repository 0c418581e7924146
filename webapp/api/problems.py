"""Errors as problem+json (RFC 9457): one clear line in ``detail``."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI, Schema
from ninja.errors import AuthenticationError, HttpError, ValidationError

from devices.errors import BadRequest, Unsupported
from webapp.errors import Refused

log = logging.getLogger(__name__)


class Problem(Schema):
    """What went wrong. ``detail`` is fit to be shown to a person."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


def response(status: int, detail: str, title: str = "") -> HttpResponse:
    """A problem as an HTTP response."""
    problem = Problem(title=title or HTTPStatus(status).phrase, status=status, detail=detail)
    return JsonResponse(
        problem.model_dump(), status=status, content_type="application/problem+json"
    )


def install(api: NinjaAPI) -> None:
    """Make every error of ``api`` a problem."""

    @api.exception_handler(Refused)
    def refused(request: HttpRequest, error: Refused) -> HttpResponse:
        return response(error.status, str(error), error.title)

    @api.exception_handler(BadRequest)
    @api.exception_handler(Unsupported)
    def bad(request: HttpRequest, error: Exception) -> HttpResponse:
        return response(422, str(error))

    @api.exception_handler(Http404)
    def missing(request: HttpRequest, error: Http404) -> HttpResponse:
        return response(404, str(error) or "there is no such thing, or it is not yours to see")

    @api.exception_handler(AuthenticationError)
    def anonymous(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
        reply = response(401, "sign in: send Authorization: Bearer <token> (POST /api/v1/tokens)")
        reply["WWW-Authenticate"] = "Bearer"
        return reply

    @api.exception_handler(HttpError)
    def http(request: HttpRequest, error: HttpError) -> HttpResponse:
        return response(error.status_code, error.message)

    @api.exception_handler(Exception)
    def ours(request: HttpRequest, error: Exception) -> HttpResponse:
        log.error("%s %s failed", request.method, request.path, exc_info=error)
        return response(500, "something broke on our side; it was logged")

    @api.exception_handler(ValidationError)
    def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
        return response(422, "; ".join(_line(item) for item in error.errors))


def _line(item: dict[str, Any]) -> str:
    # loc is ("body", "payload", "field", ...): what the sender wrote starts at the third.
    place = ".".join(str(part) for part in item["loc"][2:] or item["loc"][1:])
    return f"{place}: {item['msg']}" if place else str(item["msg"])
