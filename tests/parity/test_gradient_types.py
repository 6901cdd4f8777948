"""``Tensor.grad_dtype``: the data type that a leaf's gradient has."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.parity.failures import same_error
from tests.parity.outcomes import same


def leaf(t: Any, *kinds: Any) -> Any:
    """A leaf whose ``grad_dtype`` was set to each of these in turn."""
    x = t.tensor([1.0, 2.0], requires_grad=True)
    for kind in kinds:
        x.grad_dtype = kind
    return x


def trained(t: Any, x: Any, times: int = 1) -> Any:
    for _ in range(times):
        (x * 3 + x).sum().backward()
    return x.grad


def hooked(t: Any) -> list[Any]:
    x, seen = leaf(t, t.float64), []
    x.register_hook(lambda gradient: seen.append(gradient.dtype))
    x.register_post_accumulate_grad_hook(lambda tensor: seen.append(tensor.grad.dtype))
    return [trained(t, x), seen]


def assigned(t: Any, kind: Any, gradient: Any) -> Any:
    x = leaf(t, kind)
    x.grad = gradient
    return x.grad, x.grad_dtype


def twice(t: Any) -> Any:
    x = leaf(t, t.float64)
    (first,) = t.autograd.grad((x * x * x).sum(), x, create_graph=True)
    (second,) = t.autograd.grad(first.sum(), x)
    return first.dtype, second


def changed(t: Any, kind: Any) -> Any:
    x = leaf(t)
    trained(t, x)
    x.grad_dtype = kind
    return x.grad, x.grad_dtype


OUTCOMES: dict[str, Callable[[Any], Any]] = {
    "own": lambda t: [leaf(t).grad_dtype, t.ones(1).grad_dtype, t.tensor([1]).grad_dtype],
    "set": lambda t: [leaf(t, t.float16).grad_dtype, leaf(t, t.float16, None).grad_dtype,
                      leaf(t, t.int64, t.float32).grad_dtype],
    "backward": lambda t: [trained(t, leaf(t, kind)) for kind in (t.float64, t.float16, t.bfloat16, None)],
    "backward twice": lambda t: trained(t, leaf(t, t.float64), 2),
    "grad": lambda t: [t.autograd.grad((x * 2).sum(), x) for x in [leaf(t, t.float64)]],
    "grad twice": twice,
    "hooks": hooked,
    "assigned": lambda t: assigned(t, t.float64, t.ones(2, dtype=t.float64)),
    "assigned of any": lambda t: assigned(t, None, t.ones(2, dtype=t.float64)),
    "added to any": lambda t: [trained(t, x) for x in [leaf(t, None)]
                               if setattr(x, "grad", t.ones(2).double()) is None],
    "assigned of the tensor's own": lambda t: assigned(t, t.float64, t.ones(2)),
    "assigned of another": lambda t: assigned(t, t.float32, t.ones(2, dtype=t.float64)),
    "changed": lambda t: changed(t, t.float64),
    "changed to any": lambda t: changed(t, None),
    "changed to the same": lambda t: changed(t, t.float32),
    "cleared": lambda t: [trained(t, x) for x in [leaf(t)] if trained(t, x) is not None
                          and setattr(x, "grad", None) is None and setattr(x, "grad_dtype", t.float64) is None],
    "copies": lambda t: [item.grad_dtype for x in [leaf(t, t.float64)] for item in (copy.deepcopy(x), x.detach())],
    "read of no leaf": lambda t: (leaf(t) * 2).grad_dtype,
    "no type": lambda t: leaf(t, 3),
}  # fmt: skip


@pytest.mark.parametrize("name", OUTCOMES)
def test_outcomes(name: str) -> None:
    same(OUTCOMES[name])


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
def test_only_leaves_have_one() -> None:
    same_error(lambda t: setattr(leaf(t) * 2, "grad_dtype", t.float64))
