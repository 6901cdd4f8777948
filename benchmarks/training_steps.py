"""Whole training steps against PyTorch, eager and compiled: forward, loss, backward, update.

    python benchmarks/training_steps.py

Needs PyTorch beside Flambeau. Both sides use the same weights, batches and number of threads; the loss is read at the
end of every block of steps, and once more with the loss read after every step.
"""

import argparse
import os
import platform
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from timing import interleaved, table

import flambeau


def civilnet(library: Any) -> Any:
    """The seeds' CivilNet."""
    nn = library.nn
    functional = nn.functional

    class CivilNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(3, 6, 5)
            self.pool = nn.MaxPool2d(2, 2)
            self.conv2 = nn.Conv2d(6, 16, 5)
            self.fc1 = nn.Linear(16 * 5 * 5, 120)
            self.fc2 = nn.Linear(120, 84)
            self.fc3 = nn.Linear(84, 10)

        def forward(self, x: Any) -> Any:
            x = self.pool(functional.relu(self.conv1(x)))
            x = self.pool(functional.relu(self.conv2(x)))
            x = x.view(-1, 16 * 5 * 5)
            x = functional.relu(self.fc1(x))
            x = functional.relu(self.fc2(x))
            return self.fc3(x)

    return CivilNet()


def mlp(library: Any) -> Any:
    """A perceptron 784-256-256-10."""
    nn = library.nn
    return nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))


def stepper(
    library: Any, build: Any, shape: tuple[int, ...], *, read: bool, compiled: bool = False
) -> Callable[[int], Any]:
    """A function that trains for a number of steps."""
    library.manual_seed(0)
    model = build(library)
    optimizer = library.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    criterion = library.nn.CrossEntropyLoss()
    forward = torch.compile(model) if compiled else model
    numbers = np.random.default_rng(0)
    batches = [
        (
            library.from_numpy(numbers.normal(size=shape).astype(np.float32)),
            library.from_numpy(numbers.integers(0, 10, shape[0])),
        )
        for _ in range(8)
    ]

    def work(count: int) -> float:
        loss: Any = None
        for index in range(count):
            inputs, labels = batches[index % len(batches)]
            optimizer.zero_grad()
            loss = criterion(forward(inputs), labels)
            loss.backward()
            optimizer.step()
            if read:
                loss.item()
        return loss.item()

    return work


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    arguments = parser.parse_args()
    threads = os.cpu_count() or 1
    torch.set_num_threads(threads)
    print(f"{platform.machine()}, {threads} cores, PyTorch {torch.__version__}, flambeau {flambeau.__version__}\n")
    for title, build, shape in (
        ("CivilNet, batch 4", civilnet, (4, 3, 32, 32)),
        ("CivilNet, batch 64", civilnet, (64, 3, 32, 32)),
        ("MLP 784-256-256-10, batch 64", mlp, (64, 784)),
    ):
        for read in (False, True):
            sides = {
                "flambeau": stepper(flambeau, build, shape, read=read),
                "PyTorch eager": stepper(torch, build, shape, read=read),
            }
            if not arguments.no_compile:
                sides["torch.compile"] = stepper(torch, build, shape, read=read, compiled=True)
            label = f"{title}, loss read {'every step' if read else 'once a block'}"
            print(table(label, interleaved(sides, rounds=arguments.rounds)), "\n")


if __name__ == "__main__":
    main()
