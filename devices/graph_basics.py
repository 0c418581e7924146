"""What every reader of an ONNX detector asks first."""

from __future__ import annotations

from dataclasses import dataclass

import onnx

from devices.errors import BadRequest

MINIMUM_OPSET = 11  # Clip takes its bounds as inputs from here on


def opset(model: onnx.ModelProto) -> int:
    """The version of the default operator set.

    Raises:
        BadRequest: there is none, or it is older than the forms that we write.
    """
    for entry in model.opset_import:
        if entry.domain in ("", "ai.onnx"):
            if entry.version < MINIMUM_OPSET:
                raise BadRequest(
                    f"ONNX opset {entry.version} is too old; export with {MINIMUM_OPSET} or newer"
                )
            return int(entry.version)
    raise BadRequest("the ONNX file imports no default operator set")


def label(node: onnx.NodeProto) -> str:
    """The node's name, or its first output where it has none."""
    return str(node.name or node.output[0])


def name_nodes(graph: onnx.GraphProto) -> None:
    """Gives each node a name of its own where it has none, or another node's."""
    taken: set[str] = set()
    for node in graph.node:
        if not node.name or node.name in taken:
            node.name = f"{node.op_type}:{node.output[0]}"
        taken.add(node.name)


@dataclass(frozen=True)
class ImageInput:
    """The image that a detector takes: tensor name and shape [1, 3, h, w]."""

    name: str
    shape: tuple[int, ...]


def image_input(model: onnx.ModelProto) -> ImageInput:
    """The one input of a detector.

    Raises:
        BadRequest: not exactly one input, not float32, or not a fixed [1, 3, h, w].
    """
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    if len(inputs) != 1:
        raise BadRequest(f"the ONNX file has {len(inputs)} inputs; a detector has one image input")
    kind = inputs[0].type.tensor_type
    shape = tuple(int(d.dim_value) for d in kind.shape.dim)
    if kind.elem_type != onnx.TensorProto.FLOAT or len(shape) != 4 or shape[:2] != (1, 3):
        known = onnx.TensorProto.DataType.DESCRIPTOR.values_by_number
        name = (
            known[kind.elem_type].name if kind.elem_type in known else f"of type {kind.elem_type}"
        )
        raise BadRequest(
            f"input {inputs[0].name!r} is {name} "
            f"{list(shape)}; float32 [1, 3, height, width] of fixed size is needed"
        )
    if min(shape) < 1:
        raise BadRequest(
            f"input {inputs[0].name!r} is {list(shape)}; export with a fixed image size"
        )
    return ImageInput(str(inputs[0].name), shape)
