"""summary.json: what the demo writes (docs/schemas/summary.schema.json)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from engine.arms import MIX, Arm
from engine.documents import AssignmentField, Document, Range
from engine.result import Result
from engine.verdict import Verdict


class SummaryArm(Document):
    """One published model: everything was measured on the file with this sha256.

    mAP and loss are 0..1 on the test split; latency is in ms, its ratio against the family's
    standard activation; ``ratio_ci`` is null where the latency is modelled.
    """

    name: str = Field(pattern="^(uploaded|reference|original|uniform:[a-z0-9_]+|mix)$")
    assignment: AssignmentField
    file_sha256: str | None
    map50: float | None
    map50_95: float | None
    map50_95_ci: Range | None
    loss: float | None
    latency_ms: float | None
    latency_ratio: float | None
    ratio_ci: Range | None
    memory: float | None
    memory_unit: Literal["KiB", "MiB"] | None

    @classmethod
    def of(cls, arm: Arm) -> SummaryArm:
        """The published part of an arm. A second pick is a mix like the first."""
        fields = {name: getattr(arm, name) for name in cls.model_fields}
        if arm.is_mix:
            fields["name"] = MIX
        return cls.model_validate(fields)


class SummaryTarget(Document):
    """One target of the demo's search request."""

    kind: Literal["measured", "modelled"]
    notes: list[str]
    stages_s: dict[str, float]
    verdict: Verdict
    arms: list[SummaryArm]

    @classmethod
    def of(cls, result: Result) -> SummaryTarget:
        """The published part of a result."""
        return cls.model_validate(
            {
                "kind": result.kind,
                "notes": result.notes,
                "stages_s": result.stages_s,
                "verdict": result.verdict,
                "arms": [SummaryArm.of(arm) for arm in result.arms],
            }
        )


class Summary(Document):
    """The demo's outcome; ``targets`` is keyed by target id."""

    schema_: Literal["actnas.summary/1"] = Field(default="actnas.summary/1", alias="schema")
    machine: dict[str, Any]
    versions: dict[str, str]
    targets: dict[str, SummaryTarget]
