"""How long a search takes: the first target with all training, and each further one."""

from __future__ import annotations

import shutil
import time
from typing import Any

from engine.local_services import LocalServices
from engine.search import SearchSpec
from engine.search import run as search
from tests.benchmarks.engine.testbed import SIZE, Bed
from tests.benchmarks.numbers import Number

TRAIN = 300  # images
TARGETS = ("cpu-openvino-fp32", "cpu-onnxruntime-int8", "npu-ethos-u55-128-int8")
FIRST, FURTHER = 12.0, 4.0
TRIED = (
    "trainings and estimates are shared by all targets, images are scored by sessions of one "
    "thread side by side, a target costs one lease for its table; what is left is to score the "
    "test split for every arm's own file, to train the mix and to score the candidates on val"
)


def run(bed: Bed) -> None:
    """Adds the row if it is missing; the machine must have nothing else to do."""

    def make() -> dict[str, Any]:
        folder = bed.work / "minutes"
        shutil.rmtree(folder, ignore_errors=True)  # a resumed search would look faster
        services = LocalServices(trainings=folder / "trainings")
        spent: dict[str, float] = {}
        for target in TARGETS:
            started = time.monotonic()
            search(
                SearchSpec(
                    model=bed.model.path,
                    target=target,
                    out=folder / target,
                    data=bed.data(TRAIN),
                    imgsz=SIZE,
                    max_map_loss=0.015,
                    max_latency_ratio=0.80,
                ),
                services,
            )
            spent[target] = round((time.monotonic() - started) / 60, 2)
        return {"minutes": spent}

    bed.rows.add("minutes", _inputs(bed), make)


def _inputs(bed: Bed) -> dict[str, Any]:
    return {"model": bed.model.sha256, "train": TRAIN, "imgsz": SIZE, "targets": list(TARGETS)}


def numbers(bed: Bed) -> list[Number]:
    """search_minutes of the first target, and the longest of the further ones."""
    row = bed.rows.find("minutes", _inputs(bed))
    first = further = None
    if row is not None:
        first, *others = row["values"]["minutes"].values()
        further = max(others)
    return [
        Number("search_minutes", "min", ("<=", FIRST), first),
        Number("search_minutes_further_target", "min", ("<=", FURTHER), further, tried=TRIED),
    ]
