"""What of a graph is computed without an image, and what an upload cannot make us compute."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from devices.folding import Constant, evaluate, fold

OPSETS = {"": 17}


def folded(node: onnx.NodeProto, *, most: int = 8, **constants: object) -> Constant | None:
    known = {name: np.asarray(value) for name, value in constants.items()}
    return fold(node, known, {"image": (1, 3, 4, 5)}, opsets=OPSETS, most=most)


@pytest.mark.parametrize(
    ("kind", "inputs", "attributes", "value"),
    [
        ("Shape", ["image"], {}, [1, 3, 4, 5]),
        ("Shape", ["image"], {"start": 1, "end": -1}, [3, 4]),
        ("Shape", ["a"], {}, [2]),
        ("Div", ["a", "b"], {}, [-3, 3]),  # integers are cut off towards zero
        ("Gather", ["a", "b"], {}, [7, 7]),
        ("Cast", ["a"], {"to": onnx.TensorProto.FLOAT}, [-7.0, 7.0]),
        ("Identity", ["a"], {}, [-7, 7]),
        ("Add", ["a", "image"], {}, None),
        ("Sum", ["a", "b"], {}, None),  # no arithmetic of shapes
        ("Expand", ["a", "large"], {}, None),  # would be as large as it says
        ("Tile", ["a", "large"], {}, None),
    ],
)
def test_shape_arithmetic_is_computed(
    kind: str, inputs: list[str], attributes: dict[str, Any], value: list[float] | None
) -> None:
    node = helper.make_node(kind, inputs, ["y"], **attributes)
    found = folded(node, a=[-7, 7], b=[2, 2] if kind == "Div" else [1, 1], large=[10**9])
    assert (found is None) if value is None else (found is not None and found.tolist() == value)


def test_a_large_constant_is_only_handed_on() -> None:
    weights = np.arange(100.0)
    tensor = numpy_helper.from_array(weights)
    written = folded(helper.make_node("Constant", [], ["y"], value=tensor))
    renamed = folded(helper.make_node("Identity", ["w"], ["y"]), w=weights)
    for found in (written, renamed):
        np.testing.assert_array_equal(found, weights)
    assert folded(helper.make_node("Neg", ["w"], ["y"]), w=weights) is None
    assert folded(helper.make_node("Neg", ["w"], ["y"]), w=weights, most=100) is not None


def test_an_operator_of_another_domain_is_not_ours() -> None:
    node = helper.make_node("Add", ["a", "a"], ["y"], domain="somebody.else")
    assert folded(node, a=[1]) is None


def test_whatever_is_constant_can_be_computed_where_the_graph_is_ours() -> None:
    node = helper.make_node("Expand", ["a", "shape"], ["y"])
    known = {"a": np.asarray([2.0]), "shape": np.asarray([3, 2])}
    (found,) = evaluate(node, known, {}, opsets=OPSETS) or []
    assert found.tolist() == [[2.0, 2.0]] * 3
    assert evaluate(node, {"a": known["a"]}, {}, opsets=OPSETS) is None
