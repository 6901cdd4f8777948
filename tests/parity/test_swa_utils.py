"""``swa_utils`` and ``swap_in_optimizer_params_and_state`` against PyTorch."""

import warnings
from typing import Any

import numpy as np
import pytest

import flambeau
from tests.parity.failures import same_error

torch = pytest.importorskip("torch")


def model_of(library: Any) -> Any:
    """A model with parameters, running statistics and a count."""
    model = library.nn.Sequential(library.nn.Linear(3, 4), library.nn.BatchNorm1d(4))
    random = np.random.default_rng(0)
    with library.no_grad():
        for param in model.parameters():
            param.copy_(library.tensor(random.standard_normal(tuple(param.shape)).astype(np.float32)))
    return model


def batch(library: Any, number: int) -> Any:
    return library.tensor(np.random.default_rng(number).standard_normal((5, 3)).astype(np.float32))


AVERAGES: dict[str, Any] = {
    "mean": lambda s: {},
    "mean of buffers": lambda s: {"use_buffers": True},
    "swa": lambda s: {"avg_fn": s.get_swa_avg_fn()},
    "swa many": lambda s: {"multi_avg_fn": s.get_swa_multi_avg_fn()},
    "ema": lambda s: {"avg_fn": s.get_ema_avg_fn(0.9)},
    "ema of buffers": lambda s: {"avg_fn": s.get_ema_avg_fn(0.7), "use_buffers": True},
    "ema many": lambda s: {"multi_avg_fn": s.get_ema_multi_avg_fn(0.9)},
    "ema many of buffers": lambda s: {"multi_avg_fn": s.get_ema_multi_avg_fn(0.3), "use_buffers": True},
    "own": lambda s: {"avg_fn": lambda mine, other, count: mine * 0.5 + other / (count + 2)},
}


def averaged(library: Any, name: str) -> dict[str, Any]:
    """State of the averaged model after a short training."""
    model = model_of(library)
    mean = library.optim.swa_utils.AveragedModel(model, **AVERAGES[name](library.optim.swa_utils))
    optimizer = library.optim.SGD(model.parameters(), lr=0.1)
    for number in range(6):
        optimizer.zero_grad()
        (model(batch(library, number)) ** 2).sum().backward()
        optimizer.step()
        if number > 1:
            mean.update_parameters(model)
    library.optim.swa_utils.update_bn([(batch(library, 7), 0), (batch(library, 8), 1)], mean)
    assert mean.training
    mean.eval()
    return {**mean.state_dict(), "output": mean(batch(library, 9)).detach(), "momentum": mean.module[1].momentum}


@pytest.mark.parametrize("name", AVERAGES)
def test_averaged_models(name: str) -> None:
    found, expected = averaged(flambeau, name), averaged(torch, name)
    assert list(found) == list(expected)
    for key, value in expected.items():
        if key == "momentum":
            assert found[key] == value
            continue
        assert str(found[key].dtype) == str(value.dtype)
        np.testing.assert_allclose(found[key].numpy(), value.numpy(), 1e-5, 1e-5, err_msg=key)


RATES: dict[str, Any] = {
    "cos": lambda s, o: s.SWALR(o, swa_lr=0.05),
    "linear": lambda s, o: s.SWALR(o, swa_lr=[0.05, 0.9], anneal_epochs=7, anneal_strategy="linear"),
    "at once": lambda s, o: s.SWALR(o, swa_lr=0.05, anneal_epochs=0),
}


def scheduled(library: Any, name: str) -> list[Any]:
    weights = [library.ones(2).requires_grad_() for _ in range(2)]
    optimizer = library.optim.SGD([{"params": weights[:1]}, {"params": weights[1:], "lr": 0.5}], lr=0.1)
    scheduler = RATES[name](library.optim.swa_utils, optimizer)
    found: list[Any] = [repr(scheduler.state_dict())]
    for number in range(100):
        optimizer.step()
        scheduler.step()
        found.append(scheduler.get_last_lr())
        if number == 4:
            state = scheduler.state_dict()
            scheduler = RATES[name](library.optim.swa_utils, optimizer)
            scheduler.load_state_dict(state)
    return [*found, repr(scheduler.state_dict()), optimizer.state_dict()["param_groups"]]


@pytest.mark.filterwarnings("ignore:Detected call of")
@pytest.mark.parametrize("name", RATES)
def test_rates(name: str) -> None:
    found = scheduled(flambeau, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = scheduled(torch, name)
    assert found == expected


def sgd(library: Any) -> Any:
    return library.optim.SGD([library.ones(2).requires_grad_()], lr=0.1)


ERRORS: dict[str, Any] = {
    "rates": lambda t: t.optim.swa_utils.SWALR(sgd(t), [0.1, 0.2]),
    "epochs": lambda t: t.optim.swa_utils.SWALR(sgd(t), 0.1, anneal_epochs=-1),
    "half epochs": lambda t: t.optim.swa_utils.SWALR(sgd(t), 0.1, anneal_epochs=0.5),
    "strategy": lambda t: t.optim.swa_utils.SWALR(sgd(t), 0.1, anneal_strategy="x"),
    "no optimizer": lambda t: t.optim.swa_utils.SWALR(3, 0.1),
    "decay": lambda t: t.optim.swa_utils.get_ema_avg_fn(2),
    "decay many": lambda t: t.optim.swa_utils.get_ema_multi_avg_fn(-0.5),
    "two functions": lambda t: t.optim.swa_utils.AveragedModel(t.nn.Linear(1, 1), None, max, max),
    "swap nothing": lambda t: swapped(t, lambda state: state, steps=0),
    "swap no dictionary": lambda t: swapped(t, lambda state: [state]),
    "swap no state": lambda t: swapped(t, lambda state: {**state, "state": 3}),
    "swap by tensor": lambda t: swapped(t, lambda state: {**state, "state": {t.ones(1): {}}}),
    "swap no entry": lambda t: swapped(t, lambda state: {**state, "state": {0: 3}}),
    "swap extra state": lambda t: swapped(t, lambda state: {**state, "state": {7: {}}}),
    "swap no groups": lambda t: swapped(t, lambda state: {**state, "param_groups": {}}),
    "swap fewer groups": lambda t: swapped(t, lambda state: {**state, "param_groups": []}),
    "swap a list for a group": lambda t: swapped(t, lambda state: {**state, "param_groups": [[]]}),
    "swap no indexes": lambda t: swapped(t, lambda state: {**state, "param_groups": [{"params": ["a"]}]}),
    "swap fewer indexes": lambda t: swapped(t, lambda state: {**state, "param_groups": [{"params": []}]}),
    "swap other settings": lambda t: swapped(t, lambda state: {**state, "param_groups": [{"params": [0], "x": 1}]}),
    "swap no parameters": lambda t: swapped(t, lambda state: state, names=0),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_have_pytorchs_words(name: str) -> None:
    same_error(ERRORS[name])


def swapped(library: Any, change: Any, steps: int = 1, names: int = 1) -> Any:
    """Numbers of the live and of the swapped parameter and state after steps outside, inside and outside again."""
    weight = library.ones(2).requires_grad_()
    optimizer = library.optim.Adam([weight], lr=0.1)
    for _ in range(steps):
        weight.grad = library.ones(2)
        optimizer.step()
    other = library.zeros(2).requires_grad_()
    other.grad = library.full((2,), 2.0)
    state = change(library.optim.Adam([weight], lr=0.1).state_dict() if not steps else copied(optimizer.state_dict()))
    group = optimizer.param_groups[0]
    with library.optim.swap_in_optimizer_params_and_state(optimizer, {"w": other} if names else {}, state):
        assert group["params"][0] is other
        optimizer.step()
    assert group["params"][0] is weight
    optimizer.step()
    tensors = [weight, other, *optimizer.state[weight].values(), *state["state"][0].values()]
    return [item.detach().tolist() for item in tensors], group["lr"]


def copied(state: dict[str, Any]) -> dict[str, Any]:
    """A state with tensors, and a learning rate, of its own."""
    entries = {key: {name: item.clone() for name, item in entry.items()} for key, entry in state["state"].items()}
    return {"state": entries, "param_groups": [{**group, "lr": 0.5} for group in state["param_groups"]]}


def test_swapped_parameters() -> None:
    (found, rate), (expected, other_rate) = swapped(flambeau, lambda x: x), swapped(torch, lambda x: x)
    assert rate == other_rate
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, 1e-6)
