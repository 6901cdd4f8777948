"""Optimizers without PyTorch: state by name, one program a step, refusals, copies."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau.optim import SGD, Adam, AdamW, Optimizer
from flambeau.optim.lr_scheduler import LRScheduler, _LRScheduler
from flambeau.optim.optimizer import register_optimizer_step_post_hook, required
from flambeau.runtime.force import RUNS
from flambeau.runtime.report import COMPILATIONS


def weight(*values: float) -> Any:
    return torch.tensor(np.array(values, np.float32), requires_grad=True)


def stepped(optimizer: Optimizer, *gradients: float) -> None:
    every = [param for group in optimizer.param_groups for param in group["params"]]
    for param, value in zip(every, gradients, strict=True):
        param.grad = torch.full(tuple(param.shape), value)
    optimizer.step()


def test_golden_values():
    param = weight(1.0, -2.0)
    optimizer = Adam([param], lr=0.5)
    stepped(optimizer, 2.0)
    assert param.tolist() == pytest.approx([0.5, -2.5])
    assert [float(item.reshape(-1)[0].item()) for item in optimizer.state[param].values()] == [
        1.0,
        pytest.approx(0.2),
        pytest.approx(0.004),
    ]


def test_a_training_loop_runs_one_program_a_step_and_compiles_it_once():
    first, second = weight(1.0, 2.0), weight(3.0, 4.0)
    optimizer = AdamW([first, second])
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)

    def train() -> None:
        optimizer.zero_grad()
        ((first * second) ** 2).sum().backward()
        optimizer.step()
        scheduler.step()

    for _ in range(2):
        train()
    compiled, runs = len(COMPILATIONS), RUNS["programs"]
    for _ in range(5):
        train()
    assert len(COMPILATIONS) == compiled
    assert RUNS["programs"] == runs + 5


def test_a_first_direction_keeps_the_sign_of_zero():
    param = weight(1.0)
    stepped(SGD([param], momentum=0.9), -0.0)
    optimizer = SGD([param], momentum=0.9)
    stepped(optimizer, -0.0)
    assert np.signbit(optimizer.state[param]["momentum_buffer"].numpy()[0])


def test_the_state_dict_follows_the_optimizer():
    param = weight(1.0)
    optimizer = Adam([param])
    stepped(optimizer, 1.0)
    state = optimizer.state_dict()
    stepped(optimizer, 1.0)
    assert state["state"][0]["step"].item() == 2.0


def test_a_failed_load_changes_nothing():
    optimizer = SGD([weight(1.0)], momentum=0.9)
    stepped(optimizer, 1.0)
    before = optimizer.state_dict()
    with pytest.raises(ValueError, match="doesn't match the size of optimizer's group"):
        optimizer.load_state_dict({"state": {}, "param_groups": [{"params": [0, 1]}]})
    assert optimizer.state_dict() == before


def test_copies_and_pickles():
    param = weight(1.0)
    optimizer = Adam([param])
    stepped(optimizer, 1.0)
    for twin in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        assert list(twin.state) == twin.param_groups[0]["params"]
        assert twin.param_groups[0]["params"][0] is not param
        stepped(twin, 1.0)
    assert optimizer.state_dict()["state"][0]["step"].item() == 1.0


def test_hooks_of_all_optimizers_and_subclasses():
    class Doubling(SGD):
        def step(self, closure: Any = None) -> Any:
            super().step()
            return super().step()

    seen: list[str] = []
    handle = register_optimizer_step_post_hook(lambda optimizer, args, kwargs: seen.append(type(optimizer).__name__))
    param = weight(1.0)
    stepped(Doubling([param], lr=0.25), 1.0)
    handle.remove()
    stepped(Doubling([param], lr=0.25), 1.0)
    assert param.tolist() == [0.0]
    assert "Doubling" in seen


def test_views_are_updated_where_they_are():
    whole = torch.tensor(np.zeros(4, np.float32))
    part = whole[:2].detach().requires_grad_()
    stepped(SGD([part], lr=1.0), 1.0)
    assert whole.tolist() == [-1.0, -1.0, 0.0, 0.0]


def test_zero_grad():
    param = weight(1.0)
    optimizer = SGD([param])
    param.grad = torch.full((1,), 3.0)
    optimizer.zero_grad(set_to_none=False)
    assert param.grad.tolist() == [0.0]
    optimizer.zero_grad()
    assert param.grad is None


def test_what_optimizers_and_schedules_of_ones_own_are_made_of():
    """Names that programs import from where PyTorch has them."""

    class Plain(Optimizer):
        def __init__(self, params, lr=required):
            super().__init__(params, {"lr": lr})

    weight = torch.ones(1, requires_grad=True)
    assert _LRScheduler is LRScheduler
    assert repr(required) == "<required parameter>"
    assert Plain([{"params": weight, "lr": 3}]).param_groups[0]["lr"] == 3
    with pytest.raises(
        ValueError, match=r"^parameter group didn't specify a value of required optimization parameter lr$"
    ):
        Plain([weight])
