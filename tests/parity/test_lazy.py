"""Lazy layers and uninitialized tensors against PyTorch."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import flambeau
from tests.parity.oracle import compare, torch
from tests.parity.outcomes import same

RANDOM = np.random.default_rng(2)


def draw(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


LAYERS: dict[str, np.ndarray] = {
    "LazyLinear(3)": draw(4, 6),
    "LazyLinear(3, bias=False, dtype=torch.float64)": draw(4, 6).astype(np.float64),
    "LazyConv1d(4, 3, stride=2)": draw(2, 4, 8),
    "LazyConv2d(4, 3, padding='same', groups=2)": draw(2, 4, 6, 5),
    "LazyConv2d(4, 3, bias=False)": draw(4, 6, 5),
    "LazyConv3d(2, 2)": draw(1, 4, 4, 4, 4),
    "LazyConvTranspose1d(4, 3)": draw(2, 4, 8),
    "LazyConvTranspose2d(4, 3, stride=2, output_padding=1, groups=2)": draw(2, 4, 6, 5),
    "LazyConvTranspose3d(2, 2)": draw(1, 4, 4, 4, 4),
    "LazyBatchNorm1d()": draw(4, 6),
    "LazyBatchNorm2d(bias=False)": draw(2, 4, 6, 5),
    "LazyBatchNorm3d(affine=False)": draw(1, 4, 4, 4, 4),
    "LazyInstanceNorm1d()": draw(2, 4, 8),
    "LazyInstanceNorm2d(track_running_stats=False)": draw(2, 4, 6, 5),
    "LazyInstanceNorm3d(affine=False)": draw(1, 4, 4, 4, 4),
}


def made(library: Any, expression: str) -> Any:
    return eval(f"nn.{expression}", {"nn": library.nn, "torch": library})


def told(library: Any, layer: Any) -> list[Any]:
    """Text, class path, and members of a layer."""
    state = {
        name: repr(value) if library.nn.parameter.is_lazy(value) else 0 for name, value in layer.state_dict().items()
    }
    home = type(layer).__module__.replace(library.__name__, "", 1)
    return [repr(layer), home, state, [name for name in vars(layer) if not name.startswith("_")]]


@pytest.mark.parametrize("expression", LAYERS)
def test_lazy_layers(expression: str) -> None:
    mine, theirs = made(flambeau, expression), made(torch, expression)
    assert told(flambeau, mine) == told(torch, theirs)
    results = []
    for library, layer in ((flambeau, mine), (torch, theirs)):
        library.manual_seed(3)
        results.append([layer(library.tensor(LAYERS[expression])), *layer.state_dict().values()])
    assert told(flambeau, mine) == told(torch, theirs)
    compare(*results, atol=1e-5)


@pytest.mark.parametrize("expression", ["LazyLinear(3)", "LazyBatchNorm1d()"])
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_copies_of_lazy_layers_are_lazy(expression: str, copied: Callable[[Any], Any]) -> None:
    layer = made(flambeau, expression)
    other = copied(layer)
    other(flambeau.ones(2, 6))
    assert not flambeau.nn.parameter.is_lazy(other.weight)
    assert flambeau.nn.parameter.is_lazy(layer.weight)
    assert layer.has_uninitialized_params()


CASES: dict[str, Callable[[Any], Any]] = {
    "repr": lambda t: [t.nn.UninitializedParameter(), t.nn.UninitializedBuffer()],
    "isinstance": lambda t: [
        isinstance(t.nn.UninitializedParameter(), t.nn.Parameter),
        isinstance(t.nn.UninitializedBuffer(), t.nn.Buffer),
        isinstance(t.nn.UninitializedBuffer(), t.nn.Parameter),
        t.nn.parameter.is_lazy(t.ones(1)),
    ],
    "flags": lambda t: [
        t.nn.UninitializedParameter().requires_grad,
        t.nn.UninitializedParameter(False).requires_grad,
        t.nn.UninitializedBuffer().requires_grad,
        t.nn.UninitializedBuffer(persistent=False).persistent,
        t.nn.UninitializedParameter(dtype=t.float64).dtype,
        t.nn.UninitializedParameter().data.shape,
    ],
    "shape": lambda t: t.nn.UninitializedParameter().shape,
    "share": lambda t: t.nn.UninitializedParameter().share_memory_(),
    "moves": lambda t: [
        repr(t.nn.LazyLinear(2).double().weight),
        t.nn.LazyLinear(2).half().weight.dtype,
        repr(t.nn.LazyBatchNorm1d().to(t.float64).running_mean),
        t.nn.LazyBatchNorm1d().to(t.float64).running_mean.dtype,
        t.nn.LazyBatchNorm1d().to("cpu").running_mean.persistent,
    ],
    "materialized type": lambda t: shaped(t.nn.UninitializedParameter(), (2, 3), dtype=t.float64),
    "materialized buffer": lambda t: shaped(t.nn.UninitializedBuffer(), (2,)),
    "rank": lambda t: t.nn.LazyConv2d(2, 3)(t.ones(2, 2)),
    "groups": lambda t: t.nn.LazyConv1d(4, 3, groups=2)(t.ones(1, 3, 5)),
    "abstract": lambda t: type("Own", (t.nn.modules.lazy.LazyModuleMixin, t.nn.Module), {})()(t.ones(1)),
    "parallel": lambda t: t.nn.LazyLinear(2)._replicate_for_data_parallel(),
    "reset does nothing": lambda t: t.nn.LazyLinear(2).reset_parameters(),
    "assign": lambda t: setattr(t.nn.LazyLinear(2), "weight", t.ones(1)),
}


def shaped(lazy: Any, *arguments: Any, **named: Any) -> list[Any]:
    lazy.materialize(*arguments, **named)
    return [type(lazy).__name__, tuple(lazy.shape), lazy.dtype, lazy.requires_grad]


@pytest.mark.parametrize("name", CASES)
def test_outcomes(name: str) -> None:
    same(CASES[name])


def test_an_uninitialized_parameter_takes_no_part_in_operations() -> None:
    for use in (lambda p: p + 1, lambda p: p.sum(), lambda p: flambeau.ones(2) * p, lambda p: p.grad_fn is p[0]):
        with pytest.raises((ValueError, RuntimeError), match="an uninitialized parameter"):
            use(flambeau.nn.UninitializedParameter())


def test_an_optimizer_made_before_holds_the_same_parameters() -> None:
    layer = flambeau.nn.LazyLinear(2)
    weight = layer.weight
    layer(flambeau.ones(1, 3))
    assert layer.weight is weight
    assert type(weight) is flambeau.nn.Parameter


LOADS: dict[str, Callable[[Any], Any]] = {
    "a state with shapes initializes": lambda t: loaded(t, t.nn.LazyLinear(2), t.nn.Linear(3, 2)),
    "a lazy state leaves a lazy layer lazy": lambda t: loaded(t, t.nn.LazyLinear(2), t.nn.LazyLinear(2)),
    "a lazy state for a layer with shapes": lambda t: loaded(t, t.nn.Linear(3, 2), t.nn.LazyLinear(2)),
    "statistics": lambda t: loaded(t, t.nn.LazyBatchNorm1d(), t.nn.BatchNorm1d(3)),
}


def loaded(library: Any, layer: Any, other: Any) -> list[Any]:
    told_by_load = layer.load_state_dict(other.state_dict())
    values = layer.state_dict().values()
    return [told_by_load, [0 if library.nn.parameter.is_lazy(value) else value.shape for value in values]]


@pytest.mark.parametrize("name", LOADS)
def test_loads(name: str) -> None:
    same(LOADS[name])


def test_a_failed_load_leaves_a_lazy_layer_lazy() -> None:
    layer = flambeau.nn.Sequential(flambeau.nn.LazyLinear(2), flambeau.nn.Linear(2, 2))
    state = {
        **layer.state_dict(),
        "0.weight": flambeau.ones(2, 3),
        "0.bias": flambeau.ones(2),
        "1.bias": flambeau.ones(3),
    }
    with pytest.raises(RuntimeError, match=r"size mismatch for 1\.bias"):
        layer.load_state_dict(state)
    assert layer[0].has_uninitialized_params()
    assert layer(flambeau.ones(1, 4)).shape == (1, 2)
