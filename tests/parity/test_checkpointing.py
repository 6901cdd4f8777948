"""``utils.checkpoint`` against PyTorch: results, gradients, what is taped, errors and warnings."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from tests.parity.oracle import check
from tests.parity.outcomes import same

X = np.array([[0.5, -1.5, 2.0], [1.0, 0.25, -0.75]], np.float32)
W = np.array([[0.1, 0.2, 0.3], [0.4, -0.5, 0.6], [0.7, 0.8, -0.9]], np.float32)


def module(lib: Any) -> Any:
    return import_module(f"{lib.__name__}.utils.checkpoint")


def again(lib: Any, function: Any, *args: Any, reentrant: bool = False, **kwargs: Any) -> Any:
    return module(lib).checkpoint(function, *args, use_reentrant=reentrant, **kwargs)


CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "one argument": (lambda lib, x: again(lib, lambda x: (x * x).exp().sin(), x), (X,)),
    "reentrant": (lambda lib, x: again(lib, lambda x: (x * x).exp().sin(), x, reentrant=True), (X,)),
    "two arguments": (lambda lib, x, w: again(lib, lambda x, w: (x @ w).tanh() @ w, x, w), (X, W)),
    "a captured tensor": (lambda lib, x, w: again(lib, lambda x: (x @ w).tanh() @ w, x), (X, W)),
    "captured and given": (lambda lib, x, w: again(lib, lambda x, v: (x @ w).tanh() @ v, x, w), (X, W)),
    "given twice": (lambda lib, x: again(lib, lambda a, b: a.exp() * b, x, x), (X,)),
    "named": (lambda lib, x, w: again(lib, lambda x, w: x @ w, x, w=w.exp()), (X, W)),
    "nested": (lambda lib, x, w: again(lib, lambda pair: (pair["x"] @ pair["w"][0]).exp(), {"x": x, "w": [w]}), (X, W)),
    "several results": (lambda lib, x: again(lib, lambda x: (x.exp(), x.sin(), 3), x)[:2], (X,)),
    "a result unused": (lambda lib, x: again(lib, lambda x: (x.exp(), x.sin()), x)[1], (X,)),
    "an argument returned": (lambda lib, x: again(lib, lambda x: (x, x.exp()), x), (X,)),
    "one after the other": (lambda lib, x: again(lib, lambda y: y.sin(), again(lib, lambda y: y.exp(), x)), (X,)),
    "inside another": (lambda lib, x: again(lib, lambda y: again(lib, lambda z: z.exp(), y).sin(), x), (X,)),
    "whole numbers": (lambda lib, x: again(lib, lambda x, i: x[i].exp(), x, lib.tensor([0])), (X,)),
    "detached inside": (lambda lib, x: again(lib, lambda x: x.exp() * x.detach(), x), (X,)),
    "without gradients": (lambda lib, x: again(lib, lambda x: x.exp(), x.detach()), (X,)),
    "a view": (lambda lib, x: again(lib, lambda x: x.t(), x).exp(), (X,)),
}


@pytest.mark.parametrize("name", CASES)
def test_gradients(name: str) -> None:
    function, inputs = CASES[name]
    check(function, *inputs, rtol=1e-5)


def test_second_derivatives() -> None:
    def outcome(lib: Any, x: Any, w: Any) -> Any:
        y = again(lib, lambda x: (x @ w).tanh().exp(), x)
        return lib.autograd.grad(y.sum(), (x, w), create_graph=True)

    check(outcome, X, W, rtol=1e-5, atol=1e-5)


def test_batch_norm_learns_twice() -> None:
    def outcome(lib: Any) -> Any:
        layer, x = lib.nn.BatchNorm1d(3), lib.tensor(X, requires_grad=True)
        again(lib, layer, x).square().sum().backward()
        return layer.num_batches_tracked, layer.running_mean, [item.shape for item in (x.grad, layer.weight.grad)]

    same(outcome)


@pytest.mark.parametrize("reentrant", [True, False])
def test_sequences(reentrant: bool) -> None:
    def outcome(lib: Any, x: Any, w: Any) -> Any:
        functions = [lambda y: y @ w, lib.sin, lambda y: y @ w, lib.exp, lib.tanh]
        return [module(lib).checkpoint_sequential(functions, parts, x, use_reentrant=reentrant) for parts in (1, 2, 5)]

    check(outcome, X, W, rtol=1e-5)

    def shapes(lib: Any) -> Any:
        model = lib.nn.Sequential(lib.nn.Linear(3, 2), lib.nn.ReLU(), lib.nn.Linear(2, 4))
        y = module(lib).checkpoint_sequential(model, 2, lib.tensor(X, requires_grad=True), use_reentrant=reentrant)
        y.sum().backward()
        return y.shape, [parameter.grad.shape for parameter in model.parameters()]

    same(shapes)


def leaf(lib: Any) -> Any:
    return lib.tensor([1.0, 2.0], requires_grad=True)


def twice(lib: Any, reentrant: bool) -> None:
    y = again(lib, lambda x: x.exp(), leaf(lib), reentrant=reentrant)
    y.sum().backward()
    y.sum().backward()


def changing(lib: Any, **options: Any) -> None:
    calls: list[int] = []

    def function(x: Any) -> Any:
        calls.append(1)
        return x.exp() if len(calls) == 1 else x[:1].exp()

    again(lib, function, leaf(lib), **options).sum().backward()


def first_lines(case: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A case whose error is compared up to PyTorch's hints."""

    def run(lib: Any) -> Any:
        try:
            case(lib)
        except module(lib).CheckpointError as error:
            return str(error).partition("\n\n")[0]

    return run


@pytest.mark.parametrize(
    "case",
    [
        lambda lib: module(lib).checkpoint(lambda x: x.exp(), leaf(lib)).requires_grad,
        lambda lib: again(lib, lambda x: x.exp(), lib.ones(2), reentrant=True),
        lambda lib: again(lib, lambda x: x.exp(), lib.ones(2)),
        lambda lib: again(lib, lambda x: x.exp(), leaf(lib), reentrant=True).grad_fn.name(),
        lambda lib: again(lib, lambda x: x.exp(), x=leaf(lib), reentrant=True),
        lambda lib: again(lib, lambda x: x.exp(), leaf(lib), reentrant=True, context_fn=lambda: None),
        lambda lib: again(lib, lambda x: x.exp(), leaf(lib), reentrant=True, debug=True),
        lambda lib: again(lib, lambda x: x.exp(), leaf(lib), determinism_check="anything"),
        lambda lib: again(lib, lambda x: (x.is_leaf, 3, None, "text"), leaf(lib)),
        lambda lib: twice(lib, True),
        lambda lib: twice(lib, False),
        first_lines(changing),
        lambda lib: lib.autograd.grad(again(lib, lambda x: x.exp(), leaf(lib)).sum(), leaf(lib)),
        lambda lib: module(lib).checkpoint_sequential([lib.exp, lib.sin], 2, leaf(lib)).requires_grad,
        lambda lib: module(lib).checkpoint_sequential([lib.exp], 2, leaf(lib), use_reentrant=False, other=1),
        lambda lib: module(lib).checkpoint_sequential([lib.exp], 2, leaf(lib), use_reentrant=False),
        lambda lib: module(lib).CheckpointFunction.apply(lambda x: x.exp(), True, leaf(lib)).grad_fn.name(),
        lambda lib: module(lib).detach_variable((leaf(lib), lib.ones(1), 3)),
        lambda lib: module(lib).detach_variable(leaf(lib)),
        lambda lib: module(lib).check_backward_validity([lib.ones(2)]),
        lambda lib: module(lib).check_backward_validity([leaf(lib)]),
        lambda lib: module(lib).get_device_states(leaf(lib)),
        lambda lib: module(lib).set_device_states([], []),
        lambda lib: [type(item).__name__ for item in module(lib).noop_context_fn()],
        lambda lib: [(item.name, item.value) for item in module(lib).CheckpointPolicy],
    ],
)
def test_outcomes(case: Callable[[Any], Any]) -> None:
    same(case)


def test_contexts_and_autocast_of_both_calls() -> None:
    def outcome(lib: Any) -> Any:
        seen: list[Any] = []

        def contexts() -> Any:
            return lib.autocast("cpu", dtype=lib.float16), lib.autocast("cpu", enabled=False)

        def function(x: Any) -> Any:
            seen.append((x @ x).dtype)
            return x.exp()

        x = lib.ones(2, 2, requires_grad=True)
        with lib.autocast("cpu"):
            y = again(lib, function, x)
        y.sum().backward()
        again(lib, function, x, context_fn=contexts).sum().backward()
        return seen, lib.is_autocast_enabled("cpu")

    same(outcome)
