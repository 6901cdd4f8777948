"""summary: exact counts, a model that is as before, and texts that people and browsers can read."""

from collections import OrderedDict
from typing import Any, cast
from xml.etree import ElementTree

import pytest

import flambeau as torch
from flambeau import nn
from flambeau.base.config import config
from flambeau.cli.civilnet import CivilNet
from flambeau.graph.record import PENDING
from flambeau.nn.modules.module import register_module_forward_pre_hook
from flambeau.runtime.force import RUNS, WATCHERS
from flambeau.testing import compilations

CIVILNET = """\
Layer    Class      Input            Output           Parameters  Trainable    Bytes      FLOPs
-----------------------------------------------------------------------------------------------
(model)  CivilNet   (1, 3, 32, 32)   (1, 10)              62,006     62,006  248,024  1,327,702
  conv1  Conv2d     (1, 3, 32, 32)   (1, 6, 28, 28)          456        456    1,824    710,304
  pool   MaxPool2d  (1, 6, 28, 28)   (1, 6, 14, 14)            0          0        0      3,528
  conv2  Conv2d     (1, 6, 14, 14)   (1, 16, 10, 10)       2,416      2,416    9,664    481,600
  pool   MaxPool2d  (1, 16, 10, 10)  (1, 16, 5, 5)         again                          1,200
  fc1    Linear     (1, 400)         (1, 120)             48,120     48,120  192,480     96,120
  fc2    Linear     (1, 120)         (1, 84)              10,164     10,164   40,656     20,244
  fc3    Linear     (1, 84)          (1, 10)                 850        850    3,400      1,690
-----------------------------------------------------------------------------------------------
Parameters: 62,006 (62,006 trainable, 0 frozen)
Parameters and buffers: 248,024 bytes
FLOPs of one call: 1,327,702"""

SHARED = """\
Layer    Class   Input   Output  Parameters  Trainable  Bytes       FLOPs
-------------------------------------------------------------------------
(model)  Shared  (2, 3)  (2, 3)          24         12     96          84
  layer  Linear  (2, 3)  (2, 3)          12         12     48          42
  layer  Linear  (2, 3)  (2, 3)       again                            42
  rest   Linear                          12          0     48  not called
-------------------------------------------------------------------------
Parameters: 24 (12 trainable, 12 frozen)
Parameters and buffers: 96 bytes
FLOPs of one call: 84"""


class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 3)
        self.rest = nn.Linear(3, 3).requires_grad_(False)

    def forward(self, x):
        return self.layer(self.layer(x))


class Calling(nn.Module):
    """A model of one function."""

    def __init__(self, function, **children):
        super().__init__()
        self.function = function
        for name, child in children.items():
            setattr(self, name, child)

    def forward(self, *args, **kwargs):
        return self.function(self, *args, **kwargs)


# -- texts ---------------------------------------------------------------------------------------------------------


def test_text_of_civilnet():
    found = torch.summary(CivilNet(), (1, 3, 32, 32))
    assert str(found) == CIVILNET
    assert repr(found) == CIVILNET


def test_text_of_a_shared_layer_and_of_one_that_is_not_called():
    assert str(torch.summary(Shared(), (2, 3))) == SHARED


def test_without_inputs_the_layers_are_listed():
    found = torch.summary(Shared())
    assert [(row.path, row.depth, row.parameters, row.flops) for row in found.rows] == [
        ("", 0, 24, None),
        ("layer", 1, 12, None),
        ("rest", 1, 12, None),
    ]
    assert found.flops is None
    assert "FLOPs of one call" not in str(found)


def test_depth_limits_what_is_shown_not_what_is_there():
    model = nn.Sequential(nn.Sequential(nn.ReLU()))
    found = torch.summary(model, (1, 2), depth=1)
    assert [row.path for row in found.rows] == ["", "0", "0.0"]
    assert "0.0" not in str(found)


def test_html_is_well_formed_and_escaped():
    model = nn.Sequential(OrderedDict([("<b>&\"'", nn.Linear(3, 4)), ("fine", type("A<i>", (nn.ReLU,), {})())]))
    page = torch.summary(model, (2, 3))._repr_html_()
    table = ElementTree.fromstring(page)
    cells = [["".join(cell.itertext()) for cell in row] for row in table.iter("tr")]
    assert cells[2] == ["  <b>&\"'", "Linear", "(2, 3)", "(2, 4)", "16", "16", "64", "56"]
    assert cells[3][:2] == ["  fine", "A<i>"]
    assert cells[-1] == ["FLOPs of one call: 72"]
    assert [child.tag for child in table] == ["thead", "tbody", "tfoot"]


# -- counts --------------------------------------------------------------------------------------------------------

# A layer, the shape of its input, and its operations by formula: two for each product that is added, one for a bias.
COUNTS = {
    "linear": (lambda: nn.Linear(5, 7), (4, 5), 2 * 4 * 5 * 7 + 4 * 7),
    "linear without bias": (lambda: nn.Linear(5, 7, bias=False), (2, 3, 5), 2 * 6 * 5 * 7),
    "bilinear": (lambda: nn.Linear(1, 1), (3, 1), 2 * 3 + 3),
    "convolution": (lambda: nn.Conv2d(3, 6, 5), (2, 3, 32, 32), 2 * 6 * 28 * 28 * (2 * 75 + 1)),
    "convolution without bias": (lambda: nn.Conv2d(64, 8, 3, bias=False), (1, 64, 8, 8), 2 * 8 * 36 * 64 * 9),
    "strided": (lambda: nn.Conv2d(64, 8, 3, stride=2), (1, 64, 9, 9), 8 * 16 * (2 * 64 * 9 + 1)),
    "grouped": (lambda: nn.Conv2d(8, 8, 3, groups=8), (1, 8, 6, 6), 8 * 16 * (2 * 9 + 1)),
    "one dimension": (lambda: nn.Conv1d(2, 3, 4), (1, 2, 9), 3 * 6 * (2 * 8 + 1)),
    "relu, a comparison and a choice": (nn.ReLU, (3, 4), 2 * 12),
    "views": (nn.Flatten, (3, 4, 5), 0),
    "nothing": (nn.Dropout, (3, 4), 0),
}


@pytest.mark.parametrize(("made", "shape", "count"), COUNTS.values(), ids=COUNTS.keys())
def test_counts_by_formula(made, shape, count):
    assert torch.summary(made(), shape).flops == count


def test_padding_is_not_multiplied():
    """XLA leaves out the products with what a large convolution is padded with."""
    inside = 8 * 8 * 9 - 4 * 8 * 3 + 4  # windows of 3 x 3 on 8 x 8, less those parts that stand out
    assert torch.summary(nn.Conv2d(64, 8, 3, padding=1, bias=False), (1, 64, 8, 8)).flops == 2 * 8 * 64 * inside


def test_matrix_products_cost_what_the_compiled_program_costs():
    def attend(self, x):
        q, k, v = self.project(x).split(8, dim=-1)
        return self.back(q @ k.transpose(-2, -1) @ v)

    model = Calling(attend, project=nn.Linear(8, 24, bias=False), back=nn.Linear(8, 8, bias=False))
    x = torch.randn(2, 6, 8)
    found = torch.summary(model, x)
    with compilations() as programs, torch.no_grad():
        model(x).tolist()
    assert found.flops == programs[-1].flops == 2 * 12 * 8 * 24 + 2 * 2 * (2 * 6 * 6 * 8) + 2 * 12 * 8 * 8
    assert [row.flops for row in found.rows[1:]] == [2 * 12 * 8 * 24, 2 * 12 * 8 * 8]


def test_every_round_of_a_scan_is_counted():
    steps, batch, size = 12, 4, 16

    def scan(self, x):
        state = torch.zeros(1, batch, size)
        weights = [torch.zeros(4 * size, size), torch.zeros(4 * size, size)]
        return torch.lstm(x, (state, state), weights, False, 1, 0.0, False, False, False)[0]

    found = torch.summary(Calling(scan), (steps, batch, size)).flops
    products = 2 * 2 * steps * batch * size * 4 * size
    assert products < found < 1.1 * products


def test_nested_modules_include_their_children_and_totals_every_call():
    inner = nn.Sequential(nn.Linear(3, 3, bias=False), nn.ReLU())
    found = torch.summary(nn.Sequential(inner, inner, nn.Linear(3, 3, bias=False)), (2, 3))
    assert [(row.path, row.flops, row.again) for row in found.rows] == [
        ("", 3 * 36 + 2 * 12, False),
        ("0", 36 + 12, False),
        ("0.0", 36, False),
        ("0.1", 12, False),
        ("0", 36 + 12, True),
        ("0.0", 36, True),
        ("0.1", 12, True),
        ("2", 36, False),
    ]
    assert (found.parameters, found.trainable, found.bytes, found.flops) == (18, 18, 72, 132)


def test_shapes_of_structures():
    def split(self, x, y, *, more):
        return {"sum": self.layer(x + y["z"]), "rest": [more[0], None]}, 3

    model = Calling(split, layer=nn.Identity())
    found = torch.summary(model, (2, 3), {"z": torch.ones(3)}, kwargs={"more": [[4], "text"]})
    assert found.rows[0].input == [(2, 3), {"z": (3,)}, (4,)]
    assert found.rows[0].output == {"sum": (2, 3), "rest": (4,)}
    assert (found.rows[1].input, found.rows[1].output) == ((2, 3), (2, 3))


def test_kinds_of_inputs():
    seen = []
    model = Calling(lambda self, *args: seen.extend(args), layer=nn.Linear(1, 1).double())
    torch.summary(model, (2,), torch.ones(3, dtype=torch.int32), None, 5, torch.empty(2, device="meta"), torch.Size([]))
    assert [str(getattr(item, "dtype", item)) for item in seen] == [
        "torch.float64", "torch.int32", "None", "5", "torch.float32", "torch.float64",
    ]  # fmt: skip
    assert {str(item.device) for item in seen if isinstance(item, torch.Tensor)} == {"cpu"}
    seen.clear()
    torch.summary(model, [2, 3], dtype=torch.int64)
    assert (seen[0].dtype, seen[0].shape) == (torch.int64, (2, 3))
    seen.clear()
    torch.summary(model, 5, 3)
    assert seen == [5, 3]
    embedding = torch.summary(nn.Embedding(10, 4), (2, 3), dtype=torch.int64)
    assert embedding.rows[0].output == (2, 3, 4)


def test_a_model_without_values():
    model = nn.Linear(1000, 1000, device="meta")
    found = torch.summary(model, (8, 1000))
    assert found.flops == 2 * 8 * 1000 * 1000 + 8 * 1000


def test_training_mode_is_asked_for():
    assert torch.summary(nn.Dropout(), (8,), training=True).flops > 0
    assert torch.summary(nn.Dropout(), (8,)).flops == 0


# -- nothing happens -----------------------------------------------------------------------------------------------


def rich_model():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.5), nn.ReLU(inplace=True))
    model.history = []
    model[1].weight.grad = torch.full((2,), 3.0)
    model.eval()
    model[1].train()
    return model


def state_of(model):
    fields = [
        {name: list(value) if isinstance(value, (dict, list, set)) else id(value) for name, value in vars(item).items()}
        for item in model.modules()
    ]
    tensors = [*model.parameters(), *model.buffers()]
    values = [(id(item), id(item.read()), item._version, item.tolist()) for item in tensors]
    return fields, values, model[1].weight.grad.tolist(), torch.get_rng_state().tolist(), list(model.history)


def test_the_model_is_as_before_and_nothing_is_computed():
    model = rich_model()
    called = []
    handle = model[0].register_forward_hook(lambda *args: called.append(1))
    before, pending = state_of(model), list(PENDING)
    runs = dict(RUNS)
    with compilations(at_most=0):
        torch.summary(model, (2, 1, 6, 6), training=True)
    assert runs == RUNS
    assert pending == PENDING
    assert WATCHERS == []
    assert state_of(model) == before
    assert called == [1]
    handle.remove()
    assert not model[0]._forward_hooks
    assert torch.is_grad_enabled()


def test_the_model_is_as_before_when_forward_raises():
    def fail(self, x):
        self.added = nn.Linear(1, 1)
        self.body.history.append(x)
        self.body[1].running_mean = torch.ones(2)
        self.body[1].weight.grad.zero_()
        x = self.body(x)
        with torch.no_grad():
            self.body[0].weight.add_(1)
        self.body.register_forward_hook(print)
        return self.body[0](x)

    model = Calling(fail, body=rich_model())
    before = state_of(model.body)
    with pytest.raises(RuntimeError, match=r"expected input\[2, 2, 4, 4\] to have 1 channels") as caught:
        torch.summary(model, (2, 1, 6, 6), training=True)
    assert caught.value.__notes__[-1:] == ["This was raised in layer 'body.0' (Conv2d), which was given (2, 2, 4, 4)."]
    assert state_of(model.body) == before
    assert not hasattr(model, "added")
    assert WATCHERS == []


class Late(nn.Module):
    """A layer that takes its shape, and another class, from its first input."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(0))

    def forward(self, x):
        self.weight.data = torch.zeros(x.shape[-1], 2)
        self.__class__ = cast("Any", type("Ready", (Late,), {}))
        self.weight.note = "made"
        return x @ self.weight


def test_a_layer_that_takes_its_shape_from_the_input_is_shown_with_it_and_is_as_before():
    late = Late()
    weight = late.weight
    found = torch.summary(late, (4, 3))
    assert (found.rows[0].name, found.rows[0].output, found.parameters, found.flops) == ("Ready", (4, 2), 6, 48)
    assert type(late) is Late
    assert late.weight is weight
    assert (weight.shape, hasattr(weight, "note")) == ((0,), False)


def test_inputs_are_not_written_to():
    x = torch.tensor([-1.0, 2.0])
    torch.summary(nn.ReLU(inplace=True), x)
    assert x.tolist() == [-1.0, 2.0]


def test_an_error_the_model_deals_with():
    def tries(self, x):
        try:
            self.small(x)
        except RuntimeError:
            return self.large(x)

    model = Calling(tries, small=nn.Linear(2, 1, bias=False), large=nn.Linear(3, 1, bias=False))
    found = torch.summary(model, (1, 3))
    assert [(row.path, row.depth, row.output, row.flops) for row in found.rows] == [
        ("", 0, (1, 1), 6),
        ("small", 1, None, 0),
        ("large", 1, (1, 1), 6),
    ]


def test_a_model_that_asks_for_a_value_is_counted_wholly():
    def asks(self, x):
        x = self.layer(x)
        if (x * 2).sum().item() > 1e6:
            raise AssertionError("there are only zeros")
        return self.layer(x)

    earlier = torch.tensor([1.0, 2.0]) * 3
    model = Calling(asks, layer=nn.Linear(2, 2, bias=False))
    found = torch.summary(model, (1, 2))
    assert [row.flops for row in found.rows[1:]] == [8, 8]
    assert found.flops == 16 + 3 + 1  # the products, with their number made one of their type, and the sum
    assert earlier.tolist() == [3.0, 6.0]


def test_a_hook_of_all_modules_that_raises():
    def refuse(module, args):
        if isinstance(module, nn.Linear):
            raise RuntimeError("refused")

    handle = register_module_forward_pre_hook(refuse)
    try:
        with pytest.raises(RuntimeError, match=r"^refused\n") as caught:
            torch.summary(nn.Sequential(nn.ReLU(), nn.Linear(2, 2)), (1, 2))
    finally:
        handle.remove()
    assert caught.value.__notes__ == ["This was raised in the model's own forward, which was given (1, 2)."]


def test_where_every_operation_is_run_at_once():
    config.eager = True
    try:
        runs = RUNS["programs"]
        assert torch.summary(nn.Linear(2, 2, bias=False), (1, 2)).flops == 8
        assert RUNS["programs"] == runs
        assert config.eager
    finally:
        config.eager = False


def test_no_module():
    with pytest.raises(TypeError, match=r"^summary\(\) takes a module, but got int$"):
        torch.summary(3)


def test_lazy_layers_are_shown_with_their_shapes_and_stay_lazy():
    model = nn.Sequential(nn.LazyLinear(4), nn.LazyBatchNorm1d())
    found = torch.summary(model, (2, 3))
    assert [(row.name, row.parameters) for row in found.rows[1:]] == [("Linear", 16), ("BatchNorm1d", 8)]
    assert [type(layer).__name__ for layer in model] == ["LazyLinear", "LazyBatchNorm1d"]
    assert isinstance(model[0].weight, nn.UninitializedParameter)
    assert torch.summary(model).parameters == 0
    assert model(torch.ones(2, 3)).shape == (2, 4)
