"""``nn.init`` against PyTorch: the same seed gives the same values."""

from typing import Any

import numpy as np
import pytest

import flambeau
from tests.parity.oracle import torch

SHAPES = {"matrix": (5, 7), "tall": (7, 5), "kernel": (4, 6, 3, 3)}

# The expression; whether values are equal bit for bit, or to some digits (what is computed after drawing).
CASES: dict[str, tuple[str, float]] = {
    "init.uniform_(x, -1.0, 2.0)": ("matrix", 0),
    "init.normal_(x, 1.0, 2.0)": ("matrix", 0),
    "init.constant_(x, 0.3)": ("matrix", 0),
    "init.ones_(x)": ("matrix", 0),
    "init.zeros_(x)": ("matrix", 0),
    "init.eye_(x)": ("matrix", 0),
    "init.dirac_(x)": ("kernel", 0),
    "init.dirac_(x, 2)": ("kernel", 0),
    "init.xavier_uniform_(x, 1.5)": ("kernel", 0),
    "init.xavier_normal_(x)": ("kernel", 0),
    "init.kaiming_uniform_(x, mode='fan_out', nonlinearity='relu')": ("kernel", 0),
    "init.kaiming_uniform_(x, a=5**0.5)": ("matrix", 0),
    "init.kaiming_normal_(x, 0.2)": ("kernel", 0),
    "init.trunc_normal_(x, 0.1, 0.5, -1.0, 0.7)": ("matrix", 0),
    "init.trunc_normal_(x, 0.0, 1.0, 1.5, 3.0)": ("matrix", 0),
    "init.orthogonal_(x, 2.0)": ("matrix", 1e-5),
    "init.orthogonal_(x)": ("tall", 1e-5),
    "init.orthogonal_(x.view(4, -1))": ("kernel", 1e-5),
    "init.sparse_(x, 0.3)": ("matrix", 0),
    "init.kaiming_uniform_(x, generator=generator)": ("matrix", 0),
}


@pytest.mark.parametrize("expression", CASES)
def test_same_seed_same_values(expression: str) -> None:
    shape, tolerance = CASES[expression]
    found = []
    for library in (torch, flambeau):
        library.manual_seed(3)
        x = library.empty(*SHAPES[shape])
        names = {"init": library.nn.init, "x": x, "generator": library.Generator().manual_seed(5)}
        result = eval(expression, names)
        found.append(np.asarray(result.numpy()))
        after = library.rand(1).item()
        found.append(np.float64(after))
    np.testing.assert_allclose(found[2], found[0], rtol=0, atol=tolerance)
    assert found[3] == found[1], "the generator stands elsewhere"


@pytest.mark.parametrize(
    "expression",
    [
        "init.calculate_gain('foo')",
        "init.calculate_gain('leaky_relu', True)",
        "init.eye_(torch.empty(3))",
        "init.dirac_(torch.empty(3, 3))",
        "init.dirac_(torch.empty(3, 3, 3), 2)",
        "init.xavier_uniform_(torch.empty(3))",
        "init.kaiming_uniform_(torch.empty(3, 2), mode='foo')",
        "init.kaiming_uniform_(torch.empty(3, 2), nonlinearity='foo')",
        "init.orthogonal_(torch.empty(3))",
        "init.sparse_(torch.empty(3), 0.1)",
        "init.uniform_(torch.empty(3), 2.0, 1.0)",
        "init.normal_(torch.empty(3), 0.0, -1.0)",
    ],
)
def test_same_refusal(expression: str) -> None:
    errors: list[Any] = []
    for library in (torch, flambeau):
        with pytest.raises((ValueError, RuntimeError), match=r".+") as error:
            eval(expression, {"init": library.nn.init, "torch": library})
        errors.append((type(error.value), str(error.value)))
    assert errors[1] == errors[0]


def test_gains() -> None:
    for name in ("linear", "conv1d", "conv_transpose3d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"):
        assert flambeau.nn.init.calculate_gain(name) == torch.nn.init.calculate_gain(name)
    assert flambeau.nn.init.calculate_gain("leaky_relu", 0.2) == torch.nn.init.calculate_gain("leaky_relu", 0.2)


def test_older_names_warn() -> None:
    older = [name[:-1] for name in dir(torch.nn.init) if name.endswith("_") and not name.startswith("_")]
    older = [name for name in older if hasattr(torch.nn.init, name)]
    assert len(older) == 11
    for name in older:
        assert callable(getattr(flambeau.nn.init, name))
    with pytest.warns(FutureWarning, match="`nn.init.uniform` is now deprecated in favor of `nn.init.uniform_`."):
        flambeau.nn.init.uniform(flambeau.empty(2))


def test_no_elements_is_no_work() -> None:
    with pytest.warns(UserWarning, match="Initializing zero-element tensors is a no-op"):
        flambeau.nn.Linear(0, 3)
    with pytest.warns(UserWarning, match="mean is more than 2 std from"):
        flambeau.nn.init.trunc_normal_(flambeau.empty(3), 10.0)
