"""The partial inverse of max pooling: values put back where they were found."""

from functools import partial
from math import prod

import jax
import jax.numpy as jnp

from flambeau.primitives.primitive import Array, Primitive
from flambeau.primitives.refusals import unsupported

__all__ = ["MAX_UNPOOL"]


def _rows(x: Array, rank: int) -> Array:
    """The last ``rank`` axes as one, all others as one."""
    return x.reshape(prod(x.shape[: x.ndim - rank]), prod(x.shape[x.ndim - rank :]))


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _placed(x: Array, index: Array, outputs: tuple[int, ...]) -> Array:
    rank = len(outputs)
    values, places = _rows(x, rank), _rows(index, rank)
    total = prod(outputs)
    rows = jnp.arange(values.shape[0])[:, None]
    flat = jnp.zeros((values.shape[0], total), x.dtype)
    flat = flat.at[rows, jnp.where(places < 0, total, places)].set(values, mode="drop")
    return flat.reshape(*x.shape[: x.ndim - rank], *outputs)


def _placed_forward(x: Array, index: Array, outputs: tuple[int, ...]) -> tuple[Array, Array]:
    return _placed(x, index, outputs), index


def _placed_backward(outputs: tuple[int, ...], index: Array, gradient: Array) -> tuple[Array, None]:
    """Every value takes the gradient of its place, also where another one was written over it (as in PyTorch)."""
    rank = len(outputs)
    taken = jnp.take_along_axis(_rows(gradient, rank), _rows(index, rank), 1)
    return taken.reshape(index.shape), None


_placed.defvjp(_placed_forward, _placed_backward)


def _max_unpool(x: Array, index: Array, outputs: tuple[int, ...]) -> Array:
    """Zeros of the size ``outputs``, with the values at their positions in the flattened last axes.

    A position out of range is left out.
    """
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise unsupported(f"max_unpool{len(outputs)}d", x)
    return _placed(x, index, outputs)


MAX_UNPOOL = {
    rank: Primitive(f"max_unpool{rank}d", _max_unpool, saves=(1,), grad_name=f"MaxUnpool{rank}DBackward0")
    for rank in (2, 3)
}
