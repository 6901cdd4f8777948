"""Parametrizations against PyTorch: keys, values, gradients, classes, copies, removal, and every error."""

import copy
import io
import pickle
import re
from typing import Any

import pytest

import flambeau
from tests.parity.oracle import compare
from tests.parity.outcomes import outcome, same

torch = pytest.importorskip("torch")

LIBRARIES = (flambeau, torch)


def kinds(t: Any) -> Any:
    """Parametrizations to try, as classes of a library's ``Module``."""

    class Skew(t.nn.Module):
        def forward(self, x: Any) -> Any:
            lower = x.tril(-1)
            return lower - lower.mT

    class Doubled(t.nn.Module):
        def forward(self, x: Any) -> Any:
            return 2 * x

        def right_inverse(self, x: Any) -> Any:
            return x / 2

    class Split(t.nn.Module):
        def forward(self, x: Any, y: Any) -> Any:
            return x * 2 + y

        def right_inverse(self, z: Any) -> Any:
            return z / 4, z / 2

    class Strange(t.nn.Module):
        """Does what it is told."""

        def __init__(self, forward: Any = None, right_inverse: Any = None) -> None:
            super().__init__()
            self.does = forward or (lambda x: x)
            if right_inverse is not None:
                self.right_inverse = right_inverse

        def forward(self, *args: Any) -> Any:
            return self.does(*args)

    class Sized(t.nn.Module):
        """Has a parameter and a buffer of its own."""

        def __init__(self) -> None:
            super().__init__()
            self.scale = t.nn.Parameter(t.tensor(3.0))
            self.register_buffer("offset", t.tensor(1.0))

        def forward(self, x: Any) -> Any:
            return x * self.scale + self.offset

    return {item.__name__: item for item in (Skew, Doubled, Split, Strange, Sized)}


def linear(t: Any, *size: int) -> Any:
    t.manual_seed(0)
    return t.nn.Linear(*(size or (3, 3)))


def after(t: Any, *names: str, tensor: str = "weight", unsafe: bool = False) -> Any:
    """A linear layer with parametrizations."""
    layer = linear(t)
    for name in names:
        t.nn.utils.parametrize.register_parametrization(layer, tensor, kinds(t)[name](), unsafe=unsafe)
    return layer


CHAINS = [("Skew",), ("Doubled",), ("Split",), ("Sized",), ("Doubled", "Skew"), ("Split", "Doubled"),
          ("Sized", "Doubled", "Skew")]  # fmt: skip


@pytest.mark.parametrize("names", CHAINS, ids="+".join)
def test_keys_values_gradients_and_training(names: tuple[str, ...]) -> None:
    def run(t: Any) -> tuple[list[str], list[Any]]:
        layer = after(t, *names)
        found = [layer.weight, *layer.state_dict().values()]
        optimizer = t.optim.SGD(layer.parameters(), lr=1e-3)
        for _ in range(3):
            optimizer.zero_grad()
            (layer(t.ones(2, 3)) ** 2).sum().backward()
            optimizer.step()
            found += [parameter.grad.clone() for parameter in layer.parameters()]
        return list(layer.state_dict()), [*found, layer.weight, *layer.state_dict().values()]

    (keys, values), (expected_keys, expected) = map(run, LIBRARIES)
    assert keys == expected_keys
    compare(values, expected)


def first(t: Any, name: str, layer: Any = None, tensor: str = "weight") -> Any:
    """A layer with one parametrization."""
    return t.nn.utils.parametrize.register_parametrization(layer or linear(t), tensor, kinds(t)[name]())


def with_a_parametrized_buffer(t: Any) -> list[Any]:
    norm = first(t, "Doubled", t.nn.BatchNorm1d(2), "running_mean")
    facts = [norm, list(norm.state_dict()), [name for name, _ in norm.named_buffers()]]
    t.nn.utils.parametrize.remove_parametrizations(norm, "running_mean")
    return [*facts, list(norm.state_dict())]


def with_two_parametrized_tensors(t: Any) -> list[Any]:
    layer = first(t, "Doubled", first(t, "Skew"), "bias")
    facts = [type(layer), list(layer.state_dict())]
    for name in ("weight", "bias"):
        t.nn.utils.parametrize.remove_parametrizations(layer, name)
        facts += [type(layer), list(layer.state_dict())]
    return [*facts, hasattr(layer, "parametrizations")]


def in_evaluation_mode(t: Any) -> bool:
    return first(t, "Skew", linear(t).eval()).parametrizations.weight[0].training


def with_an_assigned_weight(t: Any, name: str, original: str) -> list[Any]:
    layer = first(t, name)
    layer.weight = t.ones(3, 3)
    return [layer.weight.tolist(), getattr(layer.parametrizations.weight, original).tolist()]


def with_a_frozen_weight(t: Any) -> list[Any]:
    layer = first(t, "Split", linear(t).requires_grad_(False))
    return [layer.weight.requires_grad, *[item.requires_grad for item in layer.parameters()]]


def of_another_shape_and_type(t: Any) -> list[Any]:
    layer = strange(t, lambda x: x[:2].double(), unsafe=True)
    return [layer.weight.shape, layer.weight.dtype]


def facts_of_a_list(chain: Any) -> list[Any]:
    return [chain.is_tensor, chain.ntensors, chain.unsafe, len(chain), chain.training, chain]


CASES: dict[str, Any] = {
    "text": lambda t: after(t, "Doubled", "Skew"),
    "class": lambda t: [type(first(t, "Skew")), type(first(t, "Skew")).__mro__[1], type(first(t, "Skew")).__module__],
    "is_parametrized": lambda t: [t.nn.utils.parametrize.is_parametrized(layer, *name)
                                  for layer in (first(t, "Skew"), linear(t)) for name in ((), ("weight",), ("bias",))],
    "type_before": lambda t: [t.nn.utils.parametrize.type_before_parametrizations(item)
                              for item in (first(t, "Skew"), linear(t))],
    "list": lambda t: facts_of_a_list(first(t, "Skew").parametrizations.weight),
    "list of several": lambda t: facts_of_a_list(after(t, "Split", "Skew", unsafe=True).parametrizations["weight"]),
    "buffer": with_a_parametrized_buffer,
    "two tensors": with_two_parametrized_tensors,
    "mode": in_evaluation_mode,
    "assignment": lambda t: with_an_assigned_weight(t, "Doubled", "original"),
    "assignment of several": lambda t: with_an_assigned_weight(t, "Split", "original0"),
    "requires_grad": with_a_frozen_weight,
    "unsafe": of_another_shape_and_type,
    "right_inverse not implemented": lambda t: strange(t, None, lambda x: unimplemented()).weight.tolist(),
    "a child that is parametrized": lambda t: list(t.nn.Sequential(first(t, "Skew"), linear(t)).state_dict()),
    "pickled": lambda t: pickle.dumps(first(t, "Skew")),
}  # fmt: skip


def unimplemented() -> None:
    raise NotImplementedError


@pytest.mark.parametrize("name", CASES)
def test_outcomes_are_pytorchs(name: str) -> None:
    same(CASES[name])


def strange(t: Any, forward: Any = None, right_inverse: Any = None, layer: Any = None, **options: Any) -> Any:
    register = t.nn.utils.parametrize.register_parametrization
    return register(layer or linear(t), "weight", kinds(t)["Strange"](forward, right_inverse), **options)


def assigned(layer: Any, value: Any) -> None:
    layer.weight = value


def taken(t: Any) -> Any:
    class Layer(t.nn.Linear):
        pass

    layer = Layer(2, 2)
    Layer.weight = t.ones(2, 2)
    return t.nn.utils.parametrize.register_parametrization(layer, "weight", kinds(t)["Skew"]())


def in_turn(*answers: Any) -> Any:
    """A function whose calls are answered by these functions in turn."""
    rest = iter(answers)

    def answer(x: Any) -> Any:
        return next(rest)(x)

    return answer


FAILURES: dict[str, Any] = {
    "no such tensor": lambda t: after(t, "Skew", tensor="foo"),
    "no such tensor of a parametrized module": lambda t: t.nn.utils.parametrize.register_parametrization(
        after(t, "Skew"), "foo", kinds(t)["Skew"]()),
    "shape": lambda t: strange(t, lambda x: x[:2]),
    "type": lambda t: strange(t, lambda x: x.double()),
    "no tensor": lambda t: strange(t, lambda x: "foo"),
    "right_inverse shape": lambda t: strange(t, None, lambda x: x[:2]),
    "right_inverse type": lambda t: strange(t, None, lambda x: x.double()),
    "right_inverse nothing": lambda t: strange(t, None, lambda x: 3),
    "right_inverse of no tensors": lambda t: strange(t, lambda x, y: x, lambda x: (x, 3)),
    "second shape": lambda t: strange(t, lambda x: x[:2], layer=after(t, "Skew")),
    "second type": lambda t: strange(t, lambda x: x.double(), layer=after(t, "Skew")),
    "second no tensor": lambda t: strange(t, lambda x: 3, layer=after(t, "Skew")),
    "second right_inverse shape": lambda t: strange(t, None, lambda x: x[:2], layer=after(t, "Skew")),
    "second right_inverse type": lambda t: strange(t, None, lambda x: x.double(), layer=after(t, "Skew")),
    "second right_inverse several": lambda t: strange(t, None, lambda x: (x, x), layer=after(t, "Skew")),
    "assigned without right_inverse": lambda t: assigned(after(t, "Skew"), t.ones(3, 3)),
    "assigned a parameter": lambda t: assigned(after(t, "Doubled"), t.nn.Parameter(t.ones(3, 3))),
    "assigned type": lambda t: assigned(after(t, "Doubled"), t.ones(3, 3).double()),
    "assigned several of a type": lambda t: assigned(after(t, "Split"), t.ones(3, 3).double()),
    "assigned other number": lambda t: assigned(strange(
        t, lambda x, y: x, in_turn(lambda x: (x, x), lambda x: (x,)), unsafe=True), t.ones(3, 3)),
    "assigned no tensor": lambda t: assigned(strange(
        t, None, in_turn(lambda x: x, lambda x: 3), unsafe=True), t.ones(3, 3)),
    "assigned no sequence": lambda t: assigned(strange(
        t, lambda x, y: x, in_turn(lambda x: (x, x), lambda x: {3}), unsafe=True), t.ones(3, 3)),
    "assigned an element that is no tensor": lambda t: assigned(strange(
        t, lambda x, y: x, in_turn(lambda x: (x, x), lambda x: (x, 3)), unsafe=True), t.ones(3, 3)),
    "removed where there is none": lambda t: t.nn.utils.parametrize.remove_parametrizations(linear(t), "weight"),
    "removed another": lambda t: t.nn.utils.parametrize.remove_parametrizations(after(t, "Skew"), "bias"),
    "several left unparametrized": lambda t: t.nn.utils.parametrize.remove_parametrizations(
        after(t, "Split"), "weight", leave_parametrized=False),
    "empty list": lambda t: t.nn.utils.parametrize.ParametrizationList([], t.ones(1)),
    "taken name": taken,
}  # fmt: skip


@pytest.mark.parametrize("name", FAILURES)
def test_errors_are_pytorchs(name: str) -> None:
    found, expected = (outcome(t, FAILURES[name])[0] for t in LIBRARIES)
    assert re.match(r"[A-Za-z]+Error: ", expected)
    assert found == expected


def test_a_refused_parametrization_leaves_the_module_as_it_was() -> None:
    layer = linear(flambeau)
    before = layer.weight.tolist()
    with pytest.raises(ValueError, match="may not change the shape"):
        strange(flambeau, lambda x: x[:2], lambda x: x * 2, layer=layer)
    assert type(layer) is flambeau.nn.Linear
    assert list(layer.state_dict()) == ["weight", "bias"]
    assert layer.weight.tolist() == before


@pytest.mark.parametrize("leave", [True, False])
@pytest.mark.parametrize("names", [("Skew",), ("Doubled", "Skew")], ids="+".join)
def test_removal(names: tuple[str, ...], leave: bool) -> None:
    def run(t: Any) -> tuple[list[Any], list[Any]]:
        layer = linear(t)
        kept = layer.weight
        for name in names:
            t.nn.utils.parametrize.register_parametrization(layer, "weight", kinds(t)[name]())
        layer(t.ones(1, 3)).sum().backward()
        found = t.nn.utils.parametrize.remove_parametrizations(layer, "weight", leave_parametrized=leave)
        facts = [found is layer, layer.weight is kept, type(layer).__name__, list(layer.state_dict()),
                 layer.weight.requires_grad, layer.weight.is_leaf]  # fmt: skip
        return facts, [layer.weight, layer.weight.grad, layer(t.ones(1, 3))]

    (facts, values), (expected_facts, expected) = map(run, LIBRARIES)
    assert facts == expected_facts
    compare(values, expected)


def test_removal_of_several() -> None:
    def run(t: Any) -> list[Any]:
        layer = after(t, "Split")
        t.nn.utils.parametrize.remove_parametrizations(layer, "weight")
        assert isinstance(layer.weight, t.nn.Parameter)
        assert list(layer.state_dict()) == ["bias", "weight"]
        return [layer.weight]

    compare(run(flambeau), run(torch))


def test_cached() -> None:
    def run(t: Any) -> list[Any]:
        calls: list[int] = []
        layer = strange(t, lambda x: (calls.append(1), x * 2)[1], unsafe=True)
        with t.nn.utils.parametrize.cached():
            first = layer.weight
            with t.nn.utils.parametrize.cached():
                assert layer.weight is first
            assert layer.weight is first
            with t.no_grad():
                layer.bias.zero_()
        assert layer.weight is not first
        with t.nn.utils.parametrize.cached():
            assert layer.weight is not first
        return [len(calls), first]

    compare(run(flambeau), run(torch))


def test_copies_are_independent() -> None:
    for t in LIBRARIES:
        layer = after(t, "Sized")
        replica = copy.deepcopy(layer)
        assert type(replica).__name__ == "ParametrizedLinear"
        assert replica.parametrizations.weight.original is not layer.parametrizations.weight.original
        assert replica.weight.tolist() == layer.weight.tolist()
        with t.no_grad():
            replica.parametrizations.weight[0].scale.fill_(7.0)
        assert replica.weight.tolist() != layer.weight.tolist()


def test_parametrizing_and_restoring_a_copy_leaves_the_other_alone() -> None:
    """In PyTorch both share one class, from which removal takes the property."""
    layer = after(flambeau, "Skew")
    replica = copy.deepcopy(layer)
    flambeau.nn.utils.parametrize.remove_parametrizations(replica, "weight")
    assert layer.weight.tolist() == replica.weight.tolist()
    other = copy.deepcopy(layer)
    flambeau.nn.utils.parametrize.register_parametrization(other, "bias", kinds(flambeau)["Doubled"]())
    assert layer.bias.tolist() == pytest.approx(other.bias.tolist())
    assert isinstance(layer.bias, flambeau.nn.Parameter)


def test_a_class_that_copies_itself_goes_on_doing_so() -> None:
    def run(t: Any) -> Any:
        class Layer(t.nn.Linear):
            def __deepcopy__(self, memo: Any) -> Any:
                return "copied"

        layer = t.nn.utils.parametrize.register_parametrization(Layer(2, 2), "weight", kinds(t)["Skew"]())
        return copy.deepcopy(layer)

    assert [run(t) for t in LIBRARIES] == ["copied"] * 2


@pytest.mark.parametrize("names", [("Doubled", "Skew"), ("Split",)], ids="+".join)
def test_state_goes_from_library_to_library(names: tuple[str, ...]) -> None:
    for source, target in (LIBRARIES, LIBRARIES[::-1]):
        given, taking = after(source, *names), after(target, *names)
        with source.no_grad():
            for parameter in given.parameters():
                parameter.add_(0.5)
        stream = io.BytesIO()
        source.save(given.state_dict(), stream)
        stream.seek(0)
        taking.load_state_dict(target.load(stream))
        assert taking.weight.tolist() == given.weight.tolist()


@pytest.mark.parametrize("names", [("Skew",), ("Split",)], ids="+".join)
@pytest.mark.parametrize("tensor", ["weight", None])
def test_transfer(names: tuple[str, ...], tensor: str | None) -> None:
    def run(t: Any) -> tuple[list[str], list[Any]]:
        source, target = after(t, *names), t.nn.Linear(3, 3)
        transfer = t.nn.utils.parametrize.transfer_parametrizations_and_params
        assert transfer(source, target, tensor) is target
        assert transfer(t.nn.Linear(1, 1), target) is target
        bare = transfer(source, t.nn.Module(), tensor)
        originals = [parameter for name, parameter in source.named_parameters() if "original" in name]
        for layer in (target, bare):
            kept = [parameter for name, parameter in layer.named_parameters() if "original" in name]
            assert all(one is other for one, other in zip(originals, kept, strict=True))
        return [*target.state_dict(), *bare.state_dict()], [source.weight, target.weight, bare.weight]

    (keys, values), (expected_keys, expected) = map(run, LIBRARIES)
    assert keys == expected_keys
    compare(values, expected)


def test_an_optimizer_made_before_goes_on() -> None:
    def run(t: Any) -> list[Any]:
        layer = linear(t)
        optimizer = t.optim.SGD(layer.parameters(), lr=0.1)
        t.nn.utils.parametrize.register_parametrization(layer, "weight", kinds(t)["Doubled"]())
        layer(t.ones(1, 3)).sum().backward()
        optimizer.step()
        before = layer.weight
        t.nn.utils.parametrize.remove_parametrizations(layer, "weight")
        optimizer.zero_grad()
        layer(t.ones(1, 3)).sum().backward()
        optimizer.step()
        return [before, layer.weight]

    compare(run(flambeau), run(torch))


def test_conversion_reaches_the_originals() -> None:
    def run(t: Any) -> list[Any]:
        layer = after(t, "Doubled").double()
        return [layer.weight, layer(t.ones(1, 3).double())]

    compare(run(flambeau), run(torch))
