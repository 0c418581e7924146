"""An arm: one model of the final comparison, with everything measured on its one exported file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field, field_validator

from devices import activations
from devices.errors import BadRequest
from engine.documents import AssignmentField, Document, Range

UPLOADED = "uploaded"
REFERENCE = "reference"
MIX = "mix"
ONE_TABLE = "ratio_to_silu_table_baseline"  # in the details of an Ethos-U's arms


class Limits(Document):
    """What the user asked for. The loss and the memory are limits, the latency is a goal.

    Ratios count against the family's standard activation; the loss is in mAP50-95 (0..1).
    """

    max_map_loss: float | None = Field(default=None, ge=0)
    max_latency_ratio: float | None = Field(default=None, gt=0)
    max_memory_ratio: float | None = Field(default=None, gt=0)


class Arm(Document):
    """One model.

    ``name`` is ``uploaded`` (the file as it came; decides nothing), ``reference`` (the original
    assignment, trained as every arm is), ``uniform:<activation>`` or ``mix``, ``mix:2``, ... mAP is
    on the test split of the exported file; ratios are to the family's standard activation in the
    same lease. What was not measured is None.
    """

    name: str
    assignment: AssignmentField
    file: str | None = Field(default=None, description="path within the search's output folder")
    file_sha256: str | None = None
    map50: float | None = None
    map50_95: float | None = None
    map50_95_ci: Range | None = None
    loss: float | None = Field(default=None, description="mAP50-95 below the reference arm")
    loss_ci: Range | None = None
    latency_ms: float | None = None
    latency_ratio: float | None = None
    ratio_ci: Range | None = Field(default=None, description="None where latency is modelled")
    memory: float | None = None
    memory_ratio: float | None = None
    memory_unit: Literal["KiB", "MiB"] | None = None
    lease: str | None = Field(default=None, description="id of the job that measured the latency")
    details: dict[str, Any] = Field(default_factory=dict)

    @field_validator("name")
    @classmethod
    def _known_name(cls, name: str) -> str:
        head, _, tail = name.partition(":")
        if name in (UPLOADED, REFERENCE, MIX) or (head == MIX and tail.isdigit()):
            return name
        if head == "uniform":
            try:
                activations.get(tail)
            except BadRequest as error:
                raise ValueError(f"arm {name!r}: {error}") from None
            return name
        raise ValueError(f"arm {name!r}: uploaded, reference, uniform:<activation>, mix or mix:<k>")

    @property
    def one_table_ratio(self) -> float | None:
        """What ``latency_ratio`` would be with SiLU as one table operator in both models; None
        where the target lowers nothing."""
        ratio: float | None = self.details.get(ONE_TABLE)
        return ratio

    @property
    def is_candidate(self) -> bool:
        """Whether the arm is something other than the original."""
        return self.name.partition(":")[0] in (MIX, "uniform")

    @property
    def is_mix(self) -> bool:
        """Whether it is a candidate with more than one activation, whatever its name."""
        return self.is_candidate and self.assignment.uniform_activation is None

    @property
    def is_uniform(self) -> bool:
        """Whether it is a candidate with one activation: a search may pick one as its mix."""
        return self.is_candidate and not self.is_mix


def reference_of(arms: Sequence[Arm]) -> Arm | None:
    """The reference arm, from which every loss counts; None where nothing was trained."""
    return next((arm for arm in arms if arm.name == REFERENCE), None)
