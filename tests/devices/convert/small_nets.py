"""Small ONNX networks with the layers that YOLO detectors are made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from devices import graph
from devices.shapes import static_shapes

OPSET = 17


class Net:
    """Builds a graph node by node; tensors are named as the nodes are, weights are random."""

    def __init__(self, *shape: int, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.input = helper.make_tensor_value_info("images", TensorProto.FLOAT, list(shape))
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def constant(self, name: str, values: NDArray[np.generic]) -> str:
        self.initializers.append(numpy_helper.from_array(values, name))
        return name

    def op(
        self, kind: str, name: str, *inputs: str, outputs: int = 1, **attributes: Any
    ) -> list[str]:
        names = [name] if outputs == 1 else [f"{name}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, name=name, **attributes))
        return names

    def conv(
        self,
        name: str,
        source: str,
        channels: tuple[int, int],
        *,
        kernel: int = 3,
        stride: int = 1,
        group: int = 1,
        pad: int | None = None,
    ) -> str:
        into, out = channels
        pad = kernel // 2 if pad is None else pad
        scale = 1.5 / np.sqrt(into / group * kernel * kernel)
        shape = (out, into // group, kernel, kernel)
        weights = self.random.normal(0, scale, shape).astype(np.float32)
        bias = self.random.normal(0, 0.3, out).astype(np.float32)
        return self.op(
            "Conv",
            name,
            source,
            self.constant(f"{name}.weight", weights),
            self.constant(f"{name}.bias", bias),
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[pad] * 4,
            group=group,
        )[0]

    def silu(self, name: str, source: str) -> str:
        (gate,) = self.op("Sigmoid", f"{name}/gate", source)
        return self.op("Mul", name, source, gate)[0]

    def model(self, *outputs: str) -> onnx.ModelProto:
        made = helper.make_graph(self.nodes, "net", [self.input], [], self.initializers)
        model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version = 9  # what every runtime of today reads
        shapes = static_shapes(model)
        for name in outputs:
            info = helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes[name])
            model.graph.output.append(info)
        onnx.checker.check_model(model)
        return model


def two_convolutions(activation: str = "silu", *, size: int = 32) -> onnx.ModelProto:
    """Conv, site "act0", Conv, site "act1", Conv; both sites run ``activation``."""
    net = Net(1, 3, size, size)
    x = net.silu("act0", net.conv("conv0", "images", (3, 8), stride=2))
    x = net.silu("act1", net.conv("conv1", x, (8, 8)))
    model = net.model(net.conv("conv2", x, (8, 6), kernel=1))
    return graph.swap(model, {"act0": activation, "act1": activation})


def every_layer(activation: str = "silu") -> onnx.ModelProto:
    """A C2f block, a pooling pyramid, an upsampling and a depthwise layer, on 30 x 30 maps."""
    net = Net(1, 3, 60, 60)
    x = net.silu("act0", net.conv("conv0", "images", (3, 8), stride=2))
    left, right = net.op("Split", "split", x, outputs=2, axis=1)
    y = net.silu("act1", net.conv("conv1", right, (4, 4)))
    (y,) = net.op("Add", "add", right, y)
    (x,) = net.op("Concat", "concat", left, right, y, axis=1)
    x = net.silu("act2", net.conv("conv2", x, (12, 8), stride=2))
    pool: dict[str, Any] = {"kernel_shape": [5, 5], "strides": [1, 1], "pads": [2, 2, 2, 2]}
    (p,) = net.op("MaxPool", "pool", x, **pool)
    (x,) = net.op("Concat", "pyramid", x, p, axis=1)
    x = net.silu("act3", net.conv("depthwise", x, (16, 16), group=16))
    scales = net.constant("scales", np.array([1, 1, 2, 2], np.float32))
    (x,) = net.op(
        "Resize",
        "resize",
        x,
        "",
        scales,
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
    model = net.model(net.conv("last", x, (16, 5), kernel=1))
    return graph.swap(model, {f"act{i}": activation for i in range(4)})


def resized(activation: str = "silu") -> onnx.ModelProto:
    """An average pooling as YOLOv9 has it and a transposed convolution as YOLOv6 has it, each
    between sites; 16 x 16 maps."""
    net = Net(1, 3, 32, 32)
    x = net.silu("act0", net.conv("conv0", "images", (3, 8), stride=2))
    pool: dict[str, Any] = {"kernel_shape": [2, 2], "strides": [1, 1], "pads": [0, 0, 0, 0]}
    (x,) = net.op("AveragePool", "pool", x, **pool, count_include_pad=1)
    x = net.silu("act1", net.conv("conv1", x, (8, 8), stride=2))
    (x,) = net.op(
        "AveragePool", "padded", x, kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1]
    )
    weights = net.random.normal(0, 0.4, (8, 6, 2, 2)).astype(np.float32)
    bias = net.random.normal(0, 0.3, 6).astype(np.float32)
    (x,) = net.op(
        "ConvTranspose",
        "larger",
        x,
        net.constant("larger.weight", weights),
        net.constant("larger.bias", bias),
        kernel_shape=[2, 2],
        strides=[2, 2],
    )
    model = net.model(net.conv("last", net.silu("act2", net.conv("conv2", x, (6, 8))), (8, 5)))
    return graph.swap(model, {f"act{i}": activation for i in range(3)})


def chunk_as_slices() -> onnx.ModelProto:
    """torch's chunk() as its exporter writes it: bounds computed from the shape by other nodes."""
    net = Net(1, 3, 32, 32)
    x = net.silu("act0", net.conv("conv0", "images", (3, 8), stride=2))
    one, two = (net.constant(f"i{n}", np.array([n], np.int64)) for n in (1, 2))
    zero = net.constant("i0", np.array([0], np.int64))
    axis = net.constant("axis", np.array(1, np.int64))
    (shape,) = net.op("Shape", "shape", x)
    (channels,) = net.op("Gather", "gather", shape, axis, axis=0)
    (rounded,) = net.op("Add", "rounded", channels, one)
    (half,) = net.op("Div", "half", rounded, two)
    (end,) = net.op("Mul", "end", half, two)
    (left,) = net.op("Slice", "left", x, zero, half, one)
    (right,) = net.op("Slice", "right", x, half, end, one)
    y = net.silu("act1", net.conv("conv1", right, (4, 4)))
    (x,) = net.op("Concat", "concat", left, y, axis=1)
    return net.model(net.conv("last", x, (8, 6), kernel=1))


def grouped(activation: str = "silu") -> onnx.ModelProto:
    """A convolution with two groups of four channels, site "act0", then a plain convolution."""
    net = Net(1, 8, 16, 16)
    x = net.silu("act0", net.conv("grouped", "images", (8, 12), group=2, stride=2))
    return graph.swap(net.model(net.conv("last", x, (12, 5), kernel=1)), {"act0": activation})


def attention() -> onnx.ModelProto:
    """Self-attention with two heads as YOLO11 has it, between two sites; 8 x 8 maps."""
    heads, key, value, n = 2, 4, 8, 64
    net = Net(1, 3, 16, 16)

    def reshaped(name: str, source: str, *shape: int) -> str:
        sizes = net.constant(f"{name}.sizes", np.array(shape, np.int64))
        return net.op("Reshape", name, source, sizes)[0]

    x = net.silu("act0", net.conv("conv0", "images", (3, 16), stride=2))
    y = net.conv("qkv", x, (16, heads * (2 * key + value)), kernel=1)
    y = reshaped("heads", y, 1, heads, 2 * key + value, n)
    sizes = net.constant("parts", np.array([key, key, value], np.int64))
    q, k, v = net.op("Split", "split", y, sizes, outputs=3, axis=2)
    (q,) = net.op("Transpose", "turned", q, perm=[0, 1, 3, 2])
    (y,) = net.op("MatMul", "scores", q, k)
    (y,) = net.op("Mul", "scaled", y, net.constant("scale", np.array(key**-0.5, np.float32)))
    (y,) = net.op("Softmax", "shares", y, axis=-1)
    (y,) = net.op("Transpose", "shares_turned", y, perm=[0, 1, 3, 2])
    (y,) = net.op("MatMul", "attended", v, y)
    y = reshaped("map", y, 1, heads * value, 8, 8)
    place = net.conv("place", reshaped("values", v, 1, heads * value, 8, 8), (16, 16), group=16)
    (y,) = net.op("Add", "placed", y, place)
    (y,) = net.op("Add", "residual", x, net.conv("projected", y, (16, 16), kernel=1))
    return net.model(net.conv("last", net.silu("act1", net.conv("conv1", y, (16, 8))), (8, 5)))
