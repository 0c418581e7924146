"""What the quality of measurements is proved on: one detector on ONNX Runtime, plain and with more
nodes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from devices.files import atomic
from devices.protocol import Arm, File, MeasureJob, MeasureResult, Settings
from devices.runtimes.base import sha256
from devices.transports import local

TARGET, MODEL, IMGSZ, LARGER = "cpu-onnxruntime-fp32", "YOLOv8n", 160, 320
TIMEOUT_S = 1800.0
# The competing load of aa_loaded: each process works for a second and rests for one, and ends with
# the benchmark, however that ends.
LOAD = """
import os, time
import numpy as np
parent = os.getppid()
a = np.random.default_rng({seed}).standard_normal((192, 192))
time.sleep({seed} * 0.5)
while os.getppid() == parent:
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        a = np.tanh(a @ a)
    time.sleep(1.0)
"""
LOADS = 2


@dataclass(frozen=True)
class Bed:
    """``work`` keeps the variants of the model in ``plain``."""

    work: Path
    plain: File

    def file(self, nodes: int = 0) -> File:
        """The detector with ``nodes`` more nodes before its first layer, each a Max with a constant
        below every value: they cost time and change nothing."""
        if not nodes:
            return self.plain
        path = self.work / f"{self.plain.sha256[:12]}-plus-{nodes}.onnx"
        if not path.exists():
            model = onnx.load(self.plain.path)
            _lengthen(model.graph, nodes)
            onnx.checker.check_model(model)
            with atomic(path) as part:
                onnx.save(model, str(part))
        return File(path=str(path.resolve()), sha256=sha256(path))

    def job(self, arms: dict[str, int], settings: Settings) -> MeasureJob:
        """The plain detector against the named ones, which have so many more nodes."""
        files = {"plain": self.file(), **{name: self.file(n) for name, n in arms.items()}}
        return MeasureJob(
            id=f"quality-{settings.seed}",
            target=TARGET,
            arms=[Arm(name=name, file=file) for name, file in files.items()],
            baseline="plain",
            settings=settings,
            memory=False,
        )

    def measure(self, arms: dict[str, int], settings: Settings) -> MeasureResult:
        return local.run(self.job(arms, settings), timeout_s=TIMEOUT_S)


def _lengthen(graph: onnx.GraphProto, nodes: int) -> None:
    image = graph.input[0].name
    last = image
    extra = []
    for n in range(nodes):
        floor = f"extra_floor_{n}"
        # A constant of its own each: equal neighbours would become one node.
        value = numpy_helper.from_array(_scalar(-1e6 - n), floor)
        graph.initializer.append(value)
        extra.append(helper.make_node("Max", [last, floor], [f"extra_{n}"], name=f"extra_{n}"))
        last = f"extra_{n}"
    for node in graph.node:
        for index, name in enumerate(node.input):
            if name == image:
                node.input[index] = last
    for node in reversed(extra):
        graph.node.insert(0, node)


def _scalar(value: float) -> NDArray[np.float32]:
    return np.array([value], dtype=np.float32)


@contextmanager
def competing_load() -> Iterator[None]:
    """LOADS processes that work and rest in turn while the block runs, on any CPU."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", LOAD.format(seed=seed)],
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
        )
        for seed in range(LOADS)
    ]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()
