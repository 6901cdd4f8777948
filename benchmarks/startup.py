"""Starting up: a cold process to its first trained CivilNet step, and importing.

    python benchmarks/startup.py [--quick]

Each side runs in new processes, in turns, in an environment of its own requirements only (links to the installed
packages; no side imports what only another needs), with its bytecode compiled, as after an installation. The clock
starts before the process does and stops when the loss of the first step, which has updated the weights, has arrived.
With "an empty cache" our folder of compiled programs is emptied before each run, with "a warm one" it is as the run
before has left it; PyTorch, in eager mode, keeps none.
"""

import compileall
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

from question import EAGER, OURS, Question, installed

STEP = """
import sys
import numpy as np
if sys.argv[1] == "ours":
    import flambeau as torch
else:
    import torch
nn, F = torch.nn, torch.nn.functional

class CivilNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2, self.pool = nn.Conv2d(3, 6, 5), nn.Conv2d(6, 16, 5), nn.MaxPool2d(2, 2)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.conv2(self.pool(F.relu(self.conv1(x))))))
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x.view(-1, 400))))))

torch.manual_seed(0)
model, criterion = CivilNet(), nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
numbers = np.random.default_rng(0)
x = torch.from_numpy(numbers.normal(size=(4, 3, 32, 32)).astype(np.float32))
optimizer.zero_grad()
loss = criterion(model(x), torch.from_numpy(numbers.integers(0, 10, 4)))
loss.backward()
optimizer.step()
print(loss.item(), flush=True)
"""
IMPORTS = {name: f"import {name}; print(flush=True)" for name in ("flambeau", "numpy", "jax", "torch")}
OUR_PACKAGES = ("jax", "ml_dtypes", "numpy", "matplotlib", "pillow", "tqdm", "onednn-cpu-gomp", "onednn-devel-cpu-gomp")


def requirements(names: tuple[str, ...]) -> set[str]:
    """Distributions and whatever they require, without extras."""
    found: set[str] = set()
    todo = list(names)
    while todo:
        name = re.sub(r"[-_.]+", "-", todo.pop()).lower()
        if name in found:
            continue
        try:
            requires = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue  # for another system
        found.add(name)
        todo += [re.split(r"[\s;<>=!~\[(]", line)[0] for line in requires if "extra ==" not in line]
    return found


def environment(folder: Path, names: tuple[str, ...]) -> Path:
    """A folder with links to distributions and what they require: packages whole, what lies elsewhere file by file."""
    packages = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    packages.mkdir(parents=True)
    for name in requirements(names):
        for file in metadata.files(name) or []:
            elsewhere = file.parts[0] == ".."
            depth = len(file.parts) if elsewhere else 1
            link = Path(os.path.normpath(packages.joinpath(*file.parts[:depth])))
            source = Path(os.path.normpath(os.fspath(file.locate())))
            if not link.exists() and "bin" not in file.parts[:-1]:
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(source if depth == len(file.parts) else source.parents[len(file.parts) - 2])
    return packages


def own(folder: Path) -> Path:
    """Our own environment: a copy of this package, compiled, beside what it requires."""
    packages = environment(folder, OUR_PACKAGES)
    import flambeau

    shutil.copytree(Path(flambeau.__path__[0]), packages / "flambeau", ignore=shutil.ignore_patterns("__pycache__"))
    compileall.compile_dir(packages / "flambeau", quiet=2)
    return packages


def seconds(packages: Path, program: str, side: str, cache: Path) -> float:
    """From the start of a process until it prints."""
    variables = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "FLAMBEAU"))}
    variables |= {"PYTHONPATH": str(packages), "FLAMBEAU_CACHE": str(cache), "PYTHONDONTWRITEBYTECODE": "1"}
    started = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-S", "-c", program, side], stdout=subprocess.PIPE, env=variables
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        taken = time.perf_counter() - started
    if process.returncode or not line:
        raise SystemExit(f"{side} failed")
    return taken


def stepped(question: Question, packages: dict[str, Path], cache: Path, rounds: int) -> None:
    """The first step, with an empty and with a warm cache."""
    times: dict[str, list[float]] = {"empty": [], "warm": [], "theirs": []}
    seconds(packages["ours"], STEP, "ours", cache)  # builds the native kernels, which outlive the cache's programs
    for _ in range(rounds + 1):
        for program in cache.glob("*.program"):
            program.unlink()
        times["empty"].append(seconds(packages["ours"], STEP, "ours", cache))
        times["warm"].append(seconds(packages["ours"], STEP, "ours", cache))
        if "torch" in packages:
            times["theirs"].append(seconds(packages["torch"], STEP, "torch", cache))
    theirs = {EAGER: times["theirs"][1:]} if "torch" in packages else {}
    for kind, bar in (("empty", 1.3), ("warm", 3.0)):
        title = f"cold process to the first trained CivilNet step, {kind} compile cache"
        question.note(title, {OURS: times[kind][1:], **theirs}, bar=bar)


def imported(question: Question, packages: dict[str, Path], cache: Path, rounds: int) -> None:
    """Importing, in processes of their own."""
    sides = {"import flambeau": ("ours", "flambeau"), "import numpy": ("ours", "numpy"), "import jax": ("ours", "jax")}
    if "torch" in packages:
        sides["import torch"] = ("torch", "torch")
    times: dict[str, list[float]] = {title: [] for title in sides}
    for _ in range(rounds + 1):
        for title, (side, name) in sides.items():
            times[title].append(seconds(packages[side], IMPORTS[name], side, cache))
    against = {title: values[1:] for title, values in times.items()}
    question.note("a process that imports", against, against=("import numpy",), bar=1 / 1.3)


def main() -> None:
    question = Question("startup", __doc__)
    rounds = 2 if question.quick else 9
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        packages = {"ours": own(folder / "ours")}
        if installed("torch"):
            packages["torch"] = environment(folder / "torch", ("torch", "numpy"))
        stepped(question, packages, folder / "cache", rounds)
        imported(question, packages, folder / "cache", rounds)
    question.finish()


if __name__ == "__main__":
    main()
