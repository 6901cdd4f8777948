"""Pruning against PyTorch: the same masks (from the same seed), keys, hooks, training, removal, and every error."""

import copy
import io
import re
from typing import Any

import numpy as np
import pytest

import flambeau
from flambeau.runtime.force import RUNS
from flambeau.testing import compilations
from tests.parity.oracle import compare
from tests.parity.outcomes import outcome, same

torch = pytest.importorskip("torch")
pytest.importorskip("torch.nn.utils.prune")  # PyTorch does not import it by itself

LIBRARIES = (flambeau, torch)
INF = float("inf")


def linear(t: Any) -> Any:
    t.manual_seed(5)
    return t.nn.Linear(5, 4)


def conv(t: Any) -> Any:
    t.manual_seed(5)
    return t.nn.Conv2d(3, 4, 2)


def p(t: Any) -> Any:
    return t.nn.utils.prune


def scores(t: Any) -> Any:
    return t.tensor(np.sin(np.arange(20, dtype=np.float32)).reshape(4, 5))


def custom(t: Any) -> Any:
    return (scores(t) > 0).float()


WAYS: dict[str, Any] = {
    "identity": lambda t: p(t).identity(linear(t), "weight"),
    "random_unstructured": lambda t: p(t).random_unstructured(linear(t), "weight", 0.3),
    "random_unstructured count": lambda t: p(t).random_unstructured(linear(t), "weight", 7),
    "random_unstructured of the bias": lambda t: p(t).random_unstructured(linear(t), "bias", 1),
    "l1_unstructured": lambda t: p(t).l1_unstructured(linear(t), "weight", amount=0.4),
    "l1_unstructured none": lambda t: p(t).l1_unstructured(linear(t), "weight", 0),
    "l1_unstructured all": lambda t: p(t).l1_unstructured(linear(t), "weight", 1.0),
    "l1_unstructured scores": lambda t: p(t).l1_unstructured(linear(t), "weight", 6, importance_scores=scores(t)),
    "random_structured": lambda t: p(t).random_structured(linear(t), "weight", 2, 0),
    "random_structured along 1": lambda t: p(t).random_structured(conv(t), "weight", amount=0.5, dim=1),
    "random_structured along -1": lambda t: p(t).random_structured(linear(t), "weight", 0.6, dim=-1),
    "random_structured none": lambda t: p(t).random_structured(linear(t), "weight", 0, dim=-1),
    "ln_structured": lambda t: p(t).ln_structured(linear(t), "weight", 2, n=2, dim=0),
    "ln_structured of order 1": lambda t: p(t).ln_structured(conv(t), "weight", 0.5, 1, dim=1),
    "ln_structured of order inf": lambda t: p(t).ln_structured(linear(t), "weight", 0.5, n=INF, dim=-1),
    "ln_structured of order -inf": lambda t: p(t).ln_structured(conv(t), "weight", 1, n=-INF, dim=0),
    "ln_structured fro": lambda t: p(t).ln_structured(linear(t), "weight", 1, n="fro", dim=0),
    "ln_structured scores": lambda t: p(t).ln_structured(linear(t), "weight", 2, 2, 0, importance_scores=scores(t)),
    "custom_from_mask": lambda t: p(t).custom_from_mask(linear(t), "weight", custom(t)),
    "twice": lambda t: p(t).l1_unstructured(p(t).l1_unstructured(linear(t), "weight", 0.3), "weight", 0.5),
    "random on top": lambda t: p(t).random_unstructured(p(t).l1_unstructured(linear(t), "weight", 5), "weight", 0.5),
    "three kinds": lambda t: p(t).ln_structured(p(t).random_structured(p(t).l1_unstructured(
        linear(t), "weight", 3), "weight", 1, dim=0), "weight", 0.5, n=1, dim=1),
    "custom on top": lambda t: p(t).custom_from_mask(p(t).l1_unstructured(linear(t), "weight", 5), "weight", custom(t)),
    "both parameters": lambda t: p(t).l1_unstructured(p(t).l1_unstructured(linear(t), "weight", 5), "bias", 2),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_masks_keys_hooks_gradients_and_training(way: str) -> None:
    def run(t: Any) -> tuple[list[Any], list[Any]]:
        module = WAYS[way](t)
        facts = [repr(module), list(module.state_dict()), [type(hook).__name__ for hook in
                 module._forward_pre_hooks.values()], p(t).is_pruned(module), module.weight.requires_grad]  # fmt: skip
        values = [t.rand(1), module.weight, *module.state_dict().values()]
        optimizer = t.optim.SGD(module.parameters(), lr=0.1)
        x = t.ones(2, 3, 4, 4) if isinstance(module, t.nn.Conv2d) else t.ones(2, 5)
        for _ in range(2):
            optimizer.zero_grad()
            module(x).square().sum().backward()
            optimizer.step()
        values += [parameter.grad for parameter in module.parameters()]
        return facts, [*values, module(x), module.weight, *module.state_dict().values()]

    (facts, values), (expected_facts, expected) = map(run, LIBRARIES)
    assert facts == expected_facts
    compare(values, expected)


@pytest.mark.parametrize("way", ["l1_unstructured", "three kinds"])
def test_a_step_is_one_program_and_the_same_from_the_first_on(way: str) -> None:
    module = WAYS[way](flambeau)
    optimizer = flambeau.optim.SGD(module.parameters(), lr=0.1)
    x = flambeau.ones(2, 5)
    compiled: list[int] = []
    programs: list[int] = []
    for _ in range(3):
        before = RUNS["programs"]
        with compilations() as entries:
            optimizer.zero_grad()
            loss = module(x).square().sum()
            loss.backward()
            optimizer.step()
            loss.item()
        compiled.append(len(entries))
        programs.append(RUNS["programs"] - before)
    assert compiled[0] <= 1
    assert compiled[1:] == [0, 0]
    assert programs == [1] * 3


@pytest.mark.parametrize("way", ["l1_unstructured", "three kinds", "random_unstructured of the bias"])
def test_removal(way: str) -> None:
    def run(t: Any) -> tuple[list[Any], list[Any]]:
        module = WAYS[way](t)
        name = "bias" if "bias" in way else "weight"
        original = getattr(module, f"{name}_orig")
        assert p(t).remove(module, name) is module
        assert getattr(module, name) is original
        facts = [list(module.state_dict()), [key for key, _ in module.named_parameters()], p(t).is_pruned(module),
                 len(module._forward_pre_hooks)]  # fmt: skip
        return facts, [getattr(module, name), module(t.ones(1, 5))]

    (facts, values), (expected_facts, expected) = map(run, LIBRARIES)
    assert facts == expected_facts
    compare(values, expected)


GLOBAL: dict[str, Any] = {
    "l1": lambda t, pairs: p(t).global_unstructured(pairs, pruning_method=p(t).L1Unstructured, amount=0.4),
    "random": lambda t, pairs: p(t).global_unstructured(pairs, p(t).RandomUnstructured, amount=9),
    "scores": lambda t, pairs: p(t).global_unstructured(
        pairs, p(t).L1Unstructured, {pairs[0]: scores(t) * 10, pairs[1]: t.arange(4.0)}, amount=12),
}  # fmt: skip


@pytest.mark.parametrize("name", GLOBAL)
def test_global_pruning(name: str) -> None:
    def run(t: Any) -> tuple[list[str], list[Any]]:
        first, second = linear(t), conv(t)
        p(t).l1_unstructured(first, "weight", 2)
        GLOBAL[name](t, [(first, "weight"), (first, "bias"), (second, "weight")])
        return [*first.state_dict(), *second.state_dict()], [*first.state_dict().values(), second.weight_mask]

    (keys, values), (expected_keys, expected) = map(run, LIBRARIES)
    assert keys == expected_keys
    compare(values, expected)


def test_state_goes_from_library_to_library() -> None:
    for source, target in (LIBRARIES, LIBRARIES[::-1]):
        given, taking = WAYS["three kinds"](source), p(target).identity(linear(target), "weight")
        stream = io.BytesIO()
        source.save(given.state_dict(), stream)
        stream.seek(0)
        taking.load_state_dict(target.load(stream))
        taking(target.ones(1, 5))
        assert taking.weight.tolist() == given.weight.tolist()


def test_names() -> None:
    assert {name for name in p(flambeau).__all__ if not hasattr(p(torch), name)} == set()
    assert len(p(flambeau).__all__) == 17
    for room in ("parametrize", "parametrizations"):
        assert sorted(getattr(flambeau.nn.utils, room).__all__) == sorted(getattr(torch.nn.utils, room).__all__)
    for name in flambeau.linalg.__all__:
        assert hasattr(torch.linalg, name)
        assert callable(getattr(flambeau.linalg, name))


def test_containers() -> None:
    def run(t: Any) -> list[Any]:
        module = WAYS["three kinds"](t)
        (container,) = module._forward_pre_hooks.values()
        return [len(container), [type(item).__name__ for item in container], type(container[1]).__name__,
                container._tensor_name, isinstance(container, p(t).PruningContainer),
                [item.PRUNING_TYPE for item in container]]  # fmt: skip

    same(run)


def test_pruning_a_tensor_without_a_module() -> None:
    def run(t: Any) -> list[Any]:
        x = scores(t)
        method = p(t).L1Unstructured(3)
        return [method.prune(x), method.prune(x, default_mask=custom(t)), method.prune(x, importance_scores=-x.exp()),
                p(t).LnStructured(1, 2, 0).prune(x)]  # fmt: skip

    compare(run(flambeau), run(torch))


def test_a_method_of_the_users_own() -> None:
    def run(t: Any) -> list[Any]:
        class Small(p(t).BasePruningMethod):
            PRUNING_TYPE = "unstructured"

            def __init__(self, threshold: float) -> None:
                self.threshold = threshold

            def compute_mask(self, t: Any, default_mask: Any) -> Any:
                return default_mask * (t.abs() > self.threshold)

        module = linear(t)
        Small.apply(module, "weight", 0.1)
        Small.apply(module, "weight", threshold=0.2)
        return [module.weight_mask, module.weight]

    compare(run(flambeau), run(torch))


def test_a_copied_hook_goes_on() -> None:
    module = WAYS["l1_unstructured"](flambeau)
    with flambeau.no_grad():
        replica = copy.deepcopy(p(flambeau).remove(module, "weight"))
    assert replica.weight.tolist() == module.weight.tolist()


# -- errors ------------------------------------------------------------------------------------------------------------


def strange(t: Any, kind: str) -> Any:
    class Strange(p(t).BasePruningMethod):
        PRUNING_TYPE = kind

        def compute_mask(self, t: Any, default_mask: Any) -> Any:
            return default_mask

    return Strange


FAILURES: dict[str, Any] = {
    "amount text": lambda t: p(t).l1_unstructured(linear(t), "weight", "foo"),
    "amount negative": lambda t: p(t).l1_unstructured(linear(t), "weight", -1),
    "amount share": lambda t: p(t).random_unstructured(linear(t), "weight", 1.5),
    "amount negative share": lambda t: p(t).random_structured(linear(t), "weight", -0.5, 0),
    "amount too much": lambda t: p(t).l1_unstructured(linear(t), "weight", 21),
    "amount of slices": lambda t: p(t).ln_structured(linear(t), "weight", 5, 2, 0),
    "amount of random slices": lambda t: p(t).random_structured(linear(t), "weight", 5, 0),
    "slices of a vector": lambda t: p(t).ln_structured(linear(t), "bias", 1, 2, 0),
    "random slices of a vector": lambda t: p(t).random_structured(linear(t), "bias", 1, 0),
    "no such dimension": lambda t: p(t).ln_structured(linear(t), "weight", 1, 2, 2),
    "no such random dimension": lambda t: p(t).random_structured(linear(t), "weight", 1, 2),
    "scores": lambda t: p(t).l1_unstructured(linear(t), "weight", 1, t.ones(2)),
    "scores of a tensor": lambda t: p(t).L1Unstructured(1).prune(t.ones(2), importance_scores=t.ones(3)),
    "mask": lambda t: p(t).custom_from_mask(linear(t), "weight", t.ones(2)),
    "no such parameter": lambda t: p(t).identity(linear(t), "foo"),
    "buffer": lambda t: p(t).identity(t.nn.BatchNorm1d(2), "running_mean"),
    "removed where there is none": lambda t: p(t).remove(linear(t), "weight"),
    "removed another": lambda t: p(t).remove(WAYS["identity"](t), "bias"),
    "global of nothing": lambda t: p(t).global_unstructured(3, p(t).L1Unstructured, amount=1),
    "global scores": lambda t: p(t).global_unstructured([(linear(t), "weight")], p(t).L1Unstructured, [1], amount=1),
    "global structured": lambda t: p(t).global_unstructured(
        [(linear(t), "weight")], p(t).LnStructured, amount=1, n=2),
    "container of others": lambda t: p(t).PruningContainer(p(t).Identity()),
    "container without a name": lambda t: p(t).PruningContainer(p(t).Identity(), p(t).Identity()),
    "container with a number": lambda t: next(iter(WAYS["twice"](t)._forward_pre_hooks.values())).add_pruning_method(3),
    "kind": lambda t: strange(t, "foo").apply(WAYS["identity"](t), "weight"),
    "kind without dim": lambda t: strange(t, "structured").apply(WAYS["identity"](t), "weight"),
    "abstract": lambda t: p(t).BasePruningMethod(),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILURES)
def test_errors_are_pytorchs(name: str) -> None:
    found, expected = (outcome(t, FAILURES[name])[0] for t in LIBRARIES)
    assert re.match(r"[A-Za-z]+Error: ", expected)
    assert found == expected


def test_a_method_for_another_parameter_is_refused() -> None:
    container = next(iter(WAYS["twice"](flambeau)._forward_pre_hooks.values()))
    other = next(iter(p(flambeau).l1_unstructured(linear(flambeau), "bias", 1)._forward_pre_hooks.values()))
    with pytest.raises(ValueError, match=r"the parameter named 'weight' to PruningContainer .* Found 'bias'$"):
        container.add_pruning_method(other)


@pytest.mark.parametrize("way", [linear, WAYS["identity"], WAYS["twice"]])
def test_what_fails_leaves_the_module_as_it_was(way: Any) -> None:
    """In PyTorch a pruned module loses its hook."""
    module = way(flambeau)
    before = {name: tensor.tolist() for name, tensor in module.state_dict().items()}
    hooks = dict(module._forward_pre_hooks)
    lengths = [len(hook) for hook in hooks.values() if hasattr(hook, "__len__")]
    for amount, refusal in (("foo", TypeError), (21, ValueError)):
        with pytest.raises(refusal, match="amount"):
            p(flambeau).l1_unstructured(module, "weight", amount)
    assert {name: tensor.tolist() for name, tensor in module.state_dict().items()} == before
    assert dict(module._forward_pre_hooks) == hooks
    assert [len(hook) for hook in hooks.values() if hasattr(hook, "__len__")] == lengths
