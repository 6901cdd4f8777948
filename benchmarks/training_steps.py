"""Whole steps against PyTorch, eager and compiled, and against Flax NNX and Equinox: forward, loss, backward, update.

    python benchmarks/training_steps.py [CASE ...] [--quick] [--device cuda]

All sides use batches of the same sizes and the same number of threads; Flambeau and PyTorch the same weights, too. Each
prediction is read, and each block of training steps ends when the last loss has been read; on a GPU the host therefore
waits for the device once a block. TF32 is allowed on both sides there, and bfloat16 means autocast. With --every-step
the loss is read after each step as well.

On a machine that others use at the same time, compare processor time on one thread:

    OMP_NUM_THREADS=1 taskset -c 0 python benchmarks/training_steps.py --processor-time --peers eager
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from cases import CASES, Case
from question import COMPILE, EAGER, OURS, Question, installed

import flambeau

Work = Callable[[int], Any]


def stepper(library: Any, case: Case, device: str, *, compiled: str = "", read: bool = False) -> Work:
    """A function that takes a number of steps, and reads the last loss, or the largest score of the last prediction.

    ``compiled`` says what the library is to compile: the ``"model"``, the whole ``"step"``, or nothing.
    """
    library.manual_seed(0)
    model = case.build(library).to(device).train(case.trains)
    optimizer = library.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    criterion = library.nn.CrossEntropyLoss()
    forward = library.compile(model) if compiled == "model" else model
    numbers = np.random.default_rng(0)
    batches = [
        tuple(library.from_numpy(array).to(device) for array in case.batch(numbers))
        for _ in range(8 if case.trains else 1)
    ]
    half = case.precision == "bfloat16"

    def trained(inputs: Any, labels: Any) -> Any:
        optimizer.zero_grad()
        with library.autocast(device, dtype=library.bfloat16, enabled=half):
            loss = criterion(forward(inputs), labels)
        loss.backward()
        optimizer.step()
        return loss

    def predicted(inputs: Any, labels: Any) -> Any:
        with library.no_grad(), library.autocast(device, dtype=library.bfloat16, enabled=half):
            return forward(inputs).max()

    step = trained if case.trains else predicted
    step = library.compile(step) if compiled == "step" else step

    def work(count: int) -> float:
        result: Any = None
        for index in range(count):
            result = step(*batches[index % len(batches)])
            if read or not case.trains:  # a prediction nobody looks at is never computed
                result.item()
        return result.item()

    return work


def sides_of(case: Case, question: Question, *, read: bool = False) -> dict[str, Work]:
    """Whoever is installed and asked for; ours first."""
    wanted, device = question.options.peers, question.options.device
    sides = {OURS: stepper(flambeau, case, device, read=read)}
    if installed("torch"):
        import torch

        if "eager" in wanted:
            sides[EAGER] = stepper(torch, case, device, read=read)
        if "compile" in wanted and not question.quick:
            sides[COMPILE] = stepper(torch, case, device, read=read, compiled="model")
    if not read and case.precision == "float32":
        if "flax" in wanted and installed("flax"):
            import flax_steps

            sides["Flax NNX"] = flax_steps.stepper(case)
        if "equinox" in wanted and installed("equinox"):
            import equinox_steps

            sides["Equinox"] = equinox_steps.stepper(case)
    return sides


def set_up(question: Question) -> None:
    """Equal threads, equal precision."""
    if not installed("torch"):
        return
    import torch

    torch.set_num_threads(question.options.threads)
    torch.set_float32_matmul_precision("high" if question.options.device == "cuda" else "highest")
    torch.backends.cudnn.allow_tf32 = question.options.device == "cuda"


def chosen(question: Question) -> dict[str, Case]:
    """The cases that are named, or all that run on this device."""
    options = question.options
    if options.cases:
        return {key: CASES[key] for key in options.cases}
    return {
        key: case
        for key, case in CASES.items()
        if options.device in case.devices and (case.quick or not question.quick)
    }


def extend(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("cases", nargs="*", choices=[*CASES, []], help="which of them; by default all of this device")
    parser.add_argument("--peers", default="eager,compile,flax,equinox", help="whom to measure beside us")
    parser.add_argument("--every-step", action="store_true", help="also with the loss read after every step")
    parser.add_argument("--processor-time", action="store_true", help="measure processor time; wants one thread")


def main() -> None:
    question = Question("training_steps", __doc__, extend)
    set_up(question)
    clock = time.process_time if question.options.processor_time else time.perf_counter
    for case in chosen(question).values():
        question.compare(case.title, sides_of(case, question), bar=case.bar, clock=clock)
        if question.options.every_step and case.trains:
            question.compare(f"{case.title}, loss read every step", sides_of(case, question, read=True), clock=clock)
    question.finish()


if __name__ == "__main__":
    main()
