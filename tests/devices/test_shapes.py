from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from devices.errors import BadRequest
from devices.shapes import static_shapes
from tests.devices import graphs


def _shape_arithmetic() -> onnx.ModelProto:
    """Half of the channels, by the chain that a split of halves is exported as."""

    def constant(name: str, value: Any) -> onnx.NodeProto:
        tensor = numpy_helper.from_array(np.asarray(value, np.int64))
        return helper.make_node("Constant", [], [name], value=tensor)

    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        constant("one", [1]),
        constant("zero", [0]),
        constant("two", [2]),
        helper.make_node("Gather", ["shape", "one"], ["channels"], axis=0),
        helper.make_node("Add", ["channels", "one"], ["up"]),
        helper.make_node("Div", ["up", "two"], ["half"]),
        helper.make_node("Slice", ["x", "zero", "half", "one"], ["first"]),
        helper.make_node("Relu", ["first"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "split",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 6, 4, 5])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_shape_arithmetic_is_followed() -> None:
    shapes = static_shapes(_shape_arithmetic())
    assert shapes["first"] == shapes["y"] == (1, 3, 4, 5)


def _reshaped(version: int) -> onnx.ModelProto:
    """A Reshape as PyTorch writes it; before opset 13 the axes of Unsqueeze are an attribute."""
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "one"], ["channels"], axis=0),
        helper.make_node("Unsqueeze", ["channels", "zero"], ["channel"])
        if version >= 13
        else helper.make_node("Unsqueeze", ["channels"], ["channel"], axes=[0]),
        helper.make_node("Concat", ["ones", "channel", "rest"], ["to"], axis=0),
        helper.make_node("Reshape", ["x", "to"], ["y"]),
    ]
    constants: dict[str, int | list[int]] = {"one": 1, "zero": [0], "ones": [1], "rest": [-1]}
    graph = helper.make_graph(
        nodes,
        "reshaped",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 6, 4, 5])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(v, np.int64), name) for name, v in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)], ir_version=6)


@pytest.mark.parametrize("version", [11, 12, 13, 17, 20])
def test_operators_are_those_of_the_graphs_opset(version: int) -> None:
    assert static_shapes(_reshaped(version))["y"] == (1, 6, 20)


def test_arithmetic_that_cannot_be_computed_is_named() -> None:
    model = _reshaped(17)
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.asarray(9, np.int64), "one"))
    model.graph.node[1].name = "/head/Gather"
    with pytest.raises(BadRequest, match=r"operator Gather \(node /head/Gather\) cannot be comp"):
        static_shapes(model)


def test_every_tensor_has_the_shape_that_a_runtime_gives_it() -> None:
    model = graphs.detector()
    shapes = static_shapes(model)
    written = [out for node in model.graph.node for out in node.output]
    for name in written:
        if name != "output0":
            model.graph.output.append(helper.make_empty_tensor_value_info(name))
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [value.name for value in session.get_outputs()]
    image = graphs.images(1).astype(np.float32)
    for name, value in zip(names, session.run(None, {"images": image}), strict=True):
        assert shapes[name] == value.shape, name


def test_what_depends_on_the_image_is_absent() -> None:
    model = _shape_arithmetic()
    del model.graph.node[-1]
    model.graph.node.append(helper.make_node("NonZero", ["first"], ["where"]))
    model.graph.node.append(helper.make_node("Cast", ["where"], ["y"], to=TensorProto.FLOAT))
    shapes = static_shapes(model)
    assert "first" in shapes
    assert "where" not in shapes
    assert "y" not in shapes


def test_a_node_may_read_the_same_tensor_twice() -> None:
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 4, 4])
    node = helper.make_node("Mul", ["x", "x"], ["square"])
    model = helper.make_model(
        helper.make_graph([node], "net", [image], []),
        opset_imports=[helper.make_opsetid("", 17)],
    )
    assert static_shapes(model)["square"] == (1, 3, 4, 4)
