"""Peak memory of training against PyTorch: each side in processes of its own.

    python benchmarks/memory.py [--case resnet18] [--rounds 3]

Shown is the most memory a process ever had in five steps: libraries, and compiling, included.
"""

import argparse
import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from cases import CASES, Case
from question import EAGER, OURS, Question
from training_steps import stepper

SIDES = {OURS: "flambeau", EAGER: "torch"}
ASKED = {"resnet18": 1.0, "civilnet64": None, "civilnet256": None}
STEPS = 5


def resident() -> float:
    """MB of memory this process had at most."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


def peak(library: Any, case: Case) -> float:
    """Train for some steps in this process; the most memory it had."""
    work = stepper(library, case, "cpu", read=True)
    work(STEPS)
    return resident()


def measured(side: str, key: str, threads: int) -> float:
    """The same in a new process."""
    command = [sys.executable, __file__, "--measure", side, "--case", key, "--threads", str(threads)]
    outcome = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(outcome.stdout.splitlines()[-1])


def extend(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--case", choices=CASES, help="one of the cases of training_steps.py")
    parser.add_argument("--measure", choices=SIDES.values(), help="measure this side in this process, and print JSON")
    parser.add_argument("--rounds", type=int, default=3, help="processes of each side")


def main() -> None:
    question = Question("memory", __doc__, extend)
    options = question.options
    if options.measure:
        library: Any = importlib.import_module(options.measure)  # each process loads one of them only
        if options.measure == "torch":
            library.set_num_threads(options.threads)
        print(json.dumps(peak(library, CASES[options.case])))
        return
    asked = {options.case: ASKED.get(options.case)} if options.case else ASKED
    for key in list(asked)[1:2] if question.quick else asked:
        found = {
            name: [measured(side, key, options.threads) for _ in range(1 if question.quick else options.rounds)]
            for name, side in SIDES.items()
        }
        question.note(CASES[key].title, found, unit="MB", bar=asked[key])
    question.finish()


if __name__ == "__main__":
    main()
