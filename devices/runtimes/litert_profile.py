"""Time per site in LiteRT: the operators of each site in a TFLite file of their own."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import onnx
from ai_edge_litert.interpreter import Interpreter

from devices.convert import tflite
from devices.convert.tflite.lowering import lower
from devices.convert.tflite.metadata import precision
from devices.convert.tflite.ranges import Ranges
from devices.protocol import SiteTime

_WARM_UP = 3


def profile(artefact: Path, *, model: Path, runs: int, threads: int) -> list[SiteTime]:
    """Median ms per site, in graph order, then what is left of the whole model as "".

    A site's file holds the convolution before it, too, in the artefact's own precision. Int8 ranges
    are fixed there: kernels take the same time whatever the values. All files run in turn, as the
    layers of the whole model do, so that each finds the caches as cold as it would there. The list
    is empty where ``model`` is the artefact itself: nothing tells sites there.
    """
    if model == artefact:
        return []
    content = artefact.read_bytes()
    network = tflite.read(onnx.load(str(model)))
    ranges = Ranges(network, None) if precision(content) == "int8" else None
    parts = network.sites()
    files = [lower(part, ranges) for _, part in parts]
    whole, *times = _medians([content, *files], runs, threads)
    found = [SiteTime(site=key, ms=ms) for (key, _), ms in zip(parts, times, strict=True)]
    return [*found, SiteTime(site="", ms=max(whole - sum(times), 0.0))]


def _medians(files: list[bytes], runs: int, threads: int) -> list[float]:
    """Median ms of each TFLite file."""
    models = [Interpreter(model_content=content, num_threads=threads) for content in files]
    for model in models:
        model.allocate_tensors()
    times = np.zeros((runs + _WARM_UP, len(models)))
    for row in times:
        for i, model in enumerate(models):
            start = time.perf_counter_ns()
            model.invoke()
            row[i] = (time.perf_counter_ns() - start) / 1e6
    return [float(ms) for ms in np.median(times[_WARM_UP:], axis=0)]
