"""Training with every kind of hook on everything: PyTorch's order, and still one program a step."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import flambeau
from flambeau.runtime.force import RUNS
from flambeau.runtime.report import COMPILATIONS

torch = pytest.importorskip("torch")

# The networks, by what they are made of, and the shape of their input.
NETWORKS: dict[str, tuple[Callable[[Any], list[Any]], tuple[int, ...]]] = {
    "linear": (lambda nn: [nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)], (6, 4)),
    "linear in three dimensions": (lambda nn: [nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)], (2, 6, 4)),
    "without biases": (lambda nn: [nn.Linear(4, 5, bias=False), nn.ReLU(), nn.Linear(5, 3, bias=False)], (6, 4)),
    "convolutions": (
        lambda nn: [nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 2)],
        (2, 2, 6, 6),
    ),
    "norms": (
        lambda nn: [nn.Linear(4, 6), nn.LayerNorm(6), nn.GELU(), nn.GroupNorm(1, 6), nn.PReLU(), nn.RMSNorm(6)],
        (6, 4),
    ),
    "instances": (lambda nn: [nn.Conv1d(2, 3, 3), nn.InstanceNorm1d(3, affine=True), nn.Softmax(-1)], (2, 2, 6)),
    "transposed": (lambda nn: [nn.ConvTranspose1d(2, 3, 3), nn.Conv1d(3, 2, 1, bias=False)], (2, 2, 6)),
}


class Hooked:
    """A network with hooks of every kind that note that they were called, with what.

    Args:
        library: the library.
        layers: makes the layers from ``nn``.
        shape: shape of the input.
        change: whether hooks double a gradient and an output, rather than look on.
    """

    def __init__(
        self, library: Any, layers: Callable[[Any], list[Any]], shape: tuple[int, ...], change: bool = False
    ) -> None:
        library.manual_seed(0)
        self.library, self.shape, self.change = library, shape, change
        self.log: list[Any] = []
        self.net = library.nn.Sequential(*layers(library.nn))
        self.optimizer = library.optim.SGD(self.net.parameters(), lr=1e-5, momentum=0.9)
        for name, module in self.net.named_modules():
            module.register_forward_pre_hook(self.noting(f"{name} before forward"))
            module.register_forward_hook(self.after_forward(name))
            module.register_full_backward_pre_hook(self.noting(f"{name} before backward"))
            module.register_full_backward_hook(self.noting(f"{name} after backward"))
        for name, parameter in self.net.named_parameters():
            parameter.register_hook(self.noting(f"{name} gradient"))
            parameter.register_post_accumulate_grad_hook(self.noting(f"{name} accumulated"))

    def noting(self, what: str) -> Callable[..., Any]:
        """A hook that notes its name and the shapes of its arguments."""

        def hook(*args: Any) -> Any:
            self.log.append((what, [shapes(item) for item in args if not isinstance(item, self.library.nn.Module)]))
            if self.change and what.endswith(" gradient"):
                return args[0] * 2
            return None

        return hook

    def after_forward(self, name: str) -> Callable[..., Any]:
        def hook(module: Any, args: Any, output: Any) -> Any:
            self.log.append((f"{name} after forward", [shapes(args), shapes(output)]))
            if self.change:
                output = output * 2
            output.register_hook(self.noting(f"{name} output's gradient"))
            return output if self.change else None

        return hook

    def step(self, number: int, needs_gradient: bool = False) -> float:
        """A step of training; returns its loss."""
        values = np.random.default_rng(number).standard_normal(self.shape).astype(np.float32)
        inputs = self.library.tensor(values, requires_grad=needs_gradient)
        loss = self.net(inputs).pow(2).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()


def shapes(value: Any) -> Any:
    """The shapes of tensors in tuples."""
    return [shapes(item) for item in value] if isinstance(value, tuple) else value if value is None else [*value.shape]


@pytest.mark.filterwarnings("ignore:Full backward hook is firing when gradients are computed with respect to module")
@pytest.mark.parametrize("needs_gradient", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_hooks_are_called_in_pytorchs_order(name: str, needs_gradient: bool) -> None:
    mine, theirs = (Hooked(library, *NETWORKS[name]) for library in (flambeau, torch))
    for hooked in (mine, theirs):
        loss = hooked.net(hooked.library.ones(*hooked.shape, requires_grad=needs_gradient)).sum()
        loss.backward()
    assert mine.log == theirs.log
    assert len(mine.log) >= 5 * len(mine.net)


@pytest.mark.filterwarnings("ignore:Full backward hook is firing when gradients are computed with respect to module")
@pytest.mark.parametrize("change", [False, True])
@pytest.mark.parametrize("name", ["linear", "convolutions"])
def test_a_hooked_step_is_one_program(name: str, change: bool) -> None:
    mine, theirs = (Hooked(library, *NETWORKS[name], change) for library in (flambeau, torch))
    for number in range(5):
        programs, compiled = RUNS["programs"], len(COMPILATIONS)
        loss = mine.step(number)
        if number > 0:
            assert RUNS["programs"] == programs + 1
        if number > 1:
            assert [str(entry) for entry in COMPILATIONS[compiled:]] == []
        assert loss == pytest.approx(theirs.step(number), rel=1e-4)
    assert mine.log == theirs.log
