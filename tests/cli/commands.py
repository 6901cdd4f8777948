"""Running the command: inside this process, and as a process of its own that can be stopped."""

import contextlib
import io
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import flambeau
from flambeau.cli.digits.digits import load
from flambeau.cli.main import main

PROGRAM = "import sys; from flambeau.cli.main import main; sys.exit(main())"


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    status: Any
    out: str
    err: str


def run(*arguments: object) -> Done:
    """Run a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status: Any = main([str(argument) for argument in arguments])
        except SystemExit as stop:
            status = stop.code
    if isinstance(status, str):  # Python prints it and ends with 1
        return Done(1, out.getvalue(), err.getvalue() + status)
    return Done(status, out.getvalue(), err.getvalue())


def stopped(number: int, folder: Path, ready: Callable[[dict[str, Any]], bool], *arguments: object) -> Done:
    """Run the quickstart as a process, and send it a signal as soon as its checkpoint is ready for that."""
    path = folder / "checkpoint.pt"
    command = [sys.executable, "-c", PROGRAM, "quickstart", "--output", folder, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(Path(flambeau.__file__).parents[1])}
    texts = [str(argument) for argument in command]
    with subprocess.Popen(texts, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            while process.poll() is None and not (path.exists() and ready(flambeau.load(path))):
                time.sleep(0.002)
            process.send_signal(number)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    return Done(process.returncode, out, err)


def digit_image(label: int, path: Path, *, which: int = 0, inverted: bool = False) -> Path:
    """Draw a digit of the dataset: dark ink on white paper, or the other way round, with a margin."""
    images, labels = load()
    shades = images[np.flatnonzero(labels == label)[which]].astype(np.float32) / 16
    ink = np.pad(np.kron(shades, np.ones((16, 16), np.float32)), 24)
    pixels = np.uint8(255 * (ink if inverted else 1 - ink))
    Image.fromarray(pixels).save(path)
    return path
