"""Padding: with a number, or with the tensor's own elements."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from flambeau.dtypes.kinds import from_numpy_dtype
from flambeau.primitives.primitive import Array, Primitive, as_array, primitive

__all__ = ["REFLECTION", "REPLICATION", "pad_circular", "pad_constant"]


@primitive(saves=(), grad_name="ConstantPadNdBackward0")
def pad_constant(x: Array, value: Any, pads: tuple[tuple[int, int], ...]) -> Array:
    """Add a number before and after along every axis; negative amounts cut off."""
    fill = as_array(value, from_numpy_dtype(x.dtype))
    return jax.lax.pad(x, fill, [(before, after, 0) for before, after in pads])


def _gathered(x: Array, pads: tuple[tuple[int, int], ...], mode: str) -> Array:
    """Along every axis the elements that NumPy's padding of this mode would take; negative amounts cut off."""
    for axis, (before, after) in enumerate(pads):
        if before or after:
            positions = np.pad(np.arange(x.shape[axis]), (max(before, 0), max(after, 0)), mode=mode)  # pyright: ignore[reportCallIssue, reportArgumentType]  # the mode is one of NumPy's
            positions = positions[max(-before, 0) : len(positions) - max(-after, 0)]
            x = jnp.take(x, positions, axis)
    return x


def _reflected(x: Array, pads: tuple[tuple[int, int], ...]) -> Array:
    return _gathered(x, pads, "reflect")


def _replicated(x: Array, pads: tuple[tuple[int, int], ...]) -> Array:
    return _gathered(x, pads, "edge")


REFLECTION = {
    rank: Primitive(f"reflection_pad{rank}d", _reflected, saves=(), grad_name=f"ReflectionPad{rank}DBackward0")
    for rank in (1, 2, 3)
}
REPLICATION = {
    rank: Primitive(f"replication_pad{rank}d", _replicated, saves=(), grad_name=f"ReplicationPad{rank}DBackward0")
    for rank in (1, 2, 3)
}


@primitive(saves=(), grad_name="CopySlices")
def pad_circular(x: Array, pads: tuple[tuple[int, int], ...]) -> Array:
    """Continue every axis with its other end."""
    return _gathered(x, pads, "wrap")
