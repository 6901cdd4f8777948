"""`import flambeau` is cheap: it loads neither JAX nor PyTorch nor the packages of the commands."""

import os
import subprocess
import sys
from pathlib import Path

SOURCES = Path(__file__).parents[2] / "src"
HEAVY = ("jax", "jaxlib", "torch", "matplotlib", "PIL", "scipy")


def test_importing_the_package_loads_nothing_heavy():
    program = f"import sys, flambeau; print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(SOURCES)},
    )
    assert (done.stderr, done.stdout.strip()) == ("", "[]")
