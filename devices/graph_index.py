"""Who writes and who reads what in an ONNX graph."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import onnx
from onnx import helper, numpy_helper

DEFAULT_DOMAINS = ("", "ai.onnx")


class Index:
    """Who writes and who reads each tensor of a graph, and the scalars among its constants."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.nodes: list[onnx.NodeProto] = list(graph.node)
        self.writer = {out: i for i, node in enumerate(self.nodes) for out in node.output if out}
        self.readers: dict[str, list[int]] = defaultdict(list)
        for i, node in enumerate(self.nodes):
            for name in _reads(node):
                self.readers[name].append(i)
        self.outputs = {value.name for value in graph.output}
        self._initializers = {tensor.name: tensor for tensor in graph.initializer}
        self.node_names = {node.name for node in self.nodes}
        self.tensors = set(self.writer) | set(self._initializers) | {v.name for v in graph.input}

    def scalar(self, name: str) -> float | None:
        """The value of a one-element constant (initializer or Constant node), else None."""
        tensor = self._initializers.get(name)
        if tensor is None and name in self.writer:
            node = self.nodes[self.writer[name]]
            if node.op_type == "Constant":
                value = _constant(node)
                return None if value is None or value.size != 1 else float(value.reshape(-1)[0])
        if tensor is None or math.prod(tensor.dims) != 1:
            return None
        return float(numpy_helper.to_array(tensor).reshape(-1)[0])

    def is_constant(self, name: str) -> bool:
        """Whether ``name`` is a weight or a Constant node's output."""
        return name in self._initializers or self.made_by(name, "Constant") is not None

    def is_op(self, i: int, *kinds: str) -> bool:
        node = self.nodes[i]
        return node.op_type in kinds and node.domain in DEFAULT_DOMAINS

    def made_by(self, name: str, *kinds: str) -> int | None:
        """The index of the node that writes ``name``, if it is one of ``kinds``."""
        i = self.writer.get(name)
        return i if i is not None and self.is_op(i, *kinds) else None

    def private(self, inner: set[int], last: int) -> bool:
        """Whether no tensor made by ``inner`` is read elsewhere, or leaves the graph."""
        own = inner | {last}
        for i in inner:
            for name in self.nodes[i].output:
                if name in self.outputs or any(r not in own for r in self.readers[name]):
                    return False
        return True


def _reads(node: onnx.NodeProto) -> Iterator[str]:
    """Every tensor that a node reads, those of its subgraphs included."""
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        graphs = [attribute.g] if attribute.type == onnx.AttributeProto.GRAPH else attribute.graphs
        for graph in graphs:
            for inner in graph.node:
                yield from _reads(inner)
            yield from (value.name for value in graph.output)


def _constant(node: onnx.NodeProto) -> np.ndarray | None:
    for attribute in node.attribute:
        if attribute.name == "value":
            return numpy_helper.to_array(attribute.t)
        if attribute.name in ("value_float", "value_int", "value_floats", "value_ints"):
            return np.asarray(helper.get_attribute_value(attribute))
    return None
