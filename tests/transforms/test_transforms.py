"""Transforms with known values, and what they do to the engine: programs, the pending graph, the tape."""

import threading
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau.differentiation.batching import active_batches
from flambeau.func import functional_call, grad, grad_and_value, hessian, jacfwd, jacrev, jvp, linearize, vjp, vmap
from flambeau.graph.record import MAPPING, PENDING
from flambeau.runtime.force import RUNS, force_all
from flambeau.testing import compilations


def tensor(*values: float) -> Any:
    return torch.tensor(values, dtype=torch.float64)


def cubes(x: Any) -> Any:
    return (x**3).sum()


GOLDEN = {
    "grad": (grad(cubes), [3.0, 12.0]),
    "value": (lambda x: grad_and_value(cubes)(x)[1], 9.0),
    "second": (grad(lambda y: grad(cubes)(y).sum()), [6.0, 12.0]),
    "vjp": (lambda x: vjp(lambda y: y * y, x)[1](x)[0], [2.0, 8.0]),
    "jvp": (lambda x: jvp(lambda y: y * y.sum(), (x,), (tensor(1, 0),))[1], [4.0, 2.0]),
    "linearize": (lambda x: linearize(lambda y: y * y.sum(), x)[1](tensor(1, 0)), [4.0, 2.0]),
    "jacrev": (jacrev(lambda y: y * y.sum()), [[4.0, 1.0], [2.0, 5.0]]),
    "jacfwd": (jacfwd(lambda y: y * y.sum()), [[4.0, 1.0], [2.0, 5.0]]),
    "hessian": (hessian(lambda y: y[0] ** 2 * y[1]), [[4.0, 2.0], [2.0, 0.0]]),
    "vmap": (vmap(lambda a: a * 2 + 1), [3.0, 5.0]),
    "vmap of grad": (vmap(grad(lambda a: a**3)), [3.0, 12.0]),
    "grad of vmap": (grad(lambda y: vmap(lambda a: a**3)(y).sum()), [3.0, 12.0]),
    "vmap of vmap": (lambda x: vmap(lambda a: vmap(lambda b: a * b)(x))(x), [[1.0, 2.0], [2.0, 4.0]]),
    "taken off the tape": (grad(lambda y: vmap(lambda a: a.detach() * a)(y).sum()), [1.0, 2.0]),
    "product of all": (jacrev(jacrev(lambda y: y.prod())), [[0.0, 1.0], [1.0, 0.0]]),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name: str) -> None:
    function, expected = GOLDEN[name]
    x, y = tensor(1, 2), tensor(3, 4)
    np.testing.assert_allclose(function(x).numpy(), expected)
    with compilations(at_most=0):
        function(y).tolist()


def test_values_may_be_looked_at_inside_grad() -> None:
    seen: list[float] = []

    def function(x: Any) -> Any:
        seen.append(x.sum().item())
        return x.sum() * 2 if x.sum() > 0 else x.sum()

    assert grad(function)(tensor(1, 2)).tolist() == [2.0, 2.0]
    assert grad(function)(tensor(-1, -2)).tolist() == [1.0, 1.0]
    assert seen == [3.0, -3.0]


def test_shared_values_may_be_looked_at_inside_vmap() -> None:
    scale = tensor(3) * 2
    x = tensor(1, 2)
    assert vmap(lambda a: a * scale.item() + (a if scale.sum() > 5 else 0))(x).tolist() == [7.0, 14.0]


def test_what_an_example_leaves_is_never_pending() -> None:
    force_all()
    x = tensor(1, 2)
    pending: list[int] = []

    def function(a: Any) -> Any:
        b = ((a * 2).sin() + 1).exp()
        pending.append(len(PENDING))
        return b

    y = vmap(function)(x)
    assert pending == [0]
    assert len(PENDING) == 1
    y.tolist()
    assert not PENDING


def test_an_error_inside_leaves_nothing_behind() -> None:
    force_all()

    def function(a: Any) -> Any:
        b = a * 2
        raise ValueError(f"no more than {b.dim()}")

    with pytest.raises(ValueError, match="no more than 0"):
        vmap(function)(tensor(1, 2))
    assert not PENDING
    with pytest.raises(ValueError, match="no more than 1"):
        grad(function)(tensor(1, 2))
    assert not MAPPING
    assert not active_batches()
    assert torch.is_grad_enabled()


def test_a_tensor_that_escapes() -> None:
    kept: list[Any] = []
    vmap(lambda a: kept.append(a) or a)(tensor(1, 2))
    with pytest.raises(RuntimeError, match="may have escaped from inside a function being vmapped"):
        (kept[0] + 1).tolist()
    assert repr(kept[0]) == "tensor(..., size=(), dtype=torch.float64)"


def test_data_dependent_control_flow() -> None:
    with pytest.raises(RuntimeError, match="attempting to use a Tensor in some data-dependent control flow"):
        vmap(grad(lambda a: a if a > 0 else -a))(tensor(1, 2))


def test_equal_traces_are_one_operation() -> None:
    x = tensor(1, 2)
    first = vmap(lambda a: a * 2 + 3.5)(x).read()
    second = vmap(lambda a: a * 2 + 4.5)(x).read()
    other = vmap(lambda a: a * 2 - 3.5)(x).read()
    assert first.operation is second.operation
    assert first.operation is not other.operation


def test_batches_of_other_sizes_compile_once_each() -> None:
    def function(x: Any) -> Any:
        return vmap(lambda a: a.sin() + 1)(x)

    function(tensor(1, 2)).tolist()
    with compilations(at_most=1):
        function(tensor(1, 2, 3)).tolist()
        function(tensor(3, 2, 1)).tolist()


def test_a_tensor_made_inside_may_take_an_examples_values() -> None:
    def function(a: Any) -> Any:
        found = torch.zeros(3, dtype=torch.float64)
        found[1] = a
        found += torch.ones(3, dtype=torch.float64)
        return found

    assert vmap(function)(tensor(1, 2)).tolist() == [[1.0, 2.0, 1.0], [1.0, 3.0, 1.0]]


def test_a_shared_tensor_may_not_and_keeps_its_values() -> None:
    shared = tensor(0, 0)
    with pytest.raises(RuntimeError, match=r"`other` being vmapped over but `self` not being vmapped over"):
        vmap(shared.add_)(tensor(1, 2))
    assert shared.tolist() == [0.0, 0.0]


def test_writes_to_an_argument_reach_the_caller() -> None:
    x = torch.zeros(2, 3, dtype=torch.float64)
    vmap(lambda a, b: a.add_(b), in_dims=(1, 0))(x, tensor(1, 2, 3))
    assert x.tolist() == [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]


def test_gradients_of_shared_weights_cost_what_the_batch_costs() -> None:
    x, weight = torch.ones(32, 16), torch.ones(16, 8, requires_grad=True)

    def flops(function: Any) -> float:
        weight.grad = None
        with compilations() as found:
            function().tanh().sum().backward()
            assert weight.grad is not None
            weight.grad.tolist()
        return found[-1].flops

    batched, plain = flops(lambda: vmap(lambda a: a @ weight)(x)), flops(lambda: x @ weight)
    assert batched < plain * 1.1


def test_what_the_gradient_needs_is_guarded_and_freed() -> None:
    weight = torch.ones(2, requires_grad=True)
    shared = weight * 1
    loss = vmap(lambda a: (a * shared * shared).sin())(tensor(1, 2)).sum()
    with torch.no_grad():
        shared.add_(1)
    with pytest.raises(RuntimeError, match="has been modified by an inplace operation"):
        loss.backward()
    loss = vmap(lambda a: (a * weight).sin())(tensor(1, 2)).sum()
    loss.backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        loss.backward()


def test_threads_do_not_see_each_others_batches() -> None:
    force_all()
    ready, done = threading.Event(), threading.Event()
    drawn: list[Any] = []

    def other() -> None:
        ready.wait(10)
        drawn.append((torch.randn(2) * 2).tolist())
        done.set()

    thread = threading.Thread(target=other)
    thread.start()

    def function(a: Any) -> Any:
        ready.set()
        assert done.wait(10)
        return a * 2

    assert vmap(function)(tensor(1, 2)).tolist() == [2.0, 4.0]
    thread.join()
    assert len(drawn[0]) == 2


def test_scans_inside_vmap() -> None:
    torch.manual_seed(0)
    x, state = torch.randn(3, 4, 1, 2), torch.zeros(1, 1, 3)
    weights = [torch.randn(12, size, requires_grad=True) for size in (2, 3)]

    def function(a: Any) -> Any:
        return torch.lstm(a, (state, state), weights, False, 1, 0.0, False, False, False)[0]

    alone = torch.stack([function(item) for item in x])
    together = vmap(function)(x)
    np.testing.assert_allclose(together.detach().numpy(), alone.detach().numpy(), rtol=1e-5, atol=1e-6)
    for mine, plain in zip(
        *[torch.autograd.grad(item.sin().sum(), weights) for item in (together, alone)], strict=True
    ):
        np.testing.assert_allclose(mine.numpy(), plain.numpy(), rtol=1e-4, atol=1e-5)


def test_training_with_functions_compiles_nothing_after_the_second_step() -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    params = {name: parameter.detach() for name, parameter in model.named_parameters()}
    x, y = torch.randn(16, 4), torch.randn(16, 1)

    def loss(weights: Any, inputs: Any, targets: Any) -> Any:
        return (functional_call(model, weights, inputs) - targets).square().mean()

    def step(weights: Any, rate: float) -> tuple[Any, float]:
        gradients, value = grad_and_value(loss)(weights, x, y)
        return {name: weights[name] - rate * gradients[name] for name in weights}, value.item()

    losses: list[float] = []
    for index in range(10):  # each step is one program, once the first weights, which the model keeps, are gone
        before = RUNS["programs"]
        with compilations(at_most=4 if index < 2 else 0):
            params, value = step(params, 0.5 / (index + 1))
        losses.append(value)
        assert RUNS["programs"] - before == 1
    assert losses[-1] < losses[0] / 1.3
    assert all(parameter.grad is None for parameter in model.parameters())


def test_per_example_style_training_compiles_nothing_after_the_second_step() -> None:
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 1)
    params = {name: parameter.detach() for name, parameter in model.named_parameters()}
    x, y = torch.randn(16, 4), torch.randn(16, 1)

    def loss(weights: Any, a: Any, b: Any) -> Any:
        return (functional_call(model, weights, a) - b).square().mean()

    def mean(weights: Any) -> Any:
        return vmap(loss, in_dims=(None, 0, 0))(weights, x, y).mean()

    losses: list[float] = []
    for index in range(6):
        before = RUNS["programs"]
        with compilations(at_most=4 if index < 2 else 0):
            gradients, value = grad_and_value(mean)(params)
            params = {name: params[name] - 0.1 * gradients[name] for name in params}
            losses.append(value.item())
        assert RUNS["programs"] - before == 1
    assert losses[-1] < losses[0]


def test_what_ends_with_its_transform_is_off_the_tape() -> None:
    x = tensor(1, 2)
    assert not grad(cubes)(x).requires_grad
    assert not vjp(lambda a: a.sin(), x)[0].requires_grad
    assert not jvp(lambda a: a.sin(), (x,), (x,))[1].requires_grad
    assert grad(cubes)(x.clone().requires_grad_()).requires_grad


def test_modules_get_their_own_tensors_back_after_an_error() -> None:
    model = torch.nn.Linear(2, 2)
    weight = model.weight
    with pytest.raises(RuntimeError, match="shape"):
        functional_call(model, {"weight": torch.ones(2, 2)}, torch.ones(3))
    assert model.weight is weight
    with pytest.raises(TypeError, match="3 is not an instance of"):
        torch.func.functional_call(model, {"weight": torch.ones(2, 2), "bias": 3}, torch.ones(2))
    assert model.weight is weight
