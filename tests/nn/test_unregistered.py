"""find_unregistered: everything a module holds without knowing, by path, and no false alarm."""

from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

import flambeau as torch
from flambeau import nn
from flambeau.nn.utils import Unregistered, find_unregistered

Pair = namedtuple("Pair", "one two")


class Odd:
    """Nothing about it can be asked."""

    def __getattribute__(self, name):
        raise RuntimeError(name)

    def __repr__(self):
        raise RuntimeError("no text")

    def __eq__(self, other):
        raise RuntimeError("no comparing")

    def __hash__(self):
        raise RuntimeError("no hash")


class OddDict(dict):
    def items(self):
        raise RuntimeError("no items")


class OddList(list):
    def __iter__(self):
        raise RuntimeError("no items")


@dataclass
class Parts:
    layer: Any
    rest: Any = None


def holding(**values):
    module = nn.Module()
    for name, value in values.items():
        setattr(module, name, value)
    return module


def linear():
    return nn.Linear(1, 1)


def parameter():
    return nn.Parameter(torch.zeros(1))


CASES = [
    (lambda: [linear()], "held[0]: Linear in a list is not registered; use nn.ModuleList"),
    (lambda: (1, linear()), "held[1]: Linear in a tuple is not registered; use nn.ModuleList"),
    (lambda: Pair(1, linear()), "held[1]: Linear in a tuple is not registered; use nn.ModuleList"),
    (lambda: {linear()}, "held[0]: Linear in a set is not registered; use nn.ModuleList"),
    (lambda: {"a": linear()}, "held['a']: Linear in a dict is not registered; use nn.ModuleDict"),
    (lambda: OrderedDict({3: linear()}), "held[3]: Linear in a dict is not registered; use nn.ModuleDict"),
    (lambda: [[], [{"x": (linear(),)}]], "held[1][0]['x'][0]: Linear in a tuple is not registered; use nn.ModuleList"),
    (lambda: [parameter()], "held[0]: Parameter in a list is not registered; use nn.ParameterList"),
    (lambda: {"a": parameter()}, "held['a']: Parameter in a dict is not registered; use nn.ParameterDict"),
    (lambda: [nn.Buffer(torch.zeros(1))], "held[0]: Buffer in a list is not registered; use register_buffer"),
    (
        lambda: Parts(linear()),
        "held.layer: Linear in a plain attribute is not registered; assign it as an attribute of the module",
    ),
    (
        lambda: SimpleNamespace(a=[parameter()]),
        "held.a[0]: Parameter in a list is not registered; use nn.ParameterList",
    ),
    (
        lambda: torch.zeros(1, requires_grad=True),
        "held: Tensor in a plain attribute is not registered; make it an nn.Parameter, and assign that as an attribute "
        "of the module",
    ),
]


@pytest.mark.parametrize(("made", "text"), CASES, ids=[text.partition(";")[0] for _, text in CASES])
def test_found(made, text):
    found = find_unregistered(holding(held=made()))
    assert [repr(item) for item in found] == [text]
    inner = find_unregistered(nn.Sequential(nn.ReLU(), holding(held=made())))
    assert [repr(item) for item in inner] == ["1." + text]


def test_a_record_tells_what_it_found():
    layer = linear()
    (record,) = find_unregistered(holding(layers=[layer]))
    assert record.found is layer
    assert (record.path, record.kind, record.holder, record.advice) == (
        "layers[0]",
        "Module",
        "list",
        "use nn.ModuleList",
    )
    assert record == Unregistered("layers[0]", "Module", "list", None)


def test_layers_in_the_class_body():
    class Base(nn.Module):
        shared = linear()
        hidden = linear()
        several: ClassVar[list[Any]] = [linear(), parameter()]

    class Net(Base):
        own = nn.Parameter(torch.zeros(1))

        def __init__(self):
            super().__init__()
            self.hidden = linear()

    advice = "in the class body is not registered; make it in __init__, after super().__init__()"
    assert [repr(item) for item in find_unregistered(Net())] == [
        f"own: Parameter {advice}",
        f"shared: Linear {advice}",
        f"several[0]: Linear {advice}",
        f"several[1]: Parameter {advice}",
    ]


def test_an_attribute_set_behind_the_modules_back():
    module = nn.Module()
    module.__dict__["layer"] = linear()
    text = "layer: Linear in a plain attribute is not registered; assign it as an attribute of the module"
    assert [repr(item) for item in find_unregistered(module)] == [text]


def test_what_is_registered_somewhere_is_not_reported():
    model = nn.Sequential(linear(), nn.BatchNorm1d(1))
    model.order = [model[1], model[0], model]
    model[0].tied = {"weights": [model[0].weight, model[1].running_mean]}
    model.listed = nn.ModuleList([linear()])
    model.parameters_too = nn.ParameterDict({"a": parameter()})
    assert find_unregistered(model) == []


def test_what_needs_no_gradient_is_not_reported():
    weight = torch.zeros(1, requires_grad=True)
    assert find_unregistered(holding(cache=[torch.zeros(1)], result=weight * 2, number=3, text="x")) == []


def test_each_thing_is_reported_once_and_what_belongs_to_it_is_not():
    layer = nn.Sequential(linear())
    model = holding(first=[layer], second=(layer, layer[0], layer[0].weight))
    assert [item.path for item in find_unregistered(model)] == ["first[0]"]


def test_odd_objects_and_cycles():
    endless = []
    endless.append(endless)
    model = holding(many=[Odd(), OddDict(a=linear()), OddList([linear()])], endless=endless)
    model.__dict__["odd"] = Odd()
    model.last = [linear()]
    assert [item.path for item in find_unregistered(model)] == ["last[0]"]


def test_deep_nesting_needs_no_recursion():
    value: Any = [linear()]
    for _ in range(5_000):
        value = [value]
    (record,) = find_unregistered(holding(held=value))
    assert record.kind == "Module"
