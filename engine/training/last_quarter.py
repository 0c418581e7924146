"""What the reference arm still gained at the end: was its training long enough to compare with?"""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from engine import data
from engine.evaluation import evaluate_net
from engine.loading import Model
from engine.training import batchnorm
from engine.training.spec import TrainingSpec

ENOUGH = 0.005  # mAP50-95: who gains less in the last quarter has been trained long enough
_FILE = "before-last-quarter.json"


class LastQuarter:
    """Scores one training on the val split where its last quarter of epochs begins, and at its end.

    Epochs are counted over both phases of an arm, adapt and arm. What was scored is kept in the
    folder of the training, so that one that is cut goes on with it.
    """

    def __init__(self, spec: TrainingSpec, model: Model, folder: Path) -> None:
        settings = spec.settings
        quarter = math.ceil((settings.adapt_epochs + settings.arm_epochs) / 4)
        self._begins = max(0, settings.arm_epochs - quarter)
        self._spec, self._names, self._file = spec, model.names, folder / _FILE

    def epoch(self, done: int, average: nn.Module) -> None:
        """To be called with the arm's epochs done, and the weights that it would end with."""
        if done == self._begins:
            net = batchnorm.recompute(copy.deepcopy(average), self._images())
            part = self._file.with_suffix(".part")
            part.write_text(json.dumps(self._score(net)))
            part.replace(self._file)

    def end(self, net: nn.Module) -> dict[str, float | int] | None:
        """``{"from_epoch", "before", "after", "gain"}`` in mAP50-95 on val; ``net`` is the arm.

        None where an older version trained the first epochs and scored nothing.
        """
        if not self._file.exists():
            return None
        before, after = float(json.loads(self._file.read_text())), self._score(net)
        self._file.unlink()
        return {
            "from_epoch": self._spec.settings.adapt_epochs + self._begins,
            "before": before,
            "after": after,
            "gain": after - before,
        }

    def _images(self) -> NDArray[np.uint8]:
        settings = self._spec.settings
        split = data.open_data(Path(self._spec.data)).arrays(
            "train", settings.imgsz, limit=settings.batchnorm_images
        )
        return split.images

    def _score(self, net: nn.Module) -> float:
        split = data.open_data(Path(self._spec.data)).arrays("val", self._spec.settings.imgsz)
        return evaluate_net(net, split, names=self._names).map50_95
