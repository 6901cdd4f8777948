"""``autograd.Function`` against PyTorch: results, gradients, what the context knows, errors and warnings."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.parity.oracle import check
from tests.parity.outcomes import same

X = np.array([0.5, -1.5, 2.0], np.float32)
Y = np.array([1.0, 2.0, -3.0], np.float32)


def function(lib: Any, forward: Callable[..., Any], backward: Any, **more: Any) -> Any:
    """A custom function of this library."""
    methods = {name: staticmethod(item) for name, item in {"forward": forward, "backward": backward, **more}.items()}
    return type("Custom", (lib.autograd.Function,), methods)


def run(lib: Any, forward: Callable[..., Any], backward: Callable[..., Any], *args: Any, **more: Any) -> Any:
    """Apply a custom function to a leaf and go backward from the sum of its results; the leaf's gradient."""
    x = lib.tensor([1.0, 2.0], requires_grad=True)
    result = function(lib, forward, backward, **more).apply(x, *args)
    parts = result if isinstance(result, tuple) else (result,)
    roots = [part.sum() for part in parts if getattr(part, "requires_grad", False)]
    lib.autograd.backward(roots)
    return result, x.grad


def double(ctx: Any, x: Any, *_: Any) -> Any:
    return x * 2


def saved(ctx: Any, x: Any, *_: Any) -> Any:
    ctx.save_for_backward(x)
    return x * x


def by_saved(ctx: Any, g: Any) -> Any:
    (x,) = ctx.saved_tensors
    return 2 * x * g


def exp_of(lib: Any) -> Any:
    def forward(ctx: Any, x: Any) -> Any:
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    return function(lib, forward, lambda ctx, g: g * ctx.saved_tensors[0])


def cube_of(lib: Any) -> Any:
    def keep(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(inputs[0])
        ctx.scale = inputs[1]

    def backward(ctx: Any, g: Any) -> Any:
        return g * 3 * ctx.scale * ctx.saved_tensors[0] ** 2, None

    return function(lib, lambda x, scale=2.0: scale * x**3, backward, setup_context=keep)


def product_of(lib: Any) -> Any:
    def forward(ctx: Any, x: Any, name: str, y: Any) -> Any:
        ctx.save_for_backward(x, y)
        return x * y, x + y

    def backward(ctx: Any, g: Any, h: Any) -> Any:
        x, y = ctx.saved_tensors
        return g * y + h, None, g * x + h if ctx.needs_input_grad[2] else None

    return function(lib, forward, backward)


def second(lib: Any, y: Any, x: Any) -> Any:
    """The gradient of the gradient."""
    (g,) = lib.autograd.grad(y.sum(), x, create_graph=True)
    return g


@pytest.mark.parametrize(
    "case",
    [
        lambda lib, x: exp_of(lib).apply(x),
        lambda lib, x: cube_of(lib).apply(x),
        lambda lib, x: cube_of(lib).apply(x, 3.0),
        lambda lib, x: cube_of(lib).apply(x, scale=3.0),
        lambda lib, x: cube_of(lib).apply(exp_of(lib).apply(x)) * x,
        lambda lib, x: second(lib, exp_of(lib).apply(x), x),
        lambda lib, x: second(lib, cube_of(lib).apply(x), x),
        lambda lib, x: second(lib, second(lib, cube_of(lib).apply(x), x), x),
    ],
)
def test_gradients_of_one_argument(case: Any) -> None:
    check(case, X, rtol=1e-5)


def test_gradients_of_several_arguments_and_results() -> None:
    check(lambda lib, x, y: product_of(lib).apply(x, "anything", y), X, Y)
    check(lambda lib, x, y: product_of(lib).apply(x, "anything", y)[1], X, Y)
    check(lambda lib, x, y: product_of(lib).apply(x, "anything", y.detach())[0], X, Y)


def with_context(act: Callable[[Any, Any], Any], result: Callable[[Any], Any] = lambda x: x * 2) -> Any:
    """A forward that does something with its context."""

    def forward(ctx: Any, x: Any, *_: Any) -> Any:
        act(ctx, x)
        return result(x)

    return forward


BACKWARDS: list[tuple[Any, ...]] = [
    (lambda ctx, g: (g, g),),
    (lambda ctx, g: (g, None, None),),
    (lambda ctx, g: g, 3),
    (lambda ctx, g: (g, g), 3),
    (lambda ctx, g: (g, "text"), 3),
    (lambda ctx, g: 5,),
    (lambda ctx, g: [g],),
    (lambda ctx, g: None,),
    (lambda ctx, g: g.new_ones(3),),
    (lambda ctx, g: g.new_ones(1),),
    (lambda ctx, g: g.new_ones(4, 2),),
    (lambda ctx, g: g.double(),),
    (lambda ctx, g: g.long(),),
    (lambda ctx, g: ctx.needs_input_grad,),
    (lambda ctx, g: (g, ctx.saved_tensors and None), 3),
]


@pytest.mark.parametrize(("backward", "args"), [(first, rest) for first, *rest in BACKWARDS])
def test_what_backward_returns(backward: Any, args: Any) -> None:
    same(lambda lib: run(lib, double, backward, *args))


@pytest.mark.parametrize(
    "act",
    [
        lambda ctx, x: ctx.save_for_backward(x, 3),
        lambda ctx, x: ctx.save_for_backward([x]),
        lambda ctx, x: ctx.save_for_backward(None, x),
        lambda ctx, x: ctx.mark_dirty(x),
        lambda ctx, x: ctx.mark_non_differentiable(x + 1),
        lambda ctx, x: ctx.set_materialize_grads(False),
        lambda ctx, x: ctx.save_for_forward(x),
    ],
)
def test_what_forward_tells_its_context(act: Any) -> None:
    same(lambda lib: run(lib, with_context(act), lambda ctx, g: g))


@pytest.mark.parametrize(
    "case",
    [
        lambda lib: lib.autograd.Function.forward(None),
        lambda lib: lib.autograd.Function.backward(None),
        lambda lib: lib.autograd.Function.setup_context(None, (), None),
        lambda lib: lib.autograd.Function.jvp(None),
        lambda lib: lib.autograd.Function.vmap(None, ()),
        lambda lib: type("Custom", (lib.autograd.Function,), {}).apply(lib.ones(2)),
        lambda lib: run(lib, double, lambda ctx, g: g, vjp=lambda ctx, g: g),
        lambda lib: exp_of(lib).apply(y=lib.ones(2)),
        lambda lib: exp_of(lib).apply(lib.ones(2, requires_grad=True)).grad_fn,
        lambda lib: exp_of(lib).apply(lib.ones(2, requires_grad=True)).grad_fn.name(),
        lambda lib: type(exp_of(lib).apply(lib.ones(2, requires_grad=True)).grad_fn).__name__,
        lambda lib: exp_of(lib).apply(lib.ones(2, requires_grad=True)).grad_fn.missing,
        lambda lib: exp_of(lib).apply(lib.ones(2, requires_grad=True)).grad_fn.saved_tensors,
        lambda lib: exp_of(lib).apply(lib.ones(2)).grad_fn,
        lambda lib: run(lib, lambda ctx, x: (x * 2, 5, None, "text"), lambda ctx, *g: g[0] * [1, 2][g[1] is None]),
        lambda lib: run(lib, lambda ctx, x: (x * 2, x.long()), lambda ctx, g, h: g + h),
        lambda lib: run(lib, double, lambda ctx, g: g, 1, 2, 3),
        lambda lib: function(lib, lambda ctx, x: [x * 2], None).apply(lib.ones(2, requires_grad=True)),
        lambda lib: function(lib, lambda ctx, x: None, None).apply(lib.ones(2, requires_grad=True)),
        lambda lib: lib.autograd.Function()(1),
    ],
)
def test_outcomes(case: Any) -> None:
    same(case)


def test_results_that_do_not_require_gradients() -> None:
    def outcome(lib: Any) -> Any:
        def forward(ctx: Any, x: Any) -> Any:
            mask, whole = (x > 1).float(), x.round().long()
            ctx.mark_non_differentiable(mask)
            return x * mask, mask, whole

        seen: list[Any] = []

        def backward(ctx: Any, *g: Any) -> Any:
            seen.append(g)
            return g[0]

        results, grad = run(lib, forward, backward)
        return [item.requires_grad for item in results], seen, grad

    same(outcome)


def test_gradients_that_did_not_come() -> None:
    def outcome(lib: Any, materialize: bool) -> Any:
        seen: list[Any] = []

        def forward(ctx: Any, x: Any) -> Any:
            ctx.set_materialize_grads(materialize)
            return x * 2, x * 3

        def backward(ctx: Any, *g: Any) -> Any:
            seen.append(g)
            return g[1] * 3

        x = lib.tensor([1.0, 2.0], requires_grad=True)
        function(lib, forward, backward).apply(x)[1].sum().backward()
        return seen, x.grad

    for materialize in (True, False):
        same(lambda lib, materialize=materialize: outcome(lib, materialize))


def written(ctx: Any, x: Any) -> Any:
    ctx.mark_dirty(x)
    return x.mul_(2)


@pytest.mark.parametrize("part", [slice(None), slice(0, 1)])
def test_arguments_written_in_place(part: slice) -> None:
    def outcome(lib: Any) -> Any:
        x = lib.tensor([1.0, 2.0], requires_grad=True)
        z = x * 3
        w = z if part == slice(None) else z[part]
        y = function(lib, written, lambda ctx, g: g * 2).apply(w)
        (z * z).sum().backward()
        return y is w, y, z, x.grad

    same(lambda lib: [item for item in outcome(lib) if not getattr(item, "requires_grad", False)])


def test_a_leaf_written_in_place() -> None:
    same(lambda lib: run(lib, written, lambda ctx, g: g * 2))
    same(lambda lib: function(lib, written, None).apply(lib.ones(2)))


def test_an_argument_returned_as_it_is() -> None:
    def outcome(lib: Any) -> Any:
        x = lib.tensor([1.0, 2.0], requires_grad=True)
        y = function(lib, lambda ctx, x: x, lambda ctx, g: g * 5).apply(x)
        y.sum().backward()
        return y is x, y, x.grad, x.is_leaf

    same(outcome)
    for forward in (lambda ctx, x: x, lambda ctx, x: x.view(-1)):
        same(lambda lib, forward=forward: function(lib, forward, None).apply(lib.ones(2, requires_grad=True)).add_(1))


def test_the_life_of_saved_tensors() -> None:
    def twice(lib: Any, forward: Any, backward: Any) -> Any:
        x = lib.tensor([1.0, 2.0], requires_grad=True)
        y = function(lib, forward, backward).apply(x)
        y.sum().backward()
        y.sum().backward()
        return x.grad

    same(lambda lib: twice(lib, saved, by_saved))
    same(lambda lib: twice(lib, double, lambda ctx, g: g * 2))

    def identity(lib: Any) -> Any:
        x = lib.tensor([1.0, 2.0], requires_grad=True)
        y = function(lib, saved, by_saved).apply(x)
        return y.grad_fn.saved_tensors[0] is x

    same(identity)


def test_once_differentiable() -> None:
    def outcome(lib: Any, scale: float | None) -> Any:
        once = lib.autograd.function.once_differentiable(by_saved)
        x = lib.tensor([1.0, 2.0], requires_grad=True)
        y = function(lib, saved, once).apply(x)
        y = y if scale is None else y * x * scale
        (g,) = lib.autograd.grad(y.sum(), x, create_graph=True)
        shown = g.detach().tolist(), g.requires_grad
        g.sum().backward()
        return shown, x.grad

    same(lambda lib: outcome(lib, None))
    same(lambda lib: outcome(lib, 3.0))


def test_vmap_of_a_function_with_a_generated_rule() -> None:
    def outcome(lib: Any, x: Any) -> Any:
        cube = cube_of(lib)
        cube.generate_vmap_rule = True
        return lib.vmap(lambda row: cube.apply(row, 2.0).sum())(x)

    check(outcome, np.stack([X, Y]), rtol=1e-5)


def test_function_transforms() -> None:
    def outcome(lib: Any, x: Any) -> Any:
        cube = cube_of(lib)
        slope = lib.func.grad(lambda value: cube.apply(value, 2.0).sum())
        return slope(x), lib.func.jacrev(slope)(x)

    check(outcome, X, gradients=False, rtol=1e-5)
