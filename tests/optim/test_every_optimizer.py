"""Every optimizer without PyTorch: its numbers, one program a step, copies, and what it refuses."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau.optim import Optimizer
from flambeau.primitives.primitive import NON_DIFFERENTIABLE
from flambeau.runtime.force import RUNS
from flambeau.runtime.report import COMPILATIONS

# Settings, and PyTorch's parameter after two steps.
CASES: dict[str, tuple[dict[str, Any], list[float]]] = {
    "SGD": ({"momentum": 0.5}, [0.996, -1.9995, 3.0005, 0.4955]),
    "ASGD": ({"lr": 0.25, "weight_decay": 0.5}, [0.0781, -1.5624, 2.578, -0.5859]),
    "Adadelta": ({"lr": 50.0}, [0.7376, -2.0041, 3.0439, 0.1287]),
    "Adafactor": ({"lr": 0.25}, [0.1986, -1.8949, 3.0172, -0.6257]),
    "Adagrad": ({"lr": 0.5}, [0.2764, -1.8536, 2.9472, -0.4743]),
    "Adam": ({"lr": 0.5, "amsgrad": True}, [0.0339, -1.5263, 2.6831, -0.4589]),
    "AdamW": ({"lr": 0.5, "weight_decay": 0.5}, [-0.2786, -0.7763, 1.4956, -0.5526]),
    "Adamax": ({"lr": 0.5}, [0.1312, -1.5263, 2.6447, -0.3421]),
    "Muon": ({"lr": 0.5}, [0.1009, -1.79, 2.612, -0.2097]),
    "NAdam": ({"lr": 0.5}, [0.2098, -1.819, 2.9251, -0.5339]),
    "RAdam": ({"lr": 0.5}, [-0.7368, -1.5263, 2.7895, -1.0263]),
    "RMSprop": ({"lr": 0.05, "momentum": 0.5, "centered": True}, [0.0197, -1.6007, 2.6943, -0.7322]),
    "Rprop": ({"lr": 0.5, "maximize": True}, [2.1, -2.5, 3.5, 1.6]),
}
GRADIENTS = ([[2.0, -1.0], [1.0, 1.0]], [[1.0, 1.0], [-2.0, 3.0]])
TAPED = ("SGD", "ASGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "Rprop")


def made(name: str) -> Any:
    weight = torch.tensor([[1.0, -2.0], [3.0, 0.5]], requires_grad=True)
    return getattr(torch.optim, name)([weight], **CASES[name][0])


def stepped(optimizer: Optimizer, number: int) -> Any:
    """The parameter after a step."""
    weight = optimizer.param_groups[0]["params"][0]
    weight.grad = torch.tensor(GRADIENTS[number % 2])
    optimizer.step()
    return weight


def test_every_optimizer_is_tried() -> None:
    names = {name for name in torch.optim.__all__ if isinstance(getattr(torch.optim, name), type)}
    assert names - CASES.keys() == {"LBFGS", "Optax", "Optimizer", "SparseAdam"}


@pytest.mark.parametrize("name", CASES)
def test_two_steps(name: str) -> None:
    optimizer = made(name)
    stepped(optimizer, 0)
    assert stepped(optimizer, 1).detach().numpy().ravel() == pytest.approx(CASES[name][1], abs=1e-4)


@pytest.mark.parametrize("name", CASES)
def test_a_schedule_compiles_one_program_and_runs_one_a_step(name: str) -> None:
    optimizer = made(name)
    weight = optimizer.param_groups[0]["params"][0]
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)

    def train() -> None:
        optimizer.zero_grad()
        (weight**2).sum().backward()
        optimizer.step()
        scheduler.step()

    for _ in range(2):
        train()
    compiled, runs = len(COMPILATIONS), RUNS["programs"]
    for _ in range(6):  # RAdam changes its ways in the sixth
        train()
    assert (len(COMPILATIONS), RUNS["programs"]) == (compiled, runs + 6)


@pytest.mark.parametrize("name", CASES)
def test_copies_pickles_and_loaded_states_go_on_alike(name: str) -> None:
    optimizer = made(name)
    stepped(optimizer, 0)
    twins = [copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer)), made(name)]
    twins[2].load_state_dict(copy.deepcopy(optimizer.state_dict()))
    with torch.no_grad():
        twins[2].param_groups[0]["params"][0].copy_(optimizer.param_groups[0]["params"][0])
    expected = stepped(optimizer, 1).tolist()
    assert [stepped(twin, 1).tolist() for twin in twins] == [expected] * 3


@pytest.mark.parametrize("name", CASES)
def test_a_parameter_without_a_gradient_has_no_new_state(name: str) -> None:
    optimizer = made(name)
    before = len(optimizer.state)
    optimizer.step()
    assert len(optimizer.state) == before
    assert optimizer.param_groups[0]["params"][0].tolist() == [[1.0, -2.0], [3.0, 0.5]]


@pytest.mark.parametrize("name", TAPED)
def test_taped_steps_are_refused_by_name(name: str) -> None:
    with pytest.raises(NotImplementedError, match="differentiable=True is not supported"):
        getattr(torch.optim, name)([torch.ones(1, requires_grad=True)], differentiable=True)


def test_updates_are_listed_as_not_differentiable() -> None:
    names = {"adam" if name == "AdamW" else name.lower() for name in CASES}
    assert {f"{name}_update" for name in names} <= NON_DIFFERENTIABLE


# A state of another shape than its parameter would fail, or worse, in the next step.
WRONG = {
    "SGD": r"'momentum_buffer'",
    "Adafactor": r"'(row_var|col_var)'",
    "Adagrad": r"'sum'",
    "Rprop": r"'(prev|step_size)'",
    "RMSprop": r"'(square_avg|momentum_buffer|grad_avg)'",
    "ASGD": r"'ax'",
}


@pytest.mark.parametrize("name", WRONG)
def test_a_state_of_another_shape_is_refused(name: str) -> None:
    optimizer = made(name)
    stepped(optimizer, 0)
    other = getattr(torch.optim, name)([torch.ones(3, 2, requires_grad=True)])
    with pytest.raises(ValueError, match=rf"{WRONG[name]} of parameter 0 has shape .*; nothing was loaded"):
        other.load_state_dict(optimizer.state_dict())


def test_a_single_number_of_a_common_name_is_not_refused() -> None:
    weight = torch.ones(2, requires_grad=True)
    optimizer = torch.optim.SGD([weight])
    state = optimizer.state_dict()
    optimizer.load_state_dict({**state, "state": {0: {"sum": torch.tensor(3.0)}}})
    assert optimizer.state[weight]["sum"].item() == 3.0


def test_counts_have_the_default_type() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        optimizer = made("NAdam")
        weight = stepped(optimizer, 0)
    finally:
        torch.set_default_dtype(torch.float32)
    assert [optimizer.state[weight][name].dtype for name in ("step", "mu_product")] == [torch.float64] * 2


def test_states_of_old_files_are_completed() -> None:
    optimizer = made("NAdam")
    weight = stepped(optimizer, 0)
    old = copy.deepcopy(optimizer.state_dict())
    state = {**old["state"][0], "step": 1, "mu_product": float(old["state"][0]["mu_product"])}
    group = {name: value for name, value in old["param_groups"][0].items() if name not in ("capturable", "maximize")}
    again = made("NAdam")
    again.load_state_dict({"state": {0: state}, "param_groups": [group]})
    with torch.no_grad():
        again.param_groups[0]["params"][0].copy_(weight)
    assert stepped(again, 1).tolist() == stepped(optimizer, 1).tolist()
    assert again.param_groups[0]["maximize"] is False


def test_large_values_of_half_types_stay_finite_in_adafactor() -> None:
    weight = torch.full((8, 8), 300.0, dtype=torch.float16).requires_grad_()
    optimizer = torch.optim.Adafactor([weight], eps=(1e-3, 1e-3))
    weight.grad = torch.full((8, 8), 2.0, dtype=torch.float16)
    optimizer.step()
    assert np.isfinite(weight.detach().numpy()).all()
