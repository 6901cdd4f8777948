"""What recording costs: one operation forward, and forward with backward, as pending graphs grow; long Python loops.

    python benchmarks/recording.py

The last table needs PyTorch beside Flambeau.
"""

import gc
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from timing import interleaved, table

import flambeau
from flambeau.base.config import config
from flambeau.graph.record import PENDING
from flambeau.runtime.report import COMPILATIONS


def forward(count: int) -> float:
    """Seconds an operation takes to record."""
    x = y = flambeau.ones(4, 4)
    started = time.perf_counter()
    for _ in range(count):
        x = x + y
    return (time.perf_counter() - started) / count


def forward_and_backward(count: int) -> float:
    """Seconds an operation takes to record, with its gradient."""
    x = flambeau.ones(4, 4, requires_grad=True)
    y = x
    started = time.perf_counter()
    for _ in range(count):
        y = y + x
    y.sum().backward()
    return (time.perf_counter() - started) / count


def fresh(measure: Callable[[int], float], count: int) -> float:
    """Median of five measurements, each from an empty pending graph."""
    times: list[float] = []
    for _ in range(5):
        PENDING.clear()
        gc.collect()
        times.append(measure(count))
    PENDING.clear()
    return statistics.median(times)


def cell_loop(library: Any, steps: int = 1000, batch: int = 8, size: int = 32) -> Callable[[int], float]:
    """A recurrent cell called in a Python loop, forward and backward."""
    numbers = np.random.default_rng(0)
    inputs = [library.from_numpy(numbers.normal(size=(batch, 16)).astype(np.float32)) for _ in range(steps)]
    weights = [
        library.from_numpy((numbers.normal(size=shape) * 0.1).astype(np.float32)).requires_grad_()
        for shape in ((16, size), (size, size), (size,))
    ]

    def work(count: int) -> float:
        loss: Any = None
        for _ in range(count):
            hidden = library.zeros(batch, size)
            for step in inputs:
                hidden = (step @ weights[0] + hidden @ weights[1] + weights[2]).tanh()
            loss = (hidden * hidden).sum()
            loss.backward()
            for weight in weights:
                weight.grad.sum().item()
                weight.grad = None
        return loss.item()

    return work


def main() -> None:
    limit = config.pending_limit
    config.pending_limit = 10**9
    forward(1000), forward_and_backward(1000)
    print("| pending operations | forward, us each | forward and backward, us each |\n|---|---|---|")
    for count in (100, 1_000, 10_000, 100_000):
        one, both = fresh(forward, count) * 1e6, fresh(forward_and_backward, count) * 1e6
        print(f"| {count:,} | {one:.2f} | {both:.2f} |")
    config.pending_limit = limit
    torch.set_num_threads(2)
    ours, theirs = cell_loop(flambeau), cell_loop(torch)
    before = len(COMPILATIONS)
    started = time.perf_counter()
    first = ours(1)
    seconds = time.perf_counter() - started
    print(f"\n1,000 steps of a recurrent cell, forward and backward: first loss {first:.4f} after {seconds:.2f} s, ")
    print(f"{len(COMPILATIONS) - before} programs compiled; PyTorch's loss {theirs(1):.4f}\n")
    print(table("1,000 recurrent steps", interleaved({"flambeau": ours, "PyTorch eager": theirs}, block=0.5, rounds=9)))
    print(f"\nprograms compiled after the first: {len(COMPILATIONS) - before}")


if __name__ == "__main__":
    main()
