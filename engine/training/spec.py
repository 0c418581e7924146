"""What identifies a training: model, data, activations, settings. Searches share it by its hash."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from devices.assignment import Assignment
from engine.errors import BadSearch

Phase = Literal["adapt", "teacher", "supernet", "alone", "finetune", "estimate"]

PHASES: tuple[Phase, ...] = ("adapt", "teacher", "supernet", "alone", "finetune", "estimate")
# Settings that a phase's weights do not depend on: trainings that differ in them only are one.
_LATER = ("supernet_epochs", "supernet_lr", "finetune_epochs", "finetune_lr", "batchnorm_images")
_IDLE: dict[Phase, tuple[str, ...]] = {
    "adapt": ("activations", "mixes", "distil", *_LATER),
    "teacher": ("activations", "mixes"),
    "supernet": ("finetune_epochs", "finetune_lr", "batchnorm_images"),
    "estimate": ("finetune_epochs", "finetune_lr", "batchnorm_images"),
    "alone": ("activations", "mixes"),
    "finetune": (),
}
_TAUGHT: tuple[Phase, ...] = ("supernet", "alone", "finetune")


@dataclass(frozen=True)
class TrainingSettings:
    """The same for every arm of a search; epochs count passes over the train split.

    A pick receives ``adapt`` + ``supernet`` + ``finetune`` epochs, and so does the reference arm,
    with the same schedule (cosine with warm-up in each phase), data order, augmentation and
    teacher. ``mixes`` is how many mixes one supernet step trains, each on its part of the batch.
    ``distil`` weighs the distance to the teacher beside the loss on the labels; 0 is no teacher.
    """

    imgsz: int
    activations: tuple[str, ...]
    adapt_epochs: int = 8
    supernet_epochs: int = 5
    finetune_epochs: int = 2
    batch: int = 16
    adapt_lr: float = 8e-4
    supernet_lr: float = 6e-4
    finetune_lr: float = 3e-4
    weight_decay: float = 5e-4
    mixes: int = 1
    distil: float = 0.0
    augment: Literal["none", "shift"] = "shift"
    ema: float = 0.98
    batchnorm_images: int = 128
    seed: int = 0

    def scaled(self, epochs: int) -> TrainingSettings:
        """The same with ``epochs`` in all, shared out in proportion, each phase one at least.

        Raises:
            BadSearch: fewer than three epochs.
        """
        if epochs < 3:
            raise BadSearch(
                f"epochs is {epochs}; at least 3 are needed (adapt, supernet, fine-tune)"
            )
        total = self.adapt_epochs + self.supernet_epochs + self.finetune_epochs
        finetune = max(1, round(epochs * self.finetune_epochs / total))
        adapt = max(1, round(epochs * self.adapt_epochs / total))
        adapt = min(adapt, epochs - finetune - 1)
        return replace(
            self,
            adapt_epochs=adapt,
            supernet_epochs=epochs - adapt - finetune,
            finetune_epochs=finetune,
        )

    def epochs(self, phase: Phase) -> int:
        """Epochs that ``phase`` runs; the reference arm runs what a pick gets after adapting."""
        return {
            "adapt": self.adapt_epochs,
            "teacher": 0,
            "supernet": self.supernet_epochs,
            "finetune": self.finetune_epochs,
            "alone": self.supernet_epochs + self.finetune_epochs,
            "estimate": 0,
        }[phase]


@dataclass(frozen=True)
class TrainingSpec:
    """One phase of training. ``parent`` is the phase whose weights it starts from.

    - ``adapt``: the original learns the data; everything starts from there;
    - ``teacher``: trains nothing; picks who teaches, the upload or the untaught reference arm;
    - ``supernet``: a random mix each step;
    - ``finetune``: ``assignment`` from the supernet's weights;
    - ``alone``: ``assignment``, or the original (the reference arm), for the steps of both;
    - ``estimate``: trains nothing; asks the supernet what each one-swap costs, for all targets.
    """

    phase: Phase
    model: str
    model_sha256: str
    data: str
    data_sha256: str
    settings: TrainingSettings
    assignment: Assignment | None = None

    @property
    def parent(self) -> TrainingSpec | None:
        """The training that must be finished before this one."""
        before: dict[Phase, Phase | None] = {
            "adapt": None,
            "teacher": "alone",
            "supernet": "adapt",
            "alone": "adapt",
            "finetune": "supernet",
            "estimate": "supernet",
        }
        phase = before[self.phase]
        if phase is None:
            return None
        # Nobody teaches the adaptation, so that it is the same training with and without.
        distil = 0.0 if phase == "adapt" else self.settings.distil
        return replace(
            self, phase=phase, assignment=None, settings=replace(self.settings, distil=distil)
        )

    @property
    def teacher(self) -> TrainingSpec | None:
        """The phase that leaves this one's teacher, or None if nobody teaches it."""
        if self.phase not in _TAUGHT or not self.settings.distil:
            return None
        settings = replace(self.settings, distil=0.0)
        return replace(self, phase="teacher", assignment=None, settings=settings)

    @property
    def hash(self) -> str:
        """Sixteen hex digits over everything that decides the weights; not over where files lie."""
        document = self.to_dict()
        del document["model"], document["data"]
        for name in _IDLE[self.phase]:
            del document["settings"][name]
        text = json.dumps(document, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def title(self) -> str:
        """What a person reads beside the progress bar."""
        plain = {
            "adapt": "adapt to the data",
            "teacher": "choose the teacher",
            "supernet": "supernet",
            "estimate": "what each swap costs in accuracy",
        }
        if self.phase in plain:
            return plain[self.phase]
        if self.assignment is None:
            return "reference arm"
        what = self.assignment.uniform_activation or f"mix {self.assignment.hash}"
        return f"fine-tune {what}" if self.phase == "finetune" else f"train {what} alone"

    def to_dict(self) -> dict[str, Any]:
        document = asdict(self)
        document["settings"]["activations"] = list(self.settings.activations)
        document["assignment"] = (
            [list(pair) for pair in self.assignment.choices] if self.assignment else None
        )
        return document

    def to_json(self) -> str:
        """A JSON document from which :meth:`from_json` makes an equal spec."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> TrainingSpec:
        """The spec that :meth:`to_json` wrote."""
        document = json.loads(text)
        settings = document.pop("settings")
        settings["activations"] = tuple(settings["activations"])
        pairs = document.pop("assignment")
        assignment = Assignment.from_pairs(pairs) if pairs else None
        return cls(settings=TrainingSettings(**settings), assignment=assignment, **document)
