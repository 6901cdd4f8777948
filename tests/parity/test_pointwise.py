"""Element-wise operations against PyTorch: a line each."""

from typing import Any

import numpy as np
import pytest

from tests.parity.oracle import check

X = np.array([[0.5, -1.25, 2.0], [0.1, 3.0, -0.7]], np.float32)
Y = np.array([[1.5, 0.25, -2.0], [1.1, -3.0, 0.3]], np.float32)
P = np.abs(X) + 0.1
K = np.array([[1, 2, 3], [-4, 5, 0]])

CASES: dict[str, tuple[Any, ...]] = {
    "add": (lambda t, x, y: x + y, X, Y),
    "add alpha": (lambda t, x, y: x.add(y, alpha=2.5), X, Y),
    "add number": (lambda t, x: x + 1.5, X),
    "add mixed types": (lambda t, x, i: x + i, X, K),
    "sub": (lambda t, x, y: x - y, X, Y),
    "mul broadcast": (lambda t, x, y: x * y, X, Y[0]),
    "div": (lambda t, x, y: x / y, X, Y),
    "div whole": (lambda t, i: i / 2, K),
    "floor divide": (lambda t, i: i // 2, K),
    "remainder": (lambda t, i: i % 3, K),
    "pow 2": (lambda t, x: x**2, X),
    "pow 2.5": (lambda t, x: x**2.5, P),
    "pow tensor": (lambda t, x, y: x**y, P, Y),
    "rsub": (lambda t, x: 1 - x, X),
    "rpow": (lambda t, x: 2.0**x, X),
    "exp": (lambda t, x: x.exp(), X),
    "log": (lambda t, x: x.log(), P),
    "sqrt": (lambda t, x: x.sqrt(), P),
    "rsqrt": (lambda t, x: x.rsqrt(), P),
    "sigmoid": (lambda t, x: x.sigmoid(), X),
    "tanh": (lambda t, x: x.tanh(), X),
    "relu": (lambda t, x: x.relu(), X),
    "abs": (lambda t, x: x.abs(), X),
    "gradients at zero": (
        lambda t, x, y: [
            x.abs(),
            x.copysign(y),
            t.atan2(x, y),
            x.abs() ** y,
            t.float_power(x, y.abs()),
            t.xlogy(x, y),
            t.special.xlog1py(x, -y.abs()),
            t.dist(x, y, 1),
            t.nn.functional.l1_loss(x, y),
            t.nn.functional.smooth_l1_loss(x, y),
        ],
        np.array([0.0, 0.0, -0.0, 0.0, 2.0, -1.0]),
        np.array([0.0, 1.0, 0.0, 2.0, 2.0, -1.0]),
    ),
    "neg": (lambda t, x: -x, X),
    "sin": (lambda t, x: x.sin(), X),
    "erf": (lambda t, x: x.erf(), X),
    "clamp": (lambda t, x: x.clamp(-0.5, 1.0), X),
    "where": (lambda t, x, y: x.where(x > 0, y), X, Y),
    "masked fill": (lambda t, x: x.masked_fill(x > 0, 7.0), X),
    "maximum": (lambda t, x, y: x.maximum(y), X, Y),
    "lerp": (lambda t, x, y: x.lerp(y, 0.3), X, Y),
    "addcmul": (lambda t, x, y: x.addcmul(x, y, value=0.5), X, Y),
    "comparison": (lambda t, x, y: [x < y, x >= y, x == y, x != 0.5], X, Y),
    "bitwise": (lambda t, i: [i & 3, i | 8, i ^ 5, ~i], K),
    "whole to floating": (lambda t, i: [i.exp(), i.sqrt() * 0 + i.sigmoid()], np.abs(K)),
    "half with number": (lambda t, x: x.half() * 0.1, X),
    "bfloat16": (lambda t, x: (x.bfloat16() + 1).float(), X),
    "double": (lambda t, x: x * 2 + 1, X.astype(np.float64)),
    "float to int": (lambda t, x: x.to(t.int32), X),
    "bool arithmetic": (lambda t, x: [(x > 0) + (x > 1), (x > 0) * 3], X),
}


@pytest.mark.parametrize("name", CASES)
def test_value_shape_type_gradient_and_compilations(name: str) -> None:
    function, *inputs = CASES[name]
    check(function, *inputs)
