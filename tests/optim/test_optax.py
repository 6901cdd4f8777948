"""Optax's transformations as optimizers: with a transformation written here, and with Optax where it is installed."""

import copy
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import flambeau as torch
from flambeau.optim import Optax
from flambeau.runtime.force import RUNS
from flambeau.runtime.report import COMPILATIONS


class State(NamedTuple):
    """What ``Momentum`` remembers."""

    count: Any
    trace: Any


class Momentum(NamedTuple):
    """Momentum with a rate that halves at every step, as Optax would write it."""

    rate: float = 0.5

    def init(self, params: Any) -> State:
        return State(jnp.zeros([], jnp.int32), jax.tree.map(jnp.zeros_like, params))

    def update(self, gradients: Any, state: State, params: Any = None) -> tuple[Any, State]:
        trace = jax.tree.map(lambda old, gradient: 0.5 * old + gradient, state.trace, gradients)
        rate = self.rate * 0.5**state.count
        return jax.tree.map(lambda item: -rate * item, trace), State(state.count + 1, trace)


def parameters(dtype: Any = np.float32) -> list[Any]:
    random = np.random.default_rng(0)
    return [torch.tensor(random.standard_normal(shape).astype(dtype)).requires_grad_() for shape in ((3, 2), (4,))]


def trained(optimizer: Any, steps: range) -> list[Any]:
    params = optimizer.param_groups[0]["params"]
    for number in steps:
        random = np.random.default_rng(number + 1)
        for param in params:
            gradient = random.standard_normal(tuple(param.shape)).astype(param.dtype.numpy)
            param.grad = torch.tensor(gradient)
        optimizer.step()
    return [param.detach().numpy() for param in params]


def expected(steps: int) -> list[Any]:
    """The same by hand."""
    values = [param.detach().numpy().astype(np.float64) for param in parameters()]
    traces = [np.zeros_like(value) for value in values]
    for number in range(steps):
        random = np.random.default_rng(number + 1)
        for value, trace in zip(values, traces, strict=True):
            trace[...] = 0.5 * trace + random.standard_normal(value.shape).astype(np.float32)
            value -= 0.5 * 0.5**number * trace
    return values


@pytest.mark.parametrize("named", [False, True])
def test_steps(named: bool) -> None:
    params = parameters()
    pairs = [(name, param) for name, param in zip("ba", params, strict=True)]  # JAX sorts by name
    optimizer = Optax(pairs if named else params, Momentum())
    for found, value in zip(trained(optimizer, range(3)), expected(3), strict=True):
        np.testing.assert_allclose(found, value, 1e-6, 1e-6)
    names = [".count", *[f".trace['{name}']" for name in "ab"]] if named else [".count", ".trace[0]", ".trace[1]"]
    assert list(optimizer.state_dict()["state"]["optax"]) == names
    assert optimizer.state_dict()["state"]["optax"][".count"].item() == 3


def test_a_step_is_one_program_and_compiles_once() -> None:
    optimizer = Optax(parameters(), Momentum())
    trained(optimizer, range(2))
    compiled, runs = len(COMPILATIONS), RUNS["programs"]
    trained(optimizer, range(2, 6))
    assert (len(COMPILATIONS), RUNS["programs"]) == (compiled, runs + 4)


def test_saved_and_resumed(tmp_path: Path) -> None:
    optimizer = Optax(parameters(), Momentum())
    values = trained(optimizer, range(3))
    torch.save(optimizer.state_dict(), tmp_path / "optimizer.pt")
    params = [torch.tensor(value).requires_grad_() for value in values]
    resumed = Optax(params, Momentum())
    resumed.load_state_dict(torch.load(tmp_path / "optimizer.pt"))
    twin = copy.deepcopy(optimizer)
    for a, b, c in zip(*(trained(item, range(3, 5)) for item in (optimizer, resumed, twin)), strict=True):
        assert a.tolist() == b.tolist() == c.tolist()


def test_another_transformations_state_is_refused_and_nothing_changes() -> None:
    optimizer = Optax(parameters(), Momentum())
    trained(optimizer, range(1))
    before = optimizer.state["optax"]
    wrong = {".count": torch.zeros((), dtype=torch.int32), ".trace[0]": torch.zeros(2), ".mu": torch.zeros(1)}
    message = r"\.trace\[1\] is missing; \.mu is unexpected; \.trace\[0\] has shape \(2,\), not \(3, 2\)"
    with pytest.raises(ValueError, match=message):
        optimizer.load_state_dict({**optimizer.state_dict(), "state": {"optax": wrong}})
    assert optimizer.state["optax"] is before


def test_parameters_without_a_gradient_have_one_of_zeros() -> None:
    params = parameters()
    optimizer = Optax(params, Momentum())
    optimizer.step()
    assert "optax" not in optimizer.state
    params[0].grad = torch.ones(3, 2)
    before = params[1].tolist()
    optimizer.step()
    assert params[1].tolist() == before


def test_no_transformation_is_refused() -> None:
    with pytest.raises(TypeError, match=r"but got float; make one with Optax \(pip install optax\)"):
        Optax(parameters(), 0.1)


def test_groups_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Optax doesn't support per-parameter options \(parameter groups\)"):
        Optax([{"params": [param]} for param in parameters()], Momentum())


# -- with Optax ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["Adam", "AdamW", "SGD", "RMSprop", "Adagrad"])
def test_optax_equals_the_optimizer_of_that_name(kind: str) -> None:
    optax = pytest.importorskip("optax")
    cases: dict[str, tuple[Any, dict[str, Any]]] = {
        "Adam": (optax.adam(1e-2), {"lr": 1e-2}),
        "AdamW": (optax.adamw(1e-2, weight_decay=0.1), {"lr": 1e-2, "weight_decay": 0.1}),
        "SGD": (optax.sgd(0.1, momentum=0.9, nesterov=True), {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
        "RMSprop": (optax.rmsprop(1e-2, 0.99, eps=1e-8, eps_in_sqrt=False), {"lr": 1e-2}),
        "Adagrad": (optax.adagrad(1e-2, 0.1, eps=0.0), {"lr": 1e-2, "initial_accumulator_value": 0.1, "eps": 0.0}),
    }
    transformation, settings = cases[kind]
    found = trained(Optax(parameters(), transformation), range(10))
    for a, b in zip(found, trained(getattr(torch.optim, kind)(parameters(), **settings), range(10)), strict=True):
        np.testing.assert_allclose(a, b, 1e-5, 1e-6)


TRANSFORMATIONS: dict[str, Any] = {
    "schedule": lambda optax: optax.adamw(optax.cosine_decay_schedule(1e-2, 4)),
    "clipped": lambda optax: optax.chain(optax.clip_by_global_norm(1.0), optax.lion(1e-3)),
    "injected": lambda optax: optax.inject_hyperparams(optax.adam)(learning_rate=1e-2),
    "several steps": lambda optax: optax.MultiSteps(optax.adam(1e-2), 2),
    "noise": lambda optax: optax.chain(optax.add_noise(0.1, 0.5, 0), optax.sgd(0.1)),
    "factors": lambda optax: optax.adafactor(1e-2),
    "average": lambda optax: optax.chain(optax.sgd(0.1), optax.ema(0.9)),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_transformations(name: str, dtype: Any) -> None:
    """The same numbers as by Optax alone, and no program after the first step's."""
    optax = pytest.importorskip("optax")
    transformation = TRANSFORMATIONS[name](optax)
    optimizer = Optax(parameters(dtype), transformation)
    trained(optimizer, range(1))
    compiled = len(COMPILATIONS)
    found = trained(optimizer, range(1, 4))
    assert len(COMPILATIONS) == compiled
    with jax.enable_x64(True):
        values = [jnp.asarray(param.detach().numpy()) for param in parameters(dtype)]
        state = transformation.init(values)
        for number in range(4):
            random = np.random.default_rng(number + 1)
            gradients = [jnp.asarray(random.standard_normal(value.shape).astype(dtype)) for value in values]
            updates, state = transformation.update(gradients, state, values)
            values = optax.apply_updates(values, updates)
    for mine, theirs in zip(found, values, strict=True):
        np.testing.assert_allclose(mine, np.asarray(theirs), 1e-5, 1e-6)


def test_labels_go_by_the_parameters_names() -> None:
    optax = pytest.importorskip("optax")
    kinds = {"fast": optax.sgd(1.0), "frozen": optax.set_to_zero()}
    weight, bias = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    labels = {"weight": "fast", "bias": "frozen"}
    optimizer = Optax([("weight", weight), ("bias", bias)], optax.partition(kinds, labels))
    weight.grad = bias.grad = torch.ones(2)
    optimizer.step()
    assert (weight.tolist(), bias.tolist()) == ([0.0, 0.0], [1.0, 1.0])


def test_a_transformation_that_asks_for_the_loss() -> None:
    optax = pytest.importorskip("optax")
    weight = torch.tensor([3.0], requires_grad=True)
    plateau = optax.contrib.reduce_on_plateau(patience=1, factor=0.5, rtol=1.0)  # nothing is good enough
    optimizer = Optax([weight], optax.chain(optax.sgd(0.1), plateau))

    def loss() -> Any:
        optimizer.zero_grad()
        value = (weight**2).sum()
        value.backward()
        return value

    assert optimizer.step(loss).item() == 9.0
    for _ in range(3):
        optimizer.step(loss)
    assert optimizer.state["optax"]["[1].scale"].item() < 1.0
