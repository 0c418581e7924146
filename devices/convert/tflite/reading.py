"""An ONNX detector read as a network: all of it, or the part that an NPU runs."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import helper

from devices.convert.tflite.layers import Layer, NotOnNpu, Shape
from devices.convert.tflite.network import Network
from devices.convert.tflite.operators import OPERATORS
from devices.decode import decode_nodes
from devices.errors import BadRequest, Unsupported
from devices.folding import Constant, fold, initializers, opsets
from devices.graph import Site, find_sites, label, opset

_DEFAULT_DOMAINS = ("", "ai.onnx")
_MOST_FOLDED = 4096  # elements: shapes, and what is computed of biases; never of weights
# Part of the network even where nothing follows them.
_ANYWHERE = ("AveragePool", "Conv", "ConvTranspose", "MaxPool", "Resize")


def read(model: onnx.ModelProto) -> Network:
    """The NPU's part of ``model``: all that is reached from the image through operators it runs.

    The rest is the host's: what turns a YOLO head's outputs into boxes and scores, which would
    share one int8 scale. It may hold no activation site and no convolution but the fixed one that
    integrates box distributions (DFL), so the cut falls behind the last convolution of each branch.

    Raises:
        BadRequest: not one image input of static shape [1, C, H, W].
        Unsupported: an operator before the last convolution does not run on the NPU; named.
    """
    reader = _Reader(model, host=decode_nodes(model.graph))
    for node in model.graph.node:
        reader.add(node)
    return reader.network()


def read_whole(model: onnx.ModelProto) -> Network:
    """All of ``model`` as one network, its outputs in the graph's order.

    Raises:
        BadRequest: not one image input of static shape [1, C, H, W].
        Unsupported: an operator has no TFLite form here; named.
    """
    reader = _Reader(model, host=set())
    for node in model.graph.node:
        reader.add(node)
    return reader.whole()


class _Reader:
    def __init__(self, model: onnx.ModelProto, *, host: set[str]) -> None:
        self.graph = model.graph
        self.opset = opset(model)
        self.opsets = opsets(model)
        self.host_only = host
        self.constants: dict[str, Constant] = initializers(model.graph)
        self.input, shape = _image(model.graph, self.constants)
        self.shapes: dict[str, Shape] = {self.input: shape}
        self.sites: dict[str, Site] = {site.output: site for site in find_sites(model)}
        self.inner = {label for site in self.sites.values() for label in site.nodes}
        self.layers: list[Layer] = []
        self.host: list[tuple[onnx.NodeProto, str]] = []

    def add(self, node: onnx.NodeProto) -> None:
        site = self.sites.get(node.output[0])
        if site is None and label(node) in self.inner:
            return  # computed by the last node of its site
        if site is not None:
            if site.input in self.shapes:
                layer = Layer("Activation", site.key, (site.input,), (site.output,), site=site)
                self.layers.append(layer)
                self.shapes[site.output] = self.shapes[site.input]
            else:
                self.host.append((node, "it reads what the NPU does not compute"))
            return
        value = fold(node, self.constants, self.shapes, opsets=self.opsets, most=_MOST_FOLDED)
        if value is not None:
            self.constants[node.output[0]] = value
            return
        try:
            self._place(node)
        except NotOnNpu as reason:
            self.host.append((node, str(reason)))

    def _place(self, node: onnx.NodeProto) -> None:
        names = [name for name in node.input if name and name not in self.constants]
        if any(name not in self.shapes for name in names):
            raise NotOnNpu("it reads what the NPU does not compute")
        operator = OPERATORS.get(node.op_type)
        if operator is None or node.domain not in _DEFAULT_DOMAINS:
            known = ", ".join(sorted(OPERATORS))
            raise NotOnNpu(f"this target runs activations and {known}")
        if not names:
            raise NotOnNpu("it reads no feature map")
        if label(node) in self.host_only and node.op_type not in _ANYWHERE:
            raise NotOnNpu("it turns the head's outputs into boxes and scores")
        if node.op_type == "Softmax" and self.opset < 13:
            raise NotOnNpu(f"opset {self.opset} flattens its input; export with 13 or newer")
        layer = Layer(
            kind=node.op_type,
            name=label(node),
            inputs=tuple(names),
            outputs=tuple(node.output),
            operands=tuple(self.constants.get(name) for name in node.input),
            attributes={a.name: helper.get_attribute_value(a) for a in node.attribute},
        )
        batch = self.shapes[names[0]][0]
        if node.op_type in _ANYWHERE and batch != 1:
            raise NotOnNpu(f"it works on a batch of {batch}")
        shapes = operator.shapes(layer, [self.shapes[name] for name in names])
        self.shapes.update(zip(layer.outputs, shapes, strict=True))
        self.layers.append(layer)

    def whole(self) -> Network:
        if self.host:
            node, reason = self.host[0]
            raise Unsupported(
                f"TFLite: operator {node.op_type} (node {label(node)}) cannot be written: {reason}"
            )
        outputs = tuple(value.name for value in self.graph.output)
        return Network(self.input, tuple(self.layers), outputs, self.shapes, ())

    def network(self) -> Network:
        self._check_host()
        leaving = {name for node, _ in self.host for name in node.input}
        leaving |= {value.name for value in self.graph.output}
        made = [name for layer in self.layers for name in layer.outputs]
        outputs = tuple(name for name in made if name in leaving)
        if not outputs:
            raise BadRequest(
                "no layer between the ONNX file's input and its outputs runs on the NPU"
            )
        names = tuple(label(node) for node, _ in self.host)
        return Network(self.input, tuple(self.layers), outputs, self.shapes, names)

    def _check_host(self) -> None:
        """Refuses a host part that holds work of the network itself."""
        leads: set[str] = set()  # tensors from which a convolution or a site is reached
        blocking: tuple[onnx.NodeProto, str] | None = None
        for node, reason in reversed(self.host):
            if self._is_work(node) or leads.intersection(node.output):
                leads.update(node.input)
                blocking = (node, reason)
        if blocking is not None:
            node, reason = blocking
            raise Unsupported(
                f"Ethos-U: operator {node.op_type} (node {label(node)}) "
                f"cannot be placed on the NPU: {reason}"
            )

    def _is_work(self, node: onnx.NodeProto) -> bool:
        if node.output[0] in self.sites:
            return True
        return node.op_type in ("Conv", "ConvTranspose", "Gemm") and not self._is_integral(node)

    def _is_integral(self, node: onnx.NodeProto) -> bool:
        """DFL's expectation: a 1 x 1 convolution whose weights are 0, 1, 2 ..."""
        weights = self.constants.get(node.input[1])
        if weights is None or weights.ndim != 4 or weights.shape[0] != 1:
            return False
        return np.array_equal(weights.reshape(-1), np.arange(weights.size))


def _image(graph: onnx.GraphProto, constants: Iterable[str]) -> tuple[str, Shape]:
    known = set(constants)
    inputs = [value for value in graph.input if value.name not in known]
    if len(inputs) != 1:
        raise BadRequest(
            f"the ONNX file has {len(inputs)} inputs; one image [1, C, H, W] is needed"
        )
    dims = inputs[0].type.tensor_type.shape.dim
    shape = tuple(int(dim.dim_value) for dim in dims)
    if len(shape) != 4 or shape[0] != 1 or min(shape) < 1:
        text = ", ".join(dim.dim_param or str(dim.dim_value) for dim in dims)
        raise BadRequest(
            f"ONNX input {inputs[0].name!r} is [{text}]; a static [1, C, H, W] is needed"
        )
    return inputs[0].name, shape
