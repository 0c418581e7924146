"""bundle.json and results.json: what lies in a bundle's folder (docs/schemas)."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from devices.protocol import MeasureJob, MeasureResult

MANIFEST, RESULTS = "bundle.json", "results.json"


class _Document(BaseModel):
    model_config = ConfigDict(
        extra="forbid", populate_by_name=True, serialize_by_alias=True, allow_inf_nan=False
    )


class BundledJob(_Document):
    """One job; its files lie in the folder, and their paths count from it."""

    sha256: str = Field(description="over what the job asks for, wherever its files lie")
    job: MeasureJob


class Bundle(_Document):
    """What a folder asks for."""

    schema_: Literal["actnas.bundle/1"] = Field(default="actnas.bundle/1", alias="schema")
    harness: str = Field(description="version of the measuring code that lies in the folder")
    made: str = Field(description="when, ISO 8601")
    jobs: list[BundledJob] = Field(min_length=1)


class Returned(_Document):
    """What became of one job: a result, or the error in one line."""

    sha256: str = Field(description="of the job")
    result: MeasureResult | None = None
    error: str = ""
    kind: str = Field(default="", description="class of the error")


class Results(_Document):
    """What a folder brings back."""

    schema_: Literal["actnas.results/1"] = Field(default="actnas.results/1", alias="schema")
    harness: str
    returned: list[Returned]
