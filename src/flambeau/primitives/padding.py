"""Padding: with a number, or with the tensor's own elements; and of several tensors to one length."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from flambeau.dtypes.kinds import from_numpy_dtype
from flambeau.primitives.pointwise import cast
from flambeau.primitives.primitive import Array, Primitive, as_array, primitive

__all__ = ["REFLECTION", "REPLICATION", "pad_circular", "pad_constant", "pad_stack"]


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
            x = jnp.concatenate([_run(x, run, axis) for run in _runs(positions)], axis)
    return x


def _runs(positions: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Cut into runs with a step of -1, 0 or 1 from each position to the next."""
    runs: list[NDArray[np.int64]] = []
    while len(positions):
        steps = np.append(np.diff(positions), 2)
        count = 1 + int((steps != steps[0]).argmax()) if abs(steps[0]) < 2 else 1
        runs.append(positions[:count])
        positions = positions[count:]
    return runs


def _run(x: Array, run: NDArray[np.int64], axis: int) -> Array:
    """Elements side by side, forwards or backwards, or one of them repeated: its gradient needs no scattering."""
    part = jax.lax.slice_in_dim(x, int(run.min()), int(run.max()) + 1, axis=axis)
    if len(run) > 1 and run[0] == run[1]:
        return jnp.repeat(part, len(run), axis)
    return jax.lax.rev(part, (axis,)) if run[0] > run[-1] else part


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


@primitive(saves=(), grad_name="torch::autograd::CopySlices")
def pad_circular(x: Array, pads: tuple[tuple[int, int], ...]) -> Array:
    """Continue every axis with its other end: that of what is left, where negative amounts cut off."""
    kept = [slice(max(-before, 0), size - max(-after, 0)) for size, (before, after) in zip(x.shape, pads, strict=True)]
    return _gathered(x[tuple(kept)], tuple([(max(before, 0), max(after, 0)) for before, after in pads]), "wrap")


@primitive(saves=(), grad_name="torch::autograd::CopySlices", variadic=True)
def pad_stack(inputs: tuple[Array, ...], batch_axis: int, at_start: bool) -> Array:
    """(fill, sequences...): padded with a number to the longest one's length, and stacked; all in the number's type."""
    fill, *sequences = inputs
    kind = from_numpy_dtype(fill.dtype)
    rest = sequences[0].shape[1:]
    longest = max(item.shape[0] for item in sequences)
    rows: list[Array] = []
    for item in sequences:
        missing = longest - item.shape[0]
        edges = (missing, 0, 0) if at_start else (0, missing, 0)
        row = jnp.broadcast_to(cast.lower(item, kind), (item.shape[0], *rest))
        rows.append(jax.lax.pad(row, fill, [edges, *[(0, 0, 0)] * len(rest)]))
    return jnp.stack(rows, batch_axis)
