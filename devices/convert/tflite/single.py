"""One layer of a network by itself, run in fp32."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from devices import activations
from devices.convert.tflite.layers import Layer, Shape

Map = NDArray[np.float32]
Run = Callable[[Sequence[Map]], list[Map]]


def runner(
    layer: Layer,
    model: onnx.ModelProto,
    shapes: Mapping[str, Shape],
    constants: Mapping[int, NDArray[Any]] | None = None,
) -> Run:
    """A function from the layer's input maps to its output maps.

    ``model`` is the graph that the layer comes from, ``shapes`` those of its feature maps;
    ``constants`` takes the place of the layer's own at the ONNX inputs it names.
    """
    if layer.site is not None:
        function = activations.get(layer.site.activation).function
        return lambda maps: [function(maps[0])]
    operands = dict(enumerate(layer.operands)) | dict(constants or {})
    maps = iter(layer.inputs)
    # A None is a feature map, and behind the last of those an omitted input.
    names = [next(maps, "") if value is None else f"#{i}" for i, value in operands.items()]
    node = helper.make_node(layer.kind, names, list(layer.outputs), **layer.attributes)
    graph = helper.make_graph(
        [node],
        layer.name,
        [_value(name, shapes) for name in dict.fromkeys(layer.inputs)],
        [_value(name, shapes) for name in layer.outputs],
        [
            numpy_helper.from_array(np.ascontiguousarray(value), f"#{i}")
            for i, value in operands.items()
            if value is not None
        ],
    )
    single = helper.make_model(
        graph, opset_imports=list(model.opset_import), ir_version=model.ir_version
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        single.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda maps: list(session.run(None, dict(zip(layer.inputs, maps, strict=True))))


def _value(name: str, shapes: Mapping[str, Shape]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes[name])
