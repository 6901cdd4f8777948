"""The whole text of an error."""

from collections.abc import Generator
from contextlib import contextmanager

import pytest


@contextmanager
def raises(kind: type[Exception], text: str) -> Generator[None]:
    """Expect an error of exactly this class, with exactly this text."""
    try:
        yield
    except kind as error:
        found = error
    else:
        pytest.fail(f"nothing was raised, expected {kind.__name__}: {text}")
    assert (type(found), words(found)) == (kind, text)


@contextmanager
def raises_like(kind: type[Exception], *parts: str) -> Generator[None]:
    """Expect an error of this class or one below it, whose text begins with the first part and holds the others."""
    try:
        yield
    except kind as error:
        found = error
    else:
        pytest.fail(f"nothing was raised, expected {kind.__name__}: {parts}")
    assert words(found).startswith(parts[0])
    assert [part for part in parts if part not in words(found)] == []


def words(error: Exception) -> str:
    """An error's text; that of ``KeyError`` without the quotes Python puts around it."""
    return str(error.args[0]) if type(error) is KeyError else str(error)
