"""What an ONNX file from a stranger must not contain."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from devices.errors import BadRequest
from devices.graph_basics import image_input, opset

MAX_BYTES = 1 << 30
MAX_NODES = 20_000
MAX_ELEMENTS = 1 << 28  # of one tensor: 1 GiB of float32
MAX_IMAGE_SIDE = 4096
_DOMAINS = ("", "ai.onnx")


def check_untrusted(source: onnx.ModelProto | Path) -> onnx.ModelProto:
    """The model, if it can be handed to a runtime; nothing outside the file is read.

    Raises:
        BadRequest: not ONNX, too large, external data, an operator outside the standard set, local
            functions, huge tensors, or an input that is no float32 image of fixed size.
    """
    model = source if isinstance(source, onnx.ModelProto) else _read(source)
    if not model.graph.node:
        raise BadRequest("the ONNX file holds no graph")
    opset(model)
    if model.functions:
        raise BadRequest(
            f"the ONNX file defines the function {model.functions[0].name!r}; "
            "export it with functions inlined"
        )
    _check_graph(model.graph)
    image = image_input(model)
    if max(image.shape[2:]) > MAX_IMAGE_SIDE:
        raise BadRequest(
            f"the image input is {list(image.shape)}; sides up to {MAX_IMAGE_SIDE} are accepted"
        )
    return model


def _read(path: Path) -> onnx.ModelProto:
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise BadRequest(f"{path.name}: {size >> 20} MiB; ONNX files up to {MAX_BYTES >> 20} MiB")
    try:
        return onnx.load(path, load_external_data=False)
    except (DecodeError, ValueError) as error:
        raise BadRequest(f"{path.name} is no ONNX file: {error}") from None


def _check_graph(root: onnx.GraphProto) -> None:
    nodes = 0
    for graph in _graphs(root):
        nodes += len(graph.node)
        if nodes > MAX_NODES:
            raise BadRequest(f"the ONNX graph has over {MAX_NODES} nodes")
        for node in graph.node:
            if node.domain not in _DOMAINS:
                raise BadRequest(
                    f"operator {node.domain}:{node.op_type} of node {node.name!r} is not in the "
                    "standard ONNX set; export without custom operators"
                )
        for tensor in _tensors(graph):
            _check_tensor(tensor)
        for value in (*graph.input, *graph.output, *graph.value_info):
            dims = [d.dim_value for d in value.type.tensor_type.shape.dim]
            _check_dims(value.name, dims)


def _check_tensor(tensor: onnx.TensorProto) -> None:
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        raise BadRequest(
            f"tensor {tensor.name!r} lies in another file (external data); "
            "save the model as one file"
        )
    _check_dims(tensor.name, list(tensor.dims))


def _check_dims(name: str, dims: list[int]) -> None:
    if any(d < 0 for d in dims) or math.prod(d or 1 for d in dims) > MAX_ELEMENTS:
        raise BadRequest(f"tensor {name!r} has shape {dims}; at most {MAX_ELEMENTS} elements")


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                if inner.node or inner.initializer or inner.output:
                    yield from _graphs(inner)


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
