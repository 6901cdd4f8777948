"""Parametrizations, normed weights and pruning without PyTorch: golden keys and values, and the promises."""

import copy
from typing import Any

import pytest

import flambeau as torch
from flambeau.nn.utils import parametrizations, parametrize, prune


class Doubled(torch.nn.Module):
    """Twice what it is given."""

    def forward(self, x: Any) -> Any:
        return 2 * x

    def right_inverse(self, x: Any) -> Any:
        return x / 2


def linear() -> Any:
    layer = torch.nn.Linear(2, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[3.0, 4.0], [0.0, 2.0]]))
        layer.bias.zero_()
    return layer


def test_a_parametrized_weight() -> None:
    layer = parametrize.register_parametrization(linear(), "weight", Doubled())
    assert type(layer).__name__ == "ParametrizedLinear"
    assert list(layer.state_dict()) == ["bias", "parametrizations.weight.original"]
    assert layer.parametrizations.weight.original.tolist() == [[1.5, 2.0], [0.0, 1.0]]
    assert layer.weight.tolist() == [[3.0, 4.0], [0.0, 2.0]]
    assert layer(torch.ones(1, 2)).tolist() == [[7.0, 2.0]]
    assert parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False) is layer
    assert layer.weight.tolist() == [[1.5, 2.0], [0.0, 1.0]]
    assert type(layer) is torch.nn.Linear


WEIGHTS: dict[str, Any] = {
    "weight_norm": (parametrizations.weight_norm, ["bias", "parametrizations.weight.original0",
                                                   "parametrizations.weight.original1"]),
    "spectral_norm": (parametrizations.spectral_norm, ["bias", "parametrizations.weight.original",
                                                       "parametrizations.weight.0._u", "parametrizations.weight.0._v"]),
    "orthogonal": (parametrizations.orthogonal, ["bias", "parametrizations.weight.original",
                                                 "parametrizations.weight.0.base"]),
    "older spectral_norm": (torch.nn.utils.spectral_norm, ["bias", "weight_orig", "weight_u", "weight_v"]),
    "prune": (lambda layer: prune.l1_unstructured(layer, "weight", 1), ["bias", "weight_orig", "weight_mask"]),
}  # fmt: skip


@pytest.mark.parametrize("name", WEIGHTS)
def test_keys(name: str) -> None:
    function, keys = WEIGHTS[name]
    assert list(function(linear()).state_dict()) == keys


def test_values() -> None:
    def near(found: Any, expected: Any) -> None:
        torch.testing.assert_close(found.detach(), torch.tensor(expected), rtol=1e-4, atol=1e-4)

    layer = parametrizations.weight_norm(linear())
    near(layer.parametrizations.weight.original0, [[5.0], [2.0]])
    with torch.no_grad():
        layer.parametrizations.weight.original0.fill_(10.0)
    near(layer.weight, [[6.0, 8.0], [0.0, 10.0]])
    near(torch.linalg.matrix_norm(parametrizations.spectral_norm(linear()).weight, 2), 1.0)
    near(parametrizations.orthogonal(linear()).weight, [[1.0, 0.0], [0.0, 1.0]])
    near(prune.ln_structured(linear(), "weight", 1, n=2, dim=0).weight, [[3.0, 4.0], [0.0, 0.0]])
    near(prune.l1_unstructured(linear(), "weight", 0.75).weight, [[0.0, 4.0], [0.0, 0.0]])


def test_removing_from_a_copy_leaves_the_module_parametrized() -> None:
    layer = parametrize.register_parametrization(linear(), "weight", Doubled())
    parametrize.remove_parametrizations(copy.deepcopy(layer), "weight")
    assert parametrize.is_parametrized(layer, "weight")
    assert layer.weight.tolist() == [[3.0, 4.0], [0.0, 2.0]]


def test_layers_without_values_can_be_parametrized() -> None:
    with torch.device("meta"):
        layer = torch.nn.Linear(2, 2)
    assert parametrizations.weight_norm(layer).weight.is_meta
