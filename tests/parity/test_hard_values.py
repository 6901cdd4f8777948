"""Infinities, NaN, zeros, poles and edges beside PyTorch, in every floating type; and what is refused."""

from itertools import product
from typing import Any

import pytest

import flambeau
from tests.parity.oracle import compare, torch
from tests.parity.outcomes import outcome
from tests.tensors.test_hard_values import CASES, evaluated

TYPES = ("float64", "float32", "bfloat16")
WIDE = {"zeta"}  # which PyTorch has for 32 and 64 bits only


@pytest.mark.parametrize(
    ("name", "kind"), [case for case in product(CASES, TYPES) if case not in product(WIDE, TYPES[2:])]
)
def test_value_and_gradients(name: str, kind: str) -> None:
    expression, numbers, *_ = CASES[name]
    both: list[list[Any]] = []
    for library in (flambeau, torch):
        dtype = getattr(library, kind)
        inputs = [library.tensor(item, dtype=dtype, requires_grad=True) for item in numbers]
        result, gradients = evaluated(library, expression, inputs)
        both.append([result, *gradients])
    compare(*both)


TWO = (
    "maximum minimum fmax fmin hypot logaddexp logaddexp2 xlogy atan2 remainder fmod floor_divide heaviside copysign "
    "nextafter gcd lcm bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift lt le gt ge igamma "
    "igammac pow ldexp"
).split()
ONE = (
    "erf erfc erfinv lgamma digamma logit relu abs sign sgn floor ceil round trunc frac deg2rad rad2deg i0 isneginf "
    "isposinf signbit bitwise_not square"
).split()
OTHERS = """
x.clamp(x, x)
x.clamp(0, 1)
T.polygamma(1, x)
T.polygamma(2, x)
T.div(x, x, rounding_mode='floor')
T.div(x, x, rounding_mode='trunc')
"""
EXPRESSIONS = [f"T.{name}(x, x)" for name in TWO] + [f"T.{name}(x)" for name in ONE] + OTHERS.strip().splitlines()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_types(expression: str) -> None:
    """Every class of types is taken, with a result of the same type, or refused, in PyTorch's words."""
    for kind in ("bool", "uint8", "int64", "float32", "bfloat16", "complex64"):

        def run(T: Any, kind: str = kind) -> Any:
            return eval(expression, {"T": T, "x": T.ones(2, dtype=getattr(T, kind))}).dtype

        found, expected = outcome(flambeau, run)[0], outcome(torch, run)[0]
        assert found == expected, f"{kind}\nfound    {found}\nexpected {expected}"


REFUSED_GRADIENTS = """
T.floor_divide(x, 2)
T.floor_divide(x, x)
3 // x
T.heaviside(x, x)
T.igamma(x, y)
T.igammac(x, y)
T.special.gammainc(x, y)
T.special.zeta(x, y)
"""


@pytest.mark.parametrize("expression", REFUSED_GRADIENTS.strip().splitlines())
def test_gradients_that_pytorch_refuses(expression: str) -> None:
    def run(T: Any) -> Any:
        x, y = T.tensor([1.5], requires_grad=True), T.tensor([2.5])
        result = eval(expression, {"T": T, "x": x, "y": y})
        assert result.requires_grad
        names = type(result.grad_fn).__name__ if T is torch else result.grad_fn.name()
        return names, result.sum().backward()

    found, expected = outcome(flambeau, run), outcome(torch, run)
    assert found == expected
    assert "is not implemented" in found[0]
