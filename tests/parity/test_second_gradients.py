"""Gradients of gradients: which inputs they reach, in both libraries, and that NaN beside the way stays there."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import flambeau
from tests.parity.oracle import compare

torch = pytest.importorskip("torch")

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "mul": lambda t, x, w, b: x * w,
    "div": lambda t, x, w, b: x / w,
    "sub": lambda t, x, w, b: x - w,
    "pow": lambda t, x, w, b: x**w,
    "atan2": lambda t, x, w, b: t.atan2(x, w),
    "matmul": lambda t, x, w, b: x @ w,
    "bmm": lambda t, x, w, b: t.bmm(x[None], w[None]),
    "einsum": lambda t, x, w, b: t.einsum("ij,jk->ik", x, w),
    "outer": lambda t, x, w, b: t.outer(x[0], b),
    "addmm": lambda t, x, w, b: t.addmm(b, x, w),
    "addcmul": lambda t, x, w, b: t.addcmul(w, x, b),
    "lerp": lambda t, x, w, b: t.lerp(x, w, 0.3),
    "lerp by a tensor": lambda t, x, w, b: t.lerp(x, w, b),
    "where": lambda t, x, w, b: t.where(x > 0, x * w, w),
    "prod": lambda t, x, w, b: x.prod(0),
    "linear": lambda t, x, w, b: t.nn.functional.linear(x, w, b),
    "linear by a kernel": lambda t, x, w, b: t.nn.functional.linear(x.repeat(40, 40), w.repeat(40, 40)).mean(),
    "relu": lambda t, x, w, b: x.relu() * w,
    "softmax": lambda t, x, w, b: x.softmax(0) * w,
    "layer_norm": lambda t, x, w, b: t.nn.functional.layer_norm(x, (3,), b, b),
    "conv2d": lambda t, x, w, b: t.nn.functional.conv2d(x[None, None], w[None, None]),
    "conv2d by a kernel": lambda t, x, w, b: t.nn.functional.conv2d(
        x.repeat(20, 20).expand(4, 8, 60, 60), w.expand(8, 8, 3, 3)
    ).mean(),
    "embedding": lambda t, x, w, b: t.nn.functional.embedding(t.tensor([0]), x) * b,
    "mse_loss": lambda t, x, w, b: t.nn.functional.mse_loss(x, w),
    "NaN beside the way": lambda t, x, w, b: x * (-x).log() * w.detach(),
}


def reached(t: Any, function: Callable[..., Any]) -> list[Any]:
    """The gradients of a gradient by x, w and b; where there is none, what is raised."""
    numbers = np.random.default_rng(0).uniform(0.5, 2, (2, 3, 3)).astype(np.float32)
    x, w, b = (t.tensor(item).requires_grad_() for item in (*numbers, np.array([0.5, 1, 1.5], np.float32)))
    (gradient,) = t.autograd.grad(function(t, x, w, b).sum(), x, create_graph=True)
    found: list[Any] = []
    for item in (x, w, b):
        try:
            found.extend(t.autograd.grad(gradient.sum(), item, retain_graph=True))
        except RuntimeError as error:
            found.append(str(error))
    return found


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_a_second_gradient_reaches(name: str) -> None:
    found, expected = reached(flambeau, FUNCTIONS[name]), reached(torch, FUNCTIONS[name])
    assert [item for item in found if isinstance(item, str)] == [item for item in expected if isinstance(item, str)]
    assert [isinstance(item, str) for item in found] == [isinstance(item, str) for item in expected]
    tensors = [[item for item in each if not isinstance(item, str)] for each in (found, expected)]
    compare(tensors[0], tensors[1], 3e-4, 3e-5)  # sums of many in 32 bits are not exact on either side


# Gradients that do not depend on the input: whether they require gradients in PyTorch, and here (docs/differences.md).
CONSTANT: dict[str, tuple[Callable[..., Any], bool, bool]] = {
    "conv1d": (lambda t, x: t.nn.functional.conv1d(x[None, None], t.ones(1, 1, 2)), True, False),
    "avg_pool1d": (lambda t, x: t.nn.functional.avg_pool1d(x[None], 2), True, False),
    "max": (lambda t, x: x.max(), False, True),
    "sort": (lambda t, x: x.sort()[0], False, True),
    "clamp": (lambda t, x: x.clamp(0, 1), False, True),
    "mul": (lambda t, x: x * 2, False, False),
    "cumsum": (lambda t, x: x.cumsum(0), False, False),
    "matmul": (lambda t, x: x @ t.ones(3), False, False),
    "gather": (lambda t, x: x.gather(0, t.tensor([0, 1])), False, False),
    "relu": (lambda t, x: x.relu(), True, True),
}


@pytest.mark.parametrize("name", CONSTANT)
def test_gradients_that_do_not_depend_on_the_input(name: str) -> None:
    function, *expected = CONSTANT[name]
    for t, requires in zip((torch, flambeau), expected, strict=True):
        x = t.tensor([1.0, -2.0, 3.0], requires_grad=True)
        (gradient,) = t.autograd.grad(function(t, x).sum(), x, create_graph=True)
        assert gradient.requires_grad is requires
        if requires:
            (second,) = t.autograd.grad(gradient.sum(), x, allow_unused=True)
            assert second is None or second.tolist() == [0.0, 0.0, 0.0]
