"""What the engine's JSON documents are made of."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)

from devices.assignment import Assignment
from devices.errors import BadRequest

FiguresKind = Literal["measured", "modelled", "emulated"]
Range = tuple[float, float]  # a 95 % interval: (low, high)


class Document(BaseModel):
    """A value that is written as JSON: unknown fields are refused, nothing is changed in place."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, serialize_by_alias=True
    )


class AssignmentDocument(Document):
    """The JSON form of an assignment: the activation of every site, in site order."""

    schema_: Literal["actnas.assignment/1"] = Field(alias="schema")
    hash: str = Field(
        pattern="^[0-9a-f]{12}$", description="first hex digits of the sha256 over choices"
    )
    choices: list[tuple[str, str]] = Field(description="[site, activation] pairs, in site order")


def _read(value: Any) -> Assignment:
    if isinstance(value, Assignment):
        return value
    try:
        return Assignment.from_json(value if isinstance(value, str) else json.dumps(value))
    except (BadRequest, TypeError) as error:
        raise ValueError(str(error)) from None


def _write(value: Assignment) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(value.to_json())
    return document


AssignmentField = Annotated[
    Assignment,
    PlainValidator(_read),
    PlainSerializer(_write),
    WithJsonSchema(AssignmentDocument.model_json_schema()),
]
