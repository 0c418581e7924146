from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from devices import memory, targets
from devices.errors import MeasurementFailed
from tests.devices import graphs

FLOAT = TensorProto.FLOAT
ONNX_FP32 = targets.get("cpu-onnxruntime-fp32")


def _graph(nodes: list[onnx.NodeProto], elements: int = 100) -> onnx.ModelProto:
    """Nodes from x to y over tensors of ``elements`` floats."""
    value = [helper.make_tensor_value_info(name, FLOAT, [1, elements]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "g", value[:1], value[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _node(kind: str, inputs: str, output: str) -> onnx.NodeProto:
    return helper.make_node(kind, inputs.split(), [output], name=f"{kind}:{output}")


@pytest.mark.parametrize(
    ("nodes", "floats"),
    [
        # Softmax is not done in place: each needs its output beside its input.
        ([_node("Softmax", "x", "a"), _node("Softmax", "a", "y")], 200),
        ([_node("Softmax", "x", "a"), _node("Relu", "a", "y")], 100),
        ([_node("Softmax", "x", "a"), _node("Identity", "a", "y")], 100),
        # a lives on, so the Relu cannot overwrite it.
        ([_node("Softmax", "x", "a"), _node("Relu", "a", "b"), _node("Add", "a b", "y")], 200),
        # Three in a row need two buffers only: a is gone when c is written.
        ([_node("Softmax", "x", "a"), _node("Softmax", "a", "b"), _node("Softmax", "b", "y")], 200),
        # The image is the caller's: nothing is written over it.
        ([_node("Relu", "x", "y")], 100),
    ],
)
def test_the_arena_of_small_graphs(nodes: list[onnx.NodeProto], floats: int) -> None:
    assert memory.arena_bytes(_graph(nodes), int8=False) == 4 * floats


def _trunk(form: graphs.Form) -> onnx.ModelProto:
    """The tiny detector up to the convolution that ends its box branch."""
    model = graphs.detector(form)
    end = "/box_out/conv/Conv_output_0"
    nodes = list(model.graph.node)
    last = next(i for i, node in enumerate(nodes) if end in node.output)
    del model.graph.node[last + 1 :]
    model.graph.output[0].name = end
    model.graph.output[0].type.tensor_type.ClearField("shape")
    return model


STEM, BODY = 8 * 16 * 16, 16 * 8 * 8  # elements of what the first two blocks write


def test_a_fused_activation_costs_nothing_in_float() -> None:
    for form in (graphs.silu, graphs.plain("Relu"), graphs.plain("HardSwish")):
        assert memory.arena_bytes(_trunk(form), int8=False) == 4 * (STEM + BODY)


def test_an_int8_gate_is_a_tensor_of_its_own() -> None:
    assert memory.arena_bytes(_trunk(graphs.plain("Relu")), int8=True) == STEM + BODY
    assert memory.arena_bytes(_trunk(graphs.silu), int8=True) == 2 * STEM


def test_the_decode_stays_in_float() -> None:
    assert memory.arena_bytes(graphs.detector(graphs.plain("Relu")), int8=True) > 2 * STEM


def test_a_dynamic_shape_is_refused_by_name() -> None:
    model = graphs.detector()
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    with pytest.raises(MeasurementFailed, match=r"'/stem/conv/Conv_output_0' is not static"):
        memory.arena_bytes(model, int8=False)


def test_the_peak_of_a_real_process(tmp_path: Path) -> None:
    path = graphs.save(graphs.detector(), tmp_path / "tiny.onnx")
    found = memory.cpu(path, target=ONNX_FP32, threads=1)
    assert found.unit == "MiB"
    assert found.value == pytest.approx(4 * (STEM + BODY) / 2**20)
    assert found.rss_mib is not None
    assert 0 < found.rss_mib < 200


def test_a_process_that_fails_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"nothing")
    with pytest.raises(MeasurementFailed, match=r"broken\.onnx: no memory figure") as caught:
        memory.peak_rss_mib(path, target=ONNX_FP32, threads=1)
    assert "\n" not in str(caught.value)
