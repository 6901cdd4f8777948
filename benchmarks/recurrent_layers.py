"""Recurrent layers against PyTorch: forward and backward, the loss read every time.

    python benchmarks/recurrent_layers.py [--quick]

Both sides use the same weights, inputs and number of threads. With ``--processor-time`` the processor time of one
thread is compared instead, which a busy machine disturbs less; it wants one core:
``taskset -c 0 python benchmarks/recurrent_layers.py --threads 1 --processor-time``.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from question import EAGER, OURS, Question, installed

import flambeau

LAYERS = {
    "LSTM 2 x 256, 64 steps, batch 32": ("LSTM", 256, 2, 64, 32),
    "GRU 2 x 256, 64 steps, batch 32": ("GRU", 256, 2, 64, 32),
    "LSTM 1 x 64, 32 steps, batch 16": ("LSTM", 64, 1, 32, 16),
}


def stepper(library: Any, kind: str, size: int, layers: int, steps: int, batch: int) -> Callable[[int], Any]:
    """A function that runs forward and backward a number of times."""
    library.manual_seed(0)
    layer = getattr(library.nn, kind)(size, size, layers)
    x = library.from_numpy(np.random.default_rng(0).normal(size=(steps, batch, size)).astype(np.float32))

    def work(count: int) -> float:
        loss: Any = None
        for _ in range(count):
            layer.zero_grad()
            loss = layer(x)[0].square().mean()
            loss.backward()
            loss.item()
        return loss.item()

    return work


def extend(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--processor-time", action="store_true", help="measure processor time; wants one thread")


def main() -> None:
    question = Question("recurrent_layers", __doc__, extend)
    clock = time.process_time if question.options.processor_time else time.perf_counter
    for title, settings in list(LAYERS.items())[-1 if question.quick else 0 :]:
        sides = {OURS: stepper(flambeau, *settings)}
        if installed("torch"):
            import torch

            torch.set_num_threads(question.options.threads)
            sides[EAGER] = stepper(torch, *settings)
        question.compare(title, sides, clock=clock)
    question.finish()


if __name__ == "__main__":
    main()
