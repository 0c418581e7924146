"""ONNX graphs: files outside, cycles, giants, foreign operators, bombs of control flow."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from tests.devices import graphs
from tests.hostile.case import Case, Make, fixed

Harm = Callable[[onnx.ModelProto], None]
FLOAT = TensorProto.FLOAT


def harmed(harm: Harm) -> Make:
    def make(canary: Path) -> bytes:
        model = graphs.detector(sites=True)
        harm(model)
        return model.SerializeToString()

    return make


def node(kind: str, inputs: list[str], outputs: list[str], **attributes: Any) -> Harm:
    """The graph with one node more."""
    return lambda m: m.graph.node.append(helper.make_node(kind, inputs, outputs, **attributes))


def weight(**fields: object) -> Harm:
    """The graph with one weight more."""
    return lambda m: m.graph.initializer.append(TensorProto(name="more", **fields))  # type: ignore[arg-type]


def outside(tensor: onnx.TensorProto, place: str) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=place)


def external(place: str) -> Harm:
    return lambda m: outside(m.graph.initializer[0], place)


def external_constant(m: onnx.ModelProto) -> None:
    constant = next(node for node in m.graph.node if node.op_type == "Constant")
    outside(constant.attribute[0].t, "/etc/passwd")


def external_below(m: onnx.ModelProto) -> None:
    inner = numpy_helper.from_array(np.zeros(2, np.float32), "w")
    outside(inner, "/etc/passwd")
    branch = helper.make_graph(
        [], "b", [], [helper.make_tensor_value_info("w", FLOAT, [2])], [inner]
    )
    node("If", ["flag"], ["z"], then_branch=branch, else_branch=branch)(m)


def external_sparse(m: onnx.ModelProto) -> None:
    values = numpy_helper.from_array(np.ones(1, np.float32), "s")
    outside(values, "/etc/passwd")
    indices = numpy_helper.from_array(np.zeros(1, np.int64), "i")
    m.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [4]))


def external_hint(m: onnx.ModelProto) -> None:
    """External data without saying so."""
    m.graph.initializer[0].external_data.add(key="location", value="/etc/passwd")


def own_output(m: onnx.ModelProto) -> None:
    node("Relu", ["loop"], ["loop"])(m)


def circle(m: onnx.ModelProto) -> None:
    node("Relu", ["a"], ["b"])(m)
    node("Relu", ["b"], ["a"])(m)


def backwards(m: onnx.ModelProto) -> None:
    nodes = list(m.graph.node)[::-1]
    del m.graph.node[:]
    m.graph.node.extend(nodes)


def twice(m: onnx.ModelProto) -> None:
    m.graph.node.append(m.graph.node[0])


def nested_if(depth: int) -> Harm:
    def harm(m: onnx.ModelProto) -> None:
        out = helper.make_tensor_value_info("z", FLOAT, [1])
        graph = helper.make_graph([helper.make_node("Relu", ["images"], ["z"])], "g", [], [out])
        for _ in range(depth):
            branch = helper.make_node("If", ["flag"], ["z"], then_branch=graph, else_branch=graph)
            graph = helper.make_graph([branch], "g", [], [out])
        node("If", ["flag"], ["z"], then_branch=graph)(m)

    return harm


def too_deep(depth: int) -> bytes:
    """Graphs in attributes of nodes of graphs, deeper than protobuf goes along; written by hand."""
    graph = b""
    for _ in range(depth):
        attribute = field(6, graph)
        graph = field(1, field(4, b"If") + field(5, attribute))
    return field(7, graph)


def field(number: int, content: bytes) -> bytes:
    """A field of a protobuf message that holds bytes."""
    size, length = len(content), b""
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def endless_loop(m: onnx.ModelProto) -> None:
    out = helper.make_tensor_value_info("z", FLOAT, [1])
    body = helper.make_graph([helper.make_node("Relu", ["images"], ["z"])], "body", [], [out])
    trips = numpy_helper.from_array(np.array(2**62, np.int64), "trips")
    m.graph.initializer.append(trips)
    node("Loop", ["trips", ""], ["z2"], body=body)(m)


def function(m: onnx.ModelProto) -> None:
    m.functions.add(name="f", domain="evil")


def function_of_onnx(m: onnx.ModelProto) -> None:
    m.functions.add(name="Conv", domain="")  # in place of the real one


def many_nodes(m: onnx.ModelProto) -> None:
    for number in range(20_001):
        m.graph.node.add(op_type="Relu", input=["images"], output=[f"r{number}"])


def image(*shape: int) -> Harm:
    def harm(m: onnx.ModelProto) -> None:
        dims = m.graph.input[0].type.tensor_type.shape.dim
        for dim, size in zip(dims, shape, strict=True):
            dim.dim_value = size

    return harm


def kind_of_input(kind: int) -> Harm:
    def harm(m: onnx.ModelProto) -> None:
        m.graph.input[0].type.tensor_type.elem_type = kind

    return harm


def dynamic(m: onnx.ModelProto) -> None:
    m.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"


def sequence_input(m: onnx.ModelProto) -> None:
    m.graph.input[0].type.sequence_type.elem_type.tensor_type.elem_type = FLOAT


def more_inputs(m: onnx.ModelProto) -> None:
    m.graph.input.append(helper.make_tensor_value_info("more", FLOAT, [1]))


def more_outputs(m: onnx.ModelProto) -> None:
    m.graph.output.append(m.graph.output[0])


def no_output(m: onnx.ModelProto) -> None:
    del m.graph.output[:]


def no_nodes(m: onnx.ModelProto) -> None:
    del m.graph.node[:]


def opset(version: int) -> Harm:
    def harm(m: onnx.ModelProto) -> None:
        m.opset_import[0].version = version

    return harm


def no_opset(m: onnx.ModelProto) -> None:
    del m.opset_import[:]


def metadata(key: str, value: str) -> Harm:
    def harm(m: onnx.ModelProto) -> None:
        kept = [entry for entry in m.metadata_props if entry.key != key]
        del m.metadata_props[:]
        m.metadata_props.extend(kept)
        m.metadata_props.add(key=key, value=value)

    return harm


def huge_value(m: onnx.ModelProto) -> None:
    m.graph.value_info.append(helper.make_tensor_value_info("v", FLOAT, [2**40, 2**40]))


def short_weight(m: onnx.ModelProto) -> None:
    """A weight of the graph that holds less than its shape says."""
    m.graph.initializer[0].raw_data = b"\0" * 4


def foreign_domain(m: onnx.ModelProto) -> None:
    m.opset_import.add(domain="evil", version=1)
    node("Shell", ["images"], ["z"], domain="evil")(m)


def cut(share: float) -> Make:
    def make(canary: Path) -> bytes:
        whole = graphs.detector().SerializeToString()
        return whole[: int(len(whole) * share)]

    return make


def large_node(m: onnx.ModelProto) -> None:
    """One attribute with a million numbers, as a graph in a graph."""
    tensors = [TensorProto(dims=[2**31], data_type=FLOAT, name="t")]
    extra = helper.make_node("Identity", ["images"], ["z"])
    extra.attribute.append(AttributeProto(name="t", type=AttributeProto.TENSORS, tensors=tensors))
    m.graph.node.append(extra)


EXTERNAL = r"lies in another file \(external data\)"
SHAPE = "has shape .* at most 268435456 elements"
UNFIT = "does not hang together"
NO_ONNX = "is no ONNX|holds no graph|imports no default operator set"
BAIT = "{0: __import__('os').system('touch x')}"

CASES = [
    Case(
        "external-up", "a.onnx", EXTERNAL, harmed(external("../../../../etc/passwd")), sample=True
    ),
    Case("external-root", "a.onnx", EXTERNAL, harmed(external("/proc/self/environ"))),
    Case("external-constant", "a.onnx", EXTERNAL, harmed(external_constant)),
    Case("external-below", "a.onnx", EXTERNAL, harmed(external_below)),
    Case("external-sparse", "a.onnx", EXTERNAL, harmed(external_sparse)),
    Case("external-hint", "a.onnx", EXTERNAL, harmed(external_hint)),
    Case("cycle-one", "a.onnx", UNFIT, harmed(own_output), sample=True),
    Case("cycle-two", "a.onnx", UNFIT, harmed(circle)),
    Case("backwards", "a.onnx", UNFIT, harmed(backwards)),
    Case("twice", "a.onnx", UNFIT, harmed(twice)),
    Case("dangling", "a.onnx", UNFIT, harmed(node("Relu", ["nowhere"], ["z"]))),
    Case(
        "unknown-operator",
        "a.onnx",
        "Shell.* is not in the standard ONNX set",
        harmed(node("Shell", ["images"], ["z"])),
    ),
    Case("custom-operator", "a.onnx", "operator evil:Shell", harmed(foreign_domain), sample=True),
    Case(
        "microsoft-operator",
        "a.onnx",
        r"operator com\.microsoft:Gelu",
        harmed(node("Gelu", ["images"], ["z"], domain="com.microsoft")),
    ),
    Case("function", "a.onnx", "defines the function 'f'", harmed(function), sample=True),
    Case("function-of-onnx", "a.onnx", "defines the function 'Conv'", harmed(function_of_onnx)),
    Case("if-4096-leaves", "a.onnx", f"{UNFIT}|over 20000 nodes|deep", harmed(nested_if(12))),
    Case("if-deep", "a.onnx", "is no ONNX file|deep", fixed(too_deep(60)), sample=True),
    Case("loop-endless", "a.onnx", f"{UNFIT}|Loop", harmed(endless_loop), sample=True),
    Case("nodes-20001", "a.onnx", "over 20000 nodes", harmed(many_nodes)),
    Case(
        "dims-huge",
        "a.onnx",
        SHAPE,
        harmed(weight(dims=[2**20, 2**20], data_type=FLOAT)),
        sample=True,
    ),
    Case("dims-2-gib", "a.onnx", SHAPE, harmed(weight(dims=[2**29], data_type=FLOAT))),
    Case("dims-overflow", "a.onnx", SHAPE, harmed(weight(dims=[2**62, 4], data_type=FLOAT))),
    Case("dims-negative", "a.onnx", SHAPE, harmed(weight(dims=[-1, 2], data_type=FLOAT))),
    Case("dims-zero", "a.onnx", SHAPE, harmed(weight(dims=[0, 2**40], data_type=FLOAT))),
    Case("dims-value", "a.onnx", SHAPE, harmed(huge_value)),
    Case("dims-attribute", "a.onnx", SHAPE, harmed(large_node)),
    Case(
        "data-missing",
        "a.onnx",
        "holds fewer bytes|does not hold",
        harmed(weight(dims=[2**27], data_type=FLOAT)),
        sample=True,
    ),
    Case("data-short", "a.onnx", "does not hold", harmed(short_weight)),
    Case("type-unknown", "a.onnx", "data type 99", harmed(weight(dims=[1], data_type=99))),
    Case("type-undefined", "a.onnx", "data type 0", harmed(weight(dims=[1], data_type=0))),
    Case("type-text", "a.onnx", "data type|does not hold", harmed(weight(dims=[1], data_type=8))),
    Case("image-half", "a.onnx", "is FLOAT16", harmed(kind_of_input(TensorProto.FLOAT16))),
    Case("image-unknown", "a.onnx", "float32|type", harmed(kind_of_input(77))),
    Case("image-sequence", "a.onnx", "float32", harmed(sequence_input)),
    Case("image-huge", "a.onnx", SHAPE, harmed(image(1, 3, 65536, 65536))),
    Case("image-2-62", "a.onnx", "has shape|sides up to", harmed(image(1, 3, 2**62, 2**62))),
    Case("image-negative", "a.onnx", "has shape|fixed", harmed(image(1, 3, -32, 32))),
    Case("image-tiny", "a.onnx", "fixed s of 32 to 2048", harmed(image(1, 3, 1, 1))),
    Case("image-dynamic", "a.onnx", "fixed", harmed(dynamic)),
    Case("inputs", "a.onnx", "has 2 inputs", harmed(more_inputs)),
    Case("outputs", "a.onnx", "2 outputs", harmed(more_outputs)),
    Case("no-output", "a.onnx", "0 outputs", harmed(no_output)),
    Case("no-nodes", "a.onnx", "holds no graph", harmed(no_nodes)),
    Case("opset-old", "a.onnx", "opset 8 is too old", harmed(opset(8))),
    Case("opset-new", "a.onnx", "opset 99999 is newer", harmed(opset(99_999))),
    Case("opset-negative", "a.onnx", "opset -4 is too old", harmed(opset(-4))),
    Case("opset-none", "a.onnx", "imports no default operator set", harmed(no_opset)),
    Case(
        "names-bait",
        "a.onnx",
        "metadata names must map",
        harmed(metadata("names", BAIT)),
        sample=True,
    ),
    Case(
        "names-deep", "a.onnx", "metadata names must map", harmed(metadata("names", "[" * 90_000))
    ),
    Case("names-long", "a.onnx", "metadata names must map", harmed(metadata("names", "9" * 2**21))),
    Case(
        "names-nul",
        "a.onnx",
        "holds the character",
        harmed(metadata("names", r"{0: 'a\x00b', 1: 'c'}")),
    ),
    Case(
        "names-half",
        "a.onnx",
        "holds the character",
        harmed(metadata("names", r"{0: 'a\ud800b', 1: 'c'}")),
    ),
    Case(
        "sites-deep",
        "a.onnx",
        "'actnas.sites' is not JSON",
        harmed(metadata("actnas.sites", "[" * 90_000)),
        sample=True,
    ),
    Case("sites-list", "a.onnx", "must map tensors", harmed(metadata("actnas.sites", "[1]"))),
    Case("task", "a.onnx", "its task is 'segment'", harmed(metadata("task", "segment"))),
    Case("cut-half", "a.onnx", NO_ONNX, cut(0.5)),
    Case("cut-start", "a.onnx", NO_ONNX, cut(0.01)),
    Case("noise", "a.onnx", NO_ONNX, fixed(bytes(range(256)) * 40)),
    Case("zip", "a.onnx", NO_ONNX, fixed(b"PK\x03\x04" + bytes(200))),
    Case("gzip", "a.onnx", NO_ONNX, lambda c: gzip.compress(graphs.detector().SerializeToString())),
    Case("page", "a.onnx", NO_ONNX, fixed(b"<!doctype html><title>404</title>")),
]
