"""What an ONNX detector says about itself, and what it must say after a swap."""

from __future__ import annotations

import ast
from dataclasses import dataclass

import onnx

from devices import graph
from devices.assignment import Assignment
from engine.allowed import HEADS, OTHER_TASKS
from engine.errors import BadModel

__all__ = ["OnnxFacts", "read", "swapped"]

MAX_METADATA = 2**20
MAX_CLASSES = 2000


@dataclass(frozen=True)
class OnnxFacts:
    """Class names, family and input side of an ONNX detector."""

    names: dict[int, str]
    family: str
    imgsz: int


def read(model: onnx.ModelProto, file: str) -> OnnxFacts:
    """The facts of ``model``: one square RGB image in, one tensor of detections out.

    Output is ultralytics' [1, 4 + classes, anchors], or [1, detections, 6] of a model without NMS.

    Raises:
        BadModel: other inputs or outputs, or metadata that is no plain data.
    """
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    _check_task(metadata, file)
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    if len(inputs) != 1 or len(model.graph.output) != 1:
        raise BadModel(
            f"{file} has {len(inputs)} inputs and {len(model.graph.output)} outputs; expected one "
            "image in and one tensor out, as ultralytics exports a detector without NMS"
        )
    shape = _shape(inputs[0])
    if len(shape) != 4 or shape[:2] != (1, 3) or shape[2] != shape[3] or not 32 <= shape[2] <= 2048:
        raise BadModel(
            f"{file} takes {list(shape)}; expected [1, 3, s, s] with fixed s of 32 to 2048"
        )
    out = _shape(model.graph.output[0])
    names = _names(metadata.get("names"), file)
    if len(out) != 3 or out[0] not in (0, 1):
        raise BadModel(f"{file} puts out {list(out)}; expected [1, 4 + classes, anchors]")
    if out[2] != 6:
        classes = out[1] - 4
        if not 1 <= classes <= MAX_CLASSES:
            raise BadModel(f"{file} puts out {list(out)}; expected [1, 4 + classes, anchors]")
        if names and len(names) != classes:
            raise BadModel(f"{file} names {len(names)} classes but puts out {classes}")
        names = names or {index: str(index) for index in range(classes)}
    elif not names:
        raise BadModel(f'{file} names no classes; its metadata needs an entry "names"')
    return OnnxFacts(names, metadata.get("actnas.family", "custom YOLO")[:80], shape[2])


def swapped(model: onnx.ModelProto, assignment: Assignment) -> onnx.ModelProto:
    """A copy of ``model`` that runs ``assignment``, and whose metadata say so if they spoke of one.

    Raises:
        devices.errors.BadRequest: the graph has no such site.
    """
    copy = graph.swap(model, assignment.mapping)
    for entry in copy.metadata_props:
        if entry.key == "actnas.assignment":
            entry.value = assignment.to_json()
    return copy


def _check_task(metadata: dict[str, str], file: str) -> None:
    """What ultralytics' exporter says of task and head; other exporters say nothing."""
    task, head = metadata.get("task", "detect"), metadata.get("head", "")
    if task != "detect":
        raise BadModel(f"{file} is no detection model: its task is {task[:40]!r}")
    if head in OTHER_TASKS:
        raise BadModel(
            f"{file} is no detection model: its head is {head}, for {OTHER_TASKS[head]}; "
            f"accepted heads: {', '.join(HEADS)}"
        )


def _shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    return tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)


def _names(text: str | None, file: str) -> dict[int, str]:
    if text is None:
        return {}
    try:
        names = ast.literal_eval(text) if len(text) <= MAX_METADATA else None
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        names = None
    if not isinstance(names, dict) or sorted(names, key=str) != sorted(range(len(names)), key=str):
        raise BadModel(f"{file}: metadata names must map 0, 1, 2 ... to class names")
    return {index: str(names[index])[:200] for index in range(len(names))}
