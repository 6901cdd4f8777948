"""Weight averaging without PyTorch: one program an update, memory, failures."""

from typing import Any

import pytest

import flambeau as torch
from flambeau.graph.record import PENDING
from flambeau.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, get_swa_multi_avg_fn, update_bn
from flambeau.runtime.force import RUNS
from flambeau.runtime.report import COMPILATIONS

AVERAGES: dict[str, dict[str, Any]] = {
    "mean": {},
    "mean of many": {"multi_avg_fn": get_swa_multi_avg_fn()},
    "exponential": {"multi_avg_fn": get_ema_multi_avg_fn(0.9)},
}


@pytest.mark.parametrize("name", AVERAGES)
def test_an_update_is_one_program_and_compiles_once(name: str) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1))
    averaged = AveragedModel(model, **AVERAGES[name])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def train() -> None:
        optimizer.zero_grad()
        model(torch.ones(4, 3)).sum().backward()
        optimizer.step()
        averaged.update_parameters(model)

    for _ in range(3):
        train()
    compiled, runs = len(COMPILATIONS), RUNS["programs"]
    for _ in range(4):
        train()
    assert (len(COMPILATIONS), RUNS["programs"]) == (compiled, runs + 8)
    assert not [node for node in PENDING if node.operation is not None and "update" in node.operation.primitive.name]
    assert averaged.n_averaged.item() == 7


def test_the_mean_of_what_was_seen() -> None:
    model = torch.nn.Linear(1, 1, bias=False)
    averaged = AveragedModel(model)
    for value in (1.0, 2.0, 6.0, 7.0):
        torch.nn.init.constant_(model.weight, value)
        averaged.update_parameters(model)
    assert averaged.module.weight.item() == 4.0
    assert model.weight.item() == 7.0


def test_whole_numbers_are_averaged_too() -> None:
    averaged = [torch.tensor([3])]
    get_swa_multi_avg_fn()(averaged, [torch.tensor([7])], torch.tensor(1))
    assert averaged[0].tolist() == [5]


def test_a_model_of_no_parameters() -> None:
    model = torch.nn.ReLU()
    averaged = AveragedModel(model)
    averaged.update_parameters(model)
    assert averaged.n_averaged.item() == 1


def test_statistics_are_restored_to_their_ways_when_the_data_fail() -> None:
    model = torch.nn.BatchNorm1d(1).eval()

    def batches() -> Any:
        yield torch.ones(2, 1)
        raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        update_bn(batches(), model)
    assert (model.momentum, model.training) == (0.1, False)


def test_a_model_without_statistics_sees_no_data() -> None:
    update_bn([], torch.nn.Linear(1, 1))
