"""A TFLite file in the making: tensors, buffers and operators, then bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from devices.convert.tflite.quantisation import Quantisation

_FILE_ID = b"TFL3"
_VERSION = 3
_VERSIONS = {"TRANSPOSE_CONV": 3}  # the first that takes a bias
_TYPES = {
    "int8": schema.TensorType.INT8,
    "int32": schema.TensorType.INT32,
    "float32": schema.TensorType.FLOAT32,
}


class Writer:
    """Collects one subgraph. Tensors and operators are known by their index."""

    def __init__(self, precision: str) -> None:
        self._graph = schema.SubGraphT()
        self._graph.name = b"main"
        self._graph.tensors, self._graph.operators = [], []
        self._model = schema.ModelT()
        self._model.version = _VERSION
        self._model.description = f"{precision}, from ONNX".encode()
        self._model.subgraphs = [self._graph]
        self._model.operatorCodes = []
        self._model.buffers = [schema.BufferT()]  # the format reserves buffer 0 for "no data"

    def feature_map(
        self, name: str, shape: Sequence[int], quantisation: Quantisation | None
    ) -> int:
        """A tensor that an operator computes: int8, or float32 without ``quantisation``."""
        if quantisation is None:
            return self._tensor(name, shape, "float32", 0, None, 0, 0)
        scales = np.array([quantisation.scale], np.float32)
        return self._tensor(name, shape, "int8", 0, scales, quantisation.zero_point, 0)

    def constant(
        self,
        name: str,
        values: NDArray[Any],
        *,
        scales: NDArray[np.float32] | None = None,
        zero_point: int = 0,
        axis: int = 0,
    ) -> int:
        """A tensor with values; ``scales`` of int8 has one entry, or one per ``axis``."""
        buffer = self._buffer(np.ascontiguousarray(values).tobytes())
        return self._tensor(name, values.shape, values.dtype.name, buffer, scales, zero_point, axis)

    def shape(self, index: int) -> tuple[int, ...]:
        """The shape of a tensor."""
        return tuple(int(size) for size in self._graph.tensors[index].shape)

    def operator(
        self, kind: str, inputs: Sequence[int], outputs: Sequence[int], options: Any = None
    ) -> None:
        """Appends the builtin operator ``kind``, e.g. CONV_2D, with its options object."""
        operator = schema.OperatorT()
        operator.opcodeIndex = code_of(self._model, kind)
        operator.inputs = np.array(inputs, np.int32)
        operator.outputs = np.array(outputs, np.int32)
        if options is not None:
            union = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, union)
            operator.builtinOptions = options
        self._graph.operators.append(operator)

    def finish(
        self, inputs: Sequence[int], outputs: Sequence[int], metadata: Mapping[str, bytes]
    ) -> bytes:
        """The file's content. ``metadata`` travels in it for other readers than TFLite."""
        self._graph.inputs = np.array(inputs, np.int32)
        self._graph.outputs = np.array(outputs, np.int32)
        self._model.metadata = []
        for name, value in metadata.items():
            entry = schema.MetadataT()
            entry.name, entry.buffer = name.encode(), self._buffer(value)
            self._model.metadata.append(entry)
        return packed(self._model)

    def _buffer(self, content: bytes) -> int:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(content, np.uint8)
        self._model.buffers.append(buffer)
        return len(self._model.buffers) - 1

    def _tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: str,
        buffer: int,
        scales: NDArray[np.float32] | None,
        zero_point: int,
        axis: int,
    ) -> int:
        tensor = schema.TensorT()
        tensor.name = name.encode()
        tensor.shape = np.array(shape, np.int32)
        tensor.type = _TYPES[dtype]
        tensor.buffer = buffer
        if scales is not None:
            parameters = schema.QuantizationParametersT()
            parameters.scale = scales.astype(np.float32)
            parameters.zeroPoint = np.full(len(scales), zero_point, np.int64)
            parameters.quantizedDimension = axis
            tensor.quantization = parameters
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1


def code_of(model: schema.ModelT, kind: str) -> int:
    """The index of the builtin operator ``kind`` in the model's list, which it joins if needed."""
    builtin = getattr(schema.BuiltinOperator, kind)
    for index, known in enumerate(model.operatorCodes):
        if known.builtinCode == builtin:
            return index
    code = schema.OperatorCodeT()
    code.builtinCode = builtin
    code.deprecatedBuiltinCode = min(builtin, 127)  # what readers of old files look at
    code.version = _VERSIONS.get(kind, 1)
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def packed(model: schema.ModelT) -> bytes:
    """``model`` as the bytes of a .tflite file."""
    builder = flatbuffers.Builder(1 << 22)
    builder.Finish(model.Pack(builder), _FILE_ID)
    return bytes(builder.Output())
