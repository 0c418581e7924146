"""The public HTTP API, version 1."""

from __future__ import annotations

from typing import Any

from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema

from engine.remote.event import Event
from webapp.api import examples, problems, replays
from webapp.api.auth import Anyone, TokenAuth
from webapp.api.reference import Reference
from webapp.api.routers import accounts, leaderboard, pool, searches, uploads, webhooks

_DESCRIPTION = """
Upload a YOLO detector, name the targets it must run on, and get back the same detector with the
best activation function at every layer, with the evidence. Everything that runs takes time: poll
the state of what you made.

- **Errors** are `application/problem+json`; their `code` never changes its meaning.
- **Tokens** go into `Authorization: Bearer ...`; `POST /tokens` makes one, with the scopes `read`
  and `write`.
- **Pages**: lists name the next page in the `Link` header (`rel="next"`); follow it as it is.
- **Repeats**: a `POST` with the header `Idempotency-Key` is done once; for 24 hours the same key
  gets the same answer, with `Idempotent-Replay: true`.
- **Reads** carry an `ETag`; send it as `If-None-Match` and get 304 while nothing has changed.
- **Webhooks**: `POST /webhooks` names an address that is told when a search ends. Check each
  request with the secret: `Actnas-Signature` is `t=<unix time>,v1=<hex>`, HMAC-SHA256 over
  `<unix time>.<body>`; refuse old times, and tell copies by `Actnas-Delivery`.
- **Limits**: `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` (s) stand in every
  answer; past the limit it is 429 with `Retry-After`.
"""
_HOOK = {
    "summary": "One of your searches has ended",
    "description": "Answer with any 2xx within 10 seconds; other answers are tried again, with "
    "growing pauses, five times. Redirects are not followed.",
    "parameters": [
        {"name": name, "in": "header", "required": True, "schema": {"type": "string"}}
        for name in ("Actnas-Signature", "Actnas-Event", "Actnas-Delivery")
    ],
    "requestBody": {
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Event"}}}
    },
    "responses": {"2XX": {"description": "arrived"}},
}
_VERBS = ("get", "post", "put", "patch", "delete")


class Api(NinjaAPI):
    """Adds to the schema what holds for every operation."""

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        """The OpenAPI document: each operation may answer with a problem."""
        schema = super().get_openapi_schema(**options)
        schema["components"].setdefault("schemas", {})["Problem"] = (
            problems.Problem.model_json_schema()
        )
        schema["components"]["schemas"]["Event"] = Event.model_json_schema(
            mode="serialization", by_alias=True
        )
        schema["components"]["securitySchemes"].pop(Anyone.__name__)
        schema["webhooks"] = {"search-ended": {"post": _HOOK}}
        examples.complete(schema["components"]["schemas"])
        problem = {
            "description": "A problem (RFC 9457)",
            "content": {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
            },
        }
        key = {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "any text of your own, 1 to 200 characters; the request is done once",
            "schema": {"type": "string", "minLength": 1, "maxLength": 200},
        }
        for path, operations in schema["paths"].items():
            for verb in _VERBS:
                operation = operations.get(verb)
                if operation is None:
                    continue
                operation["responses"]["default"] = problem
                if operation.get("security") == [{Anyone.__name__: []}]:
                    operation["security"] = [{}, {TokenAuth.__name__: []}]
                if verb == "post" and not replays.answers_with_a_secret(path):
                    operation["parameters"] = [*operation.get("parameters", []), key]
        return schema


api = Api(title="ActNAS Bench", version="1", description=_DESCRIPTION.strip(), docs=Reference())
problems.install(api)
api.add_decorator(replays.whole)
for part in (accounts, uploads, pool, searches, leaderboard, webhooks):
    api.add_router("", part.router)
