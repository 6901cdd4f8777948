"""The one comparison of errors with PyTorch: class and text."""

import re
from collections.abc import Callable
from typing import Any

import pytest

import flambeau

torch = pytest.importorskip("torch")


def same_error(function: Callable[..., Any], *inputs: Any) -> None:
    """Both libraries raise, on tensors of these arrays, errors of one class with one text."""
    expected = error(torch, function, inputs)
    assert expected[0] != "nothing", "PyTorch raises nothing"
    assert error(flambeau, function, inputs) == expected


def error(library: Any, function: Callable[..., Any], inputs: tuple[Any, ...]) -> tuple[str, str]:
    """Class and text of what a library raises; lines that say what would mend it are ours alone."""
    try:
        function(library, *[library.tensor(item) for item in inputs])
    except Exception as problem:  # noqa: BLE001  (whatever it is, it must be the same)
        return type(problem).__name__, re.sub(r"\n\tFix: .*", "", str(problem))
    return "nothing", ""
