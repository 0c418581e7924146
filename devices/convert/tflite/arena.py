"""The activation arena of a TFLite file."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from devices.memory import Buffer, place

_VIEWS = ("RESHAPE",)
_IN_PLACE = (
    "ADD",
    "ELU",
    "EXP",
    "GELU",
    "HARD_SWISH",
    "LEAKY_RELU",
    "LOG",
    "LOGISTIC",
    "MUL",
    "RELU",
    "RELU6",
    "SUB",
    "TANH",
)
_BYTES = {schema.TensorType.INT8: 1, schema.TensorType.INT32: 4, schema.TensorType.FLOAT32: 4}
_NAMES = {code: name for name, code in vars(schema.BuiltinOperator).items() if name.isupper()}


def arena_bytes(content: bytes) -> int:
    """Bytes of the smallest arena that our planner finds for the tensors of one inference.

    As :func:`devices.memory.arena_bytes` counts: views share their input's buffer, an elementwise
    operator writes over an input that nobody reads afterwards, the image and the weights do not
    count.
    """
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    (graph,) = model.subgraphs
    last = {int(i): n for n, operator in enumerate(graph.operators) for i in operator.inputs}
    last |= {int(i): len(graph.operators) for i in graph.outputs}
    owner: dict[int, Buffer] = {}
    buffers: list[Buffer] = []
    for step, operator in enumerate(graph.operators):
        kind = _NAMES[model.operatorCodes[operator.opcodeIndex].builtinCode]
        for index in map(int, operator.outputs):
            size = _size(graph.tensors[index])
            end = last.get(index, step)
            shared = _shared(kind, operator, owner, size=size, step=step)
            if shared is not None:
                shared.last = max(shared.last, end)
                owner[index] = shared
            else:
                owner[index] = Buffer(size, step, end)
                buffers.append(owner[index])
    return place(buffers)


def _shared(
    kind: str, operator: Any, owner: dict[int, Buffer], *, size: int, step: int
) -> Buffer | None:
    """The buffer of an input that the operator may write its result into."""
    if kind not in (*_VIEWS, *_IN_PLACE):
        return None
    for index in np.asarray(operator.inputs).tolist():
        buffer = owner.get(index)
        if buffer is None or buffer.bytes != size:
            continue
        if kind in _VIEWS or buffer.last <= step:
            return buffer
    return None


def _size(tensor: Any) -> int:
    return math.prod(int(size) for size in tensor.shape) * _BYTES[tensor.type]
