"""Optimizers against PyTorch: the same numbers, the same state, the same words."""

import copy
import warnings
from typing import Any

import numpy as np
import pytest

import flambeau
from flambeau.runtime.report import COMPILATIONS

torch = pytest.importorskip("torch")

STEPS = 50
SHAPES = ((7, 5), (33,), (16, 16), ())

# Equal to the last bit where PyTorch's own operations are exact; its vectorized square root is not.
CASES: dict[str, tuple[str, dict[str, Any], int]] = {
    "sgd": ("SGD", {}, 0),
    "sgd decay": ("SGD", {"weight_decay": 0.1}, 0),
    "sgd climbing": ("SGD", {"maximize": True}, 0),
    "sgd climbing decay": ("SGD", {"maximize": True, "weight_decay": 0.1}, 8),
    "momentum": ("SGD", {"momentum": 0.9}, 0),
    "momentum decay": ("SGD", {"momentum": 0.9, "weight_decay": 0.01}, 0),
    "momentum dampened": ("SGD", {"momentum": 0.9, "dampening": 0.3}, 0),
    "momentum climbing": ("SGD", {"momentum": 0.9, "dampening": 0.1, "maximize": True}, 0),
    "nesterov": ("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}, 0),
    "adam": ("Adam", {}, 8),
    "adam decay": ("Adam", {"weight_decay": 0.1}, 8),
    "adam amsgrad": ("Adam", {"amsgrad": True}, 8),
    "adam quick": ("Adam", {"betas": (0.3, 0.5), "eps": 1e-3}, 8),
    "adam climbing": ("Adam", {"maximize": True, "capturable": False, "foreach": False}, 8),
    "adam decoupled": ("Adam", {"decoupled_weight_decay": True, "weight_decay": 0.2}, 8),
    "adamw": ("AdamW", {}, 8),
    "adamw amsgrad": ("AdamW", {"amsgrad": True, "maximize": True, "weight_decay": 0.1}, 8),
    "asgd": ("ASGD", {}, 0),
    "asgd averaging": ("ASGD", {"t0": 10, "lambd": 0.01, "weight_decay": 0.1}, 0),
    "asgd climbing": ("ASGD", {"maximize": True}, 0),
    "rprop": ("Rprop", {}, 0),
    "rprop climbing": ("Rprop", {"maximize": True, "etas": (0.3, 1.5), "step_sizes": (1e-3, 0.1)}, 0),
    "adadelta": ("Adadelta", {"lr": 1.0}, 8),
    "adadelta climbing decay": ("Adadelta", {"lr": 1.0, "weight_decay": 0.1, "maximize": True}, 8),
    "adagrad": ("Adagrad", {}, 8),
    "adagrad climbing": ("Adagrad", {"maximize": True}, 8),
    "adagrad falling": ("Adagrad", {"lr_decay": 0.1, "initial_accumulator_value": 0.5, "weight_decay": 0.1}, 8),
    "adamax": ("Adamax", {}, 0),
    "adamax climbing decay": ("Adamax", {"weight_decay": 0.1, "maximize": True}, 0),
    "nadam": ("NAdam", {}, 8),
    "nadam decay": ("NAdam", {"weight_decay": 0.1, "momentum_decay": 0.01}, 16),
    "nadam decoupled": ("NAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}, 8),
    "radam": ("RAdam", {}, 8),
    "radam decay": ("RAdam", {"weight_decay": 0.1}, 8),
    "radam decoupled": ("RAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}, 8),
    "rmsprop": ("RMSprop", {}, 8),
    "rmsprop centered": ("RMSprop", {"centered": True, "weight_decay": 0.1}, 16),
    "rmsprop momentum": ("RMSprop", {"momentum": 0.9, "maximize": True}, 100),  # each sum has ten times its last term
    "adafactor": ("Adafactor", {}, 16),
    "adafactor climbing": (
        "Adafactor",
        {"weight_decay": 0.1, "maximize": True, "eps": (1e-8, 1e-2), "d": 2.0, "beta2_decay": -0.5},
        16,
    ),
}

# What divides by a root before it is kept.
ROOTS = ("Adadelta", "RMSprop", "Adafactor")


def weights(dtype: Any = np.float32) -> list[Any]:
    random = np.random.default_rng(0)
    return [random.standard_normal(shape).astype(dtype) for shape in SHAPES]


def gradients(count: int, dtype: Any = np.float32) -> list[list[Any]]:
    random = np.random.default_rng(1)
    return [[random.standard_normal(shape).astype(dtype) for shape in SHAPES] for _ in range(count)]


def parameters(library: Any, dtype: Any = np.float32) -> list[Any]:
    return [library.tensor(array).requires_grad_() for array in weights(dtype)]


def made(library: Any, kind: str, params: Any = None, **options: Any) -> Any:
    return getattr(library.optim, kind)(parameters(library) if params is None else params, **{"lr": 0.01, **options})


def step(library: Any, optimizer: Any, arrays: list[Any]) -> None:
    every = [param for group in optimizer.param_groups for param in group["params"]]
    for param, array in zip(every, arrays, strict=True):
        param.grad = None if array is None else library.tensor(array)
    optimizer.step()


def values(optimizer: Any) -> list[Any]:
    return [param.detach().numpy().copy() for group in optimizer.param_groups for param in group["params"]]


def distance(found: Any, expected: Any) -> float:
    """Largest difference in units of the last place, of numbers that are at least 0.1."""
    unit = np.spacing(np.maximum(np.abs(expected), 0.1).astype(expected.dtype))
    return float(np.max(np.abs(found - expected) / unit))


def plain(value: Any) -> Any:
    """A state dictionary with tensors as arrays; its order is kept."""
    if hasattr(value, "detach"):
        return (str(value.dtype), tuple(value.shape), value.detach().numpy().tolist())
    if isinstance(value, dict):
        return [(name, plain(item)) for name, item in value.items()]
    if isinstance(value, (list, tuple)):
        return type(value)(plain(item) for item in value)
    return value


@pytest.mark.parametrize("name", CASES)
def test_fifty_steps(name: str) -> None:
    kind, options, ulps = CASES[name]
    mine, theirs = made(flambeau, kind, **options), made(torch, kind, **options)
    compiled = 0
    for number, arrays in enumerate(gradients(STEPS)):
        step(flambeau, mine, arrays)
        step(torch, theirs, arrays)
        for found, expected in zip(values(mine), values(theirs), strict=True):
            assert distance(found, expected) <= (ulps if number else min(ulps, 2))
        compiled = len(COMPILATIONS) if number == 0 else compiled
    assert len(COMPILATIONS) == compiled, "a later step was another program than the first"
    assert mine.state_dict()["param_groups"] == theirs.state_dict()["param_groups"]
    for found, expected in zip(mine.state_dict()["state"].values(), theirs.state_dict()["state"].values(), strict=True):
        assert list(found) == list(expected)
        # A parameter's last bit shows in its state where its decay is part of the gradient; so does a root's.
        tolerance = 1e-5 if ulps and (kind in ROOTS or (options.get("weight_decay") and kind != "AdamW")) else 0
        for key, value in expected.items():
            np.testing.assert_allclose(found[key].numpy(), value.numpy(), tolerance, tolerance)


# Half types need an epsilon that they do not take for 0.
TYPES: dict[str, dict[str, Any]] = {
    "SGD": {"momentum": 0.9, "weight_decay": 0.1},
    "Adam": {"amsgrad": True, "eps": 1e-3},
    "ASGD": {"weight_decay": 0.1},
    "Rprop": {},
    "Adadelta": {"lr": 1.0, "eps": 1e-3},
    "Adagrad": {"initial_accumulator_value": 0.1},
    "Adamax": {"eps": 1e-3},
    "NAdam": {"eps": 1e-3},
    "RAdam": {"eps": 1e-3},
    "RMSprop": {"eps": 1e-3, "centered": True, "momentum": 0.5},
}


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.complex64])
@pytest.mark.parametrize("kind", TYPES)
def test_other_types(kind: str, dtype: Any) -> None:
    options = TYPES[kind]
    libraries = (flambeau, torch)
    optimizers = [(library, made(library, kind, parameters(library, dtype), **options)) for library in libraries]
    for arrays in gradients(5, dtype):
        for library, optimizer in optimizers:
            step(library, optimizer, arrays)
    found, expected = (values(optimizer) for _, optimizer in optimizers)
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, *((5e-3, 5e-3) if dtype is np.float16 else (1e-6, 1e-6)))


GROUPED = ("ASGD", "Adadelta", "Adafactor", "Adagrad", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "Rprop")


@pytest.mark.parametrize("kind", GROUPED)
def test_parameters_without_gradient_and_groups(kind: str) -> None:
    results = []
    other: dict[str, Any] = {"lr": 0.1} if kind == "Rprop" else {"lr": 0.1, "weight_decay": 0.01}
    for library in (flambeau, torch):
        a, b, c, d = parameters(library)
        optimizer = made(library, kind, [{"params": [a, b]}, {"params": [c, d], **other}])
        for number, arrays in enumerate(gradients(4)):
            step(library, optimizer, [None if (number + index) % 3 == 0 else item for index, item in enumerate(arrays)])
        results.append((values(optimizer), [float(optimizer.state[param]["step"]) for param in (a, b, c, d)]))
    assert results[0][1] == results[1][1]
    for found, expected in zip(results[0][0], results[1][0], strict=True):
        assert distance(found, expected) <= (32 if kind in ROOTS else 4)


LAYOUTS: dict[str, Any] = {
    "sgd": lambda t: made(t, "SGD"),
    "momentum": lambda t: made(t, "SGD", momentum=0.9),
    "adam": lambda t: made(t, "Adam", amsgrad=True),
    "adamw": lambda t: made(t, "AdamW", betas=(0.5, 0.75)),
    "adam with a list": lambda t: made(t, "Adam", betas=[0.5, 0.75]),
    "groups": lambda t: made(t, "SGD", [{"params": x, "lr": n} for n, x in enumerate(parameters(t))], momentum=0.5),
    "names": lambda t: made(t, "SGD", [(f"w{n}", x) for n, x in enumerate(parameters(t))], momentum=0.5),
    "generator": lambda t: made(t, "SGD", (x for x in parameters(t))),
    "averaged": lambda t: made(t, "ASGD", t0=0),
    "nadam": lambda t: made(t, "NAdam", momentum_decay=0.5, capturable=False),
    "rprop": lambda t: made(t, "Rprop", etas=[0.5, 2.0]),
    "two groups of adagrad": lambda t: made(
        t, "Adagrad", [{"params": x, "lr": n} for n, x in enumerate(parameters(t))]
    ),
    "extra setting": lambda t: made(t, "SGD", [{"params": parameters(t), "note": "x"}]),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_state_dict_and_repr(name: str) -> None:
    found, expected = [], []
    for library, seen in ((flambeau, found), (torch, expected)):
        optimizer = LAYOUTS[name](library)
        seen += [repr(optimizer), repr(optimizer.state_dict())]
        arrays = [np.full(shape, 0.5, np.float32) for shape in SHAPES]
        step(library, optimizer, arrays)
        seen += [plain(optimizer.state_dict()), repr(optimizer), sorted(optimizer.defaults)]
        again = LAYOUTS[name](library)
        again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
        step(library, again, arrays)
        seen += [plain(again.state_dict())]
    assert found == expected


def lbfgs_step(library: Any, **options: Any) -> None:
    weight = library.tensor([2.0, 3.0]).requires_grad_()

    def loss() -> Any:
        weight.grad = None
        value = (weight * weight).sum()
        value.backward()
        return value

    library.optim.LBFGS([weight], **options).step(loss)


ERRORS: dict[str, Any] = {
    "empty": lambda t: t.optim.SGD([]),
    "tensor": lambda t: t.optim.SGD(t.ones(2)),
    "not a leaf": lambda t: t.optim.SGD([t.ones(2).requires_grad_() * 2]),
    "number": lambda t: t.optim.SGD([3]),
    "text": lambda t: t.optim.SGD([{"params": ["a"]}]),
    "set": lambda t: t.optim.SGD([{"params": {t.ones(2)}}]),
    "twice": lambda t: t.optim.SGD([t.ones(2)] * 2) and None,
    "in two groups": lambda t: [t.optim.SGD([{"params": [x]}, {"params": [x]}]) for x in [t.ones(2)]],
    "some names": lambda t: t.optim.SGD([("a", t.ones(2)), t.ones(2)]),
    "some groups with names": lambda t: t.optim.SGD([{"params": [("a", t.ones(2))]}, {"params": [t.ones(2)]}]),
    "some groups without": lambda t: t.optim.SGD([{"params": [t.ones(2)]}, {"params": [("a", t.ones(2))]}]),
    "group without parameters": lambda t: t.optim.SGD([{"lr": 1}]),
    "group of a list": lambda t: t.optim.SGD([t.ones(2)]).add_param_group([t.ones(2)]),
    "lr": lambda t: made(t, "SGD", lr=-1),
    "lr of two": lambda t: made(t, "SGD", lr=t.ones(2)),
    "momentum": lambda t: made(t, "SGD", momentum=-1),
    "weight decay": lambda t: made(t, "SGD", weight_decay=-1),
    "nesterov": lambda t: made(t, "SGD", nesterov=True),
    "fused and foreach": lambda t: made(t, "SGD", fused=True, foreach=True),
    "fused and differentiable": lambda t: made(t, "SGD", fused=True, differentiable=True),
    "adam lr": lambda t: made(t, "Adam", lr=-1),
    "adam lr of two": lambda t: made(t, "Adam", lr=t.ones(2)),
    "adam lr and foreach": lambda t: made(t, "Adam", lr=t.tensor(0.1), foreach=True),
    "adam eps": lambda t: made(t, "Adam", eps=-1),
    "adam weight decay": lambda t: made(t, "AdamW", weight_decay=-1),
    "adam betas": lambda t: made(t, "Adam", betas=(1.0, 0.9)),
    "adam second beta": lambda t: made(t, "Adam", betas=(0.5, 1.0)),
    "adam mixed betas": lambda t: made(t, "Adam", betas=(t.tensor(0.5), 0.9)),
    "adam beta of one tensor": lambda t: made(t, "Adam", betas=(0.5, t.tensor(0.9))),
    "adam betas of several elements": lambda t: made(t, "Adam", betas=(t.tensor([0.5, 0.5]), t.tensor(0.9))),
    "adam first beta a whole number": lambda t: made(t, "Adam", betas=(0, 0.9)),
    "adam second beta a whole number": lambda t: made(t, "Adam", betas=(0.9, 0)),
    "adam betas too large and whole": lambda t: made(t, "Adam", betas=(0, 1)),
    "adamw betas of whole numbers": lambda t: made(t, "AdamW", betas=(0, 0)),
    "adam betas and foreach": lambda t: made(t, "Adam", betas=(t.tensor(0.5), t.tensor(0.9)), foreach=True),
    "adam fused and foreach": lambda t: made(t, "Adam", fused=True, foreach=True),
    "adadelta rho": lambda t: made(t, "Adadelta", rho=-0.5),
    "adadelta eps": lambda t: made(t, "Adadelta", eps=-1),
    "adadelta text": lambda t: made(t, "Adadelta", lr="a"),
    "adafactor lr": lambda t: made(t, "Adafactor", lr=-1),
    "adafactor second eps": lambda t: made(t, "Adafactor", eps=(None, -1)),
    "adafactor weight decay": lambda t: made(t, "Adafactor", weight_decay=-1),
    "adagrad first sum": lambda t: made(t, "Adagrad", initial_accumulator_value=-1),
    "adagrad eps": lambda t: made(t, "Adagrad", eps=-1),
    "adagrad fused and foreach": lambda t: made(t, "Adagrad", fused=True, foreach=True),
    "adagrad fused and differentiable": lambda t: made(t, "Adagrad", fused=True, differentiable=True),
    "adamax eps": lambda t: made(t, "Adamax", eps=-1),
    "adamax beta": lambda t: made(t, "Adamax", betas=(-0.1, 0.5)),
    "asgd lr": lambda t: made(t, "ASGD", lr=-1),
    "lbfgs groups": lambda t: made(t, "LBFGS", [{"params": x} for x in parameters(t)]),
    "lbfgs search": lambda t: lbfgs_step(t, line_search_fn="x"),
    "lbfgs without a closure": lambda t: made(t, "LBFGS").step(),
    "muon lr": lambda t: made(t, "Muon", lr=-1),
    "muon momentum": lambda t: made(t, "Muon", momentum=-1),
    "muon weight decay": lambda t: made(t, "Muon", weight_decay=-1),
    "muon steps": lambda t: step(t, made(t, "Muon", parameters(t)[:1], ns_steps=100), [np.ones((7, 5), np.float32)]),
    "muon two": lambda t: step(
        t, made(t, "Muon", parameters(t)[:1], ns_coefficients=(1, 2)), [np.ones((7, 5), np.float32)]
    ),
    "nadam eps": lambda t: made(t, "NAdam", eps=-1),
    "nadam weight decay": lambda t: made(t, "NAdam", weight_decay=-1),
    "radam eps": lambda t: made(t, "RAdam", eps=-1),
    "radam second beta": lambda t: made(t, "RAdam", betas=(0.5, 1.0)),
    "rmsprop alpha": lambda t: made(t, "RMSprop", alpha=-1),
    "rmsprop eps": lambda t: made(t, "RMSprop", eps=-1),
    "rmsprop weight decay": lambda t: made(t, "RMSprop", weight_decay=-1),
    "rprop lr": lambda t: made(t, "Rprop", lr=-1),
    "sparse lr": lambda t: made(t, "SparseAdam", lr=0.0),
    "sparse eps": lambda t: made(t, "SparseAdam", eps=0.0),
    "sparse dense": lambda t: step(t, made(t, "SparseAdam"), gradients(1)[0]),
    "sparse nothing": lambda t: made(t, "SparseAdam").step(lambda: 3.0),
    "load groups": lambda t: made(t, "SGD").load_state_dict({"state": {}, "param_groups": []}),
    "load sizes": lambda t: made(t, "SGD").load_state_dict({"state": {}, "param_groups": [{"params": [0]}]}),
    "load nothing": lambda t: made(t, "SGD").load_state_dict({}),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_and_warnings_have_pytorchs_words(name: str) -> None:
    found = []
    for library in (flambeau, torch):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                result = ERRORS[name](library)
            except Exception as error:  # noqa: BLE001
                result = (type(error), str(error))
        found.append((result, [(item.category, str(item.message)) for item in caught]))
    assert found[0] == found[1]


def test_hooks_run_in_pytorchs_order() -> None:
    logs = []
    for library in (flambeau, torch):
        optimizer = made(library, "SGD")
        log: list[Any] = []

        def noted(name: str, log: list[Any] = log) -> Any:
            return lambda _, *rest: log.append((name, len(rest), [len(item) for item in rest]))

        for kind in ("step_pre", "step_post", "state_dict_pre", "state_dict_post", "load_state_dict_pre",
                     "load_state_dict_post"):  # fmt: skip
            getattr(optimizer, f"register_{kind}_hook")(noted(kind))
        optimizer.register_state_dict_pre_hook(noted("first"), prepend=True)
        removed = optimizer.register_step_pre_hook(noted("removed"))
        removed.remove()
        optimizer.step()
        log.append(optimizer.step(lambda: 3.0))
        optimizer.load_state_dict(optimizer.state_dict())
        logs.append(log)
    assert logs[0] == logs[1]


def test_state_files_are_interchangeable() -> None:
    mine, theirs = made(flambeau, "AdamW"), made(torch, "AdamW")
    first, second = gradients(2)
    step(torch, theirs, first)
    state = theirs.state_dict()
    entries = state["state"].items()
    state["state"] = {key: {name: flambeau.tensor(x.numpy()) for name, x in entry.items()} for key, entry in entries}
    mine.load_state_dict(state)
    for param, value in zip(mine.param_groups[0]["params"], values(theirs), strict=True):
        param.data = flambeau.tensor(value)
    step(flambeau, mine, second)
    step(torch, theirs, second)
    for found, expected in zip(values(mine), values(theirs), strict=True):
        assert distance(found, expected) <= 1


def test_tensor_learning_rate() -> None:
    results = []
    for library in (flambeau, torch):
        optimizer = made(library, "SGD", lr=library.tensor(0.5))
        scheduler = library.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
        for arrays in gradients(3):
            step(library, optimizer, arrays)
            scheduler.step()
        results.append((values(optimizer), float(optimizer.param_groups[0]["lr"])))
    assert results[0][1] == results[1][1]
    for found, expected in zip(results[0][0], results[1][0], strict=True):
        assert distance(found, expected) <= 1
