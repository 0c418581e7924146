"""What every stage of a search needs, each loaded when first asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from devices import targets
from devices.assignment import Assignment
from devices.protocol import File, MeasureJob, MeasureResult, Settings
from devices.runtimes.base import sha256
from devices.targets import Target
from engine import assignments, data, loading
from engine.data import DataSet, Split
from engine.errors import Pending
from engine.loading import Model
from engine.services import Event, Services
from engine.stages.store import StageStore
from engine.training.spec import Augment, Phase, TrainingSettings, TrainingSpec

Recipe = Literal["paper", "supernet"]
Unit = Literal["site", "block"]
FINAL = "final"  # id of the measurement whose figures are published


@dataclass(frozen=True)
class SearchSpec:
    """One search: a model, a target, data, limits. Ratios count against the original activation.

    ``data`` is a data.yaml or its folder, None for a cost study. ``epochs`` is what each pick is
    trained for in all; None takes the recipe's own. ``distil`` lets every arm learn from a teacher
    too; ``augment`` says how the images of every arm's training are varied. ``cost_model`` is a
    name of engine.costs, None takes what suits recipe and target; `combined` takes up to four
    leases more and states its own error and what neighbours cost together. ``unit`` is what chooses
    by itself: each site, or each block of the model, whose sites then choose alike. ``lease_s`` is
    how long one measurement may hold the device (the final one; those on the way take less).
    ``out`` is the folder that everything lands in.
    """

    model: Path
    target: str
    out: Path
    data: Path | None = None
    imgsz: int | None = None
    activations: tuple[str, ...] = ("relu", "silu", "hardswish", "leaky_relu")
    recipe: Recipe = "supernet"
    max_latency_ratio: float | None = None
    max_memory_ratio: float | None = None
    max_map_loss: float | None = None
    epochs: int | None = None
    distil: bool = False
    augment: Augment = "shift"
    cost_model: str | None = None
    unit: Unit = "site"
    time_limit_min: float | None = None
    lease_s: float = 36.0
    seed: int = 0
    resume: bool = True


@dataclass
class Context:
    """A running search. Stages read ``facts`` of the stage ``inspect`` through the properties."""

    spec: SearchSpec
    services: Services
    store: StageStore
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def target(self) -> Target:
        return targets.get(self.spec.target)

    @cached_property
    def model(self) -> Model:
        return loading.load(self.spec.model, imgsz=self.spec.imgsz)

    @cached_property
    def data(self) -> DataSet | None:
        return data.open_data(self.spec.data) if self.spec.data is not None else None

    @cached_property
    def original(self) -> Assignment:
        return Assignment(tuple((s["path"], s["activation"]) for s in self.facts["sites"]))

    @cached_property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """Sites that must choose alike."""
        return () if self.spec.unit == "site" else assignments.blocks(self.original.sites)

    @cached_property
    def pixels(self) -> NDArray[np.int64] | None:
        """Height times width of what each site puts out, [sites]; None where a graph hides one."""
        shapes = [site["shape"] for site in self.facts["sites"]]
        if not all(len(shape) == 3 for shape in shapes):
            return None
        return np.array([height * width for _, height, width in shapes], dtype=np.int64)

    @property
    def imgsz(self) -> int:
        return int(self.facts["imgsz"])

    @property
    def names(self) -> dict[int, str]:
        return {int(k): v for k, v in self.facts["names"].items()}

    @property
    def trains(self) -> bool:
        """Whether anything is trained: there is data and a torch model."""
        return self.spec.data is not None and self.facts["kind"] != "onnx"

    @property
    def distorts(self) -> bool:
        """Whether output distortion stands in for accuracy: there is data, but only a graph."""
        return self.spec.data is not None and self.facts["kind"] == "onnx"

    @property
    def base(self) -> File:
        return self.file(self.facts["base"])

    @property
    def calibration(self) -> File | None:
        wanted = self.facts["calibration"]
        return self.file(wanted) if wanted and self.target.precision == "int8" else None

    @cached_property
    def splits(self) -> dict[str, Split]:
        return {}

    def split(self, name: str) -> Split:
        """The images and labels of a split, letterboxed to the search's size."""
        assert self.data is not None
        if name not in self.splits:
            self.splits[name] = self.data.arrays(name, self.imgsz)
        return self.splits[name]

    def file(self, facts: dict[str, Any]) -> File:
        """A file of the output folder as a measurement names it."""
        return File(path=str((self.spec.out / facts["path"]).resolve()), sha256=facts["sha256"])

    def keep(self, path: Path) -> dict[str, str]:
        """Path within the output folder and sha256 of a file that lies there."""
        return {"path": str(path.relative_to(self.spec.out)), "sha256": sha256(path)}

    def uniforms(self) -> dict[str, Assignment]:
        """The uniform models over the candidates that differ from the original, by arm name."""
        found = {
            f"uniform:{name}": Assignment.uniform(self.original.sites, name)
            for name in self.spec.activations
        }
        return {name: a for name, a in found.items() if a != self.original}

    def measure(self, job: MeasureJob) -> MeasureResult:
        """The result of ``job``, from the store if it was measured before.

        Memory takes a process an arm: it is left out on the way unless the search limits it.
        """
        if job.id != FINAL:
            limited = self.spec.max_memory_ratio is not None
            job = job.model_copy(update={"memory": limited})
        key = job.model_dump_json(exclude={"id"})
        document = self.store.remembered(
            f"measure {key}", lambda: self.services.measure(job).model_dump(mode="json")
        )
        return MeasureResult.model_validate(document)

    def lease(self, *, half_width: float, share: float = 1.0, number: int = 0) -> Settings:
        """Settings of the ``number``-th measurement of this search, for a share of ``lease_s``."""
        return Settings(
            max_seconds=share * self.spec.lease_s,
            half_width=half_width,
            max_blocks=60,
            seed=self.spec.seed + number,
        )

    @cached_property
    def settings(self) -> TrainingSettings:
        """The settings that every arm of this search is trained with."""
        plain = TrainingSettings(
            imgsz=self.imgsz,
            activations=self.spec.activations,
            distil=1.0 if self.spec.distil else 0.0,
            augment=self.spec.augment,
            seed=self.spec.seed,
        )
        return plain if self.spec.epochs is None else plain.scaled(self.spec.epochs)

    def training(self, phase: Phase, assignment: Assignment | None = None) -> TrainingSpec:
        """The training of this search's model and data that runs ``phase``."""
        assert self.spec.data is not None
        return TrainingSpec(
            phase=phase,
            model=str(self.spec.model.resolve()),
            model_sha256=self.facts["sha256"],
            data=str(self.spec.data.resolve()),
            data_sha256=self.facts["data"]["sha256"],
            settings=self.settings,
            assignment=assignment,
        )

    def train_all(self, specs: Sequence[TrainingSpec]) -> list[Path]:
        """The folders of all trainings. Where they are made elsewhere all are asked for at once.

        Raises:
            Pending: at least one is not there yet.
        """
        folders, missing = [], []
        for spec in specs:
            try:
                folders.append(self.services.train(spec))
            except Pending:
                missing.append(spec.title)
        if missing:
            raise Pending(f"training of {', '.join(missing)}")
        return folders

    def tell_tried(self, stage: str, candidates: Sequence[dict[str, Any]]) -> None:
        """Tell which mixes were tried so far, and what is known of them."""
        self.services.emit(Event(stage, "tried", tried=candidates))

    def progress(self, stage: str, fraction: float, message: str) -> None:
        self.services.emit(Event(stage, "progress", message, fraction))
