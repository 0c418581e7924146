"""What all estimators have in common: what they may look at, and how they are asked."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
import torch
import ultralytics
from numpy.typing import NDArray
from torch import nn

from devices.assignment import Assignment
from engine import activations
from engine.data import Split
from engine.errors import BadSearch
from engine.estimators.cache import ScoreCache, fingerprint

__all__ = ["Estimator", "Inputs", "Need", "Pause"]

Need = Literal["images", "labels", "supernet"]
Pause = Callable[[], None]


@dataclass(frozen=True, eq=False)
class Inputs:
    """What an estimator may look at; each takes what its ``needs`` name.

    ``images`` is uint8 [n, 3, s, s] without labels, of the train split: BatchNorm and outputs.
    ``split`` holds labelled images that losses and mAP are taken on (val), ``names`` the classes.
    Classes with fewer than ``min_boxes`` boxes there do not count in mAP. ``trained`` names the
    activations that the weights were trained with as a supernet, if they were.

    Raises:
        BadSearch: ``images`` is no such array.
    """

    images: NDArray[np.uint8] | None = None
    split: Split | None = None
    names: Mapping[int, str] = field(default_factory=dict)
    min_boxes: int = 1
    trained: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.images is not None:
            _check_images(self.images)

    @cached_property
    def images_hash(self) -> str:
        """sha256 of the images."""
        assert self.images is not None
        return hashlib.sha256(_bytes(self.images)).hexdigest()

    @cached_property
    def labels_hash(self) -> str:
        """sha256 of the labelled images, their boxes and which classes count."""
        assert self.split is not None
        digest = hashlib.sha256(_bytes(self.split.images))
        for boxes in self.split.labels:
            digest.update(_bytes(boxes))
        digest.update(str(self.min_boxes).encode())
        return digest.hexdigest()

    def identity(self, needs: frozenset[Need]) -> dict[str, str]:
        """The hashes of those parts that ``needs`` name."""
        found = {}
        if "images" in needs:
            found["images"] = self.images_hash
        if "labels" in needs:
            found["labels"] = self.labels_hash
        return found


@dataclass(frozen=True, kw_only=True)
class Estimator(ABC):
    """An accuracy signal for assignments without training them.

    A subclass is one signal, an instance one setting of it. ``unit`` is that of one score,
    ``higher_is_better`` says which way it points, ``needs`` what it looks at. ``version`` goes up
    when the same settings begin to give other scores, so that stored ones are not mixed with them.
    """

    name: ClassVar[str]
    unit: ClassVar[str]
    higher_is_better: ClassVar[bool]
    needs: ClassVar[frozenset[Need]]
    version: ClassVar[int] = 1

    def score(
        self,
        net: nn.Module,
        assignments: Sequence[Assignment],
        inputs: Inputs | None = None,
        *,
        seed: int = 0,
        pause: Pause | None = None,
        cache: ScoreCache | None = None,
    ) -> list[float]:
        """One number for each assignment, in ``unit``.

        The same net, inputs, settings and seed give an assignment the same number, whatever else
        is in the list. ``net`` is never changed: work is done on copies. ``pause`` is called
        before every piece of work; what it raises ends the call. With ``cache``, scores that it
        knows are read and new ones kept as soon as they are there.

        Raises:
            BadSearch: the model has no such site, something that ``needs`` names is missing, or
                an activation was not trained where a supernet is needed.
            BadModel: the model has no BatchNorm and the estimator recomputes it.
            BadDataSet: no class of the labelled images counts.
        """
        inputs = inputs or Inputs()
        self._check(net, assignments, inputs, seed)
        if not assignments:
            return []
        asked = None if cache is None else self._question(net, inputs, seed)
        known: dict[Assignment, float] = {}
        if cache is not None and asked is not None:
            known = cache.find(asked, assignments)
        missing = [a for a in dict.fromkeys(assignments) if a not in known]
        if missing:
            values = self._values(net, missing, inputs, seed=seed, pause=pause or _go_on)
            for assignment, value in zip(missing, values, strict=True):
                known[assignment] = value
                if cache is not None and asked is not None:
                    cache.keep(asked, assignment, value)
        return [known[assignment] for assignment in assignments]

    @abstractmethod
    def _values(
        self,
        net: nn.Module,
        assignments: Sequence[Assignment],
        inputs: Inputs,
        *,
        seed: int,
        pause: Pause,
    ) -> Iterator[float]:
        """The scores in order, each as soon as it is known. The input has been checked."""

    def _question(self, net: nn.Module, inputs: Inputs, seed: int) -> dict[str, Any]:
        """Everything that decides a score but the assignment, as a JSON document."""
        return {
            "estimator": self.name,
            "version": self.version,
            "settings": asdict(self),
            "seed": seed,
            "net": fingerprint(net),
            "inputs": inputs.identity(self.needs),
            "torch": torch.__version__,
            "ultralytics": ultralytics.__version__,
        }

    def _check(
        self, net: nn.Module, assignments: Sequence[Assignment], inputs: Inputs, seed: int
    ) -> None:
        if seed < 0:
            raise BadSearch(f"seed is {seed}; expected a whole number from 0")
        if "images" in self.needs and inputs.images is None:
            raise BadSearch(f"{self.name} needs images; none were given")
        if "labels" in self.needs and inputs.split is None:
            raise BadSearch(f"{self.name} needs labelled images; no split was given")
        if "supernet" in self.needs and not inputs.trained:
            raise BadSearch(
                f"{self.name} needs the weights of a supernet; "
                "the activations that it was trained with were not given"
            )
        here = {
            path
            for path, module in net.named_modules(remove_duplicate=False)
            if activations.is_activation(module)
        }
        for assignment in assignments:
            for site, activation in assignment:
                if site not in here:
                    raise BadSearch(f"the model has no site {site!r}")
                if "supernet" in self.needs and activation not in inputs.trained:
                    raise BadSearch(
                        f"the supernet was not trained with {activation!r}; "
                        f"it knows {', '.join(inputs.trained)}"
                    )


def _go_on() -> None:
    return None


def _check_images(images: NDArray[np.uint8]) -> None:
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] != 3:
        raise BadSearch(
            f"images are {images.dtype} {list(images.shape)}; expected uint8 [n, 3, side, side]"
        )


def _bytes(values: NDArray) -> bytes:
    shape = f"{values.dtype} {values.shape} ".encode()
    return shape + np.ascontiguousarray(values).tobytes()
