"""Continuous integration does what the README tells people to do, in the README's order."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# What the README says, and how it reads in .ci/run, where the environment lies in a temporary folder.
STEPS = {
    "python -m venv .venv": 'python3 -m venv "$work/.venv"',
    ". .venv/bin/activate": '. "$work/.venv/bin/activate"',
    'pip install -e ".[dev]"': 'pip install --quiet -e ".[dev]"',
    "scripts/test": "scripts/test",
}


def commands_of_readme() -> list[str]:
    """Return the commands in the README's shell blocks, one for each side of an `&&`."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```(?:sh|bash|shell|console)\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    lines = [line.removeprefix("$ ").partition("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [command.strip() for line in lines for command in line.split("&&")]


def commands_of_ci() -> list[str]:
    return (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(
    ("commands", "steps"),
    [(commands_of_readme, list(STEPS.keys())), (commands_of_ci, list(STEPS.values()))],
    ids=["README.md", ".ci/run"],
)
def test_steps_appear_in_order(commands, steps: list[str]):
    found = [command for command in commands() if command in steps]
    assert list(dict.fromkeys(found)) == steps


def test_readme_shows_the_quickstart():
    assert "flambeau quickstart" in commands_of_readme()
