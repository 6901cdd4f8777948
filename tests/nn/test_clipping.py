"""Clipping is recorded: a training step with it is one program, and its cost does not grow with the parameters."""

import numpy as np
import pytest

import flambeau as torch
from flambeau import nn
from flambeau.graph.record import PENDING
from flambeau.runtime.force import RUNS
from flambeau.testing import assert_close, compilations

CLIPS = {
    "norm": lambda model, step: nn.utils.clip_grad_norm_(model.parameters(), 0.1 + step),
    "infinity norm": lambda model, step: nn.utils.clip_grad_norm_(model.parameters(), 0.1 + step, float("inf")),
    "value": lambda model, step: nn.utils.clip_grad_value_(model.parameters(), 0.1 + step),
}


@pytest.mark.parametrize("clip", CLIPS.values(), ids=CLIPS.keys())
def test_a_step_with_clipping_is_one_program(clip):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    x, y = torch.randn(3, 4), torch.randn(3, 2)

    def step(number):
        optimizer.zero_grad()
        loss = (model(x) - y).square().mean()
        loss.backward()
        clip(model, number)
        optimizer.step()
        return loss

    losses = [step(number).item() for number in range(2)]
    with compilations(at_most=0):
        for number in range(2, 6):
            before = RUNS["programs"]
            losses.append(step(number).item())
            assert RUNS["programs"] == before + 1
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("count", [1, 50])
def test_nodes_do_not_grow_with_the_parameters_but_for_the_results(count):
    params = [torch.zeros(3, requires_grad=True) for _ in range(count)]
    for param in params:
        param.grad = torch.ones(3)
    before = len(PENDING)
    norm = nn.utils.clip_grad_norm_(params, 1.0)
    recorded = [node.operation.primitive.name for node in PENDING[before:] if node.operation]
    assert recorded == ["norms", "total_norm", "rescaled", *["pick"] * count]
    assert_close(norm, torch.tensor(np.sqrt(3 * count), dtype=torch.float32))
    assert_close(params[-1].grad, torch.full((3,), 1 / np.sqrt(3 * count), dtype=torch.float32))


def test_nothing_is_changed_when_the_norm_is_refused():
    param = torch.zeros(2, requires_grad=True)
    param.grad = torch.tensor([float("inf"), 1.0])
    with pytest.raises(
        RuntimeError, match=r"^The total norm of order 2.0 for gradients from `parameters` is non-finite"
    ):
        nn.utils.clip_grad_norm_([param], 1.0, error_if_nonfinite=True)
    assert param.grad.tolist() == [float("inf"), 1.0]
    nn.utils.clip_grad_value_([torch.zeros(1)], 1.0)  # there is nothing to clip


def test_gradients_that_are_views_of_one_vector_are_written_through():
    flat = torch.tensor([3.0, 0.0, 0.0, 4.0])
    params = [torch.zeros(2, requires_grad=True) for _ in range(2)]
    for index, param in enumerate(params):
        param.grad = flat[2 * index : 2 * index + 2]
    assert nn.utils.clip_grad_norm_(params, 5e-1).item() == 5.0
    assert_close(flat, torch.tensor([0.3, 0.0, 0.0, 0.4]))


def test_a_norm_that_is_no_tensor_is_named():
    param = torch.zeros(1, requires_grad=True)
    param.grad = torch.ones(1)
    with pytest.raises(
        TypeError, match=r"^clip_grads_with_norm_\(\): argument 'total_norm' must be Tensor, not float$"
    ):
        nn.utils.clip_grads_with_norm_([param], 1.0, 2.0)


def test_a_vector_too_short_changes_nothing():
    params = [torch.zeros(2), torch.zeros(2)]
    with pytest.raises(RuntimeError, match=r"^shape '\[2\]' is invalid for input of size 1$"):
        nn.utils.vector_to_parameters(torch.ones(3), params)
    assert [param.tolist() for param in params] == [[0.0, 0.0], [0.0, 0.0]]
