"""Every public function is pickled as its name, and so is a module that holds one."""

import copy
import importlib
import pickle
from types import FunctionType
from typing import Any

import pytest

import flambeau

ROOMS = (
    "flambeau",
    "flambeau.autograd",
    "flambeau.fft",
    "flambeau.func",
    "flambeau.linalg",
    "flambeau.masked",
    "flambeau.nn.functional",
    "flambeau.nn.init",
    "flambeau.signal.windows",
    "flambeau.special",
)


@pytest.mark.parametrize("room", ROOMS)
def test_functions_are_pickled_by_name(room: str) -> None:
    module = importlib.import_module(room)
    functions = [value for value in (getattr(module, name) for name in module.__all__) if type(value) is FunctionType]
    assert functions
    assert [item for item in functions if pickle.loads(pickle.dumps(item)) is not item] == []


class Active(flambeau.nn.Module):
    """A module with a function among its attributes."""

    def __init__(self, activation: Any) -> None:
        super().__init__()
        self.linear = flambeau.nn.Linear(2, 2)
        self.activation = activation

    def forward(self, x: Any) -> Any:
        return self.activation(self.linear(x))


@pytest.mark.parametrize("activation", [flambeau.tanh, flambeau.nn.functional.gelu, flambeau.Tensor.sigmoid])
def test_a_module_with_a_function_is_copied_and_pickled(activation: Any) -> None:
    model = Active(activation)
    x = flambeau.ones(3, 2)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert twin.activation is activation
        assert flambeau.equal(twin(x), model(x))
