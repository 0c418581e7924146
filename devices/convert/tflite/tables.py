"""The same TFLite file with SiLU as one table operator instead of two."""

from __future__ import annotations

from collections import Counter

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from devices.convert.tflite.activations import TABLE_STAND_IN
from devices.convert.tflite.writer import code_of, packed


def silu_as_table(content: bytes) -> bytes:
    """``content`` with every x * LOGISTIC(x) replaced by one table operator; for costs only.

    Any table costs the same, so HARD_SWISH stands for the SiLU that TFLite lacks: this is what the
    TOSA route, which has a general table operator, would cost. The input is returned unchanged
    where it holds no such pair.
    """
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    kinds = [code.builtinCode for code in model.operatorCodes]
    reads = Counter(int(i) for operator in graph.operators for i in operator.inputs)
    gates = {
        int(operator.outputs[0]): operator
        for operator in graph.operators
        if kinds[operator.opcodeIndex] == schema.BuiltinOperator.LOGISTIC
        and reads[int(operator.outputs[0])] == 1
    }
    replaced = []
    for operator in graph.operators:
        if kinds[operator.opcodeIndex] != schema.BuiltinOperator.MUL:
            continue
        x, gate = (int(i) for i in operator.inputs)
        if gate in gates and int(gates[gate].inputs[0]) == x:
            operator.opcodeIndex = code_of(model, TABLE_STAND_IN)
            operator.inputs = np.array([x], np.int32)
            operator.builtinOptions, operator.builtinOptionsType = None, 0
            replaced.append(gates[gate])
    if not replaced:
        return content
    graph.operators = [o for o in graph.operators if not any(o is gate for gate in replaced)]
    return packed(model)
