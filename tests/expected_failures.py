"""``tests/xfails.txt``: tests that fail, and why. One that passes has to leave the list."""

from collections.abc import Iterable
from pathlib import Path

SEPARATOR = " | "


def read(path: Path) -> dict[str, str]:
    """The reasons by test: lines ``test id | reason``; blank lines and those that begin with ``#`` say nothing.

    Raises:
        ValueError: a line has no reason, or a test is listed twice.
    """
    reasons: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        test, separator, reason = line.rpartition(SEPARATOR)
        if not separator or not test.strip() or not reason.strip():
            raise ValueError(f"{path.name}:{number}: expected 'test id{SEPARATOR}reason', got {line!r}")
        if test.strip() in reasons:
            raise ValueError(f"{path.name}:{number}: {test.strip()} is listed twice")
        reasons[test.strip()] = reason.strip()
    return reasons


def unknown(reasons: Iterable[str], tests: Iterable[str]) -> list[str]:
    """Listed tests that are not among these, although other tests of their files are."""
    present = set(tests)
    files = {test.partition("::")[0] for test in present}
    return [test for test in reasons if test not in present and test.partition("::")[0] in files]
