"""Putting arrays together and repeating them."""

from collections.abc import Sequence

import jax.numpy as jnp

from flambeau.primitives.primitive import Array, as_array, common_dtype, primitive

__all__ = ["cat", "flip", "roll", "stack", "tile"]


def _check_cat(inputs: Sequence[Array], axis: int) -> None:
    """Raise RuntimeError, in PyTorch's words, unless the shapes agree in all other dimensions."""
    first = inputs[0].shape
    for position, item in enumerate(inputs):
        if item.ndim != len(first):
            counts = f"got {len(first)} and {item.ndim}"
            raise RuntimeError(f"Tensors must have same number of dimensions: {counts}")
        for other, (size, own) in enumerate(zip(first, item.shape, strict=True)):
            if other != axis and size != own:
                raise RuntimeError(
                    f"Sizes of tensors must match except in dimension {axis}. Expected size {size} but got size {own} "
                    f"for tensor number {position} in the list."
                )


@primitive(saves=(), grad_name="CatBackward0", variadic=True)
def cat(inputs: tuple[Array, ...], axis: int) -> Array:
    """Joined along an axis; empty vectors join with anything, as they always did in PyTorch."""
    _check_cat([item for item in inputs if item.shape != (0,)] or inputs, axis)
    kind = common_dtype(*[item.reshape((-1,)) for item in inputs])
    arrays = [as_array(item, kind) for item in inputs]
    kept = [item for item in arrays if item.shape != (0,)]
    return jnp.concatenate(kept or arrays, axis)


@primitive(saves=(), grad_name="StackBackward0", variadic=True)
def stack(inputs: tuple[Array, ...], axis: int) -> Array:
    first = inputs[0].shape
    for position, item in enumerate(inputs):
        if item.shape != first:
            sizes = f"but got {list(first)} at entry 0 and {list(item.shape)} at entry {position}"
            raise RuntimeError(f"stack expects each tensor to be equal size, {sizes}")
    kind = common_dtype(*[item.reshape((-1,)) for item in inputs])
    return jnp.stack([as_array(item, kind) for item in inputs], axis)


@primitive(saves=(), grad_name="FlipBackward0")
def flip(x: Array, axes: tuple[int, ...]) -> Array:
    return jnp.flip(x, axes)


@primitive(saves=(), grad_name="RollBackward0")
def roll(x: Array, shifts: tuple[int, ...], axes: tuple[int, ...] | None) -> Array:
    return jnp.roll(x, shifts[0], None) if axes is None else jnp.roll(x, shifts, axes)


@primitive(saves=(), grad_name="RepeatBackward0")
def tile(x: Array, repeats: tuple[int, ...]) -> Array:
    return jnp.tile(x, repeats)
