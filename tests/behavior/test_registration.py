"""Rows 1 to 37: what defining a model registers, in which order, and what is refused."""

from collections import OrderedDict
from typing import Any

import pytest

from tests.behavior.errors import raises
from tests.behavior.models import civil_net, my_model

EIGHT = (
    "_parameters", "_buffers", "_backward_hooks", "_forward_hooks", "_forward_pre_hooks", "_state_dict_hooks",
    "_load_state_dict_pre_hooks", "_modules",
)  # fmt: skip
FIELDS = [
    "training", "_parameters", "_buffers", "_non_persistent_buffers_set", "_backward_pre_hooks", "_backward_hooks",
    "_is_full_backward_hook", "_forward_hooks", "_forward_hooks_with_kwargs", "_forward_hooks_always_called",
    "_forward_pre_hooks", "_forward_pre_hooks_with_kwargs", "_state_dict_hooks", "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks", "_modules",
]  # fmt: skip


def forgot(torch: Any, name: str, build: Any = None) -> Any:
    """A class that does not call the constructor of ``Module``."""

    class Forgot(torch.nn.Module):
        def __init__(self):
            if build is not None:
                build(self)

    Forgot.__name__ = name
    return Forgot


def test_row_001_a_model_that_forgets_super_init(torch):
    nn = torch.nn

    class MyModel(nn.Module):
        def __init__(self):
            self.conv = nn.Conv2d(in_channels=3, out_channels=20, kernel_size=3)
            self.linear = nn.Linear(500, 10)

    with raises(AttributeError, "cannot assign module before Module.__init__() call"):
        MyModel()
    assert list(my_model(torch)()._modules) == ["conv", "linear"]


def test_row_002_the_same_error_for_other_kinds(torch):
    nn = torch.nn
    cases = [
        (lambda m: setattr(m, "p", nn.Parameter(torch.ones(1))), "cannot assign parameters before {} call"),
        (lambda m: m.register_parameter("p", None), "cannot assign parameter before {} call"),
        (lambda m: m.register_buffer("b", torch.ones(1)), "cannot assign buffer before {} call"),
        (lambda m: setattr(m, "b", nn.Buffer(torch.ones(1))), "cannot assign buffer before {} call"),
        (lambda m: m.add_module("x", nn.Linear(2, 2)), "'B4' object has no attribute '_modules'"),
    ]
    for build, text in cases:
        with raises(AttributeError, text.format("Module.__init__()")):
            forgot(torch, "B4", build)()


def test_row_003_a_plain_attribute_is_silent_until_use(torch):
    m = forgot(torch, "B2", lambda m: setattr(m, "x", 3))()
    assert m.x == 3
    with raises(AttributeError, "'B2' object has no attribute '_modules'"):
        repr(m)
    with raises(AttributeError, "'B2' object has no attribute '_backward_hooks'"):
        m(1)


def test_row_004_the_forward_pass_of_my_model(torch):
    assert my_model(torch)()(torch.randn(2, 3, 7, 7)).shape == torch.Size([2, 10])


def test_row_005_an_image_of_another_size(torch):
    with raises(RuntimeError, "mat1 and mat2 shapes cannot be multiplied (2x720 and 500x10)"):
        my_model(torch)()(torch.randn(2, 3, 8, 8))


def test_row_006_a_shape_unpacks(torch):
    shape = torch.zeros(2, 3, 7, 5).shape
    bs, c, h, w = shape
    assert (bs, c, h, w) == (2, 3, 7, 5)
    assert [type(item) for item in shape] == [int] * 4
    assert type(shape) is torch.Size
    assert issubclass(torch.Size, tuple)


def test_row_007_reshape_infers_one_size(torch):
    x = torch.zeros(2, 3, 7, 5)
    assert x.reshape(2, -1).shape == torch.Size([2, 105])
    with raises(RuntimeError, "only one dimension can be inferred"):
        x.reshape(-1, -1)


def test_row_008_functional_is_an_attribute_of_nn(torch):
    import importlib

    assert torch.nn.functional is importlib.import_module(f"{torch.__name__}.nn.functional")
    result = torch.nn.functional.leaky_relu(torch.tensor([-1.0, 2.0]))
    assert result.tolist() == [pytest.approx(-0.01), 2.0]


def test_row_009_linear_multiplies_and_adds(torch):
    layer = torch.nn.Linear(3, 2)
    x = torch.randn(4, 3)
    assert layer.weight.shape == torch.Size([2, 3])
    assert torch.allclose(layer(x), x @ layer.weight.T + layer.bias)


def test_row_010_nn_has_no_tensor(torch):
    with raises(AttributeError, f"module '{torch.__name__}.nn' has no attribute 'Tensor'"):
        torch.nn.Tensor
    assert isinstance(torch.ones(1), torch.Tensor)


def test_row_011_a_parameter_is_a_tensor(torch):
    assert issubclass(torch.nn.Parameter, torch.Tensor)


def test_row_012_parameters_require_gradients(torch):
    assert torch.nn.Parameter().requires_grad is True
    text = "Parameter containing:\ntensor([1., 1.], requires_grad=True)"
    assert repr(torch.nn.Parameter(torch.ones(2))) == text
    with raises(RuntimeError, "Only Tensors of floating point and complex dtype can require gradients"):
        torch.nn.Parameter(torch.ones(2, dtype=torch.int64))


def test_row_013_an_assigned_parameter_is_registered(torch):
    m = torch.nn.Module()
    p = m.p = torch.nn.Parameter(torch.ones(2))
    assert [item is p for item in m.parameters()] == [True]


def test_row_014_a_module_holds_dictionaries(torch):
    fields = torch.nn.Module().__dict__
    assert all(isinstance(fields[name], dict) for name in EIGHT)
    assert [type(fields[name]) for name in ("_parameters", "_buffers", "_modules")] == [dict] * 3
    ordered = [name for name, value in fields.items() if type(value) is OrderedDict]
    assert ordered == [name for name in FIELDS if "hooks" in name]
    assert len(ordered) == 11
    assert fields["_non_persistent_buffers_set"] == set()
    assert fields["_is_full_backward_hook"] is None


def test_row_015_the_fields_and_their_order(torch):
    assert list(torch.nn.Module().__dict__) == FIELDS


def test_row_016_the_usage_log(torch):
    assert torch._C._log_api_usage_once("python.nn_module") is None


def test_row_017_every_child_has_the_dictionaries(torch):
    net = civil_net(torch)()
    children = [net, net.conv1, net.conv2, net.pool, net.fc1, net.fc2, net.fc3]
    assert [all(name in child.__dict__ for name in EIGHT) for child in children] == [True] * 7


def test_row_018_where_the_layers_live(torch):
    net = civil_net(torch)()
    homes = {"conv1": "conv", "pool": "pooling", "fc1": "linear"}
    for name, home in homes.items():
        assert type(getattr(net, name)).__module__ == f"{torch.__name__}.nn.modules.{home}"


def test_row_019_plain_attributes_have_no_dictionaries(torch):
    net = civil_net(torch)()
    assert not hasattr(str, "_parameters")
    assert not hasattr(net.gemfield, "_parameters")
    assert not hasattr(net.syszux, "_parameters")
    assert net.syszux._backward_hooks is None


def test_row_020_plain_attributes_stay_plain(torch):
    net = civil_net(torch)()
    assert net.__dict__["gemfield"] == "gemfield.org"
    assert net.__dict__["syszux"] is net.syszux
    assert not {"gemfield", "syszux"} & set(net.state_dict())
    net.to(torch.float64)
    assert net.syszux.dtype is torch.float32


def test_row_021_a_class_without_a_constructor(torch):
    class Late(torch.nn.Module):
        pass

    assert list(Late().__dict__) == FIELDS


def test_row_022_super_of_the_class_alone_initializes_nothing(torch):
    nn = torch.nn

    class Alone(nn.Module):
        def __init__(self):
            super(Alone).__init__()
            self.fc = nn.Linear(2, 2)

    class Both(nn.Module):
        def __init__(self):
            super(Both, self).__init__()  # noqa: UP008  (the form in question)
            self.fc = nn.Linear(2, 2)

    class Neither(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(2, 2)

    with raises(AttributeError, "cannot assign module before Module.__init__() call"):
        Alone()
    assert list(Both()._modules) == list(Neither()._modules) == ["fc"]


def test_row_023_attributes_are_sorted_by_type(torch):
    m = torch.nn.Module()
    m.p = torch.nn.Parameter(torch.ones(1))
    m.child = torch.nn.Linear(1, 1)
    m.b = torch.nn.Buffer(torch.ones(1))
    m.register_buffer("r", torch.ones(1))
    m.plain = torch.ones(1)
    assert (list(m._parameters), list(m._modules), list(m._buffers)) == (["p"], ["child"], ["b", "r"])
    assert "plain" in m.__dict__


def test_row_024_attributes_of_the_class_are_not_registered(torch):
    nn = torch.nn

    class Late(nn.Module):
        pass

    class CL(nn.Module):
        fc = nn.Linear(2, 2)

    late = Late()
    late.fc = nn.Linear(2, 2)
    assert list(late.state_dict()) == ["fc.weight", "fc.bias"]
    assert CL().state_dict() == {}
    assert repr(CL()) == "CL()"


def listed(torch: Any) -> Any:
    """A module whose layers are in a plain list."""

    class Lst(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer1 = [torch.nn.Conv2d(3, 6, 5), torch.nn.MaxPool2d(2, 2), torch.nn.Conv2d(6, 16, 5)]

    return Lst()


def test_row_025_layers_in_a_list_are_not_registered(torch):
    m = listed(torch)
    assert list(m.parameters()) == []
    assert m.state_dict() == OrderedDict()
    assert type(m.layer1) is list
    assert repr(m) == "Lst()"


def test_row_026_an_optimizer_of_nothing(torch):
    for kind in (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW):
        with raises(ValueError, "optimizer got an empty parameter list"):
            kind(listed(torch).parameters(), lr=0.1)
    text = "params argument given to the optimizer should be an iterable of Tensors or dicts, but got torch.FloatTensor"
    with raises(TypeError, text):
        torch.optim.SGD(torch.ones(1), lr=0.1)


def test_row_027_own_parameters_and_all(torch):
    net = civil_net(torch)()
    assert net._parameters == {}
    assert len(list(net.parameters())) == 10
    assert sum(p.numel() for p in net.parameters()) == 62_006


def test_row_028_parameters_are_found_through_the_children(torch):
    net = civil_net(torch)()
    del net._modules["fc3"]
    assert len(list(net.parameters())) == 8
    assert [name.split(".")[0] for name in net.state_dict()][-1] == "fc2"


def test_row_029_batch_normalization_registers_buffers(torch):
    norm = torch.nn.BatchNorm2d(4)
    assert list(norm._buffers) == ["running_mean", "running_var", "num_batches_tracked"]
    assert repr(norm.num_batches_tracked) == "tensor(0)"
    assert norm.num_batches_tracked.dtype is torch.int64


def test_row_030_buffers_are_not_learnt(torch):
    m = torch.nn.BatchNorm2d(4)
    m.register_buffer("scratch", torch.ones(1), persistent=False)
    m.kept = torch.nn.Buffer(torch.ones(1))
    assert [b.requires_grad for b in m.buffers()] == [False] * 5
    assert [name for name in m.state_dict() if name not in m._parameters] == [
        "running_mean", "running_var", "num_batches_tracked", "kept",
    ]  # fmt: skip


def test_row_031_a_module_list_is_a_module(torch):
    assert issubclass(torch.nn.ModuleList, torch.nn.Module)
    assert not isinstance(torch.nn.ModuleList(), list)


def test_row_032_a_module_list_behaves_as_a_list(torch):
    nn = torch.nn
    a, b, c, d = (nn.Linear(2, 2) for _ in range(4))
    layers = nn.ModuleList([a])
    assert layers.append(b) is layers
    assert layers.extend([c]) is layers
    layers.insert(0, d)
    assert [item is x for item, x in zip(layers, [d, a, b, c], strict=True)] == [True] * 4
    assert layers.pop(0) is d
    assert layers[-1] is c
    assert len(layers) == 3
    assert len(layers + [d]) == 4  # noqa: RUF005  (its own addition)
    assert type(layers[:2]) is nn.ModuleList
    assert (a in layers, d in layers) == (True, False)
    linear = "Linear(in_features=2, out_features=2, bias=True)"
    assert repr(layers) == f"ModuleList(\n  (0-2): 3 x {linear}\n)"
    del layers[0]
    assert [item is x for item, x in zip(layers, [b, c], strict=True)] == [True] * 2


def test_row_033_a_module_list_registers_by_number(torch):
    layers = torch.nn.ModuleList([torch.nn.Linear(2, 2), torch.nn.ReLU()])
    assert list(layers._modules) == ["0", "1"]
    assert list(layers.state_dict()) == ["0.weight", "0.bias"]


def test_row_034_sequential_calls_its_modules_in_order(torch):
    nn = torch.nn
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    x = torch.randn(5, 3)
    y = x
    for module in model._modules.values():
        y = module(y)
    assert torch.equal(model(x), y)
    with raises(NotImplementedError, 'Module [ModuleList] is missing the required "forward" function'):
        nn.ModuleList()(x)


def test_row_035_registrations_that_are_refused(torch):
    layer = torch.nn.Linear(2, 2)
    cases = [
        (lambda: layer.register_buffer("a.b", None), KeyError, 'buffer name can\'t contain "."'),
        (lambda: layer.register_buffer("", None), KeyError, 'buffer name can\'t be empty string ""'),
        (lambda: layer.register_buffer("weight", None), KeyError, "attribute 'weight' already exists"),
        (
            lambda: layer.register_buffer("zz", 3),
            TypeError,
            "cannot assign 'int' object to buffer 'zz' (torch Tensor or None required)",
        ),
        (lambda: layer.add_module("zz", 3), TypeError, "int is not a Module subclass"),
    ]
    for register, kind, text in cases:
        with raises(kind, text):
            register()


def test_row_036_assignments_that_are_refused(torch):
    layer, norm = torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2)
    outer = torch.nn.Module()
    outer.linear1 = layer
    parameter = "cannot assign 'torch.FloatTensor' as parameter 'weight' (torch.nn.Parameter or None expected)"
    child = "cannot assign 'str' as child module 'linear1' (torch.nn.Module or None expected)"
    buffer = "cannot assign 'str' as buffer 'running_mean' (torch.nn.Buffer, torch.Tensor or None expected)"
    for module, name, value, text in (
        (layer, "weight", torch.ones(2, 2), parameter),
        (outer, "linear1", "s", child),
        (norm, "running_mean", "s", buffer),
    ):
        with raises(TypeError, text):
            setattr(module, name, value)


def test_row_037_looking_for_members(torch):
    nn = torch.nn

    class Test(nn.Module):
        pass

    test = Test()
    test.linear1, test.norm = nn.Linear(2, 3), nn.BatchNorm1d(2)
    assert test.linear1 is test._modules["linear1"]
    assert test.linear1.weight is test.linear1._parameters["weight"]
    assert test.norm.running_mean is test.norm._buffers["running_mean"]
    for look, text in (
        (lambda: test.nope, "'Test' object has no attribute 'nope'"),
        (lambda: test.get_parameter("linear1.nope"), "Linear has no attribute `nope`"),
        (lambda: nn.Sequential(test).get_submodule("7"), "Sequential has no attribute `7`"),
        (lambda: test.get_buffer("linear1.weight"), "`weight` is not a buffer"),
    ):
        with raises(AttributeError, text):
            look()
