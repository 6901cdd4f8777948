"""``torch.compile``: what is replayed, what makes a recording unfit, and where the function is recorded every time."""

import copy
import logging
import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest

import flambeau as torch
from flambeau.graph.record import PENDING
from flambeau.replay.function import CompiledFunction

nn = torch.nn
functional = torch.nn.functional


def batch(size: int = 8) -> tuple[Any, Any]:
    return torch.randn(size, 6), torch.randint(0, 3, (size,))


def network(dropout: float = 0.0) -> Any:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Dropout(dropout), nn.Linear(5, 3))


class Training:
    """A model with its optimizer and schedule, and a step of its training."""

    def __init__(self, make: Callable[..., Any] = torch.optim.SGD, dropout: float = 0.0, **settings: Any) -> None:
        self.model = network(dropout)
        self.optimizer = make(self.model.parameters(), **{"lr": 0.1, **settings})
        self.schedule = torch.optim.lr_scheduler.StepLR(self.optimizer, 3, 0.5)

    def step(self, x: Any, y: Any) -> Any:
        self.optimizer.zero_grad()
        loss = functional.cross_entropy(self.model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.schedule.step()
        return loss


def twins(**settings: Any) -> tuple[Training, Training, CompiledFunction]:
    """The same training twice, and the second one's compiled step."""
    plain, other = Training(**settings), Training(**settings)
    return plain, other, CompiledFunction(other.step)


def site(function: CompiledFunction) -> Any:
    """What is known of the latest kind of call."""
    return list(function._sites.values())[-1]


def same_state(one: Training, other: Training) -> None:
    for first, second in zip(one.model.state_dict().values(), other.model.state_dict().values(), strict=True):
        assert torch.equal(first, second)


SETTINGS: dict[str, dict[str, Any]] = {
    "sgd": {"make": torch.optim.SGD, "momentum": 0.9, "weight_decay": 0.01},
    "adam": {"make": torch.optim.Adam, "amsgrad": True},
    "adamw": {"make": torch.optim.AdamW},
    "rmsprop": {"make": torch.optim.RMSprop, "lr": 0.01},
    "nadam": {"make": torch.optim.NAdam},
    "asgd": {"make": torch.optim.ASGD},
    "adagrad": {"make": torch.optim.Adagrad},
    "adafactor": {"make": torch.optim.Adafactor},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_training_step_replayed_does_what_it_does_recorded(name: str) -> None:
    plain, other, step = twins(dropout=0.3, **SETTINGS[name])
    x, y = batch()
    state = torch.get_rng_state()
    wanted = [plain.step(x, y).item() for _ in range(8)]
    torch.set_rng_state(state)
    assert [step(x, y).item() for _ in range(8)] == wanted
    assert site(step).replays
    assert site(step).refused is None
    same_state(plain, other)
    assert other.optimizer.param_groups[0]["lr"] == plain.optimizer.param_groups[0]["lr"]
    for first, second in zip(plain.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(first.grad, second.grad)
        for key, value in plain.optimizer.state[first].items():
            assert torch.equal(value, other.optimizer.state[second][key])


def test_nothing_is_recorded_or_compiled_in_a_replay() -> None:
    _, other, step = twins(make=torch.optim.Adam)
    x, y = batch()
    with torch.testing.compilations() as first:
        step(x, y)
    assert len(first) <= 1
    with torch.testing.compilations(at_most=0):
        for _ in range(5):
            step(x, y)
    calls: list[int] = []
    other.model.register_forward_hook(lambda *_: calls.append(1))  # another recording, which is not replayed
    before = site(step).replays[0]
    PENDING.clear()
    other.model._forward_hooks.clear()
    loss = step(x, y)
    assert site(step).replays[0] is before
    assert not PENDING
    assert not calls
    assert loss.requires_grad


def test_a_loss_that_is_through_says_so_when_differentiated_again() -> None:
    _, _, step = twins()
    x, y = batch()
    loss = [step(x, y) for _ in range(4)][-1]
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        loss.backward()


# -- what makes a recording unfit ----------------------------------------------------------------------------------


def eval_mode(training: Training) -> None:
    training.model.eval()


def frozen(training: Training) -> None:
    training.model[0].weight.requires_grad_(False)


def other_rate(training: Training) -> None:
    training.optimizer.param_groups[0]["lr"] = 0.03


def with_decay(training: Training) -> None:
    training.optimizer.param_groups[0]["weight_decay"] = 0.5


def replaced(training: Training) -> None:
    torch.manual_seed(5)
    training.model[0].weight = nn.Parameter(torch.randn(5, 6))


def loaded(training: Training) -> None:
    torch.manual_seed(5)
    training.model.load_state_dict({key: torch.randn(*value.shape) for key, value in network().state_dict().items()})


def optimizer_loaded(training: Training) -> None:
    state = copy.deepcopy(training.optimizer.state_dict())
    for entry in state["state"].values():
        entry["exp_avg"] = entry["exp_avg"] * 3
    training.optimizer.load_state_dict(state)


def hooked(training: Training) -> None:
    training.model[1].register_forward_hook(lambda module, args, output: output * 2)


def gradient_hooked(training: Training) -> None:
    training.model[3].weight.register_hook(lambda gradient: gradient * 3)


def other_layer(training: Training) -> None:
    training.model[1] = nn.Tanh()


def other_setting(training: Training) -> None:
    training.model[2].p = 0.0


def data_replaced(training: Training) -> None:
    training.model[0].bias.data = torch.ones(5)


def written(training: Training) -> None:
    with torch.no_grad():
        training.model[0].bias.add_(1)


CHANGES = (
    eval_mode, frozen, other_rate, with_decay, replaced, loaded, optimizer_loaded, hooked, gradient_hooked, other_layer,
    other_setting, data_replaced, written,
)  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_replay_sees_what_has_changed(change: Callable[[Training], None]) -> None:
    plain, other, step = twins(make=torch.optim.Adam, dropout=0.3)
    x, y = batch()
    state = torch.get_rng_state()
    found: list[Any] = []
    for training, call in ((plain, plain.step), (other, step)):
        torch.set_rng_state(state)
        for _ in range(4):
            call(x, y)
        change(training)
        torch.set_rng_state(state)
        found.append([call(x, y).item() for _ in range(4)])
    assert found[0] == found[1]
    same_state(plain, other)


def test_a_changed_rate_needs_no_other_recording() -> None:
    _, other, step = twins()
    x, y = batch()
    for _ in range(4):
        step(x, y)
    replays = list(site(step).replays)
    other.optimizer.param_groups[0]["lr"] = 0.5
    step(x, y)
    assert site(step).replays == replays
    assert not site(step).candidates


def test_every_shape_and_value_has_recordings_of_its_own() -> None:
    @torch.compile(dynamic=True)
    def scaled(x: Any, factor: float, *, shift: bool = False) -> Any:
        return x * factor + 1 if shift else x * factor

    for _ in range(4):
        assert scaled(torch.ones(2), 2.0).tolist() == [2, 2]
        assert scaled(torch.ones(3), 2.0).tolist() == [2, 2, 2]
        assert scaled(torch.ones(2), 3.0).tolist() == [3, 3]
        assert scaled(torch.ones(2), -0.0).tolist() == [0, 0]
        assert scaled(torch.ones(2, dtype=torch.int64), 2).tolist() == [2, 2]
        assert scaled(torch.ones(2), 2.0, shift=True).tolist() == [3, 3]


FACTOR = 2.0


def test_globals_and_variables_that_the_code_names_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    shift = 1.0

    def moved(x: Any) -> Any:
        return x * FACTOR + shift

    call = torch.compile(moved)
    for _ in range(3):
        assert call(torch.ones(1)).item() == 3
    monkeypatch.setitem(globals(), "FACTOR", 5.0)
    assert call(torch.ones(1)).item() == 6
    shift = 0.0
    for _ in range(3):
        assert call(torch.ones(1)).item() == 5


def test_grad_mode_and_autocast_are_part_of_the_kind_of_call() -> None:
    layer = torch.compile(nn.Linear(2, 2))
    x = torch.ones(1, 2)
    for _ in range(3):
        assert layer(x).requires_grad
        with torch.no_grad():
            assert not layer(x).requires_grad
        with torch.autocast("cpu"):
            assert layer(x).dtype is torch.bfloat16
        assert layer(x).dtype is torch.float32


def test_what_somebody_else_holds_is_not_overwritten() -> None:
    _, other, step = twins()
    x, y = batch()
    for _ in range(4):
        step(x, y)
    weight = other.model[0].weight
    pending = weight.detach() * 1
    before = weight.detach().clone().tolist()
    step(x, y)
    assert pending.tolist() == before
    assert weight.tolist() != before


# -- functions that are recorded every time ------------------------------------------------------------------------


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: Any) -> Any:
        self.calls += 1
        return x + self.calls


def reads_item(x: Any) -> Any:
    return x * x.sum().item()


def reads_argument(x: Any) -> Any:
    return x * float(x.sum() if x[0] > 0 else 1)


def branches(x: Any) -> Any:
    return x if x.sum() > 0 else -x


SEEN: list[Any] = []


def appends(x: Any) -> Any:
    SEEN.append(1)
    return x + len(SEEN)


def counting_up() -> Any:
    numbers = iter(range(100))
    return lambda x: x + next(numbers)


def calling_disabled() -> Any:
    @torch.compiler.disable(reason="it prints")
    def apart(x: Any) -> Any:
        return x + 1

    return lambda x: apart(x) * 2


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "item": (lambda: reads_item, "Python read a value"),
    "argument": (lambda: reads_argument, "Python read a value"),
    "branch": (lambda: branches, "Python read a value"),
    "attribute": (Counting, "has changed"),
    "list": (lambda: appends, "has changed"),
    "iterator": (counting_up, "an iterator"),
    "disabled": (calling_disabled, "not to be compiled"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_function_that_python_steers_is_recorded_every_time(name: str, caplog: pytest.LogCaptureFixture) -> None:
    make, reason = REFUSED[name]
    SEEN.clear()
    wanted = [make_twice(torch.ones(2)).tolist() for make_twice in [make()] for _ in range(12)]
    SEEN.clear()
    with caplog.at_level(logging.WARNING, "flambeau"):
        found = [call(torch.ones(2)).tolist() for call in [torch.compile(make())] for _ in range(12)]
    assert found == wanted
    assert len(caplog.records) == 1
    assert reason in caplog.text


@pytest.mark.parametrize("function", [reads_item, branches])
def test_fullgraph_raises_where_a_value_is_read(function: Any) -> None:
    call = torch.compile(function, fullgraph=True)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="Python read a value"):
            call(torch.ones(2))


def test_an_error_in_the_function_passes_through() -> None:
    @torch.compile
    def fails(x: Any) -> Any:
        return x + torch.ones(7)

    for _ in range(3):
        with pytest.raises(RuntimeError, match="must match the size"):
            fails(torch.ones(2))


# -- modules -------------------------------------------------------------------------------------------------------


def test_a_compiled_module_is_the_module_but_for_its_calls() -> None:
    model = network()
    compiled = torch.compile(model)
    assert list(compiled.state_dict()) == list(model.state_dict())
    assert isinstance(compiled, torch.compiler.OptimizedModule)
    assert isinstance(compiled, nn.Sequential)
    assert compiled._orig_mod is model
    assert repr(compiled).startswith("OptimizedModule(\n  (_orig_mod): Sequential(")
    compiled.eval()
    assert not model.training
    outer = nn.ModuleDict({"inner": compiled})
    assert next(iter(outer.state_dict())) == "inner.0.weight"
    prefixed = {f"_orig_mod.{key}": value * 0 for key, value in model.state_dict().items()}
    compiled.load_state_dict(prefixed)
    assert model[0].weight.sum().item() == 0


def test_a_compiled_module_is_copied_and_pickled() -> None:
    compiled = torch.compile(nn.Linear(2, 2))
    x = torch.ones(1, 2)
    for other in (copy.deepcopy(compiled), pickle.loads(pickle.dumps(compiled))):
        assert isinstance(other, torch.compiler.OptimizedModule)
        assert other.weight is not compiled.weight
        assert torch.equal(other(x), compiled(x))


def test_a_module_compiled_in_place_stays_itself() -> None:
    layer = nn.Linear(2, 2)
    layer.compile(fullgraph=True)
    x = torch.ones(1, 2)
    for _ in range(4):
        wanted = functional.linear(x, layer.weight, layer.bias)
        assert torch.equal(layer(x), wanted)
        layer.weight.grad = None
        layer(x).sum().backward()
        assert torch.equal(layer.weight.grad, torch.ones(2, 2))
    assert layer._compiled_call_impl._sites
    assert copy.deepcopy(layer)._compiled_call_impl is None
    assert type(pickle.loads(pickle.dumps(layer))) is nn.Linear


def test_gradients_pass_through_a_compiled_module() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2))
    plain = copy.deepcopy(model)
    compiled = torch.compile(model)
    for index in range(5):
        x = torch.randn(6, 3)
        found: list[Any] = []
        for net in (plain, compiled):
            given = (x * 1).requires_grad_()
            (net(given * 2) ** 2).sum().backward()
            found.append(given.grad)
        assert torch.equal(*found), index
    for first, second in zip(plain.parameters(), model.parameters(), strict=True):
        assert torch.equal(first.grad, second.grad)
    for key, value in plain.state_dict().items():
        assert torch.equal(value, model.state_dict()[key]), key


def test_the_tape_of_a_compiled_module_is_as_strict_as_any() -> None:
    layer = nn.Linear(2, 1)
    call = torch.compile(lambda x: torch.tanh(layer(x)) * (layer.weight**2).sum())
    x = torch.ones(1, 2)
    given = torch.ones(1, 2, requires_grad=True)
    for _ in range(4):
        result = call(x)
        with torch.no_grad():
            layer.weight.add_(1)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            result.sum().backward()
        result = call(x)
        result.sum().backward(retain_graph=True)
        result.sum().backward()
        with pytest.raises(RuntimeError, match="second time"):
            result.sum().backward()
    for _ in range(3):
        assert torch.autograd.grad(call(given).sum(), given)[0].shape == (1, 2)
    with pytest.raises(RuntimeError, match="does not currently support double backward"):
        torch.autograd.grad(call(given).sum(), given, create_graph=True)


def test_several_results_of_which_some_are_differentiated() -> None:
    weight: Any = torch.tensor([2.0, 3.0], requires_grad=True)

    @torch.compile
    def several(x: Any) -> Any:
        y = x * weight
        return {"y": y, "twice": [y * 2, y.detach()], "text": "a"}, y.sum()

    x = torch.tensor([1.0, 4.0])
    for _ in range(4):
        weight.grad = None
        found, total = several(x)
        assert found["text"] == "a"
        assert found["twice"][1].tolist() == [2, 12]
        assert not found["twice"][1].requires_grad
        found["twice"][0].sum().backward(retain_graph=True)
        assert torch.equal(weight.grad, torch.tensor([2.0, 8.0]))
        total.backward()
        assert torch.equal(weight.grad, torch.tensor([3.0, 12.0]))


def test_compiled_functions_within_each_other_and_within_vmap() -> None:
    @torch.compile
    def inner(x: Any) -> Any:
        assert torch.compiler.is_compiling()
        return x * 2

    outer = torch.compile(lambda x: inner(x) + 1)
    for _ in range(4):
        assert outer(torch.ones(2)).tolist() == [3, 3]
    assert torch.func.vmap(torch.compile(lambda x: x * 2))(torch.ones(3)).tolist() == [2, 2, 2]
    assert not torch.compiler.is_compiling()


def test_backward_hooks_of_a_compiled_module_are_called() -> None:
    layer = nn.Linear(2, 1)
    seen: list[int] = []
    layer.register_full_backward_hook(lambda module, grad_input, grad_output: seen.append(1))
    compiled = torch.compile(layer)
    for _ in range(4):
        compiled(torch.ones(1, 2, requires_grad=True)).sum().backward()
    assert len(seen) == 4


def test_in_place_writes_to_arguments_and_buffers_are_done_again() -> None:
    total = torch.zeros(2)

    @torch.compile
    def gather(cache: Any, x: Any) -> Any:
        cache[1:] += x
        total.add_(x[0])
        return cache.sum()

    cache = torch.zeros(3)
    for index in range(1, 6):
        assert gather(cache, torch.ones(2)).item() == 2 * index
        assert total.tolist() == [index, index]
    assert cache.tolist() == [0, 5, 5]


def test_random_numbers_are_those_of_the_uncompiled_function() -> None:
    def noisy(x: Any) -> Any:
        return functional.dropout(x, 0.5) + torch.randn(3) + torch.rand_like(x)

    call = torch.compile(noisy)
    x = torch.ones(3)
    for seed in range(4):
        torch.manual_seed(seed)
        wanted = [noisy(x).tolist() for _ in range(2)]
        torch.manual_seed(seed)
        assert [call(x).tolist() for _ in range(2)] == wanted


def test_a_checkpoint_that_draws_goes_backwards_as_ever() -> None:
    layer = nn.Linear(4, 4)
    x = torch.ones(2, 4)

    def noisy(given: Any) -> Any:
        return torch.utils.checkpoint.checkpoint(
            lambda y: functional.dropout(layer(y), 0.5), given, use_reentrant=False
        )

    gradients: list[Any] = []
    for call in (noisy, torch.compile(noisy)):
        torch.manual_seed(0)
        layer.weight.grad = None
        for _ in range(5):
            call(x).sum().backward()
        gradients.append(layer.weight.grad)
    assert torch.equal(*gradients)


def test_threads_share_a_compiled_function() -> None:
    layer = nn.Linear(4, 4)
    compiled = torch.compile(layer)
    x = torch.randn(2, 4)
    with torch.no_grad():
        wanted = layer(x).tolist()
    found: list[Any] = []

    def work() -> None:
        with torch.no_grad():
            found.extend(compiled(x).tolist() for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [wanted] * 80


def test_training_goes_on_from_what_was_saved() -> None:
    plain, other, step = twins(make=torch.optim.Adam)
    x, y = batch()
    for _ in range(5):
        plain.step(x, y)
        step(x, y)
    resumed = Training(make=torch.optim.Adam)
    resumed.model.load_state_dict(copy.deepcopy(other.model.state_dict()))
    resumed.optimizer.load_state_dict(copy.deepcopy(other.optimizer.state_dict()))
    resumed.schedule.load_state_dict(copy.deepcopy(other.schedule.state_dict()))
    call = CompiledFunction(resumed.step)
    wanted = [plain.step(x, y).item() for _ in range(5)]
    assert [call(x, y).item() for _ in range(5)] == wanted


def test_forgetting_recordings() -> None:
    call = CompiledFunction(lambda x: x + 1)
    for _ in range(3):
        call(torch.ones(1))
    assert call._sites
    torch.compiler.reset()
    assert not call._sites
    assert call(torch.ones(1)).item() == 2
