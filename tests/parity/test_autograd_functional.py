"""``flambeau.autograd.functional`` against PyTorch's."""

from typing import Any

import numpy as np
import pytest

from tests.parity.failures import same_error
from tests.parity.oracle import check

RANDOM = np.random.default_rng(5)
X, Y = RANDOM.standard_normal(3), RANDOM.standard_normal((2, 3))


def _product(a: Any, b: Any) -> Any:
    return a * b.sin(), (a @ b.t()).exp()


def _energy(a: Any, b: Any) -> Any:
    return ((b @ a) ** 3).sum() + (a * a).sum()


CASES = {
    "vjp": lambda F, T, x, y: F.vjp(lambda a: a.sin(), x, y[0], create_graph=True),
    "vjp of one": lambda F, T, x, y: F.vjp(lambda a: a.sin().sum(), x, create_graph=True),
    "vjp of two": lambda F, T, x, y: F.vjp(_product, (x, y), (y, y[:, 0]), create_graph=True),
    "jvp": lambda F, T, x, y: F.jvp(lambda a: (a.sin(), a.sum()), x, y[0], create_graph=True),
    "jvp of two": lambda F, T, x, y: F.jvp(_product, (x, y), (x, y.cos()), create_graph=True),
    "jvp of one": lambda F, T, x, y: F.jvp(lambda a: a * y, x[0], create_graph=True),
    "jacobian": lambda F, T, x, y: F.jacobian(lambda a: a.sin() * a[0], x, create_graph=True),
    "jacobian of two": lambda F, T, x, y: F.jacobian(_product, (x, y), create_graph=True),
    "jacobian forward": lambda F, T, x, y: F.jacobian(
        lambda a, b: (a * b.sin(), b.sum(0)), (x.detach(), y.detach()), vectorize=True, strategy="forward-mode"
    ),
    "jacobian off the tape": lambda F, T, x, y: F.jacobian(_product, (x, y)),
    "jacobian of a tuple of one": lambda F, T, x, y: F.jacobian(lambda a: (a.sin(),), (x,), vectorize=True),
    "hessian": lambda F, T, x, y: F.hessian(lambda a: (a**3).sum() * a[0], x, create_graph=True),
    "hessian of two": lambda F, T, x, y: F.hessian(_energy, (x, y)),
    "hessian forward": lambda F, T, x, y: F.hessian(
        lambda a: (a**3).sum() * a[0], x.detach(), vectorize=True, outer_jacobian_strategy="forward-mode"
    ),
    "vhp": lambda F, T, x, y: F.vhp(_energy, (x, y), (x, y), create_graph=True),
    "hvp": lambda F, T, x, y: F.hvp(_energy, (x, y), (x, y), create_graph=True),
    "hvp of one": lambda F, T, x, y: F.hvp(lambda a: (a**3).sum(), x, x, create_graph=True),
    "hvp of a row of one": lambda F, T, x, y: F.hvp(lambda a: (a**3).sum(0, keepdim=True), x, x, create_graph=True),
    "batched": lambda F, T, x, y: T.autograd.grad(
        x.sin() * y.sum(), (x, y), T.eye(3, dtype=T.float64), is_grads_batched=True, create_graph=True
    ),
    "batched, unused": lambda F, T, x, y: T.autograd.grad(
        x.sin(), (x, y), T.eye(3, dtype=T.float64), is_grads_batched=True, allow_unused=True, create_graph=True
    )[0],
}


@pytest.mark.parametrize("name", CASES)
def test_functional(name: str) -> None:
    check(lambda T, x, y: CASES[name](T.autograd.functional, T, x, y), X, Y)


ERRORS = {
    "input": lambda F, x, y: F.vjp(lambda a: a, [x]),
    "inputs": lambda F, x, y: F.jvp(lambda a: a, (x, 2), x),
    "output": lambda F, x, y: F.jacobian(lambda a: [a], x),
    "v missing": lambda F, x, y: F.vjp(lambda a: a, x),
    "v missing of jvp": lambda F, x, y: F.jvp(lambda a: a, x),
    "v count": lambda F, x, y: F.vjp(lambda a: (a, a), x, (x,)),
    "v single": lambda F, x, y: F.vjp(lambda a: a, x, (x, x)),
    "v size": lambda F, x, y: F.vjp(lambda a: a, x, y),
    "v entry": lambda F, x, y: F.jvp(lambda a, b: a, (x, y), (x, x)),
    "strategy": lambda F, x, y: F.jacobian(lambda a: a, x, strategy="s"),
    "several values": lambda F, x, y: F.hessian(lambda a: (a.sum(), a.sum()), x),
    "no value": lambda F, x, y: F.hvp(lambda a: a, x, x),
    "strict output": lambda F, x, y: F.vjp(lambda a: y.sum(), x, strict=True),
    "strict input": lambda F, x, y: F.vjp(lambda a, b: a.sum(), (x, y), strict=True),
    "strict jacobian": lambda F, x, y: F.jacobian(lambda a, b: (a * b, a), (x, y), strict=True),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    same_error(lambda T, x, y: ERRORS[name](T.autograd.functional, x, y), X, Y)
