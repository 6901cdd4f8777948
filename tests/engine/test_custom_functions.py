"""``autograd.Function`` in the engine: one program a step, values that are freed, errors of our own."""

import gc
import weakref
from typing import Any

import pytest

import flambeau as torch
from flambeau.testing import compilations


class Silu(torch.autograd.Function):
    """``x * sigmoid(x)``; keeps its argument and its result."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        y = x * x.sigmoid()
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        x, y = ctx.saved_tensors
        slope = x.sigmoid()
        return g * (slope + y * (1 - slope))


def test_a_training_step_is_one_program() -> None:
    layer = torch.nn.Linear(4, 3)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    x, losses = torch.ones(2, 4), []
    for step in range(4):
        with compilations() as found:
            optimizer.zero_grad()
            loss = Silu.apply(layer(x)).square().sum()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert len(found) <= (1 if step < 2 else 0), [str(entry) for entry in found]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] > losses[-1]


def test_second_derivatives_of_a_result_that_was_saved() -> None:
    x = torch.tensor([0.5, -1.0], dtype=torch.float64, requires_grad=True)
    (mine,) = torch.autograd.grad(Silu.apply(x).sum(), x, create_graph=True)
    (theirs,) = torch.autograd.grad(torch.nn.functional.silu(x).sum(), x, create_graph=True)
    for one, other in zip(
        (mine, *torch.autograd.grad(mine.sum(), x)), (theirs, *torch.autograd.grad(theirs.sum(), x)), strict=True
    ):
        assert one.tolist() == pytest.approx(other.tolist(), rel=1e-12)


def test_nothing_holds_itself() -> None:
    y = Silu.apply(torch.ones(2, requires_grad=True))
    watch = weakref.ref(y.grad_fn)
    gc.disable()
    try:
        del y
        assert watch() is None
    finally:
        gc.enable()


def test_a_saved_tensor_that_was_written() -> None:
    z = torch.ones(2, requires_grad=True) * 1
    y = Silu.apply(z)
    z.add_(1)
    with pytest.raises(RuntimeError, match=r"has been modified by an inplace operation: \[torch.FloatTensor \[2\]\]"):
        y.sum().backward()


@pytest.mark.parametrize(
    ("method", "text"),
    [
        ("mark_dirty", "mark_dirty can only accept variables, but argument 0 is of type int"),
        ("mark_non_differentiable", "mark_non_differentiable only accepts variable arguments, but got int"),
    ],
)
def test_marks_of_no_tensors(method: str, text: str) -> None:
    class Marks(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            getattr(ctx, method)(3)

    with pytest.raises(RuntimeError, match=f"^{text}$"):
        Marks.apply(torch.ones(2))


def test_shared_storage_is_known_anyway() -> None:
    with pytest.warns(FutureWarning, match="mark_shared_storage is deprecated"):
        torch.autograd.function.FunctionCtx().mark_shared_storage()


def test_a_rule_for_vmap() -> None:
    class Ruled(Silu):
        @staticmethod
        def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
            return args

    with pytest.raises(NotImplementedError, match=r"^Ruled\.vmap is not supported: .* generate_vmap_rule = True$"):
        torch.vmap(Ruled.apply)(torch.ones(2, 3))
    assert torch.vmap(Silu.apply)(torch.zeros(2, 3)).tolist() == [[0.0] * 3] * 2


def test_functions_of_nested_lists() -> None:
    with pytest.raises(NotImplementedError, match="NestedIOFunction is not supported: derive from Function"):
        type("Nested", (torch.autograd.NestedIOFunction,), {})


def test_a_written_argument_that_is_not_one() -> None:
    class Other(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            y = x * 2
            ctx.mark_dirty(y)
            return y

    with pytest.warns(UserWarning, match=r"ctx.mark_dirty\(\) received a tensor that was not an input"):
        Other.apply(torch.ones(2))
