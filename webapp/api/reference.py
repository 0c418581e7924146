"""The API's reference as a page of the site: what OpenAPI says, without any script."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.gzip import gzip_page
from ninja import NinjaAPI
from ninja.openapi.docs import DocsBase

_VERBS = ("get", "post", "put", "delete")


@dataclass(frozen=True)
class Field:
    """A parameter, or a field of a body or an answer."""

    name: str
    kind: str
    required: bool
    told: str


@dataclass(frozen=True)
class Operation:
    verb: str
    path: str
    told: str
    needs: str  # who may ask
    parameters: list[Field]
    body: list[Field]
    body_example: str
    answer: str  # status and name of the document
    answer_fields: list[Field]
    answer_example: str

    @property
    def key(self) -> str:
        """What the page's addresses name it by."""
        return "-".join([self.verb, *(part.strip("{}") for part in self.path.split("/") if part)])


class Reference(DocsBase):
    """What ninja shows at ``/docs``."""

    def render_page(self, request: HttpRequest, api: NinjaAPI, **kwargs: Any) -> HttpResponse:
        schema: dict[str, Any] = dict(api.get_openapi_schema())
        tags: dict[str, list[Operation]] = {}
        for tag, operation in _operations(schema):
            tags.setdefault(tag, []).append(operation)
        context = {
            "paragraphs": _paragraphs(schema["info"]["description"]),
            "tags": list(tags.items()),
            "address": self.get_openapi_url(api, kwargs),
        }
        return _compressed(request, context)


@gzip_page
def _compressed(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    return render(request, "api/reference.html", context)


def _operations(schema: Mapping[str, Any]) -> Iterator[tuple[str, Operation]]:
    components = schema["components"]["schemas"]
    for path, operations in schema["paths"].items():
        for verb in _VERBS:
            if verb in operations:
                found = operations[verb]
                yield found["tags"][0], _operation(verb, path, found, components)


def _operation(
    verb: str, path: str, found: Mapping[str, Any], components: Mapping[str, Any]
) -> Operation:
    status, answer = next(iter(found["responses"].items()))
    body = _resolved(_schema_of(found.get("requestBody", {})), components)
    shown = _schema_of(answer)
    item = shown.get("items", shown) if shown.get("type") == "array" else shown
    named = item.get("$ref", "").rpartition("/")[2]
    document = _resolved(item, components)
    example = document.get("example")
    several = shown.get("type") == "array"
    return Operation(
        verb=verb.upper(),
        path=path,
        told=found.get("description", ""),
        needs=_needs(found.get("security")),
        parameters=[
            Field(
                one["name"],
                "header" if one["in"] == "header" else _kind(one["schema"]),
                bool(one.get("required")),
                one.get("description", one["schema"].get("description", "")),
            )
            for one in found.get("parameters", [])
        ],
        body=_fields(body),
        body_example=_json(body.get("example")),
        answer=f"{status}{', a list of' if several else ''} {named}".strip(),
        answer_fields=_fields(document),
        answer_example=_json([example] if several and example else example),
    )


def _schema_of(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of a body or an answer in its first form; empty where it has no content."""
    for form in message.get("content", {}).values():
        found: Mapping[str, Any] = form.get("schema", {})
        return found
    return {}


def _resolved(schema: Mapping[str, Any], components: Mapping[str, Any]) -> Mapping[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: Mapping[str, Any] = components.get(name, schema)
    return found


def _needs(security: list[dict[str, Any]] | None) -> str:
    if not security:
        return "anybody"
    return "anybody; a token shows more" if {} in security else "a token"


def _fields(schema: Mapping[str, Any]) -> list[Field]:
    required = set(schema.get("required", ()))
    return [
        Field(name, _kind(one), name in required, one.get("description", ""))
        for name, one in schema.get("properties", {}).items()
    ]


def _kind(schema: Mapping[str, Any]) -> str:
    """The type in words: ``list of string``, ``number or null``."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(str(one) for one in schema["enum"])
    kind = str(schema.get("type", "anything"))
    if kind == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return "time" if schema.get("format") == "date-time" else kind


def _json(example: Any) -> str:
    return "" if example is None else json.dumps(example, indent=1, ensure_ascii=False)


def _paragraphs(text: str) -> list[tuple[str, str]]:
    """(heading, text) of what the schema says at its top, which is Markdown of one kind."""
    found = []
    for part in text.replace("`", "").split("\n- "):
        for one in part.split("\n\n"):
            _, marked, rest = " ".join(one.split()).partition("**")
            head, _, told = rest.partition("**")
            found.append((head, told.lstrip(": ")) if marked else ("", " ".join(one.split())))
    return found
