"""``nn.parallel`` against PyTorch, where there is no accelerator."""

from collections.abc import Callable
from typing import Any

import pytest

import flambeau
from tests.parity.outcomes import same

CASES: dict[str, Callable[[Any], Any]] = {
    "keys": lambda t: list(t.nn.DataParallel(t.nn.Linear(2, 1)).state_dict()),
    "text": lambda t: t.nn.DataParallel(t.nn.Linear(2, 1)),
    "ids": lambda t: t.nn.DataParallel(t.nn.Linear(2, 1)).device_ids,
    "fields": lambda t: list(vars(t.nn.DataParallel(t.nn.Linear(2, 1)))),
    "forward": lambda t: t.nn.DataParallel(t.nn.Flatten())(t.ones(1, 2, 2)),
    "named": lambda t: t.nn.DataParallel(t.nn.Flatten())(input=t.ones(1, 2, 2)),
    "plain into parallel": lambda t: t.nn.DataParallel(t.nn.Identity()).load_state_dict({"module.x": t.ones(1)}),
    "function": lambda t: t.nn.parallel.data_parallel(t.nn.Linear(2, 2), t.ones(1, 2)),
    "names": lambda t: sorted(set(t.nn.parallel.__all__)),
}


@pytest.mark.parametrize("name", CASES)
def test_outcomes(name: str) -> None:
    if name == "plain into parallel":
        pytest.importorskip("torch")
    same(CASES[name])


def test_the_module_inside_is_the_module() -> None:
    module = flambeau.nn.Linear(2, 1)
    assert flambeau.nn.DataParallel(module).module is module


def test_one_device_only() -> None:
    two = ["cpu", "cpu"]
    for use in (flambeau.nn.parallel.scatter, flambeau.nn.parallel.replicate):
        with pytest.raises(NotImplementedError, match=r"on several devices \(cpu, cpu\) is not supported"):
            use(flambeau.nn.Identity(), two)
    with pytest.raises(NotImplementedError, match=r"nn\.parallel\.DistributedDataParallel is not supported"):
        flambeau.nn.parallel.DistributedDataParallel(flambeau.nn.Identity())


def test_nested_inputs_and_outputs() -> None:
    parallel = flambeau.nn.parallel
    inputs = ({"x": flambeau.ones(2), "n": 3}, [flambeau.zeros(1)], None)
    (moved,) = parallel.scatter(inputs, ["cpu"])
    assert moved[0]["x"] is inputs[0]["x"]
    assert moved[0]["n"] == 3
    assert moved[2] is None
    del moved[0]["n"]
    joined = parallel.gather([moved, moved], "cpu")
    assert joined[0]["x"].shape == (4,)
    assert joined[1][0].tolist() == [0.0, 0.0]
    assert parallel.gather([flambeau.tensor(1.0), flambeau.tensor(2.0)], "cpu").tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="All dicts must have the same number of keys"):
        parallel.gather([{"x": flambeau.ones(1)}, {}], "cpu")


def test_replicas_share_parameters() -> None:
    net = flambeau.nn.Sequential(flambeau.nn.Linear(2, 2), flambeau.nn.BatchNorm1d(2))
    (replica,) = flambeau.nn.parallel.replicate(net, ["cpu"])
    assert replica is not net
    assert replica[0].weight is net[0].weight
    replica(flambeau.ones(3, 2)).sum().backward()
    assert net[0].weight.grad is not None
    (frozen,) = flambeau.nn.parallel.replicate(net, ["cpu"], detach=True)
    assert not frozen(flambeau.ones(3, 2)).requires_grad
    with pytest.raises(AssertionError, match="The number of modules 1 is not equal to the number of inputs 2"):
        flambeau.nn.parallel.parallel_apply([net], [1, 2])
