"""Errors as problem+json (RFC 9457): a stable ``code`` for programs, a line for people."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.http.response import HttpResponseBase
from ninja import Field, NinjaAPI, Schema
from ninja.errors import AuthenticationError, HttpError, ValidationError

from devices.errors import BadRequest, Unsupported
from webapp.errors import Refused, StorageFull, TooLarge, TooOften, is_storage_full

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

# Status -> the code of a problem that has no closer one. Codes never change their meaning.
CODES = {
    400: "bad-request",
    401: "not-signed-in",
    403: "not-allowed",
    404: "not-found",
    405: "method-not-allowed",
    409: "not-in-state",
    410: "gone",
    413: "too-large",
    422: "not-accepted",
    429: "too-many-requests",
    500: "internal-error",
}


class Problem(Schema):
    """What went wrong. ``detail`` is fit to be shown to a person; ``code`` is for programs."""

    type: str = Field(description="urn:actnas:problem:<code>")
    code: str = Field(description="never changes its meaning", examples=["not-accepted"])
    title: str
    status: int
    detail: str

    model_config = {
        "json_schema_extra": {
            "example": {
                "type": "urn:actnas:problem:not-accepted",
                "code": "not-accepted",
                "title": "Cannot be done",
                "status": 422,
                "detail": "imgsz is 100; accepted: multiples of 32 from 32 to 2048",
            }
        }
    }


def response(status: int, detail: str, title: str = "", *, code: str = "") -> HttpResponse:
    """A problem as an HTTP response."""
    code = code or CODES.get(status, f"http-{status}")
    problem = Problem(
        type=f"urn:actnas:problem:{code}",
        code=code,
        title=title or HTTPStatus(status).phrase,
        status=status,
        detail=detail,
    )
    return JsonResponse(problem.model_dump(), status=status, content_type=MEDIA_TYPE)


def from_any(request: HttpRequest, answer: HttpResponseBase) -> HttpResponseBase:
    """The answer; made a problem where Django or the framework refused in words of their own."""
    status, kind = answer.status_code, answer.headers.get("Content-Type")
    if status < 400 or kind == MEDIA_TYPE or not isinstance(answer, HttpResponse):
        return answer
    detail = HTTPStatus(status).description or HTTPStatus(status).phrase
    if status == 404:
        detail = f"{request.path} is no address of the API; /api/v1/openapi.json lists them"
    elif status == 405:
        detail = f"{request.method} is not allowed here; allowed: {answer.headers['Allow']}"
    answer.content = response(status, detail).content
    answer.headers["Content-Type"] = MEDIA_TYPE
    return answer


def install(api: NinjaAPI) -> None:
    """Make every error of ``api`` a problem."""

    @api.exception_handler(Refused)
    def refused(request: HttpRequest, error: Refused) -> HttpResponse:
        reply = response(error.status, str(error), error.title, code=error.code)
        if isinstance(error, TooOften):
            reply["Retry-After"] = str(error.wait_s)
        return reply

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

    @api.exception_handler(RequestDataTooBig)
    def too_big(request: HttpRequest, error: Exception) -> HttpResponse:
        most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        return response(413, f"the body has more than {most:,} bytes", TooLarge.title)

    @api.exception_handler(SuspiciousOperation)
    @api.exception_handler(MultiPartParserError)
    @api.exception_handler(UnreadablePostError)
    def unreadable(request: HttpRequest, error: Exception) -> HttpResponse:
        return response(400, f"the body cannot be read: {error}")

    @api.exception_handler(Exception)
    def ours(request: HttpRequest, error: Exception) -> HttpResponse:
        log.error("%s %s failed", request.method, request.path, exc_info=error)
        if is_storage_full(error):
            return refused(request, StorageFull())
        return response(500, "something broke on our side; it was logged")

    @api.exception_handler(ValidationError)
    def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
        return response(422, "; ".join(_line(item) for item in error.errors))


def _line(item: dict[str, Any]) -> str:
    # loc is ("body", "payload", "field", ...): what the sender wrote starts at the third.
    place = ".".join(str(part) for part in item["loc"][2:] or item["loc"][1:])
    return f"{place}: {item['msg']}" if place else str(item["msg"])
