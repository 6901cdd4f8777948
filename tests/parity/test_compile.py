"""Compiled training against PyTorch's eager one: whole steps, and steps around a compiled module."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import flambeau
from tests.parity.failures import same_error

STEPS = 20


def perceptron(library: Any) -> Any:
    nn = library.nn
    return nn.Sequential(nn.Linear(12, 16), nn.GELU(), nn.LayerNorm(16), nn.Linear(16, 4))


def convolutional(library: Any) -> Any:
    nn = library.nn
    return nn.Sequential(
        nn.Unflatten(1, (3, 2, 2)), nn.Conv2d(3, 6, 2, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2),
        nn.Dropout(0.0), nn.Flatten(), nn.Linear(6, 4),
    )  # fmt: skip


def transformer(library: Any) -> Any:
    nn = library.nn

    class Tiny(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.TransformerEncoderLayer(4, 2, 8, 0.0, batch_first=True)
            self.head = nn.Linear(12, 4)

        def forward(self, x: Any) -> Any:
            return self.head(self.layer(x.view(-1, 3, 4)).flatten(1))

    return Tiny()


def recurrent(library: Any) -> Any:
    nn = library.nn

    class Tiny(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cells = nn.LSTM(4, 5, batch_first=True)
            self.head = nn.Linear(5, 4)

        def forward(self, x: Any) -> Any:
            states, _ = self.cells(x.reshape(-1, 3, 4))
            return self.head(states[:, -1])

    return Tiny()


OPTIMIZERS: dict[str, Callable[[Any, Any], Any]] = {
    "sgd": lambda optim, parameters: optim.SGD(parameters, lr=0.05, momentum=0.9, weight_decay=1e-3),
    "adam": lambda optim, parameters: optim.Adam(parameters, lr=0.01),
    "adamw": lambda optim, parameters: optim.AdamW(parameters, lr=0.01),
    "rmsprop": lambda optim, parameters: optim.RMSprop(parameters, lr=0.003),
}
CASES = [
    (perceptron, "sgd"),
    (perceptron, "adam"),
    (convolutional, "sgd"),
    (convolutional, "rmsprop"),
    (transformer, "adamw"),
    (recurrent, "adam"),
]


def losses(library: Any, build: Any, optimizer: str, weights: Any, how: str = "") -> list[float]:
    """The losses of a training, whose steps are plain, compiled as a whole, or around a compiled module."""
    model = build(library)
    model.load_state_dict({name: library.from_numpy(value) for name, value in weights.items()})
    update = OPTIMIZERS[optimizer](library.optim, model.parameters())
    schedule = library.optim.lr_scheduler.StepLR(update, 6, 0.5)
    forward = library.compile(model, fullgraph=True) if how == "module" else model

    def step(x: Any, y: Any) -> Any:
        update.zero_grad()
        loss = library.nn.functional.cross_entropy(forward(x), y)
        loss.backward()
        library.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        update.step()
        schedule.step()
        return loss

    if how == "step":
        step = library.compile(step, fullgraph=True)
    numbers = np.random.default_rng(0)
    found: list[float] = []
    for _ in range(STEPS):
        x = library.from_numpy(numbers.normal(size=(8, 12)).astype(np.float32))
        y = library.from_numpy(numbers.integers(0, 4, 8))
        found.append(step(x, y).item())
    return found


@pytest.mark.parametrize(("build", "optimizer"), CASES)
def test_compiled_training_is_pytorchs(build: Any, optimizer: str) -> None:
    torch.manual_seed(0)
    weights = {name: value.numpy().copy() for name, value in build(torch).state_dict().items()}
    wanted = losses(torch, build, optimizer, weights)
    for how in ("step", "module"):
        np.testing.assert_allclose(losses(flambeau, build, optimizer, weights, how), wanted, rtol=1e-5, atol=1e-5)


def scaled(x: Any) -> Any:
    return x * 2


SETTINGS: dict[str, Callable[[Any], Any]] = {
    "mode": lambda library: library.compile(scaled, mode="fast"),
    "both": lambda library: library.compile(scaled, mode="default", options={"trace.enabled": True}),
    "backend": lambda library: library.compile(scaled, backend="unheard-of"),
    "number": lambda library: library.compile(5),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_are_refused_in_pytorchs_words(name: str) -> None:
    same_error(SETTINGS[name])


def test_what_compile_returns() -> None:
    for library in (torch, flambeau):
        assert library.compile(scaled, disable=True) is scaled
        assert library.compile(scaled).__name__ == "scaled"
        assert library.compile(mode="reduce-overhead")(scaled).__name__ == "scaled"
        layer = library.nn.Linear(2, 2)
        assert library.compile(layer, disable=True) is layer
        assert type(library.compile(layer)).__name__ == "OptimizedModule"
        assert library.compile(layer).weight is layer.weight
        assert not library.compiler.is_compiling()
