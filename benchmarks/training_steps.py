"""Whole training steps against PyTorch, eager and compiled: forward, loss, backward, update.

    python benchmarks/training_steps.py

Needs PyTorch beside Flambeau. Both sides use the same weights, batches and number of threads; the loss is read at the
end of every block of steps, and once more with the loss read after every step.

On a machine that others use at the same time, compare processor time on one thread:

    OMP_NUM_THREADS=1 taskset -c 0 python benchmarks/training_steps.py --processor-time --no-compile --once
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


def resnet18(library: Any) -> Any:
    """ResNet-18 as it is built for images of 32 x 32: a 3 x 3 convolution first, and no pooling after it."""
    nn = library.nn

    class Block(nn.Module):
        def __init__(self, inputs: int, outputs: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(outputs)
            self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(outputs)
            self.relu = nn.ReLU()
            self.shortcut = nn.Identity()
            if stride > 1:
                self.shortcut = nn.Sequential(
                    nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
                )

        def forward(self, x: Any) -> Any:
            y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
            return self.relu(y + self.shortcut(x))

    blocks = []
    for inputs, outputs, stride in ((64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2)):
        blocks += [Block(inputs, outputs, stride), Block(outputs, outputs, 1)]
    first = (nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU())
    return nn.Sequential(*first, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


def vgg16(library: Any) -> Any:
    """VGG-16 for images of 224 x 224."""
    nn = library.nn
    layers: list[Any] = []
    channels = 3
    for width, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2, 2))
    head = (nn.Linear(25088, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000))
    return nn.Sequential(*layers, nn.Flatten(), *head)


def predictor(library: Any, build: Any, shape: tuple[int, ...], *, compiled: bool = False) -> Callable[[int], Any]:
    """A function that predicts a number of times, and looks at the largest score of each."""
    library.manual_seed(0)
    model = build(library).eval()
    forward = torch.compile(model) if compiled else model
    inputs = library.from_numpy(np.random.default_rng(0).normal(size=shape).astype(np.float32))

    def work(count: int) -> float:
        best = 0.0
        with library.no_grad():
            for _ in range(count):
                best = forward(inputs).max().item()
        return best

    return work


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


MODELS: dict[str, tuple[str, Any, tuple[int, ...]]] = {
    "civilnet4": ("CivilNet, batch 4", civilnet, (4, 3, 32, 32)),
    "civilnet64": ("CivilNet, batch 64", civilnet, (64, 3, 32, 32)),
    "civilnet256": ("CivilNet, batch 256", civilnet, (256, 3, 32, 32)),
    "mlp64": ("MLP 784-256-256-10, batch 64", mlp, (64, 784)),
    "resnet32": ("ResNet-18 on 32 x 32, batch 32", resnet18, (32, 3, 32, 32)),
    "vgg1": ("VGG-16, one image, prediction", vgg16, (1, 3, 224, 224)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", choices=[*MODELS, []], help="which of them; by default the first four")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--once", action="store_true", help="read the loss once a block only")
    parser.add_argument("--processor-time", action="store_true", help="measure processor time on one thread")
    arguments = parser.parse_args()
    threads = 1 if arguments.processor_time else os.cpu_count() or 1
    torch.set_num_threads(threads)
    clock = time.process_time if arguments.processor_time else time.perf_counter
    print(f"{platform.machine()}, {threads} cores, PyTorch {torch.__version__}, flambeau {flambeau.__version__}")
    print(flambeau.show_config(), "\n")
    libraries = {"flambeau": (flambeau, False), "PyTorch eager": (torch, False), "torch.compile": (torch, True)}
    if arguments.no_compile:
        del libraries["torch.compile"]
    for key in arguments.models or list(MODELS)[:4]:
        title, build, shape = MODELS[key]
        predicting = build is vgg16
        for read in (False,) if arguments.once or predicting else (False, True):
            sides = {
                name: predictor(library, build, shape, compiled=compiled)
                if predicting
                else stepper(library, build, shape, read=read, compiled=compiled)
                for name, (library, compiled) in libraries.items()
            }
            label = title if predicting else f"{title}, loss read {'every step' if read else 'once a block'}"
            print(table(label, interleaved(sides, rounds=arguments.rounds, clock=clock)), "\n")


if __name__ == "__main__":
    main()
