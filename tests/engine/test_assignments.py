from __future__ import annotations

import pytest

from devices.assignment import Assignment
from engine import assignments
from engine.errors import BadSearch

ORIGINAL = Assignment.uniform(["a", "b", "c"], "silu")


def test_it_comes_back_in_the_models_order() -> None:
    mix = Assignment((("c", "relu"), ("a", "silu"), ("b", "mish")))
    fitted = assignments.fitted(mix, ORIGINAL)
    assert fitted.choices == (("a", "silu"), ("b", "mish"), ("c", "relu"))


def test_sites_of_one_topmost_module_are_a_block() -> None:
    sites = ["model.0.act", "model.2.cv1.act", "model.2.m.0.cv1.act", "model.12.act", "stem"]
    assert assignments.blocks(sites) == (
        ("model.0.act",),
        ("model.2.cv1.act", "model.2.m.0.cv1.act"),
        ("model.12.act",),
    )
    tensors = ["/model.2/act/Mul_output_0", "/model.2/m.0/act/Mul_output_0", "/model.3/Mul_1"]
    assert assignments.blocks(tensors) == (tuple(tensors[:2]), (tensors[2],))


@pytest.mark.parametrize(
    ("sites", "message"),
    [
        (["a", "b"], r"'c' is only in the model \(2 and 3 sites\)"),
        (["a", "b", "c", "e", "d"], r"'e' is only in the assignment \(5 and 3 sites\)"),
        (["a", "x", "y"], r"'x' is only in the assignment, 'b' is only in the model"),
    ],
)
def test_the_first_site_that_differs_is_named(sites: list[str], message: str) -> None:
    with pytest.raises(BadSearch, match=message):
        assignments.fitted(Assignment.uniform(sites, "relu"), ORIGINAL)
