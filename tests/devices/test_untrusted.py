from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from devices.errors import BadRequest
from devices.graph import check_untrusted
from tests.devices import graphs


def _external_weight(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")


def _external_constant(model: onnx.ModelProto) -> None:
    node = next(n for n in model.graph.node if n.op_type == "Constant")
    node.attribute[0].t.data_location = TensorProto.EXTERNAL
    node.attribute[0].t.external_data.add(key="location", value="/etc/passwd")


def _external_in_a_subgraph(model: onnx.ModelProto) -> None:
    weight = numpy_helper.from_array(np.zeros(2, np.float32), "w")
    weight.data_location = TensorProto.EXTERNAL
    out = helper.make_tensor_value_info("w", TensorProto.FLOAT, [2])
    branch = helper.make_graph([], "branch", [], [out], [weight])
    model.graph.node.append(
        helper.make_node("If", ["flag"], ["z"], then_branch=branch, else_branch=branch)
    )


def _custom_operator(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Shell", ["images"], ["z"], domain="evil"))


def _function(model: onnx.ModelProto) -> None:
    model.functions.add(name="f", domain="evil")


def _huge_constant(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(TensorProto(name="huge", dims=[1 << 20, 1 << 20], data_type=1))


def _negative_dim(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(TensorProto(name="odd", dims=[-1, 2], data_type=1))


def _huge_image(model: onnx.ModelProto) -> None:
    for dim in model.graph.input[0].type.tensor_type.shape.dim[2:]:
        dim.dim_value = 8192


def _many_nodes(model: onnx.ModelProto) -> None:
    for i in range(20_001):
        model.graph.node.add(op_type="Relu", input=["images"], output=[f"r{i}"])


def _half_precision(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT16


def _two_inputs(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))


def _batch(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"


def _old(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 8


def _empty(model: onnx.ModelProto) -> None:
    del model.graph.node[:]


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (_external_weight, "external data"),
        (_external_constant, "external data"),
        (_external_in_a_subgraph, "external data"),
        (_custom_operator, "evil:Shell"),
        (_function, "functions inlined"),
        (_huge_constant, "'huge' has shape"),
        (_negative_dim, "'odd' has shape"),
        (_huge_image, "sides up to 4096"),
        (_many_nodes, "over 20000 nodes"),
        (_half_precision, "FLOAT16"),
        (_two_inputs, "2 inputs"),
        (_batch, "float32 \\[1, 3, height, width\\]"),
        (_old, "opset 8 is too old"),
        (_empty, "no graph"),
    ],
)
def test_harm_is_refused_in_one_line(
    harm: Callable[[onnx.ModelProto], None], message: str, tmp_path: Path
) -> None:
    model = graphs.detector()
    harm(model)
    path = tmp_path / "upload.onnx"
    path.write_bytes(model.SerializeToString())
    for source in (model, path):
        with pytest.raises(BadRequest, match=message) as caught:
            check_untrusted(source)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a zip", b"\x80\x02}q\x00.", b"\x08" * 999])
def test_what_is_no_onnx_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "upload.onnx"
    path.write_bytes(content)
    with pytest.raises(BadRequest):
        check_untrusted(path)


def test_a_detector_passes(tmp_path: Path) -> None:
    model = graphs.detector()
    path = graphs.save(model, tmp_path / "upload.onnx")
    assert check_untrusted(path) == model
