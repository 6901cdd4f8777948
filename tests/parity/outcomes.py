"""Run one function with PyTorch and with Flambeau and compare all that a user sees: value or error, and warnings."""

import re
import warnings
from collections.abc import Callable
from typing import Any

import pytest

import flambeau

torch = pytest.importorskip("torch")


def outcome(library: Any, function: Callable[[Any], Any]) -> tuple[Any, list[str]]:
    """What ``function(library)`` returns or raises, as text without addresses, and what it warns of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            value: Any = shown(function(library))
        except (NameError, SyntaxError):  # a mistake of the test, which would be the same with both
            raise
        except Exception as error:  # noqa: BLE001  (any error is an outcome)
            value = f"{type(error).__name__}: {plain(str(error))}"
    return value, [f"{item.category.__name__}: {plain(str(item.message))}" for item in caught]


def shown(value: Any) -> Any:
    """A value as text; tuples, lists and dictionaries item by item."""
    if isinstance(value, dict):
        return [(shown(key), shown(item)) for key, item in value.items()]
    if type(value) in (tuple, list):
        return [shown(item) for item in value]
    return plain(repr(value))


def plain(text: str) -> str:
    """Text without what differs by nature: addresses, the library's own name in paths of classes, mending advice."""
    return re.sub(r"flambeau\.", "torch.", re.sub(r"0x[0-9a-f]+", "0x", re.sub(r"\n\tFix: .*", "", text)))


def same(function: Callable[[Any], Any]) -> None:
    """Assert that both libraries have the same outcome."""
    found, expected = outcome(flambeau, function), outcome(torch, function)
    assert found == expected, f"\nfound    {found}\nexpected {expected}"
