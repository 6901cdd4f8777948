"""The functions of the module against PyTorch: that they are all there, and those that are no plain method."""

from importlib import import_module
from typing import Any

import numpy as np
import pytest

import flambeau
from flambeau.tensors.tensor import Tensor
from tests.parity.failures import same_error
from tests.parity.oracle import check, torch

X = np.array([[0.5, -1.25, 2.0], [0.1, 3.0, -0.7]], np.float32)
Y = np.array([[1.5, 0.25, -2.0], [1.1, -3.0, 0.3]], np.float32)
K = np.array([[12, 18, 3], [-4, 5, 0]])
N = np.array([0.5, np.nan, np.inf, -np.inf], np.float32)
Z = np.array([1 + 2j, -3j, 0, -1], np.complex64)

FAMILIES = ("indexing", "joining", "matmul", "movement", "pointwise", "reduction", "sorting", "types")
FUNCTIONS = {name: family for family in FAMILIES for name in import_module(f"flambeau.functions.{family}").__all__}

# Names of the tape and of devices, which are other modules' business.
ELSEWHERE = {"detach", "detach_", "get_device", "is_inference", "layout"}

CASES: dict[str, tuple[Any, ...]] = {
    "numbers first": (lambda t, x: [t.add(1, x), t.sub(1, x, alpha=2), t.mul(2.0, x), t.div(1, x * x + 1)], X),
    "two numbers": (lambda t, x: [t.mul(2, 3), t.add(1.5, 2), t.sum(x)], X),
    "pow": (lambda t, x: [t.pow(2, x), t.pow(x, 2), t.pow(x * x, x), t.float_power(x, 2)], X),
    "rsub": (lambda t, x: [t.rsub(x, 1), t.rsub(x, x * 2, alpha=3)], X),
    "aliases": (lambda t, x: [t.absolute(x), t.negative(x), t.subtract(x, 1), t.multiply(x, x), t.true_divide(x, 2),
                              t.arctan(x), t.greater(x, 0), t.clip(x, 0, 1), t.fix(x)], X),
    "in place": (lambda t, x: [t.relu_(x * 1), t.neg_(x * 1), t.sigmoid_(x * 1), t.clamp_(x * 1, 0, 1)], X),
    "copysign": (lambda t, x, y: [t.copysign(x, y), t.copysign(x, -1)], X, Y),
    "fmax": (lambda t, x, n: [t.fmax(x[0, 0], n), t.fmin(n, x[1, 1]), t.maximum(x, x * 2)], X, N),
    "gcd": (lambda t, i: [t.gcd(i, i.t().reshape(2, 3)), t.lcm(i, t.tensor(4))], K),
    "heaviside": (lambda t, i: t.heaviside(i, t.tensor(7)), K),
    "logaddexp2": (lambda t, x, y: [t.logaddexp2(x, y), t.logaddexp(x, y), t.hypot(x, y), t.atan2(x, y)], X, Y),
    "ldexp": (lambda t, x: t.ldexp(x, t.tensor([1, 2, 3])), X),
    "frexp": (lambda t, x: [*t.frexp(x)], X),
    "nan_to_num": (lambda t, n: [t.nan_to_num(n), n.nan_to_num(1.0, posinf=2.0), n.nan_to_num(neginf=-5.0)], N),
    "infinities": (lambda t, n, i: [t.isneginf(n), t.isposinf(n), t.isfinite(n), t.isreal(n), t.isposinf(i)], N, K),
    "round": (lambda t, x: [t.round(x), x.round(decimals=1), t.round(x * 100, decimals=-2)], X),
    "degrees": (lambda t, x, i: [t.deg2rad(x), t.rad2deg(x), t.deg2rad(i)], X, K),
    "sgn": (lambda t, x, i: [t.sgn(x), t.sign(i), t.angle(x), t.sinc(x), t.i0(x)], X, K),
    "complex": (lambda t, z: [item.detach() for item in (t.real(z), t.imag(z), t.angle(z), t.abs(z), z.conj() * 2)], Z),
    "gamma": (lambda t, x: [t.polygamma(1, x * x + 1), t.mvlgamma(x * x + 2, 2), t.lgamma(x * x + 1),
                            t.digamma(x * x + 1)], X),
    "igamma": (lambda t, x, y: [f((x * x + 1).detach(), y * y) for f in (t.igamma, t.igammac)], X, Y),
    "nextafter": (lambda t, x, y: t.nextafter(x.detach(), y.detach()), X, Y),
    "isclose": (lambda t, x, i: [t.isclose(x, x + 1e-6), t.isclose(i, i + 1, rtol=0.1),
                                 t.isclose(x, x + 1, atol=2)], X, K),
    "isclose nan": (lambda t, n: [t.isclose(n, n), t.isclose(n, n, equal_nan=True)], N),
    "allclose": (lambda t, x: [t.allclose(x, x + 1e-7), t.allclose(x, x + 1), x.allclose(x)], X),
    "equal": (lambda t, x: [t.equal(x, x), t.equal(x, x + 1), t.equal(x, x[:1]), x.equal(x.double())], X),
    "questions": (lambda t, x, i: [t.is_tensor(x), t.is_tensor(1), t.numel(x), t.is_floating_point(i), t.is_complex(x),
                                   t.is_nonzero(i[0, 0]), t.is_signed(i), t.is_same_size(x, i)], X, K),
    "clamp": (lambda t, x, y: [t.clamp(x, min=0), t.clamp(x, y, y + 1), t.clamp_min(x, 0.5), t.clamp_max(x, 1)], X, Y),
    "addcmul": (lambda t, x, y: [t.addcmul(x, y, y, value=2), t.addcdiv(x, y, y * y + 1), t.lerp(x, y, 0.3)], X, Y),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_value_shape_type_gradient_and_compilations(name: str) -> None:
    function, *inputs = CASES[name]
    check(function, *inputs)


FAILURES: dict[str, Any] = {
    "not a tensor": lambda t, x: t.exp(1),
    "allclose types": lambda t, x: t.allclose(x, x.double()),
    "isclose tolerance": lambda t, x: t.isclose(x, x, rtol=-1),
    "numel": lambda t, x: t.numel(1),
    "equal": lambda t, x: t.equal(x, 1),
    "positive": lambda t, x: t.positive(x > 0),
    "imag": lambda t, x: t.imag(x),
    "is_nonzero": lambda t, x: t.is_nonzero(x),
    "clamp": lambda t, x: t.clamp(x),
}


@pytest.mark.parametrize("name", FAILURES)
def test_errors_are_pytorchs(name: str) -> None:
    same_error(FAILURES[name], X)


def test_every_function_is_one_of_pytorchs() -> None:
    assert [name for name in FUNCTIONS if not callable(getattr(torch, name, None))] == []


def test_every_method_that_is_a_function_in_pytorch_is_one_here() -> None:
    methods = [name for name in dir(Tensor) if not name.startswith("_") and hasattr(Tensor, name)]
    functions = [name for name in methods if callable(getattr(torch, name, None))]
    missing = [name for name in functions if not hasattr(flambeau, name) and name not in ELSEWHERE]
    assert missing == []


TYPES = ("bool", "uint8", "int32", "int64", "float16", "float32", "float64", "complex64")


@pytest.mark.parametrize("first", TYPES)
@pytest.mark.parametrize("second", TYPES)
def test_types_combine_as_pytorchs(first: str, second: str) -> None:
    def combined(t: Any) -> list[str]:
        one, other = getattr(t, first), getattr(t, second)
        vector, scalar = t.ones(2, dtype=one), t.ones((), dtype=other)
        found = [t.promote_types(one, other), t.result_type(scalar, 1.5)]
        if (first, second) != ("float16", "complex64"):  # there is no complex32 here
            found.append(t.result_type(vector, scalar))
        return [*map(str, found), str(t.can_cast(one, other))]

    assert combined(flambeau) == combined(torch)


@pytest.mark.parametrize("name", ["maximum", "atan2", "gcd_", "heaviside", "logical_and", "eq", "fmod", "copysign"])
@pytest.mark.parametrize("numbers", ["first", "both"])
def test_functions_of_tensors_refuse_numbers(name: str, numbers: str) -> None:
    def attempt(library: Any) -> Any:
        other = 1 if numbers == "both" else library.ones(2)
        return getattr(library, name)(1, other)

    same_error(attempt)
