"""``autograd.backward`` and ``autograd.grad``, ``gradcheck`` and the room's smaller names against PyTorch."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.parity.outcomes import same


def leaf(lib: Any, *values: float, **options: Any) -> Any:
    return lib.tensor(list(values) or [1.0, 2.0], requires_grad=True, **options)


def on(function: Callable[..., Any]) -> Callable[[Any], Any]:
    """What a function returns for a leaf, and the leaf's gradient."""

    def case(lib: Any) -> Any:
        a = leaf(lib)
        return function(lib, a), a.grad

    return case


@pytest.mark.parametrize(
    "case",
    [
        on(lambda lib, a: lib.autograd.backward(a.sum(), grad_tensors=[None, None])),
        on(lambda lib, a: lib.autograd.backward([a.sum(), a.sum()], grad_tensors=lib.ones(()))),
        on(lambda lib, a: lib.autograd.backward([a.sum(), (a * a).sum()])),
        on(lambda lib, a: lib.autograd.backward([a.sum(), a * a], [None, lib.ones(2)])),
        on(lambda lib, a: lib.autograd.backward(a * 2)),
        on(lambda lib, a: lib.autograd.backward((a * 2).sum(), inputs=[])),
        on(lambda lib, a: lib.autograd.backward((a * 2).sum(), inputs={"a": a})),
        on(lambda lib, a: lib.autograd.backward((a * 2).sum(), inputs=[3])),
        on(lambda lib, a: lib.autograd.backward(a * 2, lib.ones(3))),
        on(lambda lib, a: lib.autograd.backward((a * 2).sum(), lib.ones((), dtype=lib.complex64))),
        on(lambda lib, a: lib.autograd.backward(a * 2, grad_variables=lib.ones(2))),
        on(lambda lib, a: lib.autograd.backward(a * 2, lib.ones(2), grad_variables=lib.ones(2))),
        on(lambda lib, a: lib.autograd.backward((a * 2).long())),
        on(lambda lib, a: lib.autograd.backward(3)),
        on(lambda lib, a: lib.autograd.grad((a * 2).sum(), [])),
        on(lambda lib, a: lib.autograd.grad((a * 2).sum(), lib.ones(2))),
        on(lambda lib, a: lib.autograd.grad((a * 2).sum(), leaf(lib))),
        on(lambda lib, a: lib.autograd.grad((a * 2).sum(), [a, leaf(lib)], allow_unused=True)),
        on(lambda lib, a: lib.autograd.grad((a * 2).sum(), [a, leaf(lib)], materialize_grads=True)),
        on(lambda lib, a: lib.autograd.grad((a * 2).sum(), a, allow_unused=False, materialize_grads=True)),
        on(lambda lib, a: lib.autograd.grad(lib.ones(1), a)),
        on(lambda lib, a: lib.autograd.grad([(a * 2).sum(), (a * 3).sum()], a, [None, lib.tensor(2.0)])),
        on(lambda lib, a: lib.autograd.grad([(a * 2).sum(), (a * 3).sum()], a, [None])),
        on(lambda lib, a: lib.autograd.grad((a * 2).sum(), a, only_inputs=False)),
        on(lambda lib, a: lib.autograd.grad((a * 2).sum(), [3])),
        on(lambda lib, a: lib.autograd.grad((a * a).sum(), {"first": a})),
        on(lambda lib, a: lib.autograd.grad((a * a).sum(), {"first": a, "second": leaf(lib)}, allow_unused=True)),
        on(lambda lib, a: lib.autograd.grad(a * a, a, lib.eye(2), is_grads_batched=True)),
        on(lambda lib, a: isinstance(a, lib.autograd.Variable)),
        on(lambda lib, a: isinstance(3, lib.autograd.Variable)),
        on(lambda lib, a: lib.autograd.Variable(a)),
        on(lambda lib, a: lib.autograd.Variable(a * 2, requires_grad=True).is_leaf),
        on(lambda lib, a: lib.autograd.variable.Variable(a) is a),
        on(lambda lib, a: lib.autograd.grad_mode.no_grad is lib.no_grad),
        on(lambda lib, a: lib.autograd.graph.increment_version([a]) or a._version),
    ],
)
def test_walks(case: Callable[[Any], Any]) -> None:
    same(case)


def wrong(lib: Any) -> Any:
    """A function whose backward is not its derivative."""
    methods = {"forward": staticmethod(lambda ctx, x: x * x), "backward": staticmethod(lambda ctx, g: g * 3)}
    return type("Wrong", (lib.autograd.Function,), methods).apply


def once(lib: Any) -> Any:
    """A function whose gradient has the wrong derivative."""

    class Square(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2 * ctx.saved_tensors[0].detach()

    return Square.apply


def checks(lib: Any, function: Callable[..., Any], *values: Any, **options: Any) -> Any:
    kind = lib.complex128 if any(isinstance(item, complex) for item in values) else lib.float64
    x = lib.tensor(list(values) or [0.5, 1.5], dtype=kind, requires_grad=True)
    return lib.autograd.gradcheck(function, x, **options)


def changing(lib: Any) -> Any:
    """A function whose backward gives something else each time."""
    count = [0]

    def backward(ctx: Any, g: Any) -> Any:
        count[0] += 1
        return g * 2 + 1e-9 * count[0]

    methods = {"forward": staticmethod(lambda ctx, x: x * 2), "backward": staticmethod(backward)}
    return type("Changing", (lib.autograd.Function,), methods).apply


@pytest.mark.parametrize(
    "case",
    [
        lambda lib: checks(lib, lambda a: a.exp() * a),
        lambda lib: checks(lib, lambda a: (a.exp(), a.sum())),
        lambda lib: checks(lib, wrong(lib)),
        lambda lib: checks(lib, wrong(lib), raise_exception=False),
        lambda lib: checks(lib, lambda a: (a.exp(), wrong(lib)(a))),
        lambda lib: checks(lib, lambda a: lib.ones(2, dtype=lib.float64)),
        lambda lib: checks(lib, lambda a: a.detach() * 2),
        lambda lib: checks(lib, lambda a: a.exp(), check_grad_dtypes=True),
        lambda lib: checks(lib, lambda a: a * a.conj(), 0.5 + 1j, 1.5),
        lambda lib: checks(lib, lambda a: a.exp(), 0.5 + 1j, 1.5),
        lambda lib: checks(lib, wrong(lib), 0.5 + 1j, 1.5),
        lambda lib: checks(lib, lambda a: a.real.exp(), 0.5 + 1j, 1.5),
        lambda lib: checks(lib, changing(lib), nondet_tol=1e-6),
        lambda lib: lib.autograd.gradcheck(lambda a: a * 2, lib.ones(2)),
        lambda lib: lib.autograd.gradcheck(lambda a: a * 2, 3),
        lambda lib: lib.autograd.gradcheck(lambda a: a * 2, leaf(lib), atol=1e-2),
        lambda lib: lib.autograd.gradcheck(
            lambda a, k, b: a * k @ b, (leaf(lib, dtype=lib.float64), 3, leaf(lib, dtype=lib.float64))
        ),
        lambda lib: lib.autograd.gradgradcheck(lambda a: a.exp(), leaf(lib, dtype=lib.float64)),
        lambda lib: lib.autograd.gradgradcheck(
            once(lib), leaf(lib, dtype=lib.float64), lib.ones(2, dtype=lib.float64, requires_grad=True)
        ),
    ],
)
def test_gradcheck(case: Callable[[Any], Any]) -> None:
    same(case)


def test_a_backward_that_changes() -> None:
    def first_lines(lib: Any) -> str:
        with pytest.raises(RuntimeError, match=r"^Backward is not reentrant") as raised:
            checks(lib, changing(lib), 0.5)
        return str(raised.value).partition("\n\n")[0]

    same(first_lines)


def anomalies(lib: Any) -> Any:
    def states() -> Any:
        return lib.is_anomaly_enabled(), lib.is_anomaly_check_nan_enabled()

    found = [states()]
    with lib.autograd.set_detect_anomaly(True, check_nan=False):
        found.append(states())
        with lib.autograd.detect_anomaly():
            found.append(states())
        found.append(states())
        y = leaf(lib, -1.0).sqrt()
        y.sum().backward()
        found.append(type(y.grad_fn.metadata["traceback_"]))
    return [*found, states()]


def test_states_of_anomaly_mode() -> None:
    same(anomalies)
