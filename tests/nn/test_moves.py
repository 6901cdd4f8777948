"""Moving and copying modules: what is one stays one, parameters stay the same objects, copies share nothing."""

import copy
import copyreg
import pickle
from typing import Any

import pytest

import flambeau as torch
from flambeau import nn
from flambeau.runtime.force import RUNS, finish_all

FLAGS = torch.__future__


@pytest.fixture
def flag(request):
    """A conversion flag, switched on for one test."""
    switch = getattr(FLAGS, f"set_{request.param}_module_params_on_conversion")
    switch(True)
    yield request.param
    switch(False)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(2, 2), nn.Linear(2, 2)
        self.second.weight = self.first.weight
        self.first.register_buffer("scale", torch.ones(1))
        self.second.register_buffer("scale", self.first.scale)


def is_tied(module):
    return module.second.weight is module.first.weight and module.second.scale is module.first.scale


MOVES = {
    "double": lambda m: m.double(),
    "half": lambda m: m.half(),
    "meta": lambda m: m.to("meta"),
    "meta and back": lambda m: m.to("meta").to_empty(device="cpu"),
    "empty": lambda m: m.to_empty(device="cpu"),
    "copy": copy.deepcopy,
    "pickle": lambda m: pickle.loads(pickle.dumps(m)),
}


@pytest.mark.parametrize("name", MOVES)
def test_tied_tensors_stay_tied(name):
    moved = MOVES[name](Tied())
    assert is_tied(moved)
    assert len(list(moved.parameters())) == 3


@pytest.mark.parametrize("flag", ["overwrite", "swap"], indirect=True)
@pytest.mark.parametrize("name", MOVES)
def test_tied_tensors_stay_tied_under_a_flag(name, flag):
    assert is_tied(MOVES[name](Tied()))


def test_what_becomes_of_the_old_parameter():
    for overwrite, kind in ((False, "torch.float64"), (True, "torch.float32")):
        FLAGS.set_overwrite_module_params_on_conversion(overwrite)
        module = nn.Linear(2, 2)
        weight = module.weight
        module.double()
        FLAGS.set_overwrite_module_params_on_conversion(False)
        assert (module.weight is weight) is not overwrite
        assert str(weight.dtype) == kind


@pytest.mark.parametrize("flag", ["swap"], indirect=True)
def test_swapping_keeps_the_object_everywhere(flag):
    module = nn.Linear(2, 2)
    weight = module.weight
    module.to("meta")
    assert module.weight is weight
    assert weight.is_meta
    module.load_state_dict(nn.Linear(2, 2).double().state_dict(), assign=True)
    assert module.weight is weight
    assert str(weight.dtype) == "torch.float64"
    assert weight.requires_grad


@pytest.mark.parametrize("flag", ["swap"], indirect=True)
def test_a_failing_load_is_undone_where_objects_stay(flag):
    module = nn.Linear(2, 2)
    before = [(id(p), p.tolist(), str(p.dtype)) for p in module.parameters()]
    state = nn.Linear(2, 2).double().state_dict()
    values = {path: value.tolist() for path, value in state.items()}

    def hook(*_):
        raise ValueError("late")

    module.register_load_state_dict_post_hook(hook)
    with pytest.raises(ValueError, match="late"):
        module.load_state_dict(state, assign=True)
    assert [(id(p), p.tolist(), str(p.dtype)) for p in module.parameters()] == before
    assert {path: value.tolist() for path, value in state.items()} == values


def test_an_optimizer_goes_on_after_a_move():
    module = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(module.parameters(), lr=1.0, momentum=0.9)
    module.double()
    for _ in range(2):
        before = module.weight.item()
        optimizer.zero_grad()
        module(torch.ones(1, 1, dtype=torch.float64)).sum().backward()
        optimizer.step()
        assert module.weight.item() < before
    assert str(module.weight.dtype) == "torch.float64"


def test_a_class_that_overrides_apply_is_asked():
    seen = []

    class Watched(nn.Linear):
        def _apply(self, fn, recurse=True):
            seen.append(fn(torch.ones(1)).dtype)
            return super()._apply(fn, recurse)

    module = nn.Sequential(Watched(1, 1)).double()
    assert seen == [torch.float64]
    assert str(module[0].weight.dtype) == "torch.float64"


def test_made_under_a_device():
    with torch.device("meta"):
        module = nn.Sequential(nn.Linear(1000, 1000), nn.BatchNorm1d(1000), nn.Embedding(10, 10), nn.LayerNorm(3))
    assert {value.device.type for value in module.state_dict().values()} == {"meta"}
    with pytest.raises(NotImplementedError, match=r"^Cannot copy out of meta tensor; no data! Please use torch\.nn\."):
        module.to("cpu")
    assert {value.device.type for value in module.to_empty(device="cpu").state_dict().values()} == {"cpu"}
    assert nn.Linear(1, 1).weight.device.type == "cpu"


def test_sharing_memory_is_refused_by_name():
    with pytest.raises(NotImplementedError, match=r"^Module\.share_memory\(\) is not supported"):
        nn.Linear(1, 1).share_memory()


# -- copies ---------------------------------------------------------------------------------------------------------


def hook_that_doubles(module, args, output):
    return output * 2


def test_a_copy_shares_nothing():
    module = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    module.label = {"name": ["a"]}
    twin = copy.deepcopy(module)
    assert not {id(item) for item in tensors(module)} & {id(item) for item in tensors(twin)}
    before = [item.tolist() for item in tensors(module)]
    with torch.no_grad():
        for item in tensors(twin):
            item.zero_()
    twin[0].register_forward_hook(hook_that_doubles)
    twin.label["name"].append("b")
    twin.append(nn.Identity())
    twin.eval()
    assert [item.tolist() for item in tensors(module)] == before
    assert (len(module), module.label, module.training) == (2, {"name": ["a"]}, True)
    assert not module[0]._forward_hooks


def tensors(module):
    return [*module.parameters(), *module.buffers()]


def test_hooks_are_copied_with_their_handles():
    module: Any = nn.Sequential(nn.Identity())
    module.handle = module.register_forward_hook(hook_that_doubles)
    twin = copy.deepcopy(module)
    assert twin(torch.ones(1)).tolist() == [2.0]
    twin.handle.remove()
    assert twin(torch.ones(1)).tolist() == [1.0]
    assert module(torch.ones(1)).tolist() == [2.0]


def test_a_hook_with_its_module_belongs_to_the_copy():
    module = nn.Linear(1, 1)
    seen: list[Any] = []

    def hook(owner, *_):
        seen.append(id(owner))

    module.register_load_state_dict_pre_hook(hook)
    twin = copy.deepcopy(module)
    twin.load_state_dict(module.state_dict())
    assert seen == [id(twin)]


def test_a_module_that_contains_itself():
    module = nn.Module()
    module.__dict__["me"] = module
    twin = copy.deepcopy(module)
    assert twin.__dict__["me"] is twin


class WithState(nn.Linear):
    def __getstate__(self):
        return {**super().__getstate__(), "copied": True}


class WithSetState(nn.Linear):
    def __setstate__(self, state):
        super().__setstate__(state)
        self.copied = True


class WithReduce(nn.Linear):
    def __reduce__(self):
        return made_anew, (self.in_features,)


class WithCopy(nn.Linear):
    def __deepcopy__(self, memo):
        return made_anew(self.in_features)


class WithNew(nn.Linear):
    def __new__(cls, *args: Any, **kwargs: Any):
        result: Any = super().__new__(cls)
        result.__dict__["copied"] = True
        return result


class Registered(nn.Linear):
    pass


def made_anew(size):
    result: Any = nn.Linear(size, size)
    result.copied = True
    return result


copyreg.pickle(Registered, lambda module: (made_anew, (module.in_features,)))


@pytest.mark.parametrize("kind", [WithState, WithSetState, WithReduce, WithCopy, WithNew, Registered])
def test_a_class_that_pickles_in_its_own_way_is_copied_so(kind):
    twin = copy.deepcopy(nn.Sequential(kind(2, 2)))
    assert twin[0].copied is True
    assert twin[0].weight.shape == (2, 2)


def test_a_class_may_switch_its_copying_off():
    module: Any = nn.Linear(1, 1)
    module.__deepcopy__ = None
    twin = copy.deepcopy(module)
    assert twin.weight is not module.weight
    assert twin.weight.tolist() == module.weight.tolist()


def test_a_module_of_an_older_version_gets_its_later_fields():
    module = nn.Linear(1, 1)
    del module._forward_pre_hooks_with_kwargs
    twin = copy.deepcopy(module)
    assert twin._forward_pre_hooks_with_kwargs == {}
    assert twin(torch.ones(1, 1)).shape == (1, 1)


def test_moving_copying_loading_and_calling_with_hooks_run_nothing():
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    x = torch.ones(1, 2)
    finish_all()
    before = dict(RUNS)
    module[0].register_forward_pre_hook(lambda module, args: (args[0] * 2,))
    module[0].register_forward_hook(lambda module, args, output: output + 1)
    module[0].register_forward_hook(lambda module, args, kwargs, output: output, with_kwargs=True, always_call=True)
    module[1].register_full_backward_pre_hook(lambda module, grads: grads)
    module[1].register_full_backward_hook(lambda module, grads, outputs: None)
    twin = copy.deepcopy(module)
    twin.load_state_dict(module.double().state_dict())
    twin(x).sum().backward()
    assert twin[0].weight.grad is not None
    assert dict(RUNS) == before


# -- what there is --------------------------------------------------------------------------------------------------


def test_everything_pending_can_be_finished():
    x = torch.ones(3) * 2
    assert x.read().value is None
    finish_all()
    assert x.read().value is not None


def test_seeding_gpus_leaves_the_cpu_alone():
    torch.manual_seed(1)
    torch.cuda.manual_seed_all(7)
    torch.cuda.manual_seed(8)
    assert torch.initial_seed() == 1
