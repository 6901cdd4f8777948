"""Learning rate schedules against PyTorch: the same rates, bit for bit, and the same state."""

import warnings
from typing import Any

import numpy as np
import pytest

import flambeau
from flambeau.runtime.report import COMPILATIONS

torch = pytest.importorskip("torch")

EPOCHS = 100

CASES: dict[str, Any] = {
    "step": lambda s, o: s.StepLR(o, 7, gamma=0.3),
    "step 1": lambda s, o: s.StepLR(o, 1),
    "multi step": lambda s, o: s.MultiStepLR(o, [3, 11, 11, 40], gamma=0.7),
    "exponential": lambda s, o: s.ExponentialLR(o, 0.97),
    "lambda": lambda s, o: s.LambdaLR(o, lambda epoch: 0.95**epoch),
    "lambdas": lambda s, o: s.LambdaLR(o, [lambda epoch: epoch // 30, lambda epoch: 0.95**epoch]),
    "multiplicative": lambda s, o: s.MultiplicativeLR(o, lambda epoch: 1 - epoch / 1000),
    "cosine": lambda s, o: s.CosineAnnealingLR(o, 30, eta_min=1e-3),
    "cosine 7": lambda s, o: s.CosineAnnealingLR(o, 7),
    "constant": lambda s, o: s.ConstantLR(o, factor=0.3, total_iters=9),
    "linear": lambda s, o: s.LinearLR(o, start_factor=0.1, end_factor=0.7, total_iters=33),
    "polynomial": lambda s, o: s.PolynomialLR(o, total_iters=60, power=0.9),
    "warm restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 5, T_mult=2, eta_min=1e-4),
    "warm restarts 1": lambda s, o: s.CosineAnnealingWarmRestarts(o, 7),
    "one cycle": lambda s, o: s.OneCycleLR(o, 0.7, total_steps=101),
    "one cycle linear": lambda s, o: s.OneCycleLR(
        o, [0.7, 0.3], epochs=11, steps_per_epoch=10, anneal_strategy="linear", three_phase=True, pct_start=0.4
    ),
    "cyclic": lambda s, o: s.CyclicLR(o, 0.01, 0.3, step_size_up=7, step_size_down=13),
    "cyclic halved": lambda s, o: s.CyclicLR(o, 0.01, [0.3, 0.5], step_size_up=11, mode="triangular2"),
    "cyclic falling": lambda s, o: s.CyclicLR(o, 0.01, 0.3, step_size_up=11, mode="exp_range", gamma=0.99),
    "cyclic own": lambda s, o: s.CyclicLR(
        o, 0.01, 0.3, step_size_up=5, scale_fn=lambda x: 1 / (1 + x), scale_mode="iterations", cycle_momentum=False
    ),
    "sequential": lambda s, o: s.SequentialLR(
        o, [s.LinearLR(o, total_iters=10), s.CosineAnnealingLR(o, 50), s.ExponentialLR(o, 0.9)], [10, 60]
    ),
    "chained": lambda s, o: s.ChainedScheduler([s.ConstantLR(o, 0.5, 20), s.ExponentialLR(o, 0.98)]),
    "sequential of chained": lambda s, o: s.SequentialLR(
        o, [s.ChainedScheduler([s.ConstantLR(o, 0.5, 20), s.ExponentialLR(o, 0.98)]), s.StepLR(o, 9)], [30]
    ),
}  # fmt: skip


def optimizer_of(library: Any, kind: str = "SGD") -> Any:
    weights = [library.ones(2, 2).requires_grad_() for _ in range(2)]
    options = {"momentum": 0.9} if kind in ("SGD", "RMSprop", "Muon") else {}
    groups = [{"params": weights[:1]}, {"params": weights[1:], "lr": 0.5}]
    return getattr(library.optim, kind)(groups, lr=0.1, **options)


def shown(state: dict[str, Any]) -> str:
    """A state as text, to compare key order and every bit of every number."""
    return repr(state)


def run(library: Any, make: Any, kind: str) -> list[Any]:
    optimizer = optimizer_of(library, kind)
    scheduler = make(library.optim.lr_scheduler, optimizer)
    found: list[Any] = [shown(scheduler.state_dict())]
    for _ in range(EPOCHS):
        optimizer.step()
        scheduler.step()
        found.append(
            (
                [group["lr"] for group in optimizer.param_groups],
                [group.get("momentum", group.get("betas")) for group in optimizer.param_groups],
                scheduler.get_last_lr(),
            )
        )
    found += [shown(scheduler.state_dict()), optimizer.state_dict()["param_groups"]]
    return found


@pytest.mark.parametrize("kind", ["SGD", "AdamW"])
@pytest.mark.parametrize("name", CASES)
def test_rates_and_states_are_pytorchs(name: str, kind: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if name == "sequential of chained" else "error")  # PyTorch warns there too
        found = run(flambeau, CASES[name], kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = run(torch, CASES[name], kind)
    assert found == expected


# The schedules that move the momentum, which is either a setting of its own or the first of betas.
MOMENTUM = [(name, kind) for name in ("one cycle", "one cycle linear", "cyclic", "cyclic halved")
            for kind in ("RMSprop", "NAdam", "RAdam", "Adamax", "Muon")]  # fmt: skip


@pytest.mark.parametrize(("name", "kind"), MOMENTUM)
def test_momentum_moves_with_every_optimizer_that_has_it(name: str, kind: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = run(torch, CASES[name], kind)
    assert run(flambeau, CASES[name], kind) == expected


@pytest.mark.parametrize("kind", ["SGD", "RMSprop", "NAdam", "RAdam", "Adamax", "ASGD", "Adadelta", "Adagrad"])
def test_a_hundred_steps_of_training_under_a_schedule(kind: str) -> None:
    name = "step" if kind in ("ASGD", "Adadelta", "Adagrad") else "cyclic"
    values, compiled = [], 0
    for library in (flambeau, torch):
        optimizer = optimizer_of(library, kind)
        params = [group["params"][0] for group in optimizer.param_groups]
        scheduler = CASES[name](library.optim.lr_scheduler, optimizer)
        for number in range(EPOCHS):
            random = np.random.default_rng(number)
            for param in params:
                param.grad = library.tensor(random.standard_normal((2, 2)).astype(np.float32))
            optimizer.step()
            scheduler.step()
            if library is flambeau and number == 0:
                compiled = len(COMPILATIONS)
        if library is flambeau:
            assert len(COMPILATIONS) == compiled, "a schedule compiled another program"
        values.append([param.detach().numpy() for param in params])
    for found, expected in zip(*values, strict=True):
        np.testing.assert_allclose(found, expected, 1e-5, 1e-5)


@pytest.mark.parametrize("kind", ["Adagrad", "Adadelta", "ASGD", "Adafactor", "Rprop"])
def test_cycles_need_an_optimizer_with_momentum(kind: str) -> None:
    texts = []
    for library in (flambeau, torch):
        with pytest.raises(ValueError, match="must support momentum or beta1") as caught:
            CASES["cyclic"](library.optim.lr_scheduler, optimizer_of(library, kind))
        texts.append(str(caught.value))
    assert texts[0] == texts[1]


@pytest.mark.filterwarnings("ignore:Detected call of")  # PyTorch warns of the sequence of chained schedules, too
@pytest.mark.parametrize("name", CASES)
def test_resuming(name: str) -> None:
    results = []
    for library in (flambeau, torch):
        optimizer = optimizer_of(library)
        scheduler = CASES[name](library.optim.lr_scheduler, optimizer)
        for _ in range(17):
            optimizer.step()
            scheduler.step()
        again = optimizer_of(library)
        resumed = CASES[name](library.optim.lr_scheduler, again)
        again.load_state_dict(optimizer.state_dict())
        resumed.load_state_dict(scheduler.state_dict())
        for _ in range(20):
            again.step()
            resumed.step()
        results.append([resumed.get_last_lr(), shown(resumed.state_dict())])
    assert results[0] == results[1]


RESUMED: dict[str, Any] = {
    "step": lambda s, o, n: s.StepLR(o, 3, last_epoch=n),
    "cosine": lambda s, o, n: s.CosineAnnealingLR(o, 30, last_epoch=n),
    "linear": lambda s, o, n: s.LinearLR(o, total_iters=30, last_epoch=n),
    "exponential": lambda s, o, n: s.ExponentialLR(o, 0.9, last_epoch=n),
    "lambda": lambda s, o, n: s.LambdaLR(o, lambda epoch: 0.9**epoch, last_epoch=n),
    "multiplicative": lambda s, o, n: s.MultiplicativeLR(o, lambda epoch: 0.9, last_epoch=n),
    "polynomial": lambda s, o, n: s.PolynomialLR(o, 40, last_epoch=n),
    "constant": lambda s, o, n: s.ConstantLR(o, last_epoch=n),
    "warm restarts": lambda s, o, n: s.CosineAnnealingWarmRestarts(o, 7, last_epoch=n),
    "multi step": lambda s, o, n: s.MultiStepLR(o, [5, 9], last_epoch=n),
}


@pytest.mark.parametrize("name", RESUMED)
def test_resuming_by_last_epoch_and_jumping(name: str) -> None:
    results = []
    for library in (flambeau, torch):
        optimizer = optimizer_of(library)
        for group in optimizer.param_groups:
            group["initial_lr"] = 0.7
        scheduler = RESUMED[name](library.optim.lr_scheduler, optimizer, 8)
        rates = [scheduler.get_last_lr()]
        for _ in range(9):
            optimizer.step()
            scheduler.step()
            rates.append(scheduler.get_last_lr())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scheduler.step(21)
        rates.append([scheduler.get_last_lr(), scheduler.last_epoch, shown(scheduler.state_dict())])
        results.append(rates)
    assert results[0] == results[1]


PLATEAU: dict[str, dict[str, Any]] = {
    "default": {"patience": 2},
    "max": {"mode": "max", "patience": 1, "factor": 0.5},
    "abs": {"threshold_mode": "abs", "threshold": 0.2, "patience": 0, "cooldown": 2, "min_lr": [1e-3, 1e-2]},
    "max abs": {"mode": "max", "threshold_mode": "abs", "patience": 3, "eps": 1e-2, "min_lr": 1e-3},
}


@pytest.mark.parametrize("name", PLATEAU)
def test_plateau(name: str) -> None:
    losses = [3.0, 2.0, 2.1, 1.99, 1.99, 1.99, 2.5, 1.0, 1.1, 1.2, 1.3, 0.99, 0.9, 0.9, 0.95, 0.9] * 7
    results = []
    for library in (flambeau, torch):
        optimizer = optimizer_of(library)
        scheduler = library.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **PLATEAU[name])
        found: list[Any] = []
        for loss in losses:
            scheduler.step(loss)
            found.append((scheduler.get_last_lr(), shown(scheduler.state_dict())))
        results.append(found)
    assert results[0] == results[1]


ERRORS: dict[str, Any] = {
    "no optimizer": lambda s, o: s.StepLR(3, 1),
    "no initial rate": lambda s, o: s.StepLR(o, 1, last_epoch=3),
    "lambdas": lambda s, o: s.LambdaLR(o, [lambda epoch: 1]),
    "multiplicative": lambda s, o: s.MultiplicativeLR(o, [lambda epoch: 1]),
    "constant": lambda s, o: s.ConstantLR(o, factor=2),
    "linear": lambda s, o: s.LinearLR(o, start_factor=0),
    "linear end": lambda s, o: s.LinearLR(o, end_factor=2),
    "restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 0),
    "restarts growth": lambda s, o: s.CosineAnnealingWarmRestarts(o, 2, T_mult=0),
    "restarts low": lambda s, o: s.CosineAnnealingWarmRestarts(o, 2, eta_min="a"),
    "restarts step": lambda s, o: s.CosineAnnealingWarmRestarts(o, 2).step(-1),
    "one cycle": lambda s, o: s.OneCycleLR(o, 0.1),
    "one cycle total": lambda s, o: s.OneCycleLR(o, 0.1, total_steps=0.5),
    "one cycle epochs": lambda s, o: s.OneCycleLR(o, 0.1, epochs=0, steps_per_epoch=1),
    "one cycle steps": lambda s, o: s.OneCycleLR(o, 0.1, epochs=1, steps_per_epoch=0),
    "one cycle share": lambda s, o: s.OneCycleLR(o, 0.1, total_steps=10, pct_start=2),
    "one cycle strategy": lambda s, o: s.OneCycleLR(o, 0.1, total_steps=10, anneal_strategy="x"),
    "one cycle rates": lambda s, o: s.OneCycleLR(o, [0.1], total_steps=10),
    "one cycle over": lambda s, o: [x.step() for x in [s.OneCycleLR(o, 0.1, total_steps=3)] for _ in range(4)],
    "cyclic mode": lambda s, o: s.CyclicLR(o, 0.1, 0.2, mode="x"),
    "cyclic rates": lambda s, o: s.CyclicLR(o, [0.1], 0.2),
    "plateau mode": lambda s, o: s.ReduceLROnPlateau(o, mode="x"),
    "plateau factor": lambda s, o: s.ReduceLROnPlateau(o, factor=1.0),
    "plateau threshold": lambda s, o: s.ReduceLROnPlateau(o, threshold_mode="x"),
    "plateau low": lambda s, o: s.ReduceLROnPlateau(o, min_lr=[1]),
    "sequential none": lambda s, o: s.SequentialLR(o, [], []),
    "sequential milestones": lambda s, o: s.SequentialLR(o, [s.ConstantLR(o)], [1]),
    "sequential plateau": lambda s, o: s.SequentialLR(o, [s.ConstantLR(o), s.ReduceLROnPlateau(o)], [1]),
    "sequential optimizers": lambda s, o: s.SequentialLR(None, [s.ConstantLR(o)], []),
    "chained none": lambda s, o: s.ChainedScheduler([]),
}


@pytest.mark.filterwarnings("ignore:Detected call of")
@pytest.mark.parametrize("name", ERRORS)
def test_errors_have_pytorchs_words(name: str) -> None:
    texts = []
    for library in (flambeau, torch):
        with pytest.raises((ValueError, TypeError, KeyError), match=r".") as caught:
            ERRORS[name](library.optim.lr_scheduler, optimizer_of(library))
        texts.append((caught.type, str(caught.value)))
    assert texts[0] == texts[1]


WARNINGS: dict[str, Any] = {
    "order": lambda s, o, k: k.step(),
    "none": lambda s, o, k: [o.step(), k.step()],
    "a second schedule": lambda s, o, k: [o.step(), k.step(), s.ExponentialLR(o, 0.5).step()],
    "steps before the schedule": lambda s, o, k: [
        (unwatched := type(o)(o.param_groups[0]["params"], lr=0.1)).step(),
        s.StepLR(unwatched, 1).step(),
    ],
    "overridden": lambda s, o, k: [setattr(o, "step", lambda: None), k.step()],
    "get_lr": lambda s, o, k: k.get_lr(),
}


@pytest.mark.parametrize("name", WARNINGS)
def test_warnings_have_pytorchs_words(name: str) -> None:
    texts = []
    for library in (flambeau, torch):
        optimizer = optimizer_of(library)
        scheduler = library.optim.lr_scheduler.StepLR(optimizer, 2)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            WARNINGS[name](library.optim.lr_scheduler, optimizer, scheduler)
        texts.append([(item.category, str(item.message)) for item in caught])
    assert texts[0] == texts[1]
