"""PyTorch's switches of the process are accepted, remembered, and refused in its words."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import flambeau
from tests.parity.failures import same_error
from tests.parity.oracle import torch


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    for library in (flambeau, torch):
        library.use_deterministic_algorithms(False)
        library.set_float32_matmul_precision("highest")
        library.set_warn_always(False)
        library.set_flush_denormal(False)  # or the tests after these would flush, too


REMEMBERED: dict[str, Callable[[Any], Any]] = {
    "at first": lambda t: (t.get_deterministic_debug_mode(), t.get_float32_matmul_precision(),
                           t.is_warn_always_enabled(), t.are_deterministic_algorithms_enabled()),
    "deterministic": lambda t: (t.use_deterministic_algorithms(True), t.are_deterministic_algorithms_enabled(),
                                t.is_deterministic_algorithms_warn_only_enabled(), t.get_deterministic_debug_mode()),
    "warn only": lambda t: (t.use_deterministic_algorithms(True, warn_only=True),
                            t.is_deterministic_algorithms_warn_only_enabled(), t.get_deterministic_debug_mode()),
    "by word": lambda t: (t.set_deterministic_debug_mode("error"), t.get_deterministic_debug_mode()),
    "by number": lambda t: (t.set_deterministic_debug_mode(1), t.is_deterministic_algorithms_warn_only_enabled()),
    "precision": lambda t: (t.set_float32_matmul_precision("high"), t.get_float32_matmul_precision()),
    "warnings": lambda t: (t.set_warn_always(True), t.is_warn_always_enabled()),
    "denormal": lambda t: t.set_flush_denormal(True),
    "names": lambda t: [t.typename(item) for item in (t.ones(1), t.ones(1, dtype=t.int8), 3, None, "a", [])],
    "threads": lambda t: t.set_num_threads(t.get_num_threads()),
}  # fmt: skip


@pytest.mark.parametrize("name", REMEMBERED)
def test_switches_are_remembered(name: str) -> None:
    assert REMEMBERED[name](flambeau) == REMEMBERED[name](torch)


REFUSED: dict[str, Callable[[Any], Any]] = {
    "no thread": lambda t: t.set_num_threads(0),
    "half a thread": lambda t: t.set_num_threads(1.5),
    "no thread between": lambda t: t.set_num_interop_threads(0),
    "mode": lambda t: t.use_deterministic_algorithms(1),
    "word": lambda t: t.set_deterministic_debug_mode("x"),
    "number": lambda t: t.set_deterministic_debug_mode(7),
    "neither": lambda t: t.set_deterministic_debug_mode(1.5),
    "denormal": lambda t: t.set_flush_denormal(1),
    "warnings": lambda t: t.set_warn_always(1),
}


@pytest.mark.parametrize("name", REFUSED)
def test_errors(name: str) -> None:
    same_error(REFUSED[name])


def test_an_unknown_precision_is_passed_over() -> None:
    with pytest.warns(UserWarning, match="low is not one of 'highest', 'high', or 'medium'; the current"):
        flambeau.set_float32_matmul_precision("low")
    assert flambeau.get_float32_matmul_precision() == "highest"
    assert flambeau.get_num_interop_threads() == flambeau.get_num_threads() >= 1
