"""Hooks of tensors against PyTorch: order, replacement, removal, and gradients that are kept."""

from collections.abc import Callable
from typing import Any

import pytest

import flambeau

torch = pytest.importorskip("torch")


def noting(log: list[Any], name: str, factor: float | None = None) -> Callable[[Any], Any]:
    """A hook that notes its name and the gradient, and multiplies it."""

    def hook(gradient: Any) -> Any:
        log.append((name, gradient.tolist()))
        return None if factor is None else gradient * factor

    return hook


def kept_after_later_hooks(t: Any, x: Any, log: list[Any]) -> Any:
    y = x * 2
    y.retain_grad()
    y.register_hook(noting(log, "later", 3))
    y.sum().backward()
    return y.grad.tolist(), x.grad.tolist()


def leaf_hooks_in_order(t: Any, x: Any, log: list[Any]) -> Any:
    x.register_hook(noting(log, "first", 2))
    middle = x.register_hook(noting(log, "middle", 5))
    x.register_hook(noting(log, "last"))
    middle.remove()
    x.register_post_accumulate_grad_hook(lambda leaf: log.append(("after", leaf.grad.tolist())))
    (x * x).sum().backward()
    (x * x).sum().backward()
    return x.grad.tolist()


def a_leaf_used_twice(t: Any, x: Any, log: list[Any]) -> Any:
    x.register_hook(noting(log, "whole"))
    y = (x * 2).pow(2)
    y.register_hook(noting(log, "y"))
    (y + x).sum().backward()
    return x.grad.tolist()


def a_leaf_before_the_rest(t: Any, x: Any, log: list[Any]) -> Any:
    w = t.ones(2, requires_grad=True)
    w.register_post_accumulate_grad_hook(lambda leaf: log.append("w"))
    y = x * 3
    y.register_hook(noting(log, "y"))
    x.register_hook(noting(log, "x"))
    (y * w).sum().backward()
    return w.grad.tolist()


def chosen_leaves(t: Any, x: Any, log: list[Any]) -> Any:
    w = t.ones(2, requires_grad=True)
    w.register_hook(noting(log, "w"))
    x.register_hook(noting(log, "x"))
    (x * w).sum().backward(inputs=[x])
    return w.grad, x.grad.tolist()


def gradients_asked_for(t: Any, x: Any, log: list[Any]) -> Any:
    y = x * 2
    y.register_hook(noting(log, "y", 3))
    x.register_hook(noting(log, "x", 5))
    x.register_post_accumulate_grad_hook(lambda leaf: log.append("never"))
    found = t.autograd.grad((y * y).sum(), [x, y])
    return [item.tolist() for item in found], x.grad


def a_step_inside_backward(t: Any, x: Any, log: list[Any]) -> Any:
    optimizer = t.optim.SGD([x], lr=0.5)

    def step(leaf: Any) -> None:
        optimizer.step()
        optimizer.zero_grad()
        log.append(leaf.tolist())

    x.register_post_accumulate_grad_hook(step)
    (x * x).sum().backward()
    return x.tolist(), x.grad


def through_what_is_not_needed(t: Any, x: Any, log: list[Any]) -> Any:
    w = t.ones(2, requires_grad=True)
    w.register_hook(noting(log, "w"))
    x.register_hook(noting(log, "x"))
    first, second = t.stack([x, w]).unbind()
    (first * 2 + second.detach()).sum().backward()
    return x.grad.tolist(), w.grad.tolist()


def an_error_in_a_hook(t: Any, x: Any, log: list[Any]) -> Any:
    def fail(gradient: Any) -> Any:
        raise ValueError("no")

    w = t.ones(2, requires_grad=True)
    w.register_hook(noting(log, "w"))
    y = x * 3
    y.register_hook(fail)
    try:
        (y * w).sum().backward()
    except ValueError as error:
        log.append(str(error))
    return w.grad.tolist(), x.grad


CASES = [
    kept_after_later_hooks, leaf_hooks_in_order, a_leaf_used_twice, a_leaf_before_the_rest, chosen_leaves,
    gradients_asked_for, a_step_inside_backward, through_what_is_not_needed, an_error_in_a_hook,
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_tensor_hooks(case: Callable[..., Any]) -> None:
    results: list[Any] = []
    for library in (flambeau, torch):
        log: list[Any] = []
        x = library.tensor([1.0, 2.0], requires_grad=True)
        results.append((case(library, x, log), log))
    assert results[0] == results[1]
    assert results[1][1]
