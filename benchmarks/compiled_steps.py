"""Whole training steps compiled by ``flambeau.compile``, against the same steps recorded, and against PyTorch.

    python benchmarks/compiled_steps.py [mlp64 civilnet4 civilnet64 gpt8]

Needs PyTorch beside Flambeau. All sides use the same weights, batches and number of threads; the loss is read at the
end of every block of steps. ``torch.compile`` is given the model, since it does not take a whole step as one graph.
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
from training_steps import civilnet, mlp

import flambeau


def gpt(library: Any) -> Any:
    """A GPT of 4 layers, width 128, 4 heads, for 128 of 256 tokens."""
    nn, functional = library.nn, library.nn.functional

    class Block(nn.Module):
        def __init__(self, width: int, heads: int) -> None:
            super().__init__()
            self.heads = heads
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.attend, self.project = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x: Any) -> Any:
            batch, length, width = x.shape
            shape = (batch, length, self.heads, width // self.heads)
            q, k, v = (part.view(shape).transpose(1, 2) for part in self.attend(self.norm1(x)).split(width, dim=2))
            y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.project(y.transpose(1, 2).reshape(batch, length, width))
            return x + self.narrow(functional.gelu(self.widen(self.norm2(x))))

    class GPT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens, self.places = nn.Embedding(256, 128), nn.Embedding(128, 128)
            self.blocks = nn.ModuleList([Block(128, 4) for _ in range(4)])
            self.norm, self.head = nn.LayerNorm(128), nn.Linear(128, 256, bias=False)
            self.register_buffer("order", library.arange(128))

        def forward(self, x: Any) -> Any:
            x = self.tokens(x) + self.places(self.order)
            for block in self.blocks:
                x = block(x)
            return self.head(self.norm(x)).view(-1, 256)

    return GPT()


def batches(library: Any, shape: tuple[int, ...], classes: int) -> list[tuple[Any, Any]]:
    """Eight batches; of whole numbers where the classes are tokens."""
    numbers = np.random.default_rng(0)
    found = []
    for _ in range(8):
        if classes == 256:
            x, y = numbers.integers(0, classes, shape), numbers.integers(0, classes, int(np.prod(shape)))
        else:
            x, y = numbers.normal(size=shape).astype(np.float32), numbers.integers(0, classes, shape[0])
        found.append((library.from_numpy(x), library.from_numpy(y)))
    return found


def stepper(library: Any, build: Any, shape: tuple[int, ...], classes: int, how: str) -> Callable[[int], Any]:
    """A function that trains for a number of steps; ``how`` tells what of the step is compiled."""
    library.manual_seed(0)
    model = build(library)
    optimizer = library.optim.AdamW(model.parameters(), lr=1e-3)
    forward = library.compile(model) if how == "model" else model
    given = batches(library, shape, classes)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = library.nn.functional.cross_entropy(forward(x), y)
        loss.backward()
        optimizer.step()
        return loss

    if how == "step":
        step = library.compile(step)

    def work(count: int) -> float:
        loss: Any = None
        for index in range(count):
            loss = step(*given[index % len(given)])
        return loss.item()

    return work


MODELS: dict[str, tuple[str, Any, tuple[int, ...], int]] = {
    "mlp64": ("MLP 784-256-256-10, batch 64", mlp, (64, 784), 10),
    "civilnet4": ("CivilNet, batch 4", civilnet, (4, 3, 32, 32), 10),
    "civilnet64": ("CivilNet, batch 64", civilnet, (64, 3, 32, 32), 10),
    "gpt8": ("GPT (4 layers, width 128, 4 heads, context 128), batch 8", gpt, (8, 128), 256),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", choices=[*MODELS, []])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--no-torch", action="store_true", help="our own two sides only")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--processor-time", action="store_true", help="measure processor time on one thread")
    arguments = parser.parse_args()
    threads = 1 if arguments.processor_time else os.cpu_count() or 1
    torch.set_num_threads(threads)
    clock = time.process_time if arguments.processor_time else time.perf_counter
    print(f"{platform.machine()}, {threads} cores, PyTorch {torch.__version__}, flambeau {flambeau.__version__}\n")
    sides = {
        "step compiled": (flambeau, "step"),
        "model compiled": (flambeau, "model"),
        "recorded": (flambeau, ""),
        "PyTorch eager": (torch, ""),
        "torch.compile": (torch, "model"),
    }
    if arguments.no_torch:
        sides = {name: side for name, side in sides.items() if side[0] is flambeau}
    if arguments.no_compile:
        sides.pop("torch.compile", None)
    for key in arguments.models or MODELS:
        title, build, shape, classes = MODELS[key]
        work = {name: stepper(library, build, shape, classes, how) for name, (library, how) in sides.items()}
        for warm in work.values():
            warm(10)
        print(table(title, interleaved(work, rounds=arguments.rounds, clock=clock), "step compiled"), "\n", flush=True)


if __name__ == "__main__":
    main()
