"""Views: primitives that show the same elements in another arrangement, each with the way to write through it."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from flambeau.primitives.primitive import Array, Primitive, primitive

__all__ = ["INVERSES", "View", "basic_index", "diagonal", "expand", "permute", "reshape", "unfold", "write_view"]

# One view step: the primitive and its static arguments.
View = tuple[Primitive, tuple[Any, ...]]


@primitive(saves=(), grad_name="ViewBackward0")
def reshape(x: Array, shape: tuple[int, ...]) -> Array:
    return x.reshape(shape)


@primitive(saves=(), grad_name="PermuteBackward0")
def permute(x: Array, axes: tuple[int, ...]) -> Array:
    return jnp.transpose(x, axes)


@primitive(saves=(), grad_name="ExpandBackward0")
def expand(x: Array, shape: tuple[int, ...]) -> Array:
    return jnp.broadcast_to(x, shape)


def _subscript(spec: tuple[Any, ...]) -> tuple[Any, ...]:
    """A hashable basic index as NumPy takes it: ("slice", start, stop, step), ("int", i) or ("new",)."""
    parts: list[Any] = []
    for item in spec:
        if item[0] == "slice":
            parts.append(slice(*item[1:]))
        else:
            parts.append(item[1] if item[0] == "int" else None)
    return tuple(parts)


@primitive(saves=(), grad_name="SliceBackward0")
def basic_index(x: Array, spec: tuple[Any, ...]) -> Array:
    """Whole numbers, slices with positive steps and new axes; every slice has its three numbers filled in."""
    return x[_subscript(spec)]


@primitive(saves=(), grad_name="DiagonalBackward0")
def diagonal(x: Array, offset: int, axis1: int, axis2: int) -> Array:
    return jnp.diagonal(x, offset, axis1, axis2)


@primitive(saves=(), grad_name="UnfoldBackward0")
def unfold(x: Array, axis: int, size: int, step: int) -> Array:
    count = (x.shape[axis] - size) // step + 1
    index = jnp.arange(count)[:, None] * step + jnp.arange(size)[None, :]
    return jnp.moveaxis(jnp.take(x, index, axis=axis), axis + 1, -1)


# -- writing through a view ---------------------------------------------------------------------------------------


def _write_reshape(base: Array, new: Array, shape: tuple[int, ...]) -> Array:
    return new.reshape(base.shape)


def _write_permute(base: Array, new: Array, axes: tuple[int, ...]) -> Array:
    back = sorted(range(len(axes)), key=axes.__getitem__)
    return jnp.transpose(new, back)


def _write_expand(base: Array, new: Array, shape: tuple[int, ...]) -> Array:
    if base.shape == tuple(shape) or base.size == new.size:
        return new.reshape(base.shape)
    raise RuntimeError(
        "unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
        "Please clone() the tensor before performing the operation."
    )


def _write_basic_index(base: Array, new: Array, spec: tuple[Any, ...]) -> Array:
    return base.at[_subscript(spec)].set(new)


def _write_through_positions(view: Primitive) -> Callable[..., Array]:
    """For views without a simpler inverse: look where each element came from, and put it back there."""

    def write(base: Array, new: Array, *static: Any) -> Array:
        origin = view.lower(jnp.arange(base.size).reshape(base.shape), *static)
        return base.reshape(-1).at[origin.reshape(-1)].set(new.reshape(-1)).reshape(base.shape)

    return write


INVERSES: dict[str, Callable[..., Array]] = {
    "reshape": _write_reshape,
    "permute": _write_permute,
    "expand": _write_expand,
    "basic_index": _write_basic_index,
    "diagonal": _write_through_positions(diagonal),
    "unfold": _write_through_positions(unfold),
}


@primitive(saves=(), grad_name="CopySlices")
def write_view(base: Array, new: Array, steps: tuple[View, ...]) -> Array:
    """The base once ``new`` has been written through a chain of views of it."""
    stages = [base]
    for view, static in steps[:-1]:
        stages.append(view.lower(stages[-1], *static))
    value = new
    for stage, (view, static) in zip(reversed(stages), reversed(steps), strict=True):
        value = INVERSES[view.name](stage, value, *static)
    return value
