"""What ``Module`` promises, in literals."""

import copy
import pickle

import pytest

import flambeau as torch
from flambeau import nn
from flambeau.testing import compilations

FIELDS = (
    "training _parameters _buffers _non_persistent_buffers_set _backward_pre_hooks _backward_hooks "
    "_is_full_backward_hook _forward_hooks _forward_hooks_with_kwargs _forward_hooks_always_called _forward_pre_hooks "
    "_forward_pre_hooks_with_kwargs _state_dict_hooks _state_dict_pre_hooks _load_state_dict_pre_hooks "
    "_load_state_dict_post_hooks _modules"
).split()


class Affine(nn.Module):
    def __init__(self, inputs=2, outputs=3):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("steps", torch.tensor(0))

    def forward(self, x):
        return x @ self.weight.T + self.bias

    def extra_repr(self):
        return "affine"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = Affine(2, 3)
        self.second = Affine(3, 1)

    def forward(self, x):
        return self.second(self.first(x))


class Forgetful(nn.Module):
    def __init__(self):
        self.conv = Affine()


def test_the_fields_are_those_of_pytorch_in_its_order():
    fields = vars(nn.Module())
    assert list(fields) == FIELDS
    assert type(fields["_parameters"]) is type(fields["_buffers"]) is type(fields["_modules"]) is dict
    assert fields["_is_full_backward_hook"] is None
    assert fields["training"] is True


def test_forgetting_super_init_is_an_error():
    with pytest.raises(AttributeError, match=r"^cannot assign module before Module.__init__\(\) call$"):
        Forgetful()


REGISTRATION_ERRORS = [
    (lambda m: m.register_buffer("a.b", None), KeyError, 'buffer name can\'t contain "."'),
    (lambda m: m.register_buffer("", None), KeyError, 'buffer name can\'t be empty string ""'),
    (lambda m: m.register_buffer("weight", None), KeyError, "attribute 'weight' already exists"),
    (lambda m: m.register_buffer("z", 3), TypeError,
     "cannot assign 'int' object to buffer 'z' (torch Tensor or None required)"),
    (lambda m: m.add_module("z", 3), TypeError, "int is not a Module subclass"),
    (lambda m: setattr(m, "weight", torch.ones(1)), TypeError,
     "cannot assign 'torch.FloatTensor' as parameter 'weight' (torch.nn.Parameter or None expected)"),
    (lambda m: setattr(m, "steps", "s"), TypeError,
     "cannot assign 'str' as buffer 'steps' (torch.nn.Buffer, torch.Tensor or None expected)"),
    (lambda m: m.nope, AttributeError, "'Affine' object has no attribute 'nope'"),
    (lambda m: m.get_parameter("nope"), AttributeError, "Affine has no attribute `nope`"),
    (lambda m: m.get_buffer("weight"), AttributeError, "`weight` is not a buffer"),
    (lambda m: m.train(1), ValueError, "training mode is expected to be boolean"),
    (lambda m: m.to(torch.int32), TypeError,
     "nn.Module.to only accepts floating point or complex dtypes, but got desired dtype=torch.int32"),
    (lambda m: nn.Module()(1), NotImplementedError, 'Module [Module] is missing the required "forward" function'),
    (lambda m: m.share_memory(), NotImplementedError,
     "Module.share_memory() is not supported: tensors cannot be shared between processes; pass state_dict() to the "
     "other process instead"),
]  # fmt: skip


@pytest.mark.parametrize(("act", "kind", "text"), REGISTRATION_ERRORS, ids=[row[2] for row in REGISTRATION_ERRORS])
def test_errors_speak_as_in_pytorch(act, kind, text):
    with pytest.raises(kind, match=r".") as caught:
        act(Affine())
    assert caught.value.args[0] == text


def test_members_are_sorted_by_kind_wherever_they_are_assigned():
    module = nn.Module()
    module.child = Affine()
    module.number = 3
    module.loose = torch.ones(1)
    module.kept = nn.Buffer(torch.ones(1))
    module.temporary = nn.Buffer(torch.ones(1), persistent=False)
    module.plain = [Affine()]
    assert list(module._modules) == ["child"]
    assert list(module._buffers) == ["kept", "temporary"]
    assert {"number", "loose", "plain"} <= set(vars(module))
    assert list(module.state_dict()) == ["kept", "child.weight", "child.bias", "child.steps"]


def test_a_layer_in_the_class_body_is_not_registered():
    class Body(nn.Module):
        layer = Affine()

    assert Body().state_dict() == {}
    assert repr(Body()) == "Body()"


def test_generators_are_named_as_in_pytorch():
    assert repr(Net().parameters()).startswith("<generator object Module.parameters at")
    assert repr(Net().named_modules()).startswith("<generator object Module.named_modules at")


def test_walks():
    net = Net()
    net.again = net.first
    assert [name for name, _ in net.named_modules()] == ["", "first", "second"]
    assert [name for name, _ in net.named_modules(remove_duplicate=False)] == ["", "first", "second", "again"]
    assert [name for name, _ in net.named_parameters()] == [
        "first.weight",
        "first.bias",
        "second.weight",
        "second.bias",
    ]
    assert list(net.state_dict())[-1] == "again.steps"
    assert [name for name, _ in net.named_children()] == ["first", "second"]
    assert sum(p.numel() for p in net.parameters()) == 13


def test_an_overridden_walk_of_a_child_is_followed():
    class Opaque(nn.Module):
        def named_modules(self, memo=None, prefix="", remove_duplicate=True):
            yield prefix, self

    net = nn.Module()
    net.inner = Opaque()
    net.inner.hidden = Affine()
    assert [name for name, _ in net.named_modules()] == ["", "inner"]


def test_a_module_inside_itself_is_found_once():
    net = Net()
    net.myself = net
    assert len(list(net.modules())) == 3
    with pytest.raises(RecursionError, match=r"^Net contains itself"):
        list(net.modules(remove_duplicate=False))


def test_text():
    assert repr(Net()) == "Net(\n  (first): Affine(affine)\n  (second): Affine(affine)\n)"
    assert repr(nn.Module()) == "Module()"


def test_conversion_keeps_the_parameters_and_follows_the_optimizers_reference():
    net = Net()
    before = list(net.parameters())
    before[0].grad = torch.ones(3, 2)
    assert net.double() is net
    assert all(old is new for old, new in zip(before, net.parameters(), strict=True))
    assert {str(p.dtype) for p in net.parameters()} == {"torch.float64"}
    assert str(before[0].grad.dtype) == "torch.float64"
    assert str(net.first.steps.dtype) == "torch.int64"
    assert before[0].is_leaf
    assert before[0].requires_grad


def test_a_module_without_values_says_how_to_get_them():
    net = Net().to("meta")
    with pytest.raises(NotImplementedError, match=r"no data! Please use torch.nn.Module.to_empty\(\) instead"):
        net.to("cpu")
    assert net.to_empty(device="cpu").first.weight.shape == (3, 2)


def test_modes_and_freezing():
    net = Net()
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    assert all(module.training for module in net.train().modules())
    assert not any(p.requires_grad for p in net.requires_grad_(False).parameters())


def test_training_step_and_zero_grad():
    net = Net()
    net(torch.ones(4, 2)).sum().backward()
    assert net.first.weight.grad.tolist() == [[4.0, 4.0]] * 3
    net.zero_grad(set_to_none=False)
    assert net.first.weight.grad.tolist() == [[0.0, 0.0]] * 3
    net.zero_grad()
    assert net.first.weight.grad is None


def test_compile_changes_nothing():
    net = Net()
    assert net.compile() is None
    assert next(iter(net.state_dict())) == "first.weight"
    assert net(torch.ones(1, 2)).tolist() == [[6.0]]


def test_copies_share_nothing_and_keep_ties():
    net = Net()
    net.tied = net.first.weight
    again = copy.deepcopy(net)
    with torch.no_grad():
        again.first.weight.add_(1)
    assert again.tied is again.first.weight
    assert net.first.weight.tolist() == [[1.0, 1.0]] * 3
    assert again.first.weight.tolist() == [[2.0, 2.0]] * 3


def test_pickling():
    net = Net().eval()
    again = pickle.loads(pickle.dumps(net))
    assert type(again.first.weight) is nn.Parameter
    assert again.training is False
    assert again(torch.ones(1, 2)).tolist() == net(torch.ones(1, 2)).tolist()


def test_modules_pickled_by_older_versions_get_the_later_fields():
    state = {"training": False, "_parameters": {}, "_buffers": {}, "_modules": {}, "_backward_hooks": {}}
    state |= {"_forward_hooks": {}}
    old = nn.Module.__new__(Affine)
    old.__setstate__(state)
    assert set(vars(old)) == set(FIELDS)


def test_constructor_arguments():
    with pytest.raises(TypeError, match=r"^Module.__init__\(\) takes 1 positional argument but 2 were given$"):
        nn.Module(1)

    class Other:
        def __init__(self, number):
            self.number = number

    class Both(nn.Module, Other):
        call_super_init = True

    assert Both(3).number == 3


def test_a_third_call_compiles_nothing():
    net = Net()
    for _ in range(2):
        net(torch.ones(4, 2)).tolist()
    with compilations() as made:
        net(torch.ones(4, 2)).tolist()
    assert len(made) == 0
