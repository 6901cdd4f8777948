"""Random tensors, by golden numbers of PyTorch's CPU generator."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau.tensors import random

# Drawn by PyTorch 2.13 after manual_seed(0).
GOLDEN: dict[str, tuple[Callable[[], Any], list[float]]] = {
    "rand": (lambda: random.rand(3), [0.49625658988952637, 0.7682217955589294, 0.08847743272781372]),
    "randn": (lambda: random.randn(2), [1.5409960746765137, -0.293428897857666]),
    "randint": (lambda: random.randint(10, (5,)), [4, 9, 3, 0, 3]),
    "randperm": (lambda: random.randperm(5), [4, 0, 1, 3, 2]),
    "uniform_": (lambda: torch.zeros(1).uniform_(-1, 1), [-0.007486820220947266]),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_numbers(name: str) -> None:
    draw, expected = GOLDEN[name]
    random.manual_seed(0)
    np.testing.assert_allclose(draw().tolist(), expected, rtol=2e-7)


def test_a_state_can_be_kept_and_put_back() -> None:
    state = random.get_rng_state()
    first = random.randn(5).tolist()
    random.set_rng_state(state)
    assert random.randn(5).tolist() == first
    assert (state.shape, str(state.dtype)) == ((5056,), "torch.uint8")
    with random.fork_rng():
        second = random.rand(2).tolist()
    assert random.rand(2).tolist() == second


def test_draws_happen_in_the_order_of_the_calls() -> None:
    random.manual_seed(1)
    first, second = random.rand(1), random.rand(1)
    later = second.item(), first.item()
    random.manual_seed(1)
    assert (random.rand(1).item(), random.rand(1).item()) == later[::-1]


def test_a_seed_is_no_text() -> None:
    with pytest.raises(ValueError, match="invalid literal for int"):
        random.manual_seed("a")
