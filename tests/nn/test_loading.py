"""``load_state_dict`` that fails leaves everything bit-unchanged; what it passes over on request; ties."""

from collections import OrderedDict
from typing import Any

import pytest

import flambeau as torch
from flambeau import nn
from flambeau.nn.modules.module import register_module_parameter_registration_hook


class Counter(nn.Module):
    """A layer with extra state, kept in a number and in a dictionary."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))
        self.count = 1
        self.table = {"a": 1}

    def get_extra_state(self):
        return {"count": self.count, "table": self.table}

    def set_extra_state(self, state):
        self.count = state["count"]
        self.table.update(state["table"])
        if state.get("bad"):
            raise ValueError("bad extra state")


class Own(nn.Module):
    """A layer that takes its state by itself."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))
        self.register_buffer("seen", torch.zeros(1))

    def _load_from_state_dict(self, state_dict, prefix, *rest):  # pyright: ignore[reportIncompatibleMethodOverride]
        super()._load_from_state_dict(state_dict, prefix, *rest)
        with torch.no_grad():
            self.seen.fill_(9)
        self.register_buffer("made", torch.ones(1))
        self.note = "loaded"


def net():
    torch.manual_seed(0)
    result = nn.Sequential(
        OrderedDict(
            first=nn.Linear(2, 3),
            norm=nn.BatchNorm1d(3),
            own=Own(),
            counter=Counter(),
            frozen=nn.Linear(2, 2).requires_grad_(False),
            last=nn.Linear(3, 2),
        )
    )
    result.tied = result.first
    return result


def other() -> Any:
    """A state that fits, of other values."""
    state: Any = net().state_dict()
    given = {path: value + 1 if isinstance(value, torch.Tensor) else value for path, value in state.items()}
    return {**given, "counter._extra_state": {"count": 5, "table": {"a": 2, "b": 3}}}


def everything(module):
    """All of a module that a load could change."""
    found: dict[str, Any] = {}
    for path, part in module.named_modules(remove_duplicate=False):
        for kind in ("_parameters", "_buffers"):
            for name, member in vars(part)[kind].items():
                bits = None if member is None else (member.numpy(force=True).tobytes(), str(member.dtype), member.shape)
                found[f"{path}.{name}"] = (kind, id(member), bits, getattr(member, "requires_grad", None))
        plain = {
            name: (id(value), repr(value))
            for name, value in vars(part).items()
            if name not in ("_parameters", "_buffers")
        }
        found[f"{path}."] = (id(part), list(part._modules), plain)
    return found


def raising(kind: type[BaseException] = ValueError):
    def hook(*args):
        raise kind("hook")

    return hook


def meddling(module, state, prefix, *rest):
    """A hook that does all it can, and then raises."""
    with torch.no_grad():
        module.weight.fill_(7)
        module.bias.data = torch.zeros(5, dtype=torch.float64)
    module.register_buffer("extra", torch.ones(1))
    module.child = nn.Linear(1, 1)
    module.note = "here"
    del module.bias
    raise ValueError("hook")


def without(state, *paths):
    return {path: value for path, value in state.items() if path not in paths}


def hooked(module, name, hook, kind="pre"):
    getattr(getattr(module, name) if name else module, f"register_load_state_dict_{kind}_hook")(hook)


# What is done to a module, and what it is then given.
FAILURES = {
    "missing": (lambda m: without(other(), "last.bias"), r"Missing key\(s\) in state_dict: \"last.bias\"\. "),
    "unexpected": (lambda m: {**other(), "zz": torch.ones(1)}, r"Unexpected key\(s\) in state_dict: \"zz\"\. "),
    "shape": (lambda m: {**other(), "last.bias": torch.ones(7)}, "size mismatch for last.bias"),
    "no tensor": (lambda m: {**other(), "last.bias": 1}, "expected torch.Tensor or Tensor-like"),
    "no values": (lambda m: {**other(), "last.bias": torch.ones(3, device="meta")}, "size mismatch for last.bias"),
    "extra state": (
        lambda m: {**other(), "counter._extra_state": {"count": 7, "table": {"c": 1}, "bad": True}},
        "bad extra state",
    ),
    "pre-hook": (lambda m: hooked(m, "last", raising()) or other(), "hook"),
    "pre-hook of the root": (lambda m: hooked(m, "", raising()) or other(), "hook"),
    "pre-hook that meddles": (lambda m: hooked(m, "last", meddling) or other(), "hook"),
    "pre-hook that reports": (lambda m: hooked(m, "last", lambda *a: a[-1].append("mine")) or other(), "mine"),
    "post-hook": (lambda m: hooked(m, "last", raising(), "post") or other(), "hook"),
    "post-hook of the root": (lambda m: hooked(m, "", raising(), "post") or other(), "hook"),
    "post-hook that returns": (lambda m: hooked(m, "", lambda *a: 1, "post") or other(), "not expected to return new"),
    "interrupted": (lambda m: hooked(m, "last", raising(KeyboardInterrupt)) or other(), "hook"),
}


@pytest.mark.parametrize("assign", [False, True])
@pytest.mark.parametrize("name", FAILURES)
def test_a_failing_load_changes_nothing(name, assign):
    module = net()
    make, text = FAILURES[name]
    given = make(module)
    before = everything(module)
    values = {path: repr(value) for path, value in given.items()}
    with pytest.raises(BaseException, match=text):
        module.load_state_dict(given, assign=assign)
    assert everything(module) == before
    assert {path: repr(value) for path, value in given.items()} == values


def test_the_same_state_loads_where_nothing_is_wrong():
    module = net()
    assert repr(module.load_state_dict(other())) == "<All keys matched successfully>"
    assert (module.counter.count, module.counter.table) == (5, {"a": 2, "b": 3})
    assert module.own.note == "loaded"
    assert module.own.seen.tolist() == [9.0]
    assert module.last.bias.tolist() == other()["last.bias"].tolist()


@pytest.mark.parametrize("assign", [False, True])
def test_a_registration_hook_that_raises_undoes_what_was_assigned(assign):
    module = net()
    given = {**other(), "first.weight": nn.Parameter(torch.ones(3, 2), requires_grad=False)}
    before = everything(module)

    def refuse(owner, name, parameter):
        if name == "weight" and owner is module.last:
            raise ValueError("refused")

    with register_module_parameter_registration_hook(refuse):
        if assign:
            with pytest.raises(RuntimeError, match=r"While copying the parameter named \"last.weight\".*'refused'"):
                module.load_state_dict(given, assign=True)
            assert everything(module) == before
            assert given["first.weight"].requires_grad is False
        else:
            assert not module.load_state_dict(given).missing_keys


def test_whole_numbers_cannot_be_assigned_to_a_parameter():
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    before = everything(module)
    given = {path: value.int() if path == "1.bias" else value for path, value in module.state_dict().items()}
    with pytest.raises(RuntimeError, match=r"named \"1.bias\".*'Only Tensors of floating point and complex dtype can"):
        module.load_state_dict(given, assign=True)
    assert everything(module) == before


def test_after_a_failing_load_a_loss_from_before_can_be_differentiated():
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    loss = module(torch.ones(1, 2)).sum()
    with pytest.raises(RuntimeError, match="size mismatch"):
        module.load_state_dict({**module.state_dict(), "1.bias": torch.ones(3)})
    loss.backward()
    assert module[1].bias.grad.tolist() == [1.0, 1.0]


def test_parameters_that_are_views_are_put_back():
    table = torch.zeros(2, 2)
    module = nn.Module()
    module.row = nn.Parameter(table[1])
    module.register_load_state_dict_post_hook(raising())
    with pytest.raises(ValueError, match="hook"):
        module.load_state_dict({"row": torch.ones(2)})
    assert table.tolist() == [[0.0, 0.0], [0.0, 0.0]]
    with torch.no_grad():
        module.row.fill_(3)
    assert table.tolist() == [[0.0, 0.0], [3.0, 3.0]]


def test_layers_without_shapes_are_without_them_again():
    module = nn.Sequential(nn.LazyLinear(2), nn.Linear(2, 2))
    weight = module[0].weight
    with pytest.raises(RuntimeError, match=r"size mismatch for 1\.bias"):
        module.load_state_dict(
            {**nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2)).state_dict(), "1.bias": torch.ones(9)}
        )
    assert module[0].weight is weight
    assert isinstance(weight, nn.UninitializedParameter)
    assert module(torch.ones(1, 5)).shape == (1, 2)


def test_the_dictionary_is_left_as_it_was():
    state: Any = net().state_dict()
    metadata = dict(state._metadata)
    net().load_state_dict(state, assign=True, mismatched="skip")
    net().load_state_dict(state)
    assert state._metadata == metadata
    assert metadata["norm"] == {"version": 2}


# -- what is passed over on request ---------------------------------------------------------------------------------


def classifier(classes):
    torch.manual_seed(0)
    return nn.Sequential(OrderedDict(body=nn.Linear(2, 2), norm=nn.BatchNorm1d(2), head=nn.Linear(2, classes)))


@pytest.mark.parametrize("assign", [False, True])
def test_other_shapes_are_skipped_on_request(assign):
    module = classifier(3)
    head = module.head.weight.tolist()
    state = {path: value * 0 + 2 for path, value in classifier(5).state_dict().items()}
    found = module.load_state_dict(state, assign=assign, mismatched="skip")
    missing, unexpected = found
    assert (missing, unexpected) == ([], [])
    assert found.mismatched_keys == ["head.weight", "head.bias"]
    assert repr(found) == (
        "_IncompatibleKeys(missing_keys=[], unexpected_keys=[], mismatched_keys=['head.weight', 'head.bias'])"
    )
    assert module.head.weight.tolist() == head
    assert module.body.weight.tolist() == [[2.0, 2.0], [2.0, 2.0]]


def test_strict_still_counts_when_shapes_are_skipped():
    with pytest.raises(RuntimeError, match=r"Missing key\(s\) in state_dict: \"body.weight\"") as caught:
        classifier(3).load_state_dict(without(classifier(5).state_dict(), "body.weight"), mismatched="skip")
    assert "size" not in str(caught.value)


def test_skipping_reaches_classes_that_load_by_themselves():
    module = nn.Sequential(Own())
    found = module.load_state_dict({"0.weight": torch.ones(3), "0.seen": torch.ones(1)}, mismatched="skip")
    assert found.mismatched_keys == ["0.weight"]
    assert module[0].weight.tolist() == [1.0, 1.0]


def test_without_the_option_hooks_are_told_what_pytorch_tells_them():
    seen = []
    module = nn.Linear(1, 1)
    module.register_load_state_dict_pre_hook(lambda m, state, prefix, metadata, *rest: seen.append(dict(metadata)))
    module.load_state_dict(module.state_dict())
    module.load_state_dict(module.state_dict(), assign=True)
    assert seen == [{"version": 1}, {"version": 1, "assign_to_params_buffers": True}]


@pytest.mark.parametrize("value", ["skp", None, True])
def test_an_unknown_way_with_shapes(value):
    with pytest.raises(ValueError, match=r'^mismatched must be "error" or "skip", got '):
        classifier(3).load_state_dict({}, mismatched=value)


@pytest.mark.parametrize("patterns", ["head.*", ["head.*", "nothing"], iter(["*.nothing", "h*"]), ("head.[bw]*",)])
def test_chosen_paths_are_ignored_and_reported(patterns):
    module = classifier(3)
    head = module.head.weight.tolist()
    found = module.load_state_dict(classifier(5).state_dict(), ignore=patterns)
    assert found == ([], [])
    assert found.ignored_keys == ["head.weight", "head.bias"]
    assert module.head.weight.tolist() == head
    assert repr(found).endswith("ignored_keys=['head.weight', 'head.bias'])")


def test_ignored_paths_are_not_missed():
    state = {path: value for path, value in classifier(3).state_dict().items() if "running" not in path}
    found = classifier(3).load_state_dict({**state, "step": 1}, ignore=["*.running_*", "step"])
    assert found.ignored_keys == ["step", "norm.running_mean", "norm.running_var"]
    with pytest.raises(RuntimeError, match=r"Missing key\(s\) in state_dict: \"norm.running_var\"\. "):
        classifier(3).load_state_dict(state, ignore=["*.running_mean"])


# -- ties -----------------------------------------------------------------------------------------------------------


def tied():
    module = nn.Sequential(OrderedDict(embed=nn.Embedding(3, 2), out=nn.Linear(2, 3, bias=False)))
    module.out.weight = module.embed.weight
    module.embed.register_buffer("scale", torch.ones(1))
    module.out.register_buffer("scale", module.embed.scale)
    return module


STATES = {
    "both": ("embed.weight", "out.weight", "embed.scale", "out.scale"),
    "the first": ("embed.weight", "embed.scale"),
    "the second": ("out.weight", "out.scale"),
}


@pytest.mark.parametrize("given", STATES)
def test_tied_tensors_stay_tied_when_assigned(given):
    module = tied()
    state = {path: torch.full((3, 2) if "weight" in path else (1,), 4.0) for path in STATES[given]}
    module.load_state_dict(state, strict=given == "both", assign=True)
    assert module.out.weight is module.embed.weight
    assert module.out.scale is module.embed.scale
    assert module.out.weight.tolist() == [[4.0, 4.0]] * 3
    assert module.embed.scale.tolist() == [4.0]
    assert len(list(module.parameters())) == 1


def test_of_differing_values_for_one_tensor_the_last_counts_either_way():
    for assign in (False, True):
        module = tied()
        state = {"embed.weight": torch.zeros(3, 2), "out.weight": torch.ones(3, 2)}
        module.load_state_dict(state, strict=False, assign=assign)
        assert module.embed.weight.tolist() == [[1.0, 1.0]] * 3


def test_assigned_tensors_are_the_dictionarys_own():
    module: Any = nn.Linear(2, 2)
    state = nn.Linear(2, 2).double().state_dict()
    module.load_state_dict(state, assign=True)
    with torch.no_grad():
        state["bias"].fill_(8)
    assert module.bias.tolist() == [8.0, 8.0]
    assert str(module.bias.dtype) == "torch.float64"


def test_an_optimizer_made_before_goes_on_after_loading():
    module: Any = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(module.parameters(), lr=1.0)
    module.load_state_dict({"weight": torch.ones(1, 1), "bias": torch.ones(1)})
    module(torch.ones(1, 1)).sum().backward()
    optimizer.step()
    assert (module.weight.tolist(), module.bias.tolist()) == ([[0.0]], [0.0])
