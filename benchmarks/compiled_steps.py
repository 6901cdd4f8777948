"""Whole steps compiled by ``flambeau.compile``, against the same steps recorded each time, and against PyTorch.

    python benchmarks/compiled_steps.py [CASE ...] [--quick]

The cases are those of training_steps.py. ``torch.compile`` is given the model, since it does not take a step as one
graph.
"""

import argparse

from cases import CASES
from question import COMPILE, EAGER, OURS, Question, installed
from training_steps import set_up, stepper

import flambeau

RECORDED = f"{OURS}, recorded"
ASKED = ("mlp64", "civilnet4", "civilnet64", "gpt")


def extend(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("cases", nargs="*", choices=[*CASES, []], help=f"which of them; by default {', '.join(ASKED)}")
    parser.add_argument("--peers", default="eager,compile", help="whom to measure beside us")


def main() -> None:
    question = Question("compiled_steps", __doc__, extend)
    set_up(question)
    device, peers = question.options.device, question.options.peers
    for key in question.options.cases or [key for key in ASKED if CASES[key].quick or not question.quick]:
        case = CASES[key]
        sides = {
            f"{OURS}, step compiled": stepper(flambeau, case, device, compiled="step"),
            f"{OURS}, model compiled": stepper(flambeau, case, device, compiled="model"),
            RECORDED: stepper(flambeau, case, device),
        }
        if installed("torch"):
            import torch

            if "eager" in peers:
                sides[EAGER] = stepper(torch, case, device)
            if "compile" in peers and not question.quick:
                sides[COMPILE] = stepper(torch, case, device, compiled="model")
        question.compare(case.title, sides, against=(RECORDED,), bar=1.1)
    question.finish()


if __name__ == "__main__":
    main()
