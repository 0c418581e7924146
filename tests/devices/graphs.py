"""A tiny detector as an ONNX graph, with any activation form at its sites."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE = 32
CELLS = (SIZE // 4) ** 2
BINS = 4  # of the box distribution
CLASSES = 2
SITES = ("stem", "body", "box", "score")  # in graph order; the tiny detector's activation modules

# Writes one activation: (graph, input tensor, module path) -> output tensor.
Form = Callable[["Writer", str, str], str]


class Writer:
    """Collects the nodes and weights of a graph, named as torch's exporter names them."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self._rng = np.random.default_rng(3)

    def op(self, kind: str, path: str, *inputs: str, **attributes: Any) -> str:
        n = sum(node.name.startswith(f"/{path}/{kind}") for node in self.nodes)
        name = f"/{path}/{kind}" + (f"_{n}" if n else "")
        out = f"{name}_output_0"
        self.nodes.append(helper.make_node(kind, list(inputs), [out], name=name, **attributes))
        return out

    def constant(self, path: str, value: object, dtype: type = np.float32) -> str:
        return self.op("Constant", path, value=numpy_helper.from_array(np.asarray(value, dtype)))

    def weight(self, name: str, values: np.ndarray) -> str:
        self.weights.append(numpy_helper.from_array(values.astype(np.float32), name))
        return name

    def conv(self, path: str, x: str, channels: tuple[int, int], *, side: int, stride: int) -> str:
        c_in, c_out = channels
        scale = 1.5 / math.sqrt(c_in * side * side)
        kernel = self._rng.normal(0, scale, (c_out, c_in, side, side))
        weight = self.weight(f"{path}.conv.weight", kernel)
        bias = self.weight(f"{path}.conv.bias", self._rng.normal(0, 0.2, c_out))
        pad = side // 2
        return self.op(
            "Conv", f"{path}/conv", x, weight, bias, strides=[stride] * 2, pads=[pad] * 4
        )


def silu(w: Writer, x: str, path: str) -> str:
    return w.op("Mul", path, x, w.op("Sigmoid", path, x))


def plain(kind: str, **attributes: Any) -> Form:
    """An activation of one node without constants."""
    return lambda w, x, path: w.op(kind, path, x, **attributes)


def detector(form: Form = silu, *, opset: int = 17, sites: bool = False) -> onnx.ModelProto:
    """Four convolutions with activations, two head branches and a decode with DFL and Sigmoid.

    ``sites`` writes the metadata that names the module path of each site.
    """
    w = Writer()
    places: dict[str, str] = {}

    def block(path: str, x: str, channels: tuple[int, int], *, side: int, stride: int) -> str:
        y = form(w, w.conv(path, x, channels, side=side, stride=stride), f"{path}/act")
        places[y] = f"{path}.act"
        return y

    x = block("stem", "images", (3, 8), side=3, stride=2)
    x = block("body", x, (8, 16), side=3, stride=2)
    box = block("box", x, (16, 16), side=3, stride=1)
    box = w.conv("box_out", box, (16, 4 * BINS), side=1, stride=1)
    score = block("score", x, (16, 16), side=3, stride=1)
    score = w.conv("score_out", score, (16, CLASSES), side=1, stride=1)

    def reshape(y: str, *shape: int) -> str:
        return w.op("Reshape", "decode", y, w.constant("decode", shape, np.int64))

    box = w.op("Transpose", "decode", reshape(box, 1, 4, BINS, CELLS), perm=[0, 2, 1, 3])
    box = w.op("Softmax", "decode", box, axis=1)
    bins = w.weight("dfl.weight", np.arange(BINS).reshape(1, BINS, 1, 1))
    box = reshape(w.op("Conv", "decode", box, bins), 1, 4, CELLS)
    box = w.op("Mul", "decode", box, w.constant("decode", 8.0))
    score = w.op("Sigmoid", "decode", reshape(score, 1, CLASSES, CELLS))
    w.nodes.append(helper.make_node("Concat", [box, score], ["output0"], name="/Concat", axis=1))
    graph = helper.make_graph(
        w.nodes,
        "tiny",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, 4 + CLASSES, CELLS])],
        w.weights,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10 if opset > 20 else 8
    )
    if sites:
        helper.set_model_props(model, {"actnas.sites": json.dumps(places)})
    onnx.checker.check_model(model)
    return model


def save(model: onnx.ModelProto, path: Path) -> Path:
    onnx.save(model, path)
    return path


def images(n: int, *, seed: int = 0) -> np.ndarray:
    """uint8 [n, 3, SIZE, SIZE]: blurred noise, so that neighbouring pixels agree."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (n, 3, SIZE // 4, SIZE // 4))
    return coarse.repeat(4, axis=2).repeat(4, axis=3).astype(np.uint8)
