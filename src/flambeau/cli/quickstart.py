"""``flambeau quickstart``: train CivilNet on real images, stop and resume at any moment, and draw the curves."""

import argparse
import signal
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flambeau.cli.training import Training

__all__ = ["add_parser", "run"]


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:  # pyright: ignore[reportPrivateUsage]  # argparse names no public class
    """Describe the command's arguments."""
    parser = commands.add_parser(
        "quickstart",
        help="train a small network on handwritten digits (or your own images), with checkpoints",
        description="Train CivilNet on 1,797 handwritten digits. Interrupted at any moment, the same command resumes "
        "and ends with exactly the weights of an uninterrupted run.",
    )
    parser.add_argument("--data", type=Path, help="folder of your own images, one sub-folder a class")
    parser.add_argument("--output", type=Path, default=Path("flambeau-quickstart"), help="folder of the results")
    parser.add_argument(
        "--epochs", type=positive(int), default=20, help="times every image is seen (default: %(default)s)"
    )
    parser.add_argument("--batch-size", type=positive(int), default=32, help="images a step (default: %(default)s)")
    parser.add_argument("--lr", type=positive(float), default=0.05, help="learning rate (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights and order (default: %(default)s)")
    parser.add_argument("--save-every", type=float, default=2.0, help="seconds between checkpoints inside an epoch")
    parser.add_argument("--restart", action="store_true", help="start anew, even if there is a checkpoint")
    parser.set_defaults(run=run)


def positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    """A reader of a number above zero."""

    def read(text: str) -> float:
        number = kind(text)
        if not 0 < number < float("inf"):
            raise argparse.ArgumentTypeError(f"expected a number above 0, got {text}")
        return number

    read.__name__ = kind.__name__  # argparse names it where the text is no number at all
    return read


def run(arguments: argparse.Namespace) -> int:
    """Train; returns the exit status, 130 when interrupted."""
    # Here, so that --help and the commands for checkpoints answer without loading these, or JAX.
    from tqdm import tqdm

    from flambeau.cli import curves
    from flambeau.cli.images import digits, folder
    from flambeau.cli.training import Training

    started = time.monotonic()
    images = digits() if arguments.data is None else folder(arguments.data)
    arguments.output.mkdir(parents=True, exist_ok=True)
    path: Path = arguments.output / "checkpoint.pt"
    if arguments.restart:
        path.unlink(missing_ok=True)
    options = {name: getattr(arguments, name) for name in ("epochs", "batch_size", "lr", "seed")}
    training = Training(images, options, path, arguments.save_every)
    if training.restore():
        print(f"resuming {path} in epoch {min(training.epoch + 1, training.options['epochs'])}")
    learn, test = len(images.train[1]), len(images.test[1])
    print(f"{learn:,} images to learn from, {test:,} held out, {len(images.classes)} classes")
    with _stopping_on_interrupt(training):
        for figures in training.epochs():
            tqdm.write(
                f"epoch {training.epoch:3}/{options['epochs']}  loss {figures['loss']:.4f}  "
                f"accuracy {figures['accuracy']:6.1%}  {figures['speed']:,.0f} images/s"
            )
    if not training.finished:
        print(f"interrupted; the same command goes on from {path}")
        return 130
    picture = arguments.output / "curves.png"
    curves.draw(training.history, picture)
    best = training.history[-1]["accuracy"]
    print(f"{best:.1%} of the held-out images recognized; {time.monotonic() - started:.1f} s")
    print(f"checkpoint: {path}\ncurves:     {picture}\nnext:       flambeau predict {path} IMAGE.png")
    return 0


@contextmanager
def _stopping_on_interrupt(training: "Training") -> Generator[None]:
    """Finish the step and save at the first Ctrl-C inside the block; stop at once at the second."""

    def ask(number: int, frame: FrameType | None) -> None:
        training.stop_asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    if threading.current_thread() is not threading.main_thread():  # others cannot be interrupted
        yield
        return
    before = signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
