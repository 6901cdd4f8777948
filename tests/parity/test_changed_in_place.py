"""Values that are written although their gradients need them, against PyTorch: what the error says of them."""

from types import ModuleType
from typing import Any

import numpy as np
import pytest

import flambeau

torch = pytest.importorskip("torch")


def doubled(t: ModuleType, x: Any) -> Any:
    """A custom function that saves its argument, or its result."""

    class Double(t.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, result: bool) -> Any:
            y = x * 2
            ctx.save_for_backward(y if result else x)
            return y

        @staticmethod
        def backward(ctx: Any, gradient: Any) -> Any:
            return gradient * ctx.saved_tensors[0], None

    return Double.apply


def without_gradients(t: ModuleType, x: Any) -> None:
    with t.no_grad():
        x.zero_()


def first_written(x: Any) -> None:
    x[0] = 3.0


ADD = lambda t, x, y: x.add_(1)

# What is computed from x.exp(), and what is written then: x stands for x.exp(), y for the result.
CASES: dict[str, Any] = {
    "argument": (lambda t, x: x.sin(), ADD),
    "both arguments": (lambda t, x: x * x, ADD),
    "result": (lambda t, x: x.sqrt(), lambda t, x, y: y.add_(1)),
    "result of a layer": (lambda t, x: t.relu(x), lambda t, x, y: y.mul_(2)),
    "result of a reduction": (lambda t, x: x.softmax(0), lambda t, x, y: y.mul_(2)),
    "result of the step before": (lambda t, x: x + 0, lambda t, x, y: x.add_(1)),
    "several writes": (lambda t, x: x**2, lambda t, x, y: x.add_(1).mul_(2)),
    "written in place before": (lambda t, x: x.exp_(), lambda t, x, y: y.add_(1)),
    "under no_grad": (lambda t, x: x.sin(), lambda t, x, y: without_gradients(t, x)),
    "detached": (lambda t, x: x.sin(), lambda t, x, y: x.detach().mul_(2)),
    "copied into": (lambda t, x: x.sin(), lambda t, x, y: x.copy_(y)),
    "an element": (lambda t, x: x.sin(), lambda t, x, y: first_written(x)),
    "through a view": (lambda t, x: x.sin(), lambda t, x, y: x[:2].add_(1)),
    "a view of it": (lambda t, x: x[:2].sin(), ADD),
    "a view under no_grad": (lambda t, x: x[:2].sin(), lambda t, x, y: without_gradients(t, x)),
    "expanded": (lambda t, x: x.expand(2, 3).sin(), ADD),
    "matrix": (lambda t, x: x.view(1, 3) @ t.ones(3, 1, requires_grad=True), ADD),
    "normalized": (lambda t, x: t.nn.functional.layer_norm(x, (3,)), ADD),
    "convolved": (lambda t, x: t.nn.Conv1d(1, 1, 2)(x.view(1, 1, 3)), ADD),
    "convolved with constants": (lambda t, x: t.nn.functional.conv1d(x.view(1, 1, 3), t.ones(1, 1, 2)), ADD),
    "convolved with a bias": (
        lambda t, x: t.nn.functional.conv1d(x.detach().view(1, 1, 3), t.ones(1, 1, 2), t.ones(1, requires_grad=True)),
        ADD,
    ),
    "loss": (lambda t, x: t.nn.functional.mse_loss(x, t.ones(3)), ADD),
    "joined": (lambda t, x: t.cat([x, x]).sin() * x[0], lambda t, x, y: x.mul_(2)),
    "no gradient of it": (lambda t, x: x * t.ones(3).mul_(2), lambda t, x, y: x.add_(1)),
    "custom": (lambda t, x: doubled(t, x)(x, False), ADD),
    "custom result": (lambda t, x: doubled(t, x)(x, True), lambda t, x, y: y.detach().add_(1)),
}


def outcome(t: ModuleType, name: str) -> str:
    compute, write = CASES[name]
    x = t.tensor([0.1, 0.2, 0.3], requires_grad=True).exp()
    y = compute(t, x)
    write(t, x, y)
    with pytest.raises(RuntimeError, match="modified by an inplace operation") as caught:
        y.sum().backward()
    return str(caught.value).partition(" Hint: ")[0]


@pytest.mark.parametrize("name", CASES)
def test_same_words_as_pytorch(name: str) -> None:
    assert outcome(flambeau, name) == outcome(torch, name)


FREE: dict[str, Any] = {  # written, and not needed
    "with a bias alone": lambda t, x: t.nn.functional.linear(
        x.detach().view(1, 3), t.ones(2, 3), t.ones(2, requires_grad=True)
    ),
    "with a constant weight": lambda t, x: t.nn.functional.linear(x.view(1, 3), t.ones(2, 3)),
    "added to a product": lambda t, x: t.addmm(t.ones(1, 2, requires_grad=True), x.detach().view(1, 3), t.ones(3, 2)),
    "added": lambda t, x: x + x,
}


@pytest.mark.parametrize("name", FREE)
def test_what_is_not_needed_may_be_written(name: str) -> None:
    for t in (torch, flambeau):
        x = t.tensor([0.1, 0.2, 0.3], requires_grad=True) * 1
        y = FREE[name](t, x)
        x.add_(1)
        y.sum().backward()


ALLOWED: dict[str, Any] = {  # a row of docs/differences.md: what is computed from a matrix, and what is written then
    "inv": (lambda t, x: t.linalg.inv(x), lambda x, y: y.mul_(2)),
    "solve": (lambda t, x: t.linalg.solve(x, t.ones(2)), lambda x, y: x.mul_(2)),
    "qr": (lambda t, x: t.linalg.qr(x)[0], lambda x, y: y.mul_(2)),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_gradients_of_the_values_before(name: str) -> None:
    compute, write = ALLOWED[name]
    found = []
    for t in (torch, flambeau):
        leaf = t.tensor([[2.0, 1.0], [1.0, 3.0]], requires_grad=True)
        x = leaf * 1
        y = compute(t, x)
        loss = y.sum()
        if t is flambeau:
            write(x, y)
        loss.backward()
        found.append(leaf.grad.tolist())
    assert np.allclose(found[1], found[0], atol=1e-6)


def test_a_write_through_data_is_noticed() -> None:
    x = flambeau.tensor([1.0, 2.0], requires_grad=True) * 1
    loss = (x * x).sum()
    x.data.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_a_leaf_has_no_function() -> None:
    for t in (torch, flambeau):
        x = t.tensor([0.1, 0.2], requires_grad=True)
        y = x * x
        without_gradients(t, x)
        with pytest.raises(
            RuntimeError, match=r": \[torch.FloatTensor \[2\]\] is at version 1; expected version 0 instead"
        ):
            y.sum().backward()


def test_a_layers_weight_is_named_itself() -> None:
    layer = flambeau.nn.Linear(3, 1)
    loss = layer(flambeau.ones(2, 3, requires_grad=True)).sum()
    without_gradients(flambeau, layer.weight)
    with pytest.raises(
        RuntimeError, match=r": \[torch.FloatTensor \[1, 3\]\] is at version \d; .* Hint: keep the value"
    ):
        loss.backward()
