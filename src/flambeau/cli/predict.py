"""``flambeau predict``: what a trained checkpoint sees in an image."""

import argparse
from pathlib import Path
from typing import Any

__all__ = ["add_parser", "run"]

_BAR = 30


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:  # pyright: ignore[reportPrivateUsage]  # argparse names no public class
    """Describe the command's arguments."""
    parser = commands.add_parser("predict", help="name what is in an image, with a quickstart's checkpoint")
    parser.add_argument("checkpoint", type=Path, help="checkpoint that the quickstart wrote")
    parser.add_argument("image", type=Path, help="image file")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the most likely class and the probability of each; returns the exit status."""
    # Here, so that --help answers without loading JAX.
    from flambeau.cli.civilnet import CivilNet
    from flambeau.cli.images import prepared
    from flambeau.cli.training import is_checkpoint
    from flambeau.differentiation.modes import no_grad
    from flambeau.nn import functional as F
    from flambeau.serialization import load
    from flambeau.tensors.creation import from_numpy

    for file in (arguments.checkpoint, arguments.image):
        if not file.is_file():
            raise SystemExit(f"{file}: no such file")
    state: Any = load(arguments.checkpoint)
    if not is_checkpoint(state):
        raise SystemExit(f"{arguments.checkpoint}: this is no checkpoint of flambeau quickstart")
    classes: list[str] = state["classes"]
    model = CivilNet(len(classes))
    model.load_state_dict(state["model_state_dict"])
    model.eval()
    with no_grad():
        scores = model(from_numpy(prepared(arguments.image, state["kind"])))
        shares: list[float] = F.softmax(scores, dim=1)[0].tolist()
    print(classes[max(range(len(shares)), key=shares.__getitem__)])
    width = max(map(len, classes))
    for name, share in zip(classes, shares, strict=True):
        print(f"  {name:>{width}}  {share:7.2%}  {'#' * round(share * _BAR)}")
    return 0
