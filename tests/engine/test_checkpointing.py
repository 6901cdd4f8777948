"""``utils.checkpoint`` in the engine: what is computed twice, what is kept, and the same random numbers both times."""

import gc
import weakref
from typing import Any

import pytest

import flambeau as torch
from flambeau.testing import compilations
from flambeau.utils import checkpoint as room
from flambeau.utils.checkpoint import checkpoint

DEPTH, BATCH, WIDTH, INNER = 5, 256, 32, 256


def blocks(count: int, width: int, inner: int) -> Any:
    torch.manual_seed(0)
    make = torch.nn
    return [
        make.Sequential(make.Linear(width, inner), make.GELU(), make.Dropout(0.2), make.Linear(inner, width))
        for _ in range(count)
    ]


def trained(checkpointed: bool) -> tuple[Any, list[Any]]:
    """The program of loss and gradients of a stack of blocks, and what it gives."""
    layers = blocks(DEPTH, WIDTH, INNER)
    parameters = [parameter for layer in layers for parameter in layer.parameters()]
    x = torch.randn(BATCH, WIDTH)
    with compilations() as found:
        for layer in layers:
            x = x + (checkpoint(layer, x, use_reentrant=False) if checkpointed else layer(x))
        loss = x.square().mean()
        loss.backward()
        values = [loss.item(), *[parameter.grad.tolist() for parameter in parameters]]
    assert len(found) == 1, [str(entry) for entry in found]
    return found[0], values


def test_less_memory_for_a_second_forward_with_the_same_masks() -> None:
    plain, expected = trained(False)
    again, values = trained(True)
    assert values == expected
    memory = [item.program.memory_analysis().temp_size_in_bytes for item in (plain, again)]
    assert memory[1] < memory[0] * 0.5
    forward = DEPTH * 2 * BATCH * WIDTH * INNER  # of the blocks' first products; their second ones are not needed
    assert again.flops > plain.flops + forward
    assert again.flops < plain.flops * 1.4


def test_other_masks_where_random_numbers_are_not_kept() -> None:
    def slopes(preserve: bool) -> tuple[Any, Any]:
        torch.manual_seed(0)
        x = torch.ones(8, requires_grad=True)
        y = checkpoint(lambda x: x * torch.rand(8), x, use_reentrant=False, preserve_rng_state=preserve)
        y.sum().backward()
        return x.grad.tolist(), y.tolist()

    same, other = slopes(True), slopes(False)
    assert same[0] == same[1] == other[1] != other[0]


def test_random_numbers_go_on_after_backward() -> None:
    torch.manual_seed(0)
    x = torch.ones(3, requires_grad=True)
    y = checkpoint(lambda x: x * torch.rand(3), x, use_reentrant=False)
    expected = y.detach()
    before = torch.get_rng_state()
    y.sum().backward()
    assert x.grad.tolist() == expected.tolist()
    assert torch.get_rng_state().equal(before)


def test_a_step_is_one_program_that_stays() -> None:
    layers = blocks(2, 4, 8)
    optimizer = torch.optim.SGD([item for layer in layers for item in layer.parameters()], lr=0.1)
    for step in range(3):
        with compilations() as found:
            x = torch.ones(2, 4)
            for layer in layers:
                x = checkpoint(layer, x, use_reentrant=False)
            optimizer.zero_grad()
            x.square().sum().backward()
            optimizer.step()
        assert len(found) <= (1 if step < 2 else 0), [str(entry) for entry in found]


def test_nothing_inside_is_kept() -> None:
    inside: list[Any] = []

    def function(x: Any) -> Any:
        y = x.exp()
        inside.append(weakref.ref(y.grad_fn))
        return y.sin()

    gc.disable()
    try:
        y = checkpoint(function, torch.ones(2, requires_grad=True), use_reentrant=False)
        assert inside[0]() is None
        place = weakref.ref(y.grad_fn)
        del y
        assert place() is None
    finally:
        gc.enable()


def test_a_function_that_returns_less_the_second_time() -> None:
    calls: list[int] = []

    def function(x: Any) -> Any:
        calls.append(1)
        return [x.exp()] * (3 - len(calls))

    x = torch.ones(2, requires_grad=True)
    result = checkpoint(function, x, use_reentrant=False, determinism_check="none")
    with pytest.raises(room.CheckpointError, match="Number of results of forward: 2"):
        result[0].sum().backward()


def test_vmap() -> None:
    x = torch.tensor([[0.5, 1.0], [1.5, 2.0]], requires_grad=True)
    result = torch.vmap(lambda row: checkpoint(torch.exp, row, use_reentrant=False).sum())(x)
    result.sum().backward()
    assert x.grad.tolist() == x.detach().exp().tolist()


@pytest.mark.parametrize("name", sorted(room.UNSUPPORTED))
def test_names_that_are_not_supported(name: str) -> None:
    with pytest.raises(NotImplementedError, match=rf"^torch\.utils\.checkpoint\.{name} is not supported: "):
        getattr(room, name)(None)


def test_smaller_names() -> None:
    with pytest.raises(NotImplementedError, match="set_device_states is not supported"):
        room.set_device_states([0], [torch.ones(1)])
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        room.nothing  # pyright: ignore[reportAttributeAccessIssue]
    with room.set_checkpoint_debug_enabled(True), room.set_checkpoint_early_stop(False):
        assert checkpoint(torch.exp, torch.zeros(1), use_reentrant=False).item() == 1.0
    kind = room.DefaultDeviceType.get_device_type()
    room.DefaultDeviceType.set_device_type("cpu")
    assert room.DefaultDeviceType.get_device_type() == "cpu"
    room.DefaultDeviceType.set_device_type(kind)
