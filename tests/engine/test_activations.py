from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from devices import activations as catalog
from devices.errors import BadRequest
from engine import activations


@pytest.mark.parametrize("name", catalog.NAMES)
def test_module_computes_the_catalogs_formula(name: str) -> None:
    x = np.linspace(-12, 12, 4801, dtype=np.float32)
    got = activations.module(name)(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(got, catalog.get(name).function(x), atol=2e-6, rtol=2e-6)


@pytest.mark.parametrize("name", catalog.NAMES)
def test_name_of_knows_every_module_of_ours(name: str) -> None:
    assert activations.name_of(activations.module(name)) == name
    assert activations.is_activation(activations.module(name))


@pytest.mark.parametrize(
    "other",
    [nn.LeakyReLU(0.01), nn.ELU(0.5), nn.GELU(approximate="tanh"), nn.PReLU(), nn.Softplus()],
    ids=lambda module: str(module),
)
def test_other_constants_or_functions_have_no_name(other: nn.Module) -> None:
    assert activations.is_activation(other)
    assert activations.name_of(other) is None


@pytest.mark.parametrize("gate", [nn.Sigmoid(), nn.Softmax(1), nn.Identity(), nn.Conv2d(1, 1, 1)])
def test_gates_and_plain_identity_are_no_activations(gate: nn.Module) -> None:
    assert not activations.is_activation(gate)


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(BadRequest, match=r"unknown activation 'swish'; known: relu, relu6"):
        activations.module("swish")
