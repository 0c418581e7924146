"""What the engine's JSON documents are made of."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
)

from devices.assignment import Assignment
from devices.errors import BadRequest
from engine.errors import BadSearch

FiguresKind = Literal["measured", "modelled", "emulated"]
Range = tuple[float, float]  # a 95 % interval: (low, high)


class Document(BaseModel):
    """A value that is written as JSON: unknown fields are refused, nothing is changed in place."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        serialize_by_alias=True,
        allow_inf_nan=False,
    )

    def write(self, path: Path) -> None:
        """Write the document to ``path``, which appears (or is replaced) only when it is whole."""
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            part.write_text(self.model_dump_json(indent=1) + "\n")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The document in ``path``.

        Raises:
            BadSearch: there is no such file, or it holds something else; the first fault is named.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise BadSearch(f"cannot read {path}: {error.strerror}") from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the document"
            raise BadSearch(f"{path} is no {cls.__name__}: {where}: {first['msg']}") from None


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
