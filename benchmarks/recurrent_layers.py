"""Recurrent layers against PyTorch: forward and backward.

    python benchmarks/recurrent_layers.py

Needs PyTorch beside Flambeau. Both sides use the same weights, inputs and number of threads; the loss is read every
time. With ``--cpu-time`` the processor time of one thread is compared instead, which a busy machine disturbs less; it
wants one core: ``taskset -c 0 python benchmarks/recurrent_layers.py --cpu-time``.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from timing import interleaved, table

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--cpu-time", action="store_true", help="compare processor time, with one thread")
    arguments = parser.parse_args()
    threads = 1 if arguments.cpu_time else os.cpu_count() or 1
    clock = time.process_time if arguments.cpu_time else time.perf_counter
    torch.set_num_threads(threads)
    print(f"{platform.machine()}, {threads} threads, PyTorch {torch.__version__}, flambeau {flambeau.__version__}\n")
    for title, settings in LAYERS.items():
        sides = {"flambeau": stepper(flambeau, *settings), "PyTorch": stepper(torch, *settings)}
        print(table(title, interleaved(sides, rounds=arguments.rounds, clock=clock)), "\n")


if __name__ == "__main__":
    main()
