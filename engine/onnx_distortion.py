"""Output distortion of an ONNX detector: how far a mix's head is from the original's.

Formula: D = mean over the head's raw outputs t (what the last convolutions of its box and class
branches put out) of sum (t - t0)^2 / sum (t0 - mean t0)^2, with t0 the original's output on the
same images; 0 for the original. It is what :mod:`engine.estimators.distortion` computes, for graphs
whose BatchNorm is folded into the weights and cannot be recomputed.

What it cannot see: whether a difference hurts or helps, what training would repair, and the labels.
It is no mAP and is never called so.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from devices import graph
from devices.assignment import Assignment
from devices.decode import decode_nodes
from devices.runtimes.onnxruntime import options
from engine.errors import BadSearch

__all__ = ["OutputDistortion"]

LARGEST = 1e9


class OutputDistortion:
    """Distortions of mixes of one ONNX detector on the same images.

    ``images`` is uint8 [n, 3, s, s], RGB. What the original puts out is kept: about 5 MB an image
    at 640 px.

    Raises:
        BadSearch: there is no image or one of another size, or the graph has no head that ends in
            convolutions.
    """

    def __init__(self, model: onnx.ModelProto, images: NDArray[np.uint8], *, threads: int) -> None:
        image = graph.image_input(model)
        if len(images) == 0 or images.shape[1:] != image.shape[1:]:
            raise BadSearch(
                f"output distortion was given images {list(images.shape)}; this model needs "
                f"[n, {', '.join(map(str, image.shape[1:]))}] with n >= 1"
            )
        self._model, self._images, self._threads = model, images, threads
        self._input = image.name
        self._raw = _raw_outputs(model)
        self._reference = list(self._run(model))
        means = [np.mean([image[i].mean() for image in self._reference]) for i in self._indices]
        self._spread = [
            sum(_sum_of_squares(image[i] - means[i]) for image in self._reference)
            for i in self._indices
        ]

    @property
    def images(self) -> int:
        """On how many images."""
        return len(self._images)

    @property
    def _indices(self) -> range:
        return range(len(self._raw))

    def of(self, assignment: Assignment) -> float:
        """D of ``assignment``: 0 or more, at most LARGEST, which stands for outputs that overflow.

        Raises:
            devices.errors.BadRequest: the graph has no such site.
        """
        errors = [0.0] * len(self._raw)
        mixed = graph.swap(self._model, assignment.mapping)
        for outputs, reference in zip(self._run(mixed), self._reference, strict=True):
            for i in self._indices:
                errors[i] += _sum_of_squares(outputs[i] - reference[i])
        value = float(np.mean([e / s for e, s in zip(errors, self._spread, strict=True) if s > 0]))
        return value if value < LARGEST else LARGEST

    def _run(self, model: onnx.ModelProto) -> Iterator[list[NDArray[np.float32]]]:
        """The raw outputs of ``model`` for one image after the other."""
        probe = onnx.ModelProto()
        probe.CopyFrom(model)
        del probe.graph.output[:]
        for tensor in self._raw:
            probe.graph.output.add(name=tensor)
        session = onnxruntime.InferenceSession(
            probe.SerializeToString(), options(self._threads), providers=["CPUExecutionProvider"]
        )
        for image in self._images:
            yield session.run(None, {self._input: image[None].astype(np.float32) / 255})


def _sum_of_squares(values: NDArray[np.float32]) -> float:
    return float(np.square(values, dtype=np.float64).sum())


def _raw_outputs(model: onnx.ModelProto) -> list[str]:
    """The tensors on which decoding begins, in graph order."""
    decode = decode_nodes(model.graph)
    read = {name for node in model.graph.node if graph.label(node) in decode for name in node.input}
    found = [
        str(output)
        for node in model.graph.node
        if graph.label(node) not in decode
        for output in node.output
        if output in read
    ]
    if not found:
        raise BadSearch("the ONNX graph has no head that ends in convolutions")
    return found
