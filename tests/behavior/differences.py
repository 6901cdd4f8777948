"""Where Flambeau differs from PyTorch on purpose: the rows, and why. ``test_rows.py`` holds the table to the tests."""

from typing import Any

import flambeau

DIFFERENT: dict[int, str] = {
    74: "a load that fails leaves the module as it was, where PyTorch has copied what fitted",
    95: "files are read as data whatever weights_only says; the error is a LoadError, no UnpicklingError",
    96: "a class that is not there is refused like any other, without looking for it",
    97: "NumPy's numbers are saved as Python's, so that a checkpoint with one loads",
    109: "what is wrong with a file is said in words, by a LoadError",
}


def differs(torch: Any, row: int) -> bool:
    """Whether this library is Flambeau; for rows of the table only. The test says what happens in either case."""
    assert row in DIFFERENT, f"row {row} is not in the table of differences"
    return torch is flambeau
