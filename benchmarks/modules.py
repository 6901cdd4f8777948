"""What ``Module`` itself costs: calls and hooks, state, traversal and copies, against PyTorch in one process.

    python benchmarks/modules.py

The models are ``Linear`` layers in nested ``Sequential``; nothing is computed but copies of values.
"""

import copy
import statistics
from collections.abc import Callable
from typing import Any

import torch
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


def row(title: str, ours: list[float], theirs: list[float]) -> str:
    """A row of the table: medians in microseconds, and the ratio of each pair of neighbouring blocks."""
    low, middle, high = statistics.quantiles([b / a for a, b in zip(ours, theirs, strict=True)], n=4)
    mine, other = statistics.median(ours) * 1e6, statistics.median(theirs) * 1e6
    return f"| {title} | {mine:,.3f} | {other:,.3f} | {middle:.2f} ({low:.2f} to {high:.2f}) |"


def main() -> None:
    torch.set_num_threads(2)
    print("| | Flambeau us | PyTorch us | PyTorch / Flambeau |\n|---|---|---|---|")
    for hook, title in ((False, "no hooks"), (True, "one forward hook")):
        sides: dict[str, Callable[[int], None]] = {}
        for name, library in (("flambeau", flambeau), ("torch", torch)):
            sides[name], sides[f"{name} past"] = called(library, hook)
        times = interleaved(sides, block=0.1)
        over = {
            name: [a - b for a, b in zip(times[name], times[f"{name} past"], strict=True)]
            for name in ("flambeau", "torch")
        }
        print(row(f"module(x) over module.forward(x), {title}", over["flambeau"], over["torch"]))
    for layers in SIZES:
        mine, theirs = works(flambeau, layers), works(torch, layers)
        for title, work in mine.items():
            times = interleaved({"flambeau": work, "torch": theirs[title]}, block=0.1)
            print(row(f"{title}, {layers:,} layers", times["flambeau"], times["torch"]), flush=True)


if __name__ == "__main__":
    main()
