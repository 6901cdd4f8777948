"""Modules as functions, against PyTorch: ``functional_call``, ensembles, per-sample gradients."""

from typing import Any

import numpy as np
import pytest

import flambeau
from flambeau.testing import compilations
from tests.parity.oracle import compare, torch
from tests.parity.outcomes import same

RANDOM = np.random.default_rng(5)
X = RANDOM.standard_normal((4, 3)).astype(np.float32)
IMAGES = RANDOM.standard_normal((3, 2, 6, 6)).astype(np.float32)
LABELS = np.array([1, 0, 1])


def small(T: Any, seed: int = 0) -> Any:
    """A convolutional network with normalization."""
    T.manual_seed(seed)
    nn = T.nn
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3)
    )


def state(model: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    detached = {name: parameter.detach() for name, parameter in model.named_parameters()}
    return detached, dict(model.named_buffers())


def loss_of(T: Any, model: Any, params: Any, buffers: Any, x: Any, t: Any) -> Any:
    return T.nn.functional.cross_entropy(T.func.functional_call(model, (params, buffers), (x,)), t)


def test_gradients_of_a_module() -> None:
    found = [_gradients(library) for library in (flambeau, torch)]
    compare(*found, rtol=1e-4, atol=1e-5)


def _gradients(T: Any) -> list[Any]:
    model = small(T)
    params, buffers = state(model)
    x, t = T.tensor(IMAGES), T.tensor(LABELS)
    gradients = T.func.grad(lambda p, b: loss_of(T, model, p, b, x, t))(params, buffers)
    return [*gradients.values(), *buffers.values()]


def test_functional_call_and_backward_agree() -> None:
    model = small(flambeau).eval()
    x, t = flambeau.tensor(IMAGES), flambeau.tensor(LABELS)
    flambeau.nn.functional.cross_entropy(model(x), t).backward()
    gradients = flambeau.func.grad(lambda p: loss_of(flambeau, model, p, {}, x, t))(state(model)[0])
    for name, parameter in model.named_parameters():
        np.testing.assert_allclose(gradients[name].numpy(), parameter.grad.numpy(), rtol=1e-5, atol=1e-6)


def test_gradients_of_each_sample() -> None:
    compare(*[_of_each_sample(library) for library in (flambeau, torch)], rtol=1e-4, atol=1e-5)
    with compilations(at_most=0):
        _of_each_sample(flambeau)


def _of_each_sample(T: Any) -> list[Any]:
    model = small(T).eval()
    params, buffers = state(model)

    def loss(p: Any, x: Any, t: Any) -> Any:
        return loss_of(T, model, p, buffers, x.unsqueeze(0), t.unsqueeze(0))

    gradients = T.vmap(T.func.grad(loss), in_dims=(None, 0, 0))(params, T.tensor(IMAGES), T.tensor(LABELS))
    return list(gradients.values())


@pytest.mark.parametrize("training", [False, True])
def test_ensemble(training: bool) -> None:
    compare(*[_ensemble(library, training) for library in (flambeau, torch)], rtol=1e-4, atol=1e-5)


def _ensemble(T: Any, training: bool) -> list[Any]:
    models = [small(T, seed).train(training) for seed in range(3)]
    params, buffers = T.func.stack_module_state(models)
    x = T.tensor(IMAGES)
    out = T.vmap(lambda p, b: T.func.functional_call(models[0], (p, b), (x,)))(params, buffers)
    out.square().sum().backward()
    return [out, *[item.grad for item in params.values()], *buffers.values()]


def test_hessian_of_a_module() -> None:
    compare(*[_hessian(library) for library in (flambeau, torch)], rtol=1e-4, atol=1e-4)


def _hessian(T: Any) -> list[Any]:
    T.manual_seed(0)
    model = T.nn.Sequential(T.nn.Linear(3, 2), T.nn.Tanh(), T.nn.Linear(2, 1))
    params, x = state(model)[0], T.tensor(X)
    found = T.func.hessian(lambda p: T.func.functional_call(model, p, x).square().mean())(params)
    return [item for row in found.values() for item in row.values()]


def _tied(T: Any) -> Any:
    model = T.nn.Module()
    model.one = T.nn.Linear(3, 3, bias=False)
    model.other = T.nn.Linear(3, 3, bias=False)
    model.other.weight = model.one.weight
    model.register_buffer("count", T.zeros(()))

    def forward(x: Any) -> Any:
        model.count = model.count + 1
        return model.other(model.one(x))

    model.forward = forward
    return model


def _call(T: Any, *arguments: Any, **options: Any) -> list[Any]:
    model = _tied(T)
    with T.no_grad():
        model.one.weight.fill_(0.5)
    out = T.func.functional_call(model, *arguments, **options)
    return [out, model.count, model.one.weight, model.other.weight is model.one.weight]


def _after(T: Any) -> Any:
    given = {"count": T.ones(())}
    return [*_call(T, given, T.ones(1, 3)), given["count"]]


CALLS = {
    "tied": lambda T: _call(T, {"one.weight": T.eye(3)}, T.ones(1, 3)),
    "tied by the other name": lambda T: _call(T, {"other.weight": T.eye(3)}, (T.ones(1, 3),)),
    "untied": lambda T: _call(T, {"one.weight": T.eye(3)}, T.ones(1, 3), tie_weights=False),
    "two dictionaries": lambda T: _call(T, ({"one.weight": T.eye(3)}, {"count": T.ones(())}), T.ones(1, 3)),
    "by name": lambda T: _call(T, {}, None, {"x": T.ones(1, 3)}),
    "strict": lambda T: _call(T, {"one.weight": T.eye(3), "count": T.ones(())}, T.ones(1, 3), strict=True),
    "assigned buffer": _after,
    "conflict": lambda T: _call(T, {"one.weight": T.eye(3), "other.weight": T.ones(3, 3)}, T.ones(1, 3)),
    "missing": lambda T: _call(T, {"one.weight": T.eye(3)}, T.ones(1, 3), strict=True),
    "unexpected": lambda T: _call(T, {"two.weight": T.eye(3)}, T.ones(1, 3), strict=True),
    "unknown": lambda T: _call(T, {"two.weight": T.eye(3)}, T.ones(1, 3)),
    "no tensor": lambda T: _call(T, {"count": 3}, T.ones(1, 3)),
    "no dictionary": lambda T: _call(T, 3, T.ones(1, 3)),
    "no dictionaries": lambda T: _call(T, [3], T.ones(1, 3)),
    "repeated": lambda T: _call(T, [{"count": T.ones(())}, {"count": T.ones(())}], T.ones(1, 3)),
    "deprecated": lambda T: T.nn.utils.stateless.functional_call(T.nn.Identity(), {}, (T.ones(2),)),
    "no models": lambda T: T.func.stack_module_state([]),
    "other class": lambda T: T.func.stack_module_state([T.nn.Linear(2, 2), T.nn.ReLU()]),
    "other mode": lambda T: T.func.stack_module_state([T.nn.Linear(2, 2), T.nn.Linear(2, 2).eval()]),
    "frozen": lambda T: T.func.stack_module_state([T.nn.Linear(2, 2), T.nn.Linear(2, 2).requires_grad_(False)]),
    "batch norm": lambda T: T.func.replace_all_batch_norm_modules_(
        T.nn.Sequential(T.nn.BatchNorm1d(2), T.nn.InstanceNorm1d(2, track_running_stats=True))
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_modules_as_functions(name: str) -> None:
    same(CALLS[name])
