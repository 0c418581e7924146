"""What identifies a training: model, data, activations, settings. Searches share it by its hash."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from devices.assignment import Assignment
from engine.epochs import FEWEST
from engine.errors import BadSearch

Phase = Literal["adapt", "teacher", "supernet", "estimate", "arm"]

PHASES: tuple[Phase, ...] = ("adapt", "teacher", "supernet", "estimate", "arm")
# Settings that a phase's weights do not depend on: trainings that differ in them only are one.
_SUPERNET = ("activations", "mixes", "supernet_epochs", "supernet_lr")
_ARM = ("arm_epochs", "arm_lr", "batchnorm_images")
_IDLE: dict[Phase, tuple[str, ...]] = {
    "adapt": (*_SUPERNET, *_ARM, "distil"),
    "teacher": _SUPERNET,
    "supernet": _ARM,
    "estimate": _ARM,
    "arm": _SUPERNET,
}
_TAUGHT: tuple[Phase, ...] = ("supernet", "arm")


# How training images are varied: not at all, or moved by some pixels with their boxes.
Augment = Literal["none", "shift"]


@dataclass(frozen=True)
class TrainingSettings:
    """The same for every arm of a search; epochs count passes over the train split.

    Every arm receives ``adapt`` + ``arm`` epochs, the reference arm too, with the same schedule
    (cosine with warm-up in each phase), data order, augmentation and teacher. The supernet only
    says which mixes are worth training. ``mixes`` is how many mixes one of its steps trains, each
    on its part of the batch. ``distil`` weighs the distance to the teacher beside the loss on the
    labels; 0 is no teacher.
    """

    imgsz: int
    activations: tuple[str, ...]
    adapt_epochs: int = 10
    supernet_epochs: int = 4
    arm_epochs: int = 5
    batch: int = 16
    adapt_lr: float = 8e-4
    supernet_lr: float = 6e-4
    arm_lr: float = 6e-4
    weight_decay: float = 5e-4
    mixes: int = 1
    distil: float = 0.0
    augment: Augment = "shift"
    ema: float = 0.98
    batchnorm_images: int = 128
    seed: int = 0

    def scaled(self, epochs: int) -> TrainingSettings:
        """The same with ``epochs`` an arm, shared out in proportion, each phase one at least.

        Raises:
            BadSearch: fewer epochs than FEWEST.
        """
        if epochs < FEWEST:
            raise BadSearch(f"epochs is {epochs}; at least {FEWEST} are needed (adapt, arm)")
        share = epochs / (self.adapt_epochs + self.arm_epochs)
        arm = max(1, round(self.arm_epochs * share))
        return replace(
            self,
            adapt_epochs=epochs - arm,
            supernet_epochs=max(1, round(self.supernet_epochs * share)),
            arm_epochs=arm,
        )

    def epochs(self, phase: Phase) -> int:
        """Epochs that ``phase`` runs."""
        return {
            "adapt": self.adapt_epochs,
            "teacher": 0,
            "supernet": self.supernet_epochs,
            "estimate": 0,
            "arm": self.arm_epochs,
        }[phase]


@dataclass(frozen=True)
class TrainingSpec:
    """One phase of training. ``parent`` is the phase whose weights it starts from.

    - ``adapt``: the original learns the data; everything starts from there;
    - ``teacher``: trains nothing; picks who teaches, the upload or the untaught reference arm;
    - ``supernet``: a random mix each step;
    - ``estimate``: trains nothing; asks the supernet what each one-swap costs, for all targets;
    - ``arm``: ``assignment`` alone, blended in, or the original (the reference arm).
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
            "teacher": "arm",
            "supernet": "adapt",
            "estimate": "supernet",
            "arm": "adapt",
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
    def is_reference(self) -> bool:
        """Whether this trains the reference arm."""
        return self.phase == "arm" and self.assignment is None

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
        return f"train {what}"

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
