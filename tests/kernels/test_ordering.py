"""The native order of elements is that of plain XLA, for every type, length and count."""

from typing import Any

import jax
import numpy as np
import pytest

from flambeau.kernels import library, ordering

TYPES = ("float16", "float32", "float64", "int8", "int32", "int64", "bool")
# Rows that are compared, counted byte by byte, and of which the first few are chosen.
SHAPES = (((3, 40, 7), 7), ((67, 61), 20), ((41, 200), 200), ((200, 41), 1), ((3, 5000), 5000), ((5, 5000), 30))


def numbers(shape: tuple[int, ...], kind: str) -> Any:
    """Numbers of which many are equal, with everything that has an order of its own."""
    values = np.random.default_rng(len(shape)).normal(size=shape) * 9
    values = values.round(1).astype(kind)
    if kind.startswith("float"):
        flat = values.reshape(-1)
        flat[::11], flat[1::13], flat[2::17], flat[3::19], flat[4::7] = np.nan, np.inf, -np.inf, -0.0, 0.0
    return values


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("kind", TYPES)
def test_native_order_is_that_of_plain_xla(kind: str, descending: bool) -> None:
    if library.target("flambeau_order") is None:
        pytest.skip(f"CPU kernels: {library.status()}")
    cases = [(numbers(shape, kind), count) for shape, count in SHAPES]

    def run(arrays: list[Any]) -> list[Any]:
        return [ordering.order(x, count, descending) for x, (_, count) in zip(arrays, cases, strict=True)]

    with jax.enable_x64(True):
        arrays = [x for x, _ in cases]
        assert jax.jit(run).lower(arrays).as_text().count("@flambeau_order") == len(SHAPES)
        found = jax.jit(run)(arrays)
    for (x, count), places in zip(cases, found, strict=True):
        key = x.astype(np.float64)
        # NumPy's stable order of what is already ordered by place; the last is the first when turned around
        expected = np.argsort(key, -1, kind="stable")
        if descending:
            expected = x.shape[-1] - 1 - np.flip(np.argsort(np.flip(key, -1), -1, kind="stable"), -1)
        np.testing.assert_array_equal(places, expected[..., :count])


def test_few_elements_are_left_to_xla() -> None:
    assert (
        "flambeau_order" not in jax.jit(lambda x: ordering.order(x, 3, True)).lower(numbers((5,), "float32")).as_text()
    )
