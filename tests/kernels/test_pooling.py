"""The native gradient of max pooling is the one of plain XLA, to the bit."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flambeau.kernels.pooling import halves
from flambeau.primitives.pooling import Window, _max_axes, _max_pool

pytestmark = pytest.mark.usefixtures("kernels")


def windows(shape: tuple[int, ...]) -> tuple[Window, ...]:
    return tuple(Window(2, 2, 0, 1, size // 2) for size in shape[-2:])


def values(*shape: int, seed: int = 0) -> Any:
    """Whole numbers, of which many are equal."""
    return jnp.asarray(np.random.default_rng(seed).integers(-3, 4, shape).astype(np.float32))


def gradient(pool: Any, x: Any, direction: Any) -> Any:
    return jax.vjp(lambda x: pool(x, windows(x.shape)), x)[1](direction)[0]


SHAPES = [(2, 3, 8, 8), (1, 1, 2, 2), (3, 28, 28), (2, 2, 7, 10), (6, 20), (2, 5, 3, 2), (64, 6, 60, 60)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_equal_to_the_bit(shape: tuple[int, ...]) -> None:
    assert halves(shape, np.dtype(np.float32))
    x, direction = values(*shape), values(*shape[:-2], shape[-2] // 2, shape[-1] // 2, seed=1)
    native = jax.jit(lambda *inputs: gradient(_max_pool, *inputs)).lower(x, direction)
    assert native.as_text().count("@flambeau_max_pooling") == 1
    found = native.compile()(x, direction)
    expected = jax.jit(lambda *inputs: gradient(_max_axes, *inputs))(x, direction)
    np.testing.assert_array_equal(found, expected)


def test_nan_and_infinity() -> None:
    special = np.array([np.nan, np.inf, -np.inf, 1, 0, -0.0], np.float32)
    x = jnp.asarray(np.random.default_rng(0).choice(special, (4, 16, 16)))
    direction = values(4, 8, 8)
    found = jax.jit(lambda *inputs: gradient(_max_pool, *inputs))(x, direction)
    np.testing.assert_array_equal(found, jax.jit(lambda *inputs: gradient(_max_axes, *inputs))(x, direction))


@pytest.mark.parametrize("axes", [(0, 0), (1, None), (None, 0)], ids=str)
def test_mapped_over_a_batch(axes: tuple[int | None, int | None]) -> None:
    inputs = [
        item if axis is None else jnp.stack([item, -item], axis)
        for item, axis in zip((values(2, 6, 8), values(2, 3, 4, seed=1)), axes, strict=True)
    ]
    found = jax.jit(jax.vmap(lambda *inputs: gradient(_max_pool, *inputs), axes))(*inputs)
    np.testing.assert_array_equal(found, jax.vmap(lambda *inputs: gradient(_max_axes, *inputs), axes)(*inputs))


def test_second_derivative() -> None:
    """The gradient's square, differentiated with respect to x and to the direction."""
    x, direction = values(2, 4, 4), values(2, 2, 2, seed=1)

    def derived(pool: Any) -> Any:
        return jax.jit(jax.grad(lambda *inputs: (gradient(pool, *inputs) ** 2).sum(), (0, 1)))(x, direction)

    for found, expected in zip(derived(_max_pool), derived(_max_axes), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("shape", "kind"),
    [((2, 4, 5), np.float32), ((0, 4, 4), np.float32), ((2, 1, 4), np.float32), ((2, 4, 4), np.float64)],
    ids=["odd width", "no images", "no window", "float64"],
)
def test_not_served(shape: tuple[int, ...], kind: Any) -> None:
    assert not halves(shape, np.dtype(kind))
