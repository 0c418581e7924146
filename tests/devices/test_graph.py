from __future__ import annotations

import math

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from devices import activations, graph
from devices.errors import BadRequest
from tests.devices import graphs
from tests.devices.graphs import Form, Writer, plain, silu


def silu_swapped_operands(w: Writer, x: str, path: str) -> str:
    return w.op("Mul", path, w.op("Sigmoid", path, x), x)


def hardswish_chain(w: Writer, x: str, path: str) -> str:
    return w.op("Mul", path, x, w.op("HardSigmoid", path, x, alpha=1 / 6, beta=0.5))


def gelu_chain(w: Writer, x: str, path: str) -> str:
    scaled = w.op("Div", path, x, w.constant(path, math.sqrt(2)))
    total = w.op("Add", path, w.op("Erf", path, scaled), w.constant(path, 1.0))
    return w.op("Mul", path, w.op("Mul", path, x, total), w.constant(path, 0.5))


def gelu_chain_half_first(w: Writer, x: str, path: str) -> str:
    half = w.op("Mul", path, w.constant(path, 0.5), x)
    scaled = w.op("Mul", path, x, w.constant(path, 1 / math.sqrt(2)))
    total = w.op("Add", path, w.constant(path, 1.0), w.op("Erf", path, scaled))
    return w.op("Mul", path, half, total)


def gelu_tanh_chain(w: Writer, x: str, path: str) -> str:
    cube = w.op("Mul", path, w.op("Mul", path, x, x), x)
    inner = w.op("Add", path, x, w.op("Mul", path, cube, w.constant(path, 0.044715)))
    tanh = w.op("Tanh", path, w.op("Mul", path, inner, w.constant(path, math.sqrt(2 / math.pi))))
    total = w.op("Mul", path, x, w.op("Add", path, tanh, w.constant(path, 1.0)))
    return w.op("Mul", path, total, w.constant(path, 0.5))


def mish_chain(w: Writer, x: str, path: str) -> str:
    return w.op("Mul", path, w.op("Tanh", path, w.op("Softplus", path, x)), x)


def relu6(w: Writer, x: str, path: str) -> str:
    return w.op("Clip", path, x, w.constant(path, 0.0), w.constant(path, 6.0))


def clip_by_weights(low: float, high: float) -> Form:
    def form(w: Writer, x: str, path: str) -> str:
        bounds = [w.weight(f"{path}.{n}", np.asarray(v)) for n, v in (("low", low), ("high", high))]
        return w.op("Clip", path, x, *bounds)

    return form


KNOWN: list[tuple[str, Form, int]] = [
    ("silu", silu, 13),
    ("silu", silu_swapped_operands, 17),
    ("silu", plain("Swish"), 24),
    ("hardswish", hardswish_chain, 13),
    ("hardswish", plain("HardSwish"), 17),
    ("gelu", gelu_chain, 17),
    ("gelu", gelu_chain_half_first, 17),
    ("gelu", plain("Gelu"), 20),
    ("mish", mish_chain, 17),
    ("mish", plain("Mish"), 18),
    ("relu", plain("Relu"), 11),
    ("relu6", relu6, 17),
    ("relu6", clip_by_weights(0, 6), 17),
    ("leaky_relu", plain("LeakyRelu", alpha=0.1), 17),
    ("elu", plain("Elu"), 17),
    ("elu", plain("Elu", alpha=1.0), 17),
    ("selu", plain("Selu"), 17),
    ("tanh", plain("Tanh"), 17),
    ("hardsigmoid", plain("HardSigmoid", alpha=1 / 6), 17),
]

OTHERS: list[tuple[str, Form, int]] = [
    ("sigmoid alone", plain("Sigmoid"), 17),
    ("tanh form of GELU", gelu_tanh_chain, 17),
    ("tanh form of GELU, op", plain("Gelu", approximate="tanh"), 20),
    ("torch's default slope", plain("LeakyRelu"), 17),
    ("ONNX's default HardSigmoid", plain("HardSigmoid"), 17),
    ("ELU with another alpha", plain("Elu", alpha=0.5), 17),
    ("SELU with another alpha", plain("Selu", alpha=1.0), 17),
    ("clip to 0..1", clip_by_weights(0, 1), 17),
    ("Swish with another alpha", plain("Swish", alpha=1.702), 24),
    ("identity", plain("Identity"), 17),
    (
        "gate by another tensor",
        lambda w, x, p: w.op("Mul", p, w.op("Sigmoid", p, w.op("Neg", p, x)), x),
        17,
    ),
]


@pytest.mark.parametrize(("name", "form", "opset"), KNOWN)
def test_every_exported_form_is_found(name: str, form: Form, opset: int) -> None:
    sites = graph.find_sites(graphs.detector(form, opset=opset))
    assert [site.activation for site in sites] == [name] * 4
    assert [site.input for site in sites] == [
        f"/{place}/conv/Conv_output_0" for place in graphs.SITES
    ]
    assert [site.shape for site in sites] == [(1, 8, 16, 16)] + [(1, 16, 8, 8)] * 3


@pytest.mark.parametrize(
    ("form", "opset"), [case[1:] for case in OTHERS], ids=[c[0] for c in OTHERS]
)
def test_a_formula_outside_the_catalog_is_no_site(form: Form, opset: int) -> None:
    assert graph.find_sites(graphs.detector(form, opset=opset)) == []


def test_sites_carry_the_module_paths_of_the_metadata() -> None:
    sites = graph.find_sites(graphs.detector(sites=True))
    assert [site.key for site in sites] == ["stem.act", "body.act", "box.act", "score.act"]


def test_without_metadata_a_site_is_keyed_by_its_output_tensor() -> None:
    for site in graph.find_sites(graphs.detector()):
        assert site.key == site.output


def test_a_gate_that_is_read_elsewhere_is_no_site() -> None:
    model = graphs.detector()
    gate = next(node for node in model.graph.node if node.op_type == "Sigmoid")
    shape = helper.make_tensor_value_info(gate.output[0], onnx.TensorProto.FLOAT, None)
    model.graph.output.append(shape)
    assert len(graph.find_sites(model)) == 3


@pytest.mark.parametrize(("name", "form", "opset"), KNOWN)
@pytest.mark.parametrize("target", activations.NAMES)
def test_swap_changes_the_activation_and_nothing_else(
    name: str, form: Form, opset: int, target: str
) -> None:
    model = graphs.detector(form, opset=opset, sites=True)
    before = model.SerializeToString()
    sites = graph.find_sites(model)
    swapped = graph.swap(model, {"body.act": target})
    assert model.SerializeToString() == before
    onnx.checker.check_model(swapped, full_check=True)

    after = graph.find_sites(swapped)
    assert [s.activation for s in after] == [name, target, name, name]
    assert [(s.key, s.input, s.output) for s in after] == [
        (s.key, s.input, s.output) for s in sites
    ]
    if target == name:
        assert swapped.SerializeToString() == before
        return
    assert _others(swapped, set(after[1].nodes)) == _others(model, set(sites[1].nodes))
    assert swapped.graph.initializer == model.graph.initializer
    assert swapped.graph.input == model.graph.input
    assert swapped.graph.output == model.graph.output
    assert swapped.metadata_props == model.metadata_props
    names = [node.name for node in swapped.graph.node]
    assert len(set(names)) == len(names)


def _others(model: onnx.ModelProto, nodes: set[str]) -> list[bytes]:
    return [n.SerializeToString() for n in model.graph.node if n.name not in nodes]


@pytest.mark.parametrize("opset", [13, 17, 18, 20])
@pytest.mark.parametrize("name", activations.NAMES)
def test_the_swapped_graph_computes_the_catalog_formula(name: str, opset: int) -> None:
    model = graph.swap(graphs.detector(opset=opset, sites=True), {"stem.act": name})
    site = graph.find_sites(model)[0]
    for tensor in (site.input, site.output):
        info = helper.make_tensor_value_info(tensor, onnx.TensorProto.FLOAT, None)
        model.graph.output.append(info)
    image = graphs.images(1).astype(np.float32) / 255 * 20 - 10
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    x, y = session.run([site.input, site.output], {"images": image})
    assert x.min() < -4
    assert x.max() > 7
    np.testing.assert_allclose(y, activations.get(name).function(x), rtol=1e-4, atol=2e-5)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(activations.NAMES), min_size=4, max_size=4))
def test_any_mix_can_be_swapped_there_and_back(names: list[str]) -> None:
    model = graphs.detector(sites=True)
    keys = [site.key for site in graph.find_sites(model)]
    mixed = graph.swap(model, dict(zip(keys, names, strict=True)))
    assert [site.activation for site in graph.find_sites(mixed)] == names
    back = graph.swap(mixed, dict.fromkeys(keys, "silu"))
    assert [n.op_type for n in back.graph.node] == [n.op_type for n in model.graph.node]
    assert [s.activation for s in graph.find_sites(back)] == ["silu"] * 4


def test_a_swap_without_metadata_keeps_the_keys() -> None:
    model = graphs.detector()
    keys = [site.key for site in graph.find_sites(model)]
    mixed = graph.swap(model, {keys[0]: "identity", keys[2]: "gelu"})
    found = {site.key: site.activation for site in graph.find_sites(mixed)}
    assert found == dict(zip(keys, ["identity", "silu", "gelu", "silu"], strict=True))


def test_names_stay_free_in_a_hostile_graph() -> None:
    model = graphs.detector(sites=True)
    site = graph.find_sites(model)[0]
    model.graph.node[-1].name = f"{site.output}/relu/Relu"
    swapped = graph.swap(model, {site.key: "relu"})
    names = [node.name for node in swapped.graph.node]
    assert len(set(names)) == len(names)


def test_unnamed_nodes_are_handled() -> None:
    model = graphs.detector(sites=True)
    for node in model.graph.node:
        node.name = ""
    site = graph.find_sites(model)[1]
    assert site.nodes == ("/body/act/Sigmoid_output_0", "/body/act/Mul_output_0")
    swapped = graph.swap(model, {"body.act": "relu"})
    assert graph.find_sites(swapped)[1].activation == "relu"


def test_swap_refuses_what_it_does_not_know() -> None:
    model = graphs.detector(sites=True)
    with pytest.raises(BadRequest, match=r"no site 'neck\.act' in this graph; it has stem\.act"):
        graph.swap(model, {"neck.act": "relu"})
    with pytest.raises(BadRequest, match="unknown activation 'swoosh'; known: relu"):
        graph.swap(model, {"stem.act": "swoosh"})
    model.opset_import[0].version = 9
    with pytest.raises(BadRequest, match="opset 9 is too old"):
        graph.swap(model, {})


@pytest.mark.parametrize(
    ("value", "message"),
    [("{", "not JSON"), ("[1]", "must map"), ('{"a": "x", "b": "x"}', "twice")],
)
def test_broken_metadata_is_refused(value: str, message: str) -> None:
    model = graphs.detector()
    helper.set_model_props(model, {graph.SITES_KEY: value})
    with pytest.raises(BadRequest, match=message):
        graph.find_sites(model)


def test_shared_constants_stay_when_a_site_goes() -> None:
    """Optimised uploads share one pair of Clip bounds among all ReLU6."""
    model = graphs.detector(clip_by_weights(0, 6))
    first = graph.find_sites(model)[0]
    for node in model.graph.node:
        if node.op_type == "Clip":
            node.input[1], node.input[2] = "stem/act.low", "stem/act.high"
    swapped = graph.swap(model, {first.key: "relu"})
    onnx.checker.check_model(swapped)
    assert [s.activation for s in graph.find_sites(swapped)] == ["relu"] + ["relu6"] * 3
    assert len(swapped.graph.initializer) == len(model.graph.initializer)


def test_image_input_needs_a_fixed_float_image() -> None:
    model = graphs.detector()
    assert graph.image_input(model) == graph.ImageInput("images", (1, 3, 32, 32))
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    with pytest.raises(BadRequest, match="fixed"):
        graph.image_input(model)


def test_constant_folding_values_do_not_leak_into_sites() -> None:
    """A Relu over a constant is arithmetic of the exporter, not an activation."""
    model = graphs.detector()
    node = helper.make_node("Relu", ["dfl.weight"], ["unused"], name="folded")
    model.graph.node.insert(0, node)
    single = numpy_helper.from_array(np.zeros((1,), np.float32), "single")
    model.graph.initializer.append(single)
    model.graph.node.insert(0, helper.make_node("Relu", ["single"], ["unused2"], name="folded2"))
    assert len(graph.find_sites(model)) == 4
