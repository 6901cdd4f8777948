"""What recording costs: one operation, as pending graphs grow; tiny operations by the thousand; long Python loops.

    python benchmarks/recording.py [--quick]

The operation is ``y + x`` with a gradient for both: five recorded nodes for each in the backward pass.
"""

import gc
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from question import EAGER, OURS, Question, installed

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


def fresh(measure: Callable[[int], float], count: int) -> list[float]:
    """Five measurements, each from an empty pending graph."""
    times: list[float] = []
    for _ in range(5):
        PENDING.clear()
        gc.collect()
        times.append(measure(count))
    PENDING.clear()
    return times


def tiny(library: Any, operations: int) -> Callable[[int], float]:
    """Additions of 4 x 4 matrices, of which the last result is read."""
    x = library.ones(4, 4)

    def work(count: int) -> float:
        last = 0.0
        for _ in range(count):
            y = x
            for _ in range(operations):
                y = y + x
            last = y[0, 0].item()
        return last

    return work


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


def recorded(question: Question) -> None:
    """Time an operation takes to record."""
    limit = config.pending_limit
    config.pending_limit = 10**9
    forward(1000), forward_and_backward(1000)
    for count in (100, 1_000) if question.quick else (100, 1_000, 10_000, 100_000):
        question.note(f"forward, {count:,} pending", {OURS: fresh(forward, count)}, limit=5e-6)
        question.note(f"forward and backward, {count:,} pending", {OURS: fresh(forward_and_backward, count)})
    config.pending_limit = limit


def looped(question: Question, libraries: dict[str, Any]) -> None:
    """A recurrent cell in a Python loop: the first loss, then the others."""
    steps = 50 if question.quick else 1000
    works = {name: cell_loop(library, steps) for name, library in libraries.items()}
    before = len(COMPILATIONS)
    started = time.perf_counter()
    works[OURS](1)
    title = f"recurrent cell, {steps:,} steps of a Python loop"
    question.note(f"{title}, until the first loss", {OURS: [time.perf_counter() - started]})
    question.note(f"{title}, programs", {OURS: [float(len(COMPILATIONS) - before)]}, unit="programs")
    question.compare(title, works, block=0.5)


def main() -> None:
    question = Question("recording", __doc__)
    libraries: dict[str, Any] = {OURS: flambeau}
    if installed("torch"):
        import torch

        torch.set_num_threads(question.options.threads)
        libraries[EAGER] = torch
    recorded(question)
    operations = 1_000 if question.quick else 10_000
    sides = {name: tiny(library, operations) for name, library in libraries.items()}
    question.compare(f"{operations:,} additions of 4 x 4, recorded and read once", sides, bar=0.5)
    looped(question, libraries)
    question.finish()


if __name__ == "__main__":
    main()
