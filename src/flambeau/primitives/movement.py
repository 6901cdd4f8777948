"""Views: primitives that show the same elements in another arrangement, each with the way to write through it."""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from flambeau.primitives.primitive import Array, Primitive, Scalar, primitive

__all__ = [
    "INVERSES",
    "View",
    "basic_index",
    "basic_subscript",
    "chained",
    "diagonal",
    "expand",
    "permute",
    "reshape",
    "unfold",
    "write_view",
]

# One view step: the primitive, its static arguments, and its numbers, which are inputs of the program.
View = tuple[Primitive, tuple[Any, ...], tuple[int, ...]]


@primitive(saves=(), grad_name="ViewBackward0")
def reshape(x: Array, shape: tuple[int, ...]) -> Array:
    return x.reshape(shape)


@primitive(saves=(), grad_name="AliasBackward0")
def alias(x: Array) -> Array:
    return x


@primitive(saves=(), grad_name="PermuteBackward0")
def permute(x: Array, axes: tuple[int, ...]) -> Array:
    return jnp.transpose(x, axes)


@primitive(saves=(), grad_name="ExpandBackward0")
def expand(x: Array, shape: tuple[int, ...]) -> Array:
    return jnp.broadcast_to(x, shape)


def basic_subscript(spec: tuple[Any, ...], numbers: Sequence[Any]) -> tuple[Any, ...]:
    """The parts of a basic index as NumPy takes them, with the numbers in their places.

    Args:
        spec: for each part ``("all",)``, ``("new",)``, ``("int",)``, ``("slice", count, step)``, which take a position
            from ``numbers``, or ``("fixed", start, count, step)``, which is part of the formula.
        numbers: the positions, in order.
    """
    rest = iter(numbers)
    parts: list[Any] = []
    for item in spec:
        kind = item[0]
        if kind == "int":
            parts.append(next(rest))
        elif kind in ("slice", "fixed"):
            start, count, step = (next(rest), *item[1:]) if kind == "slice" else item[1:]
            parts.append(slice(start, start + max(count - 1, 0) * step + min(count, 1), step))
        else:
            parts.append(None if kind == "new" else slice(None))
    return tuple(parts)


class _Place(NamedTuple):
    """A basic index taken apart: a window of the operand, the strides inside it, and the shape of the result."""

    starts: list[Any]
    sizes: list[int]
    steps: tuple[slice, ...]
    shape: list[int]


def _placed(shape: Sequence[int], spec: tuple[Any, ...], numbers: Sequence[Scalar]) -> _Place:
    rest = iter(numbers)
    place = _Place([], [], (), [])
    steps: list[slice] = []
    rest_of_shape: tuple[Any, ...] = (("all",),) * (len(shape) - sum(part[0] != "new" for part in spec))
    for item in (*spec, *rest_of_shape):
        kind = item[0]
        if kind == "new":
            place.shape.append(1)
            continue
        size = shape[len(place.starts)]
        start: Any = 0
        count, step = size, 1
        if kind == "int":
            start, count = next(rest).value, 1
        elif kind == "slice":
            start, count, step = next(rest).value, item[1], item[2]
        elif kind == "fixed":
            start, count, step = item[1:]
        place.starts.append(start)
        place.sizes.append((count - 1) * step + 1 if count else 0)
        steps.append(slice(None, None, step))
        if kind != "int":
            place.shape.append(count)
    return place._replace(steps=tuple(steps))


@primitive(saves=(), grad_name="SliceBackward0")
def basic_index(x: Array, *arguments: Any) -> Array:
    """Whole numbers, slices with positive steps and new axes: (x, positions..., spec); see ``basic_subscript``.

    Positions are inputs of the program, so that a loop over them compiles once.
    """
    spec = arguments[-1]
    if len(arguments) == 1:
        return x[basic_subscript(spec, ())]
    place = _placed(x.shape, spec, arguments[:-1])
    window = jax.lax.dynamic_slice(x, place.starts, place.sizes)
    return window[place.steps].reshape(place.shape)


@primitive(saves=(), grad_name="DiagonalBackward0")
def diagonal(x: Array, offset: int, axis1: int, axis2: int) -> Array:
    return jnp.diagonal(x, offset, axis1, axis2)


@primitive(saves=(), grad_name="UnfoldBackward0")
def unfold(x: Array, axis: int, size: int, step: int) -> Array:
    count = (x.shape[axis] - size) // step + 1
    index = jnp.arange(count)[:, None] * step + jnp.arange(size)[None, :]
    return jnp.moveaxis(jnp.take(x, index, axis=axis), axis + 1, -1)


@primitive(saves=(), grad_name="AsStridedBackward0")
def as_strided(x: Array, shape: tuple[int, ...], strides: tuple[int, ...], offset: int) -> Array:
    """Elements at offset + sum(index * stride) of the row-major elements of x."""
    positions = jnp.asarray(offset)
    for axis, (size, stride) in enumerate(zip(shape, strides, strict=True)):
        steps = jnp.arange(size) * stride
        positions = positions + steps.reshape((-1,) + (1,) * (len(shape) - 1 - axis))
    return jnp.take(x.reshape(-1), positions.reshape(shape), mode="clip")


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


def _write_basic_index(base: Array, new: Array, *arguments: Any) -> Array:
    spec = arguments[-1]
    if len(arguments) == 1:
        return base.at[basic_subscript(spec, ())].set(new)
    place = _placed(base.shape, spec, arguments[:-1])
    new = new.reshape([-(-size // step.step) for size, step in zip(place.sizes, place.steps, strict=True)])
    if any(step.step > 1 for step in place.steps):
        new = jax.lax.dynamic_slice(base, place.starts, place.sizes).at[place.steps].set(new)
    return jax.lax.dynamic_update_slice(base, new, place.starts)


def _write_through_positions(view: Primitive) -> Callable[..., Array]:
    """For views without a simpler inverse: look where each element came from, and put it back there."""

    def write(base: Array, new: Array, *static: Any) -> Array:
        origin = view.lower(jnp.arange(base.size).reshape(base.shape), *static)
        return base.reshape(-1).at[origin.reshape(-1)].set(new.reshape(-1)).reshape(base.shape)

    return write


INVERSES: dict[str, Callable[..., Array]] = {
    "reshape": _write_reshape,
    "permute": _write_permute,
    "alias": lambda base, new: new,
    "expand": _write_expand,
    "basic_index": _write_basic_index,
    "diagonal": _write_through_positions(diagonal),
    "unfold": _write_through_positions(unfold),
    "as_strided": _write_through_positions(as_strided),
}


def chained(steps: Sequence[View]) -> tuple[tuple[Any, ...], tuple[int, ...]]:
    """View steps as ``write_view`` takes them: what is part of the formula, and all their numbers in order."""
    chain = tuple([(view, static, len(numbers)) for view, static, numbers in steps])
    return chain, tuple([number for _, _, numbers in steps for number in numbers])


@primitive(saves=(), grad_name="torch::autograd::CopySlices")
def write_view(base: Array, new: Array, *arguments: Any) -> Array:
    """The base once ``new`` has been written through a chain of views of it: (base, new, numbers..., chain)."""
    rest = iter(arguments[:-1])
    steps = [(view, (*islice(rest, count), *static)) for view, static, count in arguments[-1]]
    stages = [base]
    for view, own in steps[:-1]:
        stages.append(view.lower(stages[-1], *own))
    value = new
    for stage, (view, own) in zip(reversed(stages), reversed(steps), strict=True):
        value = INVERSES[view.name](stage, value, *own)
    return value
