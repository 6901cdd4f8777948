"""``state_dict`` and ``load_state_dict``: references, reports, and that a failing load changes nothing."""

from collections import OrderedDict
from typing import Any

import pytest

import flambeau as torch
from flambeau import nn
from flambeau.testing import compilations


class Layer(nn.Module):
    _version = 2

    def __init__(self, size=2):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("scratch", torch.zeros(size), persistent=False)
        self.register_parameter("bias", None)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = Layer()
        self.second = Layer(3)


KEYS = ["first.weight", "first.mean", "second.weight", "second.mean"]


def values(module):
    return {name: tensor.tolist() for name, tensor in module.state_dict(keep_vars=True).items()}


def test_keys_types_and_versions():
    state: Any = Net().state_dict()
    assert type(state) is OrderedDict
    assert list(state) == KEYS
    assert {type(value) for value in state.values()} == {torch.Tensor}
    assert not any(value.requires_grad for value in state.values())
    assert vars(state)["_metadata"] == OrderedDict(
        [("", {"version": 1}), ("first", {"version": 2}), ("second", {"version": 2})]
    )


def test_values_are_references():
    net = Net()
    state = net.state_dict()
    assert state["first.weight"].data_ptr() == net.first.weight.data_ptr()
    with torch.no_grad():
        net.first.weight.mul_(3)
    assert state["first.weight"].tolist() == [3.0, 3.0]
    state["first.weight"].zero_()
    assert net.first.weight.tolist() == [0.0, 0.0]
    assert net.state_dict(keep_vars=True)["first.weight"] is net.first.weight


def test_positional_arguments_still_work():
    with pytest.warns(
        FutureWarning, match=r"^Positional args are being deprecated, use kwargs instead\. Refer to https://"
    ):
        state = Net().state_dict({}, "p.")
    assert list(state) == ["p." + key for key in KEYS]


def test_loading_keeps_objects_copies_values_and_compiles_nothing():
    net, other = Net(), Net()
    with torch.no_grad():
        other.first.weight.fill_(7)
    other.first.weight.tolist()
    weight = net.first.weight
    with compilations() as made:
        assert repr(net.load_state_dict(other.state_dict())) == "<All keys matched successfully>"
        assert weight.tolist() == [7.0, 7.0]
    assert len(made) == 0
    assert net.first.weight is weight
    with torch.no_grad():
        other.first.weight.fill_(1)
        assert weight.tolist() == [7.0, 7.0]
        weight.fill_(2)
    assert other.first.weight.tolist() == [1.0, 1.0]


def test_values_get_the_models_type():
    net = Net()
    net.load_state_dict({**net.state_dict(), "first.weight": torch.tensor([1.5, 2.5], dtype=torch.float64)})
    assert str(net.first.weight.dtype) == "torch.float32"
    assert net.first.weight.tolist() == [1.5, 2.5]


def test_a_tensor_that_was_used_before_cannot_be_differentiated_after_loading():
    net = Net()
    loss = (net.first.weight * net.first.weight).sum()
    net.load_state_dict(net.state_dict())
    with pytest.raises(RuntimeError, match="has been modified by an inplace operation"):
        loss.backward()


FAILURES = {
    "strange and missing": (
        lambda net: {"first.weight": torch.zeros(2), "x": 1, "first.y.z": 2},
        'Error(s) in loading state_dict for Net:\n\tMissing key(s) in state_dict: "first.mean", "second.weight", '
        '"second.mean". \n\tUnexpected key(s) in state_dict: "x", "first.y.z". ',
    ),
    "shape": (
        lambda net: {**{key: value * 0 - 1 for key, value in net.state_dict().items()}, "second.mean": torch.zeros(9)},
        "Error(s) in loading state_dict for Net:\n\tsize mismatch for second.mean: copying a param with shape "
        "torch.Size([9]) from checkpoint, the shape in current model is torch.Size([3]).\n\tFix: ",
    ),
    "no tensor": (
        lambda net: {**{key: value * 0 - 1 for key, value in net.state_dict().items()}, "second.mean": 3},
        'Error(s) in loading state_dict for Net:\n\tWhile copying the parameter named "second.mean", expected '
        "torch.Tensor or Tensor-like object from checkpoint but received <class 'int'>",
    ),
}


@pytest.mark.parametrize("assign", [False, True])
@pytest.mark.parametrize("name", FAILURES)
def test_a_failing_load_changes_nothing(name, assign):
    net = Net()
    make, text = FAILURES[name]
    before, objects = values(net), list(net.parameters())
    with pytest.raises(RuntimeError, match="Error") as caught:
        net.load_state_dict(make(net), assign=assign)
    assert str(caught.value).startswith(text)
    assert values(net) == before
    assert all(old is new for old, new in zip(objects, net.parameters(), strict=True))


def test_a_failing_load_is_undone_even_where_a_class_copies_by_itself():
    class Own(Layer):
        def _load_from_state_dict(self, state_dict, prefix, *rest):  # pyright: ignore[reportIncompatibleMethodOverride]
            with torch.no_grad():
                self.weight.copy_(state_dict[prefix + "weight"])
            raise ValueError("own")

    net = Net()
    net.second = Own(3)
    with pytest.raises(ValueError, match="own"):
        net.load_state_dict({key: value * 0 - 1 for key, value in net.state_dict().items()})
    assert values(net) == {key: [1.0 if "weight" in key else 0.0] * (2 if "first" in key else 3) for key in KEYS}


def test_views_and_slices_can_be_loaded():
    net = Layer()
    table = torch.tensor([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
    net.load_state_dict({"weight": table[1], "mean": table[:, 0][:2]})
    assert values(net) == {"weight": [2.0, 3.0], "mean": [0.0, 2.0]}
    table.zero_()
    assert values(net) == {"weight": [2.0, 3.0], "mean": [0.0, 2.0]}


def test_strict_false_reports():
    found = Net().load_state_dict({"first.weight": torch.zeros(2), "x": 1}, strict=False)
    assert found.missing_keys == ["first.mean", "second.weight", "second.mean"]
    assert found.unexpected_keys == ["x"]
    assert repr(found).startswith("_IncompatibleKeys(missing_keys=[")


def test_shapes_are_checked_without_strict():
    with pytest.raises(RuntimeError, match=r"size mismatch for first\.weight"):
        Net().load_state_dict({"first.weight": torch.zeros(9)}, strict=False)


def test_assign_takes_the_checkpoints_tensors():
    net = Net()
    given = {key: value.double() for key, value in net.state_dict().items()}
    net.load_state_dict(given, assign=True)
    assert type(net.first.weight) is nn.Parameter
    assert net.first.weight.requires_grad
    assert str(net.first.weight.dtype) == "torch.float64"
    assert net.first.mean is given["first.mean"]


def test_a_name_with_a_dot_put_in_by_hand():
    net = nn.Module()
    net._modules["a.b"] = Layer()
    assert repr(net.load_state_dict(net.state_dict(), strict=False)).startswith("_IncompatibleKeys(missing_keys=[], ")


def test_no_mapping():
    with pytest.raises(TypeError, match=r"^Expected state_dict to be dict-like, got <class 'list'>\.$"):
        Net().load_state_dict([])  # pyright: ignore[reportArgumentType]  # what is tested


def test_extra_state():
    class Counter(nn.Module):
        count = 1

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]

    net = nn.Sequential(Counter())
    assert net.state_dict() == {"0._extra_state": {"count": 1}}
    net.load_state_dict({"0._extra_state": {"count": 5}})
    assert net[0].count == 5
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "0\._extra_state"\. '):
        net.load_state_dict({})


def test_hooks_on_state():
    net = Net()
    seen = []
    net.first.register_state_dict_pre_hook(lambda module, prefix, keep: seen.append((prefix, keep)))
    net.register_state_dict_post_hook(lambda module, state, prefix, metadata: state.__delitem__("second.mean"))
    net.first.register_load_state_dict_pre_hook(lambda module, state, prefix, *_: state.__delitem__(prefix + "old"))
    net.register_load_state_dict_post_hook(lambda module, keys: keys.missing_keys.remove("second.mean"))
    state = net.state_dict()
    assert seen == [("first.", False)]
    assert list(state) == KEYS[:3]
    assert repr(net.load_state_dict({**state, "first.old": 1})) == "<All keys matched successfully>"


def test_a_bound_method_can_be_a_hook():
    class Watcher:
        def __init__(self):
            self.seen = 0

        def watch(self, *_):
            self.seen += 1

    watcher = Watcher()
    net = Net()
    net.register_state_dict_post_hook(watcher.watch)
    net.state_dict()
    assert watcher.seen == 1
