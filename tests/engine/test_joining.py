"""ReLUs that become part of linear layers: the same bits as by themselves, and which are joined."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau.nn import functional as F
from flambeau.runtime import compiling
from flambeau.runtime.force import force_all
from flambeau.runtime.joining import joined

KINDS = [torch.float32, torch.bfloat16]


def values(*shape: int) -> Any:
    """Numbers of both signs, some so small that products with them vanish, and zeros of both signs."""
    found = np.random.default_rng([*shape]).normal(size=shape).astype(np.float32)
    for start, value in enumerate((0.0, -0.0, 1e-30, -1e-30)):
        found.reshape(-1)[start::101] = value
    return found


def layers(kind: torch.dtype, *sizes: int, bias: bool = True) -> list[tuple[torch.Tensor, ...]]:
    """Weight, and bias, of layers between such sizes."""
    found: list[tuple[torch.Tensor, ...]] = []
    for inputs, outputs in pairwise(sizes):
        shapes = ((outputs, inputs), (outputs,)) if bias else ((outputs, inputs),)
        found.append(tuple(torch.tensor(values(*shape) / 8).to(kind).requires_grad_() for shape in shapes))
    return found


def perceptron(x: torch.Tensor, net: list[tuple[torch.Tensor, ...]]) -> torch.Tensor:
    for layer in net[:-1]:
        x = F.linear(x, *layer).relu()
    return F.linear(x, *net[-1])


def in_place(x: torch.Tensor, net: list[tuple[torch.Tensor, ...]]) -> torch.Tensor:
    for layer in net[:-1]:
        x = F.linear(x, *layer).relu_()
    return F.linear(x, *net[-1])


def given_too(x: torch.Tensor, net: list[tuple[torch.Tensor, ...]]) -> torch.Tensor:
    """What the ReLU was given is read by something else, too."""
    hidden = F.linear(x, *net[0])
    return F.linear(hidden.relu(), *net[1]).sum() + hidden.sum()


def two_readers(x: torch.Tensor, net: list[tuple[torch.Tensor, ...]]) -> torch.Tensor:
    """Two layers read one ReLU's result, so neither's gradient is the ReLU's."""
    hidden = F.linear(x, *net[0]).relu()
    return F.linear(hidden, *net[1]) + F.linear(hidden, *net[1])


def of_an_input(x: torch.Tensor, net: list[tuple[torch.Tensor, ...]]) -> torch.Tensor:
    return F.linear(x.relu(), *net[0])


def twice(x: torch.Tensor, net: list[tuple[torch.Tensor, ...]]) -> torch.Tensor:
    return F.linear(F.linear(x, *net[0]).relu().relu(), *net[1])


def frozen(x: torch.Tensor, net: list[tuple[torch.Tensor, ...]]) -> torch.Tensor:
    """Only the input wants a gradient."""
    return perceptron(x, [tuple(item.detach() for item in layer) for layer in net])


def slopes(x: torch.Tensor, net: list[tuple[torch.Tensor, ...]]) -> torch.Tensor:
    """Gradients of gradients."""
    loss = perceptron(x, net).square().sum()
    return torch.autograd.grad(loss, net[0][0], create_graph=True)[0].square()


# A model, and how many layers have a ReLU after them, and how many gradients of layers pass one.
CASES: dict[str, tuple[Callable[..., torch.Tensor], tuple[int, int]]] = {
    "perceptron": (perceptron, (2, 2)),
    "in place": (in_place, (2, 2)),
    "what the ReLU was given is read, too": (given_too, (0, 1)),
    "two readers": (two_readers, (1, 0)),
    "of an input": (of_an_input, (0, 1)),
    "twice": (twice, (1, 1)),
    "frozen": (frozen, (2, 2)),
    "slopes": (slopes, (0, 2)),
}


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """What was joined in every program compiled from now on, none of which is on disk."""
    counts: list[tuple[int, int]] = []

    def look(steps: Any, outputs: Any) -> Any:
        found = joined(steps, outputs)
        after = sum(step.operation.static == (False, True) for step in found)
        owners = [getattr(step.operation.primitive, "operation", None) for step in found]
        counts.append((after, sum(owner is not None and owner.static == (True, False) for owner in owners)))
        return found

    monkeypatch.setattr(compiling, "joined", look)
    monkeypatch.setattr(compiling, "_programs", {})
    monkeypatch.setattr(compiling, "_keeps", lambda: False)
    return counts


def results(model: Callable[..., torch.Tensor], kind: torch.dtype, bias: bool, **shape: int) -> list[Any]:
    rows, width = shape["rows"], shape["width"]
    x = torch.tensor(values(rows, width)).to(kind).requires_grad_()
    net = layers(kind, width, 70, 40, 9, bias=bias)
    y = model(x, net)
    y.sum().backward()
    tensors = (y.detach(), x.grad, *[item.grad for layer in net for item in layer])
    return [item.float().numpy().tobytes() for item in tensors if item is not None]


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("name", CASES)
def test_bits_are_those_of_operations_by_themselves(
    name: str, kind: torch.dtype, bias: bool, counted: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, expected = CASES[name]
    force_all()
    together = results(model, kind, bias, rows=40, width=50)
    assert expected in counted
    monkeypatch.setattr(compiling, "joined", lambda steps, outputs: steps)
    monkeypatch.setattr(compiling, "_programs", {})
    assert together == results(model, kind, bias, rows=40, width=50)


def test_nan_and_zeros_pass_as_by_themselves(counted: list[tuple[int, int]]) -> None:
    x = torch.tensor([[float("nan"), 1.0], [0.0, -0.0], [float("inf"), 1.0], [-1.0, -2.0]] * 20).repeat(1, 32)
    x.requires_grad_()
    weight = torch.eye(64, requires_grad=True)
    y = F.linear(F.linear(x, weight * 1).relu(), weight)
    y.sum().backward()
    kept = torch.tensor(x.detach().numpy(), requires_grad=True)
    z = (kept @ torch.eye(64)).relu() @ torch.eye(64)
    z.sum().backward()
    assert y.detach().numpy().tobytes() == z.detach().numpy().tobytes()
    assert x.grad is not None
    assert kept.grad is not None
    assert x.grad.numpy().tobytes() == kept.grad.numpy().tobytes()
    assert (1, 1) in counted
