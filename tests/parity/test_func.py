"""Derivatives against ``torch.func``: values, gradients through them, errors; nothing is compiled twice."""

from collections import namedtuple
from typing import Any

import numpy as np
import pytest

import flambeau
from tests.parity.failures import same_error
from tests.parity.oracle import check, torch

RANDOM = np.random.default_rng(5)
X, W, V = (RANDOM.standard_normal(shape).astype(np.float32) for shape in ((4, 3), (3, 2), (3,)))
D = RANDOM.standard_normal(3)
IMAGES = RANDOM.standard_normal((3, 2, 6, 6)).astype(np.float32)
Pair = namedtuple("Pair", "first second")


def two_layers(T: Any, weights: Any, x: Any) -> Any:
    """A function of a structure of tensors."""
    return (x @ weights["in"]).tanh() @ weights["out"][0] + weights["out"][1]


def weights_of(w: Any) -> Any:
    return {"in": w, "out": [w.t() * 2, w[:, 0]]}


DERIVATIVES = {
    "grad": lambda T, v: T.func.grad(lambda x: (x.sin() * x).sum())(v),
    "grad of grad": lambda T, v: T.func.grad(lambda x: T.func.grad(lambda y: (y**3).sum())(x).sin().sum())(v),
    "grad three times": lambda T, v: T.func.grad(
        lambda x: T.func.grad(lambda y: T.func.grad(lambda z: (z**4).sum())(y).sum())(x).sum()
    )(v),
    "grad of a closure": lambda T, v, w: T.func.grad(lambda x: (x @ w).exp().sum())(v),
    "grad through both": lambda T, v: T.func.grad(lambda x: T.func.grad(lambda y: (x * y * y).sum())(x).sum())(v),
    "argnums": lambda T, v, w: T.func.grad(lambda x, y: (x @ y).sum().exp(), argnums=(1, 0))(v, w),
    "negative argnum": lambda T, v, w: T.func.grad(lambda x, y: (x @ y).sum().exp(), argnums=-1)(v, w),
    "keyword": lambda T, v, w: T.func.grad(lambda x, y: (x @ y).sum().exp())(v, y=w),
    "unused": lambda T, v, w: T.func.grad(lambda x, y: x.sum(), argnums=(0, 1))(v, w),
    "aux": lambda T, v: T.func.grad(lambda x: ((x * x).sum(), {"a": x * 2}), has_aux=True)(v)[1]["a"],
    "value and aux": lambda T, v: T.func.grad_and_value(lambda x: ((x * x).sum(), [x * 2]), has_aux=True)(v),
    "control flow": lambda T, v: T.func.grad(lambda x: (x * x).sum() if x.sum() > 100 else x.sin().sum())(v),
    "detached": lambda T, v: T.func.grad(lambda x: (x.detach() * x).sum())(v),
    "off the tape": lambda T, v: T.func.grad(lambda x: (x * _untaped(T, x)).sum())(v),
    "structure": lambda T, x, w: T.func.grad(lambda p: two_layers(T, p, x).sum())(weights_of(w))["out"],
    "named tuple": lambda T, v: T.func.grad(lambda p: (p.first * p.second.sin()).sum())(Pair(v, v * 2)).second,
    "view written to": lambda T, v: T.func.grad(lambda x: _written(x * 1).sum())(v),
    "complex": lambda T, v: T.func.grad(lambda x: (T.complex(x, x * 2) ** 2).abs().sum())(v),
    "vjp": lambda T, x: T.func.vjp(lambda a: (a.sin(), [a.sum(0)]), x)[1]((x, [x[0]])),
    "vjp of two": lambda T, v, w: T.func.vjp(lambda a, b: a @ b, v, w)[1](w[0]),
    "vjp value": lambda T, v: T.func.vjp(lambda a: a.sin(), v)[0],
    "vjp twice": lambda T, v: [T.func.vjp(lambda a: a.sin(), v)[1](item) for item in (v, v * 2)],
    "vjp aux": lambda T, v: T.func.vjp(lambda a: (a.sin(), a * 2), v, has_aux=True)[2],
    "jvp": lambda T, x: T.func.jvp(lambda a: a.sin() * a, (x,), (x * 2,)),
    "jvp of two": lambda T, v, w: T.func.jvp(lambda a, b: a @ b, (v, w), (v * 2, w + 1)),
    "jvp structure": lambda T, v: T.func.jvp(
        lambda p: (p["a"] * p["b"], {"c": p["a"]}), ({"a": v, "b": v.cos()},), ({"a": v, "b": v},)
    )[1][0],
    "jvp independent": lambda T, v: T.func.jvp(lambda a: (a * 2, T.ones(2)), (v,), (v,)),
    "jvp aux": lambda T, v: T.func.jvp(lambda a: (a.sin(), a * 2), (v,), (v,), has_aux=True),
    "jvp of grad": lambda T, v: T.func.jvp(T.func.grad(lambda a: (a**3).sum()), (v,), (v + 1,)),
    "grad of jvp": lambda T, v: T.func.grad(lambda a: T.func.jvp(lambda b: b.sin(), (a,), (a * a,))[1].sum())(v),
    "jvp of jvp": lambda T, v: T.func.jvp(lambda a: T.func.jvp(lambda b: b**3, (a,), (v,))[1], (v,), (v,))[1],
    "jvp pooling": lambda T, x: T.func.jvp(
        lambda a: T.nn.functional.max_pool2d(a, 2) + T.nn.functional.avg_pool2d(a, 2), (x,), (x.cos(),)
    )[1],
    "linearize": lambda T, v: T.func.linearize(lambda a: {"s": a.sin(), "c": (a * 2, a[0])}, v)[1](v + 1)["s"],
    "jacrev": lambda T, v: T.func.jacrev(lambda a: a.sin() * a.sum())(v),
    "jacrev of two": lambda T, v, w: T.func.jacrev(lambda a, b: (a @ b, {"k": a.sum()}), argnums=(0, 1))(v, w)[0],
    "jacrev chunks": lambda T, v, w: T.func.jacrev(lambda a, b: (b.t() * a).sin(), argnums=1, chunk_size=4)(v, w),
    "jacrev rows": lambda T, v: T.func.jacrev(lambda a: a.sin(), chunk_size=1)(v),
    "jacrev aux": lambda T, v: T.func.jacrev(lambda a: (a.sin(), a * 2), has_aux=True)(v),
    "jacfwd": lambda T, v: T.func.jacfwd(lambda a: a.sin() * a.sum())(v),
    "jacfwd of two": lambda T, v, w: T.func.jacfwd(lambda a, b: (a @ b, a.sum()), argnums=(0, 1))(v, w),
    "jacfwd aux": lambda T, v: T.func.jacfwd(lambda a: (a.sin(), a * 2), has_aux=True)(v),
    "jacfwd structure": lambda T, v: T.func.jacfwd(lambda p: p["a"] * p["b"].sin())({"a": v, "b": v})["b"],
    "jacrev of jacfwd": lambda T, v: T.func.jacrev(T.func.jacfwd(lambda a: (a**3).sum()))(v),
    "hessian": lambda T, v: T.func.hessian(lambda a: (a**3).sum() * a[0])(v),
    "hessian of two": lambda T, v, w: T.func.hessian(lambda a, b: (a @ b).sin().sum(), argnums=(0, 1))(v, w)[0],
}


def _untaped(T: Any, x: Any) -> Any:
    with T.no_grad():
        return x * 2


def _written(x: Any) -> Any:
    x[0] = x[1] * 3
    return x.mul_(2)


# Where PyTorch says that there is no gradient of the gradient; here it is one of zeros. PyTorch's ``linearize`` takes
# the primals for constants.
ALREADY_LINEAR = {"detached", "off the tape", "view written to", "linearize"}

INPUTS = {
    "structure": (X, W),
    "vjp": (X,),
    "jvp": (X,),
    "jvp pooling": (IMAGES,),
    "hessian": (D,),
    "jvp of jvp": (D,),
    "jacrev": (D,),
}


@pytest.mark.parametrize("name", DERIVATIVES)
def test_derivatives(name: str) -> None:
    function = DERIVATIVES[name]
    count = function.__code__.co_argcount - 1
    inputs = INPUTS.get(name, (V, W)[:count])
    check(function, *inputs, gradients=name not in ALREADY_LINEAR, rtol=2e-5, atol=2e-5)


ERRORS = {
    "no scalar": lambda T, x: T.func.grad(lambda a: a)(x),
    "no tensor": lambda T, x: T.func.grad(lambda a: 3)(x),
    "argnum": lambda T, x: T.func.grad(lambda a: a.sum(), argnums=2)(x),
    "argnums empty": lambda T, x: T.func.grad(lambda a: a.sum(), argnums=())(x),
    "argnums twice": lambda T, x: T.func.grad(lambda a: a.sum(), argnums=(0, 0))(x),
    "argnums kind": lambda T, x: T.func.grad(lambda a: a.sum(), argnums=1.5)(x),
    "argnum kind": lambda T, x: T.func.grad(lambda a: a.sum(), argnums=(0.5,))(x),
    "no aux": lambda T, x: T.func.grad(lambda a: a.sum(), has_aux=True)(x),
    "aux kind": lambda T, x: T.func.grad(lambda a: (a.sum(), 3), has_aux=True)(x),
    "whole numbers": lambda T, x: T.func.grad(lambda a: a.sum().float())(T.arange(3)),
    "a number": lambda T, x: T.func.grad(lambda a: a.sum())(3.0),
    "leaf in place": lambda T, x: T.func.grad(lambda a: a.add_(1).sum())(x),
    "vjp whole": lambda T, x: T.func.vjp(lambda a: a > 0, x),
    "vjp structure": lambda T, x: T.func.vjp(lambda a: {"a": a, "b": [a, a]}, x)[1]({"a": x, "b": (x, x)}),
    "vjp shape": lambda T, x: T.func.vjp(lambda a: a, x)[1](x[0]),
    "vjp none": lambda T, x: T.func.vjp(lambda a: None, x),
    "vjp kind": lambda T, x: T.func.vjp(lambda a: (a, 3), x),
    "vjp aux": lambda T, x: T.func.vjp(lambda a: a, x, has_aux=True),
    "jvp primals": lambda T, x: T.func.jvp(lambda a: a, [x], [x]),
    "jvp structure": lambda T, x: T.func.jvp(lambda a: a, (x,), (x, x)),
    "jvp shape": lambda T, x: T.func.jvp(lambda a: a, (x,), (x[0],)),
    "jvp kind": lambda T, x: T.func.jvp(lambda a: a, (x,), (2,)),
    "jvp empty": lambda T, x: T.func.jvp(lambda a: a, ((),), ((),)),
    "jvp whole": lambda T, x: T.func.jvp(lambda a: a, (T.arange(3),), (T.arange(3),)),
    "jvp strict": lambda T, x: T.func.jvp(lambda a: T.ones(3), (x,), (x,), strict=True),
    "jvp aux": lambda T, x: T.func.jvp(lambda a: a, (x,), (x,), has_aux=True),
    "jacrev chunks": lambda T, x: T.func.jacrev(lambda a: a, chunk_size=0),
    "jacrev complex": lambda T, x: T.func.jacrev(lambda a: a)(x + 1j),
    "jacrev to complex": lambda T, x: T.func.jacrev(lambda a: a + 1j)(x),
    "jacfwd complex": lambda T, x: T.func.jacfwd(lambda a: a)(x + 1j),
    "jacfwd to complex": lambda T, x: T.func.jacfwd(lambda a: a + 1j)(x),
    "tangent shape": lambda T, x: T.func.linearize(T.sin, x)[1](x[0]),
    "tangent dtype": lambda T, x: T.func.linearize(T.sin, x)[1](x.double()),
    "tangents": lambda T, x: T.func.linearize(T.sin, x)[1](x, x),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    same_error(ERRORS[name], X)


TAPED = {
    "grad": lambda T, x, w: T.func.grad(lambda a: a.sin().sum())(x),
    "grad with a closure": lambda T, x, w: T.func.grad(lambda a: (a @ w).sum())(x),
    "value with a closure": lambda T, x, w: T.func.grad_and_value(lambda a: (a @ w).sum())(x)[1],
    "vjp value": lambda T, x, w: T.func.vjp(T.sin, x)[0],
    "vjp": lambda T, x, w: T.func.vjp(T.sin, x)[1](x)[0],
    "vjp cotangent": lambda T, x, w: T.func.vjp(T.sin, x)[1](x @ w @ w.t())[0],
    "jvp": lambda T, x, w: T.func.jvp(T.sin, (x,), (x,))[1],
    "jvp tangent": lambda T, x, w: T.func.jvp(T.sin, (x,), (x @ w @ w.t(),))[1],
    "jvp closure": lambda T, x, w: T.func.jvp(lambda a: a @ w, (x,), (x,))[1],
    "jacrev": lambda T, x, w: T.func.jacrev(lambda a: a.sin())(x[0]),
    "vmap": lambda T, x, w: T.vmap(lambda a: a.sin())(x),
    "vmap closure": lambda T, x, w: T.vmap(lambda a: a @ w)(x),
    "vmap detached": lambda T, x, w: T.vmap(lambda a: (a @ w).detach())(x),
}


@pytest.mark.parametrize("name", TAPED)
@pytest.mark.parametrize("mode", ["leaf", "plain", "no_grad"])
def test_what_requires_a_gradient(name: str, mode: str) -> None:
    def required(T: Any) -> bool:
        x, w = T.tensor(X).requires_grad_(mode != "plain"), T.tensor(W).requires_grad_(mode != "plain")
        if mode == "plain" and "closure" in name:
            w.requires_grad_()
        with T.set_grad_enabled(mode != "no_grad"):
            return TAPED[name](T, x, w).requires_grad

    assert required(flambeau) == required(torch)
