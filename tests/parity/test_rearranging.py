"""``func.rearrange`` against PyTorch: a pattern each."""

from typing import Any

import numpy as np
import pytest

import flambeau
from tests.parity.oracle import check, torch

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)

PATTERNS: dict[str, dict[str, int]] = {
    "a b c -> c a b": {},
    "a b c -> (a b) c": {},
    "a b c -> (c a b)": {},
    "a b (c d) -> (a d) b c": {"c": 2},
    "(a e) b (c d) -> a d b c e": {"c": 2, "e": 2},
    "a ... -> ... a": {},
    "a ... -> a (...)": {},
    "a ... c -> (... c) a": {},
    "... -> ... 1": {},
    "a b c -> a () b c": {},
    "a (b) c -> a b c": {},
    "a b c ... -> a b c ...": {},
}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns(pattern: str) -> None:
    check(lambda t, x: t.func.rearrange(x, pattern, **PATTERNS[pattern]), X)


def test_singletons_and_several_tensors() -> None:
    check(lambda t, x: [t.func.rearrange(x[None], "1 a b c -> c b a"), t.func.rearrange(x[:, :1], "a () c -> c a"),
                        t.func.rearrange([x, 2 * x], "n a b c -> a n b c")], X)  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "sizes"),
    [
        ("a b c -> a b", {}),
        ("a b -> a b", {}),
        ("a b c -> a b c d", {}),
        ("a b c", {}),
        ("a b c -> a b c", {"d": 3}),
        ("a b c -> a b (c", {}),
        ("a (...) -> a", {}),
        ("(... a) b -> a b", {}),
        ("a b c -> a-b c", {}),
        ("_a b c -> b c _a", {}),
        ("a b c a -> a b c", {}),
        ("a b c d ... -> a b c d ...", {}),
    ],
)
def test_errors_are_pytorchs(pattern: str, sizes: dict[str, int]) -> None:
    def failure(library: Any) -> str:
        with pytest.raises(ValueError, match=r".") as caught:
            library.func.rearrange(library.tensor(X), pattern, **sizes)
        return str(caught.value)

    assert failure(flambeau) == failure(torch)


@pytest.mark.parametrize(
    ("pattern", "sizes", "message"),
    [
        ("a b (c d) -> a b c d", {}, "cannot infer the sizes of two dimensions at once c and d"),
        ("a b (c d) -> a b c d", {"c": 3}, "inferred dimension does not evenly fit into larger dimension: 4 vs 3"),
        ("a b c -> a b c", {"a": 5}, r"Dimension sizes to do not match \(2 != 5\) when matching dimension"),
    ],
)
def test_sizes_that_do_not_fit(pattern: str, sizes: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        flambeau.func.rearrange(flambeau.tensor(X), pattern, **sizes)
