"""What an ONNX file from a stranger must not contain."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, defs

from devices.errors import BadRequest
from devices.graph_basics import image_input, label, opset

MAX_BYTES = 1 << 30
MAX_NODES = 20_000
MAX_ELEMENTS = 1 << 28  # of one tensor: 1 GiB of float32
MAX_IMAGE_SIDE = 4096
MAX_DEPTH = 4  # of graphs in graphs
_DOMAINS = ("", "ai.onnx")
_REPEATS = frozenset({"Loop", "Scan", "SequenceMap"})  # as often as the file likes

# Types of weights -> bytes a number, and the field that holds them where raw_data does not.
_TYPES: dict[int, tuple[int, str]] = {
    TensorProto.FLOAT: (4, "float_data"),
    TensorProto.DOUBLE: (8, "double_data"),
    TensorProto.INT64: (8, "int64_data"),
    TensorProto.UINT64: (8, "uint64_data"),
    TensorProto.UINT32: (4, "uint64_data"),
    TensorProto.INT32: (4, "int32_data"),
    **dict.fromkeys((TensorProto.INT16, TensorProto.UINT16), (2, "int32_data")),
    **dict.fromkeys((TensorProto.FLOAT16, TensorProto.BFLOAT16), (2, "int32_data")),
    **dict.fromkeys((TensorProto.INT8, TensorProto.UINT8, TensorProto.BOOL), (1, "int32_data")),
}


def check_untrusted(source: onnx.ModelProto | Path) -> onnx.ModelProto:
    """The model, if it can be handed to a runtime; nothing outside the file is read.

    Raises:
        BadRequest: not ONNX, too large, external data, an operator outside the standard set, local
            functions, loops, huge tensors or ones without their numbers, a graph with cycles or
            loose ends, or an input that is no float32 image of fixed size.
    """
    model = source if isinstance(source, onnx.ModelProto) else _read(source)
    if not model.graph.node:
        raise BadRequest("the ONNX file holds no graph")
    version = opset(model)
    if version > defs.onnx_opset_version():
        raise BadRequest(
            f"ONNX opset {version} is newer than {defs.onnx_opset_version()}, the newest known here"
        )
    if model.functions:
        raise BadRequest(
            f"the ONNX file defines the function {model.functions[0].name!r}; "
            "export it with functions inlined"
        )
    _check_graph(model.graph, version)
    image = image_input(model)
    if max(image.shape[2:]) > MAX_IMAGE_SIDE:
        raise BadRequest(
            f"the image input is {list(image.shape)}; sides up to {MAX_IMAGE_SIDE} are accepted"
        )
    _check_wiring(model.graph, frozenset())
    return model


def _read(path: Path) -> onnx.ModelProto:
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise BadRequest(f"{path.name}: {size >> 20} MiB; ONNX files up to {MAX_BYTES >> 20} MiB")
    try:
        return onnx.load(path, load_external_data=False)
    except (DecodeError, ValueError) as error:
        raise BadRequest(f"{path.name} is no ONNX file: {error}") from None


def _check_graph(root: onnx.GraphProto, version: int) -> None:
    nodes = 0
    for graph in _graphs(root):
        nodes += len(graph.node)
        if nodes > MAX_NODES:
            raise BadRequest(f"the ONNX graph has over {MAX_NODES} nodes")
        for node in graph.node:
            _check_node(node, version)
        for tensor in _tensors(graph):
            _check_tensor(tensor)
        for value in (*graph.input, *graph.output, *graph.value_info):
            dims = [d.dim_value for d in value.type.tensor_type.shape.dim]
            _check_dims(value.name, dims)


def _check_node(node: onnx.NodeProto, version: int) -> None:
    if not any(node.output):
        raise BadRequest(f"node {node.name!r} ({node.op_type}) of the ONNX graph puts out nothing")
    if node.domain not in _DOMAINS:
        raise BadRequest(
            f"operator {node.domain}:{node.op_type} of node {node.name!r} is not in the "
            "standard ONNX set; export without custom operators"
        )
    if node.op_type in _REPEATS:
        raise BadRequest(
            f"operator {node.op_type} of node {label(node)!r} repeats a part of the graph, as no "
            "detector needs to; export without NMS"
        )
    if not _is_known(node.op_type, version):
        raise BadRequest(
            f"operator {node.op_type} of node {label(node)!r} is not in the standard ONNX set of "
            f"opset {version}"
        )


@cache
def _is_known(operator: str, version: int) -> bool:
    try:
        schema = defs.get_schema(operator, max_inclusive_version=version)
    except defs.SchemaError:
        return False
    return not schema.deprecated


def _check_tensor(tensor: onnx.TensorProto) -> None:
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        raise BadRequest(
            f"tensor {tensor.name!r} lies in another file (external data); "
            "save the model as one file"
        )
    _check_dims(tensor.name, list(tensor.dims))
    if tensor.data_type not in _TYPES:
        raise BadRequest(
            f"tensor {tensor.name!r} has data type {tensor.data_type}; accepted: "
            f"{', '.join(TensorProto.DataType.Name(kind) for kind in sorted(_TYPES))}"
        )
    width, field = _TYPES[tensor.data_type]
    needed = math.prod(tensor.dims)
    if tensor.HasField("raw_data"):
        whole = len(tensor.raw_data) == needed * width
    else:
        whole = len(getattr(tensor, field)) == needed
    if not whole:
        raise BadRequest(
            f"tensor {tensor.name!r} does not hold the {needed} numbers of its shape "
            f"{list(tensor.dims)}"
        )


def _check_dims(name: str, dims: list[int]) -> None:
    if any(d < 0 for d in dims) or math.prod(d or 1 for d in dims) > MAX_ELEMENTS:
        raise BadRequest(f"tensor {name!r} has shape {dims}; at most {MAX_ELEMENTS} elements")


def _check_wiring(graph: onnx.GraphProto, around: frozenset[str]) -> None:
    """Every tensor is made once, before it is used: so there is no cycle and no loose end."""
    weights = {tensor.name for tensor in graph.initializer}
    weights |= {sparse.values.name for sparse in graph.sparse_initializer}
    made = {value.name for value in graph.input} | weights
    for node in graph.node:
        for name in node.input:
            if name and name not in made and name not in around:
                raise BadRequest(
                    f"the ONNX graph does not hang together: node {label(node)!r} reads {name!r}, "
                    "which nothing before it makes"
                )
        for inner in _inner(node):
            _check_wiring(inner, around | made)
        for name in node.output:
            if name and name in made:
                raise BadRequest(f"the ONNX graph does not hang together: {name!r} is made twice")
            made.add(name)
    for value in graph.output:
        if value.name not in made and value.name not in around:
            raise BadRequest(
                f"the ONNX graph does not hang together: nothing makes its output {value.name!r}"
            )


def _inner(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _graphs(graph: onnx.GraphProto, depth: int = 0) -> Iterator[onnx.GraphProto]:
    if depth > MAX_DEPTH:
        raise BadRequest(f"the ONNX file nests graphs more than {MAX_DEPTH} deep")
    yield graph
    for node in graph.node:
        for inner in _inner(node):
            yield from _graphs(inner, depth + 1)


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            if attribute.HasField("sparse_tensor"):
                yield from (attribute.sparse_tensor.values, attribute.sparse_tensor.indices)
            for sparse in attribute.sparse_tensors:
                yield from (sparse.values, sparse.indices)
