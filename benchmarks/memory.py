"""Peak memory of training against PyTorch: each side in a process of its own.

    python benchmarks/memory.py [resnet32 civilnet64 civilnet256] [--steps 5]

Shown is the most memory the process ever had (libraries and compiling included), and how much of it came after the
libraries were loaded and the model and its batch were there.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import networks
import numpy as np

SIDES = ("flambeau", "torch")
MODELS = {
    "resnet32": (networks.resnet18, 32),
    "civilnet64": (networks.civilnet, 64),
    "civilnet256": (networks.civilnet, 256),
}


def resident(*, peak: bool) -> float:
    """MB of memory this process has now, or had at most."""
    name = "VmHWM:" if peak else "VmRSS:"
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


def measure(side: str, key: str, steps: int, threads: int) -> dict[str, float]:
    """Train one side for some steps in this process."""
    library: Any = importlib.import_module(side)  # each process loads one of them only
    if side == "torch":
        library.set_num_threads(threads)
    library.manual_seed(0)
    build, batch = MODELS[key]
    model = build(library)
    optimizer = library.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    criterion = library.nn.CrossEntropyLoss()
    numbers = np.random.default_rng(0)
    inputs = library.from_numpy(numbers.normal(size=(batch, 3, 32, 32)).astype(np.float32))
    labels = library.from_numpy(numbers.integers(0, 10, batch))
    before = resident(peak=False)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = criterion(model(inputs), labels)
        loss.backward()
        optimizer.step()
        loss.item()
    return {"peak": resident(peak=True), "training": resident(peak=True) - before}


def measured(side: str, key: str, steps: int, threads: int) -> dict[str, float]:
    """The same in a new process."""
    command = [sys.executable, __file__, key, "--measure", side, "--steps", str(steps), "--threads", str(threads)]
    outcome = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(outcome.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=list(MODELS), help="which of them; by default all")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--measure", choices=SIDES, help="measure this side in this process, and print JSON")
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure(given.measure, given.models[0], given.steps, given.threads)))
        return
    print("| model | | peak MB | of it for training | peak / ours | training / ours |\n|---|---|---|---|---|---|")
    for key in given.models:
        found = {side: measured(side, key, given.steps, given.threads) for side in SIDES}
        ours = found["flambeau"]
        for side, values in found.items():
            ratios = " | ".join(f"{values[kind] / ours[kind]:.2f}" for kind in ("peak", "training"))
            print(f"| {key} | {side} | {values['peak']:.0f} | {values['training']:.0f} | {ratios} |")


if __name__ == "__main__":
    main()
