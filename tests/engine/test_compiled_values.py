"""Compiled functions given one tensor twice, and with constants of their own: replayed, and as without compiling."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau.replay.function import CompiledFunction


def start(number: int) -> torch.Tensor:
    return torch.tensor([1.0 + number, -2.0])


def one_twice(number: int, needs: bool) -> tuple[torch.Tensor, ...]:
    x = start(number).requires_grad_(needs)
    return x, x


def detached(number: int, needs: bool) -> tuple[torch.Tensor, ...]:
    x = start(number).requires_grad_(needs)
    return x, x.detach()


def a_view(number: int, needs: bool) -> tuple[torch.Tensor, ...]:
    x = start(number)
    return x, x[:1].requires_grad_(needs)


def apart(number: int, needs: bool) -> tuple[torch.Tensor, ...]:
    return start(number).requires_grad_(needs), start(number)


def reads(a: Any, b: Any) -> Any:
    return [(a * b + a).sin()]


def writes_the_first(a: Any, b: Any) -> Any:
    a.add_(1)
    return [b * 2, a]


def writes_the_second(a: Any, b: Any) -> Any:
    b.mul_(3)
    return [b + a, a * 1]


def identities(a: Any, b: Any) -> Any:
    return [a, b, a is b]


def differentiates(a: Any, b: Any) -> Any:
    (a * b * a).sum().backward()
    return [item.grad for item in (a, b) if item.requires_grad]


ARGUMENTS = [one_twice, detached, a_view, apart]
WAYS = [(function, False) for function in (reads, writes_the_first, writes_the_second, identities)]


@pytest.mark.parametrize("arguments", ARGUMENTS)
@pytest.mark.parametrize(("function", "needs"), [*WAYS, (reads, True), (differentiates, True)])
def test_as_without_compiling(function: Callable[..., Any], needs: bool, arguments: Callable[..., Any]) -> None:
    compiled = torch.compile(function, fullgraph=True)
    for number in range(4):
        given, same = arguments(number, needs), arguments(number, needs)
        found, expected = compiled(*given), function(*same)
        assert [item if isinstance(item, bool) else item.tolist() for item in found] == [
            item if isinstance(item, bool) else item.tolist() for item in expected
        ]
        assert [item.tolist() for item in given] == [item.tolist() for item in same]
        assert [found[0] is item for item in given] == [expected[0] is item for item in same]


def test_self_attention_is_replayed() -> None:
    layer = torch.nn.MultiheadAttention(8, 2)

    def attend(a: Any, b: Any, c: Any) -> Any:
        return layer(a, b, c)[0]

    compiled = CompiledFunction(attend, fullgraph=True)
    x = torch.randn(3, 2, 8)
    for _ in range(3):
        compiled(x, x, x).sum().backward()
        x = torch.randn(3, 2, 8)
    assert [len(found.replays) for found in compiled._sites.values()] == [1]
    assert torch.equal(compiled(x, x, x), attend(x, x, x))


def adds(x: torch.Tensor) -> list[torch.Tensor]:
    return [x + torch.tensor([1.0, 2.0])]


def adds_and_multiplies(x: torch.Tensor) -> list[torch.Tensor]:
    factor, other = torch.tensor([3.0, 4.0]), torch.tensor([5.0, 6.0])
    return [x * factor, x * other + factor, torch.ones(2) * x]


def looks_in_between(x: torch.Tensor) -> list[torch.Tensor]:
    """Two programs that read one constant."""
    shift = torch.tensor([1.0, 2.0])
    y = x + shift
    return [y, torch.block_diag(y, shift) * 2, y * shift]


@pytest.mark.parametrize("function", [adds, adds_and_multiplies, looks_in_between])
@pytest.mark.parametrize("needs", [False, True])
def test_constants_made_inside_outlast_the_programs_that_overwrite_them(function: Any, needs: bool) -> None:
    compiled = torch.compile(function, fullgraph=True)
    for number in range(5):
        x = torch.tensor([1.0 + number, 2.0], requires_grad=needs)
        assert [item.tolist() for item in compiled(x)] == [item.tolist() for item in function(x)]


def test_copies_of_a_layer_are_replayed() -> None:
    """The values of a copy are its original's until one of them is written."""
    losses: list[list[float]] = []
    for fullgraph in (None, True):
        torch.manual_seed(0)
        layer = torch.nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        model = torch.nn.TransformerEncoder(layer, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

        def step(x: torch.Tensor, model: Any = model, optimizer: Any = optimizer) -> torch.Tensor:
            optimizer.zero_grad()
            loss = model(x).pow(3).mean()
            loss.backward()
            optimizer.step()
            return loss.detach()

        run: Any = step if fullgraph is None else CompiledFunction(step, fullgraph=True)
        losses.append([run(torch.ones(3, 2, 8)).item() for _ in range(5)])
        if fullgraph:
            assert [len(found.replays) for found in run._sites.values()] == [1]
    np.testing.assert_allclose(losses[0], losses[1], 1e-5)
