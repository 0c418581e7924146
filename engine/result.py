"""result.json: everything that one search on one target found (docs/schemas/result.schema.json)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from devices.protocol import Provenance as Lease
from engine.arms import Arm, Limits
from engine.costs import CostTable
from engine.documents import AssignmentField, Document, FiguresKind, Range
from engine.verdict import Verdict

Recipe = Literal["paper", "supernet"]


class ModelFacts(Document):
    """The model that was searched; ``classes`` and ``imgsz`` are numbers (pixels)."""

    sha256: str
    kind: Literal["pt", "yaml", "onnx"]
    family: str
    classes: int
    imgsz: int
    weights: bool


class DataFacts(Document):
    """The data set, with the number of images of each split."""

    sha256: str | None = None
    classes: int
    images: dict[str, int]


class SiteFacts(Document):
    """One site of the original: what it runs and the (channels, height, width) that it puts out."""

    path: str
    activation: str
    shape: tuple[int, int, int] | None


class MemoryStepsDocument(Document):
    """What is alive at each step of an inference: ``base`` in the baseline (``unit``), plus the
    sparse ``change`` [step, site, activation, value] of every swap that matters there."""

    labels: list[str]
    base: list[float]
    change: list[tuple[int, int, int, float]]
    unit: str


class CostTableDocument(Document):
    """The cost table that the last solve used: rows are sites, columns activations.

    ``ms`` is the latency (ms) attributed to each pair, null where the pair is not known; a mix
    costs ``rest_ms`` plus one entry a row. ``memory`` is the change of the memory figure, if known;
    ``steps`` is what is alive together, where the target's plan is known.
    """

    schema_: Literal["actnas.cost_table/1"] = Field(alias="schema")
    sites: list[str]
    activations: list[str]
    ms: list[list[float | None]]
    rest_ms: float
    baseline: list[tuple[str, str]]
    kind: FiguresKind
    source: str
    memory: list[list[float | None]] | None
    rest_memory: float | None
    memory_unit: str | None
    details: dict[str, Any]
    steps: MemoryStepsDocument | None = None

    @classmethod
    def of(cls, table: CostTable) -> CostTableDocument:
        """The document of a table."""
        return cls.model_validate(table.to_json())

    def table(self) -> CostTable:
        """The table of this document."""
        return CostTable.from_json(self.model_dump())


class Score(Document):
    """What an estimator says about one whole assignment."""

    assignment: AssignmentField
    value: float


class Estimate(Document):
    """One estimator's signals. ``higher_is_better`` tells how to read ``scores``.

    ``penalty`` is what the solver was given: rows are sites, columns ``activations``, lower is
    better, 0 for the original, null where a pair may not be chosen; ``unit`` is that of one entry.
    """

    estimator: str
    unit: str
    higher_is_better: bool
    activations: list[str]
    penalty: list[list[float | None]] | None = None
    scores: list[Score] = Field(default_factory=list)
    details: dict[str, Any] = Field(default_factory=dict)


class Candidate(Document):
    """One composed model on the way. Ratios are to the family's standard activation.

    ``measured_ratio`` and ``interval`` are None until it was measured; mAP is on the val split with
    the estimator's weights, before any training of its own; ``expected_loss`` is what that and the
    penalty together say. ``round`` counts refits from 0.
    """

    assignment: AssignmentField
    round: int = 0
    solver: str
    penalty: float
    predicted_ratio: float
    predicted_memory_ratio: float | None = None
    measured_ratio: float | None = None
    measured_ratio_one_table: float | None = Field(
        default=None, description="Ethos-U: the ratio with SiLU as one table in both models"
    )
    interval: Range | None = None
    measured_memory_ratio: float | None = None
    map50_95: float | None = None
    expected_loss: float | None = None
    pareto: bool = False
    chosen: bool = False


class FileFacts(Document):
    """A file by its path within the search's output folder, and its content."""

    path: str
    sha256: str


class Chosen(Document):
    """The files of one chosen arm; ``model`` is the exported file that was measured."""

    arm: str
    assignment: FileFacts
    model: FileFacts
    state_dict: FileFacts | None = None
    yaml: FileFacts | None = None


class TrainingFacts(Document):
    """The training behind the arms, addressed by ``hash``; ``teacher`` names what it distilled.

    ``reference_gain`` is the mAP50-95 on val that the reference arm gained in the last quarter of
    its epochs: much of it means that the arms were compared before they were done.
    """

    hash: str
    settings: dict[str, Any]
    teacher: str | None
    seconds: float | None = None
    reference_gain: float | None = None


class Provenance(Document):
    """Who did it with what: versions of the engine's packages, and each lease's own record."""

    machine: dict[str, Any]
    versions: dict[str, str]
    leases: dict[str, Lease] = Field(default_factory=dict, description="by job id")


class Result(Document):
    """A finished search on one target."""

    schema_: Literal["actnas.result/1"] = Field(default="actnas.result/1", alias="schema")
    model: ModelFacts
    data: DataFacts | None = None
    target: str
    kind: FiguresKind
    recipe: Recipe
    limits: Limits
    seed: int
    sites: list[SiteFacts]
    arms: list[Arm]
    cost_table: CostTableDocument | None
    estimates: list[Estimate]
    candidates: list[Candidate]
    chosen: list[Chosen]
    verdict: Verdict
    training: TrainingFacts | None = None
    noise_floor: float = Field(
        default=0.0, description="no ratio this close to 1 is called faster; 0 where modelled"
    )
    noisy: bool = Field(
        default=False,
        description="whether the published lease told a model from itself, in its repetition, too",
    )
    provenance: Provenance
    stages_s: dict[str, float] = Field(description="seconds each stage took, in order")
    notes: list[str] = Field(default_factory=list)
