"""Values and gradients at infinities, NaN, zeros of both signs, poles, edges of domains and ties.

Every number is PyTorch's; ``tests/parity/test_hard_values.py`` runs the same table beside PyTorch, in other types, too.
"""

from math import inf, nan
from typing import Any

import numpy as np
import pytest

import flambeau

A = [nan, inf, inf, -inf, 0, 0, 2, 3]
B = [1, nan, inf, 2, 0, inf, 2, -1]
U = [nan, inf, -inf, 0, -0.0, 1, -1]

# An expression of the library T and the tensors x and y; these; the result; the gradients of its sum.
CASES: dict[str, tuple[Any, ...]] = {
    "maximum": ("T.maximum(x, y)", (A, B), [nan, nan, inf, 2, 0, inf, 2, 3], [1, 1, 0.5, 0, 0.5, 0, 0.5, 1],
        [1, 1, 0.5, 1, 0.5, 1, 0.5, 0]),
    "minimum": ("T.minimum(x, y)", (A, B), [nan, nan, inf, -inf, 0, 0, 2, -1], [1, 1, 0.5, 1, 0.5, 1, 0.5, 0],
        [1, 1, 0.5, 0, 0.5, 0, 0.5, 1]),
    "fmax": ("T.fmax(x, y)", (A, B), [1, inf, inf, 2, 0, inf, 2, 3], [0, 1, 1, 0, 1, 0, 1, 1],
        [1, 0, 0, 1, 0, 1, 0, 0]),
    "fmin": ("T.fmin(x, y)", (A, B), [1, inf, inf, -inf, 0, 0, 2, -1], [0, 1, 1, 1, 1, 1, 1, 0],
        [1, 0, 0, 0, 0, 0, 0, 1]),
    "clamp": ("x.clamp(y, y + 1)", (A, B), [nan, nan, inf, 2, 0, inf, 2, 0], [0, 0, 1, 0, 1, 0, 1, 0],
        [0, 0, 0, 1, 0, 0, 0, 1]),
    "clamp below": ("x.clamp(min=y)", (A, B), [nan, nan, inf, 2, 0, inf, 2, 3], [0, 0, 1, 0, 1, 0, 1, 1],
        [0, 0, 0, 1, 0, 1, 0, 0]),
    "clamp above": ("x.clamp(max=y)", (A, B), [nan, nan, inf, -inf, 0, 0, 2, -1], [0, 0, 1, 1, 1, 1, 1, 0],
        [0, 0, 0, 0, 0, 0, 0, 1]),
    "clamp nowhere": ("x.clamp(y, y - 1)", (A, B), [nan, nan, inf, 1, -1, inf, 1, -2], [0, 0, 1, 0, 0, 0, 0, 0],
        [1, 0, 0, 1, 1, 0, 1, 1]),
    "clamp by NaN": ("x.clamp(0.0, float('nan'))", (U,), [nan, nan, nan, nan, nan, nan, nan], [0, 0, 0, 0, 0, 0, 0]),
    "clamp to numbers": ("x.clamp(0.0, 0.5)", (U,), [nan, 0.5, 0, 0, -0.0, 0.5, 0], [0, 0, 0, 1, 1, 0, 0]),
    "hypot": ("T.hypot(x, y)", (A, B), [nan, inf, inf, inf, 0, inf, 2.828427, 3.162278],
        [nan, nan, nan, nan, nan, 0, 0.7071068, 0.9486833], [nan, nan, nan, 0, nan, nan, 0.7071068, -0.3162278]),
    "hypot of large numbers": ("T.hypot(x, x)", ([1e+30, 3e-05, 3e+38],), [1.414214e+30, 4.242641e-05, inf],
        [1.414214, 1.414214, 0]),
    "logaddexp": ("T.logaddexp(x, y)", (A, B), [nan, nan, inf, 2, 0.6931472, inf, 2.693147, 3.01815],
        [nan, nan, nan, 0, 0.5, 0, 0.5, 0.9820138], [nan, nan, nan, 1, 0.5, 1, 0.5, 0.01798621]),
    "logaddexp2": ("T.logaddexp2(x, y)", (A, B), [nan, nan, inf, 2, 1, inf, 3, 3.087463],
        [nan, nan, nan, 0, 0.5, 0, 0.5, 0.9411765], [nan, nan, nan, 1, 0.5, 1, 0.5, 0.05882353]),
    "remainder": ("T.remainder(x, y)", (A, B), [nan, nan, nan, nan, nan, 0, 0, 0], [1, 1, 1, 1, 1, 1, 1, 1],
        [nan, nan, nan, nan, nan, 0, -1, 3]),
    "fmod": ("T.fmod(x, y)", (A, B), [nan, nan, nan, nan, nan, 0, 0, 0], [1, 1, 1, 1, 1, 1, 1, 1],
        [nan, nan, nan, inf, nan, 0, -1, 3]),
    "division": ("x / y", ([1e+20, inf, 0, 3], [1e+20, -10000, 0, 1e+25]), [1, -inf, nan, 3e-25],
        [1e-20, -0.0001, inf, 1e-25], [-1e-20, -inf, nan, 0]),
    "floor": ("T.div(x, y, rounding_mode='floor')", ([-0.0, -0.0, 1, inf, -1, 7], [1, -1, 0, 1, inf, -2]),
        [-0.0, 0, inf, nan, -1, -4], [0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]),
    "trunc": ("T.div(x, y, rounding_mode='trunc')", ([-0.0, -0.0, 1, inf, -1, 7], [1, -1, 0, 1, inf, -2]),
        [-0.0, 0, inf, inf, -0.0, -3], [0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]),
    "lerp": ("T.lerp(x, y, T.full_like(x, 0.25))", (A, B), [nan, nan, nan, nan, 0, inf, 2, 2],
        [0.75, 0.75, 0.75, 0.75, 0.75, 0.75, 0.75, 0.75], [0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25]),
    "copysign": ("T.copysign(x, y)", (A, [-0.0, -0.0, -0.0, -0.0, -0.0, -0.0, -0.0, -0.0]),
        [nan, -inf, -inf, -inf, -0.0, -0.0, -2, -3], [nan, nan, nan, nan, 0, 0, -1, -1], [0, 0, 0, 0, 0, 0, 0, 0]),
    "nextafter": ("T.nextafter(x, y)", ([inf, 0, 1, nan], [inf, -0.0, 1, 1]), [inf, -0.0, 1, nan], [0, 0, 0, 1],
        [0, 0, 0, 0]),
    "xlogy": ("T.xlogy(x, y)", ([0, 0, nan, 0, 1], [0, -1, 0, nan, 0]), [0, 0, nan, nan, -inf],
        [0, 0, -inf, nan, -inf], [nan, 0, nan, nan, inf]),
    "atan2": ("T.atan2(x, y)", ([0, -0.0, inf, nan], [0, -1, inf, 1]), [0, -3.141593, 0.7853982, nan],
        [0, -1, nan, nan], [0, 0, nan, nan]),
    "pow": ("x ** y", ([0, 0, -1, inf, 1, -8], [0, -1, inf, 0, nan, 0.5]), [1, inf, 1, 1, 1, nan],
        [0, -inf, inf, 0, nan, nan], [0, -inf, nan, inf, 0, nan]),
    "pow half": ("x ** 0.5", (U,), [nan, inf, nan, 0, -0.0, 1, nan], [nan, 0, nan, inf, -inf, 0.5, nan]),
    "pow infinity": ("x ** float('inf')", (U,), [nan, inf, inf, 0, 0, 1, 1], [nan, inf, inf, nan, nan, inf, inf]),
    "rsqrt": ("x.rsqrt()", (U,), [nan, 0, nan, inf, -inf, 1, nan], [nan, 0, nan, -inf, inf, -0.5, nan]),
    "abs": ("x.abs()", (U,), [nan, inf, inf, 0, 0, 1, 1], [0, 1, -1, 0, 0, 1, -1]),
    "sign": ("x.sign()", (U,), [0, 1, -1, 0, 0, 1, -1], [0, 0, 0, 0, 0, 0, 0]),
    "angle": ("x.angle()", (U,), [nan, 0, 3.141593, 0, 0, 0, 3.141593], [0, 0, 0, 0, 0, 0, 0]),
    "digamma": ("x.digamma()", ([nan, inf, -inf, 0, -0.0, 1],), [nan, inf, nan, -inf, inf, -0.5772159],
        [nan, 0, nan, inf, inf, 1.644934]),
    "lgamma": ("x.lgamma()", ([nan, inf, -inf, 0, -0.0, 3],), [nan, inf, inf, inf, inf, 0.6931472],
        [nan, inf, nan, -inf, inf, 0.9227842]),
    "polygamma": ("T.polygamma(2, x)", ([nan, 0, -1, -2, 1],), [nan, -inf, -inf, -inf, -2.404114],
        [nan, inf, inf, inf, 6.493939]),
    "logit": ("x.logit()", ([nan, inf, 0, 1, 0.5, -1],), [nan, nan, -inf, inf, 0, nan], [nan, nan, inf, inf, 4, nan]),
    "sinc": ("x.sinc()", ([nan, inf, 0, 1e-30, 1.5],), [nan, nan, 1, 1, -0.2122066], [nan, nan, 0, 0, 0.1414711]),
    "ldexp": ("T.ldexp(x.detach(), T.tensor([1, 100, -100, 3]))", ([3, 1e-30, 1e+30, nan],),
        [6, 1.267651, 0.7888609, nan]),
    "gradient": ("T.gradient(x)[0]", ([1, inf, 4, 7],), [inf, 1.5, -inf, 3], [-1.5, 0.5, -0.5, 1.5]),
    "trapezoid": ("T.trapezoid(x)", ([inf, 1, 2],), [nan], [0.5, 1, 0.5]),
    "degrees": ("T.special.legendre_polynomial_p(T.full((4,), 0.5), x)", ([1e30, inf, nan, 2],), [0, 0, 0, -0.125]),
    "exponent of 2": ("x.bfloat16().exp2()", ([100, -20, inf, nan],), [1.267651e+30, 9.536743e-07, inf, nan],
        [8.764615e+29, 6.593764e-07, inf, nan]),
}  # fmt: skip


def evaluated(library: Any, expression: str, inputs: list[Any]) -> tuple[Any, list[Any]]:
    """The result of an expression, and the gradients of its sum."""
    names = dict(zip("xy", inputs, strict=False))
    result = eval(expression, {"T": library, "inf": inf, "nan": nan, **names})
    leaves = [item for item in inputs if item.requires_grad]
    if not result.requires_grad:
        return result, []
    return result, list(library.autograd.grad(result, leaves, library.ones_like(result), allow_unused=True))


@pytest.mark.parametrize("name", CASES)
def test_value_and_gradients(name: str) -> None:
    expression, numbers, *wanted = CASES[name]
    inputs = [flambeau.tensor(item, dtype=flambeau.float32, requires_grad=True) for item in numbers]
    result, gradients = evaluated(flambeau, expression, inputs)
    for found, expected in zip([result, *gradients], wanted, strict=True):
        np.testing.assert_allclose(
            found.detach().float().reshape(-1).numpy(), np.array(expected, np.float32), 1e-5, 1e-12
        )


# What is not PyTorch's: the rows of "Hard values" in docs/differences.md, as an expression of the library T and the
# tensor x, which requires a gradient; x; the result; its gradient.
OTHERS: dict[str, tuple[Any, ...]] = {
    "tiny numbers": ("x * 2", [1e-40, 2e-38], [0, 4e-38], [2, 2]),
    "tiny results": ("x / 10", [1e-38], [0], [0.1]),
    "sign of zeros": ("T.maximum(x, T.tensor([-0.0, 0.0]))", [0.0, -0.0], [0, 0], [0.5, 0.5]),
    "relu of -0": ("x.relu()", [-0.0], [0], [0]),
    "truth times infinity": ("T.tensor([False, True]) * inf", [1], [0, inf]),
    "truth by zero": ("T.tensor([False, True]) / 0", [1], [0, inf]),
    "complex 0 ** 0": ("(T.zeros(1, dtype=T.complex64) ** T.zeros(1, dtype=T.complex64)).real", [1], [1]),
    "trigamma": ("T.polygamma(1, x)", [-1, -2], [inf, inf], [-inf, -inf]),
    "polygamma of infinity": ("T.polygamma(2, x)", [inf], [0], [0]),
    "ldexp": ("T.ldexp(x, T.tensor([-1, 100]))", [3, 1], [1.5, 2.0**100], [0.5, 2.0**100]),
    "polar": ("T.polar(x, T.ones(2)).real", [0, -1], [0, -0.5403023], [0.5403023, 0.5403023]),
    "remainder of a number": ("2 % x", [3, -3], [2, -1], [0, 1]),
    "i1": ("T.special.i1(x)", [nan], [nan], [nan]),
    "log_ndtr": ("T.special.log_ndtr(x)", [-100], [-5005.5244], [100.01], 1e-4),
    "prod": ("x.prod()", [nan, 1, 2], [nan], [2, nan, nan]),
    "cumprod": ("x.cumprod(0)[-1:]", [inf, 1, 2], [inf], [2, inf, inf]),
    "logcumsumexp": ("x.logcumsumexp(0)", [1, inf, 0], [1, inf, inf], [1, 2, 0]),
    "slope of logaddexp": (
        "T.autograd.grad(T.logaddexp(x, -x).sum(), x, create_graph=True)[0]",
        [100, 0, -200],
        [1, 0, -1],
        [0, 1, 0],
    ),
    "std of tiny numbers": ("x.std()", [1e-30, 0], [0], [0, 0]),
    "mean of std_mean": ("T.std_mean(x)[1]", [inf, 1], [inf], [0.5, 0.5]),
    "quantile": ("x.quantile(0.5)", [1, inf, inf], [inf]),
    "gelu and hardswish": ("T.nn.functional.gelu(x) + T.nn.functional.hardswish(x)", [inf], [inf]),
    "hardswish": ("T.nn.functional.hardswish(x)", [-inf, 3e38], [0, 3e38], [0, 1]),
    "mode": ("x.mode()[0]", [nan, 1, 2], [1], [0, 1, 0]),
    "nanmean": ("x.nanmean()", [nan, nan], [nan], [0, 0]),
    "division by zero that is not known": ("T.tensor([7, 7]) // (x.long() * 0 + T.tensor([0, 2]))[1:]", [1, 1], [3, 3]),
    "unique": ("x.unique()", [2, 1, 2], [1, 2]),
    "hardtanh of NaN": ("T.nn.functional.hardtanh(x) + T.nn.functional.softshrink(x)", [nan, 1], [nan, 1.5], [0, 1]),
    "elu of NaN": ("T.nn.functional.elu(x) + T.nn.functional.hardswish(x)", [nan], [nan], [2]),
    "whole numbers of no number": ("x.long()", [nan, inf, -1e30], [0, 2.0**63, -(2.0**63)]),
    "soft_margin_loss": ("T.nn.functional.soft_margin_loss(x, -T.ones(1))", [1000], [1000], [1]),
    "std of large numbers": ("x.std()", [1e30, 0], [inf], [0, 0]),
    "interpolate": ("T.nn.functional.interpolate(x[None, None], size=3, mode='linear')", [nan, 1, 1, 1], [nan] * 3),
    "acosh": ("T.complex(x, T.ones(1)).acosh().real", [-1], [1.0612751], [0.3515776]),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_not_pytorchs(name: str) -> None:
    expression, numbers, expected, *more = OTHERS[name]
    x = flambeau.tensor(numbers, dtype=flambeau.float32, requires_grad=True)
    result, gradients = evaluated(flambeau, expression, [x])
    tolerance = more[1] if len(more) > 1 else 1e-5
    np.testing.assert_allclose(result.detach().float().reshape(-1).numpy(), np.array(expected, np.float32), tolerance)
    if more:
        np.testing.assert_allclose(gradients[0].numpy(), np.array(more[0], np.float32), tolerance, 1e-6)


def test_a_denormal_tensor_keeps_its_values_until_it_is_computed_with() -> None:
    assert flambeau.tensor([1e-40]).item() > 0
    assert flambeau.set_flush_denormal(True)
    assert not flambeau.set_flush_denormal(False)
