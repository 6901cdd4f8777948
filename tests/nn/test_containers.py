"""Containers, in literals; every method against PyTorch is in tests/parity."""

from collections import OrderedDict

import pytest

import flambeau as torch
from flambeau import nn


class Times(nn.Module):
    def __init__(self, factor=2.0):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, x):
        return x * self.factor


def test_sequential_runs_in_order_and_is_a_list():
    net = nn.Sequential(Times(2.0), Times(3.0))
    assert net(torch.ones(1)).tolist() == [6.0]
    assert list(net.state_dict()) == ["0.factor", "1.factor"]
    assert net[-1] is list(net)[1]
    assert len(net[:1]) == 1
    net.append(Times()).insert(0, nn.Sequential())
    assert list(net._modules) == ["0", "1", "2", "3"]
    del net[0]
    assert list(net._modules) == ["0", "1", "2"]
    assert len(net * 2) == 6
    assert list(nn.Sequential(OrderedDict(a=Times(), b=Times())).state_dict()) == ["a.factor", "b.factor"]
    with pytest.raises(IndexError, match=r"^index 3 is out of range$"):
        net[3]
    with pytest.raises(TypeError, match=r"^list is not a Module subclass$"):
        nn.Sequential([Times()])


def test_module_list_registers_and_compresses_its_text():
    layers = nn.ModuleList([Times() for _ in range(3)])
    assert repr(layers) == "ModuleList(\n  (0-2): 3 x Times()\n)"
    layers.append(nn.Sequential())
    assert repr(layers) == "ModuleList(\n  (0-2): 3 x Times()\n  (3): Sequential()\n)"
    assert not isinstance(layers, list)
    assert [name for name, _ in layers.named_parameters()] == ["0.factor", "1.factor", "2.factor"]
    assert layers.pop(0) is not layers[0]
    assert len(layers + nn.ModuleList([Times()])) == 4
    with pytest.raises(
        NotImplementedError, match=r'^Module \[ModuleList\] is missing the required "forward" function$'
    ):
        layers(1)


def test_module_dict():
    layers = nn.ModuleDict({"a": Times()})
    layers["b"] = Times()
    assert list(layers.state_dict()) == ["a.factor", "b.factor"]
    assert "a" in layers
    assert layers.pop("a") is not layers["b"]
    with pytest.raises(KeyError, match="attribute 'keys' already exists"):
        layers["keys"] = Times()


def test_parameter_list():
    values = nn.ParameterList([torch.ones(2), nn.Parameter(torch.ones(3)), 5])
    assert len(list(values.parameters())) == 2
    assert list(values.state_dict()) == ["0", "1"]
    assert repr(values).splitlines()[1:3] == [
        "    (0): Parameter containing: [torch.float32 of size 2]",
        "    (1): Parameter containing: [torch.float32 of size 3]",
    ]
    with pytest.raises(RuntimeError, match=r"^ParameterList should not be called\.$"):
        values(1)


def test_parameter_dict():
    values = nn.ParameterDict({"b": torch.ones(2), "a": torch.ones(1)})
    assert list(values) == ["a", "b"]
    assert list((values | {"c": torch.ones(1)}).state_dict()) == ["a", "b", "c"]
    assert values.popitem()[0] == "b"
    with pytest.raises(RuntimeError, match=r"^ParameterDict should not be called\.$"):
        values(1)


def test_plain_lists_register_nothing():
    class Hidden(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = [Times()]

    assert list(Hidden().parameters()) == []
    assert repr(Hidden()) == "Hidden()"
