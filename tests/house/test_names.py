"""The public names: each resolves, the doorplate is current, and the README's example runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import flambeau

ROOT = Path(__file__).parents[2]
# Rooms that need JAX or much of NumPy, whose import `import flambeau` puts off.
LATE = (
    "jax",
    "jaxlib",
    "numpy",
    "ml_dtypes",
    "flambeau.tensors",
    "flambeau.nn",
    "flambeau.runtime",
    "flambeau.checkpoint",
)


def python(*arguments: str, folder: Path = ROOT) -> str:
    """Output of a process of Python that finds the package in this checkout."""
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", flambeau.__all__)
def test_name_resolves(name: str) -> None:
    value = getattr(flambeau, name)
    if name != "newaxis":
        assert value is not None
    assert getattr(flambeau, name) is value


def test_names_are_unique_and_sorted() -> None:
    assert flambeau.__all__ == sorted(set(flambeau.__all__))
    assert dir(flambeau) == flambeau.__all__


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match=r"^module 'flambeau' has no attribute 'no_such_name'$"):
        flambeau.no_such_name  # pyright: ignore[reportAttributeAccessIssue]


ROOMS = (
    "amp autograd nn nn.functional nn.init nn.utils nn.utils.rnn optim optim.lr_scheduler optim.swa_utils random "
    "serialization testing utils utils.data".split()
)


@pytest.mark.parametrize("room", ROOMS)
def test_names_of_a_room_resolve(room: str) -> None:
    module = flambeau
    for part in room.split("."):
        module = getattr(module, part)
    missing = [name for name in module.__all__ if not hasattr(module, name)]
    assert missing == []
    assert len(set(module.__all__)) == len(module.__all__)


def test_doorplate_is_current() -> None:
    assert python("scripts/doorplate.py", "--check") == ""


def test_importing_the_package_puts_the_rest_off() -> None:
    program = f"import sys, flambeau; print(sorted(set({LATE!r}) & set(sys.modules)))"
    assert python("-c", program).strip() == "[]"


def test_reading_a_file_as_data_needs_no_jax() -> None:
    program = "import sys, flambeau.checkpoint; print('jax' in sys.modules)"
    assert python("-c", program).strip() == "False"


def test_the_readmes_example_runs(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) == 1
    out = python("-c", blocks[0], folder=tmp_path)
    assert re.fullmatch(r"0\.\d{4}\n", out)
    assert float(out) < 0.3
    state = flambeau.load(tmp_path / "net.pt")
    assert {name: tuple(value.shape) for name, value in state.items()} == {
        "fc1.weight": (16, 2),
        "fc1.bias": (16,),
        "fc2.weight": (1, 16),
        "fc2.bias": (1,),
    }
