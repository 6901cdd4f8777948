"""What ``Module`` itself costs: calls and hooks, state, traversal and copies, against PyTorch in one process.

    python benchmarks/modules.py [--quick]

The models are ``Linear`` layers in nested ``Sequential``; nothing is computed but copies of values.
"""

import copy
from collections.abc import Callable
from typing import Any

from question import EAGER, OURS, Question, installed
from timing import interleaved

import flambeau

SIZES = (200, 2_000)


def model(library: Any, layers: int) -> Any:
    """Linear layers, ten in a Sequential, ten of those in a Sequential, and so on."""
    parts = [library.nn.Linear(8, 8) for _ in range(layers)]
    while len(parts) > 1:
        parts = [library.nn.Sequential(*parts[start : start + 10]) for start in range(0, len(parts), 10)]
    return parts[0]


def repeated(function: Callable[[], object]) -> Callable[[int], None]:
    """Work that calls a function the given number of times."""

    def work(count: int) -> None:
        for _ in range(count):
            function()

    return work


def called(library: Any, hook: bool) -> tuple[Callable[[int], None], Callable[[int], None]]:
    """A module called as ``module(x)``, and its ``forward`` called past the hooks."""

    class Same(library.nn.Module):
        def forward(self, x: Any) -> Any:
            return x

    module, x = Same(), library.ones(2)
    if hook:
        module.register_forward_hook(lambda module, args, output: None)

    def through(count: int) -> None:
        for _ in range(count):
            module(x)

    def past(count: int) -> None:
        for _ in range(count):
            module.forward(x)

    return through, past


def works(library: Any, layers: int) -> dict[str, Callable[[int], None]]:
    """What is measured on a model of so many layers."""
    module = model(library, layers)
    state = model(library, layers).state_dict()
    return {
        "state_dict()": repeated(module.state_dict),
        "list(named_parameters())": repeated(lambda: list(module.named_parameters())),
        "load_state_dict(state)": repeated(lambda: module.load_state_dict(state)),
        "copy.deepcopy(module)": repeated(lambda: copy.deepcopy(module)),
    }


def called_over(question: Question, libraries: dict[str, Any]) -> None:
    """What a call takes over calling ``forward``."""
    for hook, title in ((False, "no hooks"), (True, "one forward hook")):
        sides: dict[str, Callable[[int], None]] = {}
        for name, library in libraries.items():
            sides[name], sides[f"{name} past"] = called(library, hook)
        times = interleaved(sides, block=0.02 if question.quick else 0.1, rounds=5 if question.quick else 15)
        over = {name: [a - b for a, b in zip(times[name], times[f"{name} past"], strict=True)] for name in libraries}
        question.note(f"`module(x)` over `module.forward(x)`, {title}", over, bar=1.0)


def main() -> None:
    question = Question("modules", __doc__)
    libraries: dict[str, Any] = {OURS: flambeau}
    if installed("torch"):
        import torch

        torch.set_num_threads(question.options.threads)
        libraries[EAGER] = torch
    called_over(question, libraries)
    for layers in SIZES[:1] if question.quick else SIZES:
        sides = {name: works(library, layers) for name, library in libraries.items()}
        for title in sides[OURS]:
            bar = 1.0 if layers == SIZES[0] and "deepcopy" not in title else None
            question.compare(
                f"`{title}`, {layers:,} layers",
                {name: works[title] for name, works in sides.items()},
                block=0.1,
                bar=bar,
            )
    question.finish()


if __name__ == "__main__":
    main()
