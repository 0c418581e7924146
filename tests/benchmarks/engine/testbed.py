"""What every number of the engine is measured on: molecule drawings and a real YOLOv8n."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from devices.assignment import Assignment
from devices.protocol import File, MeasureJob, MeasureResult
from devices.runtimes.base import sha256
from engine import data, export, loading, sites
from engine.data import DataSet
from engine.loading import Model
from engine.local_services import LocalServices
from tests.benchmarks.rows import Rows
from webapp.demo import checkpoint, molecules

SIZE = 320  # pixels
MIN_BOXES = 20
CALIBRATION_IMAGES = 32


@dataclass(frozen=True)
class Bed:
    """``work`` keeps data, weights and searches; ``rows`` what is published."""

    work: Path
    rows: Rows

    @cached_property
    def model(self) -> Model:
        return loading.load(checkpoint.fetch(self.work), imgsz=SIZE)

    @cached_property
    def original(self) -> Assignment:
        assert self.model.net is not None
        return sites.original(self.model.net, SIZE)

    def data(self, train: int) -> Path:
        """data.yaml of ``train`` images; val (200) and test (1,000) are the same for all."""
        folder = self.work / f"molecules-{train}"
        if not (folder / "data.yaml").exists():
            molecules.build(
                folder,
                names=self.model.names,
                images={"train": train, "val": 200, "test": 1000},
                size=SIZE,
                min_test_boxes=MIN_BOXES,
            )
        return folder / "data.yaml"

    def data_set(self, train: int) -> DataSet:
        return data.open_data(self.data(train))

    @cached_property
    def base(self) -> File:
        """The exported checkpoint, whose activations are swapped."""
        assert self.model.net is not None
        path = self.work / "base.onnx"
        if not path.exists():
            export.export(self.model.net, path, imgsz=SIZE, names=self.model.names)
        return File(path=str(path.resolve()), sha256=sha256(path))

    @cached_property
    def calibration(self) -> File:
        path = self.work / "calibration.npz"
        if not path.exists():
            split = self.data_set(300).arrays("train", SIZE, limit=CALIBRATION_IMAGES)
            np.savez_compressed(path, images=split.images)
        return File(path=str(path.resolve()), sha256=sha256(path))

    @cached_property
    def services(self) -> LocalServices:
        return LocalServices(trainings=self.work / "trainings")

    def measure(self, job: MeasureJob) -> MeasureResult:
        return self.services.measure(job)
