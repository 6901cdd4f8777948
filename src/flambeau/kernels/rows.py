"""Rows or single numbers at positions along an axis, taken and added, with native kernels on the CPU."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from flambeau.kernels.library import computes
from flambeau.kernels.native_function import NativeFunction, Which

__all__ = ["added", "moves", "taken"]

_FEW_NUMBERS = 4096  # below, building the library costs more than it will ever save
_TAKE, _ADD = "flambeau_take", "flambeau_add"


def moves(x: Any, index: Any, count: int) -> bool:
    """Whether ``taken`` and ``added`` take x and positions in it, of which so many numbers are read or written."""
    return computes(x.dtype) and index.dtype in (np.int32, np.int64) and count >= _FEW_NUMBERS


def taken(x: Any, index: Any) -> Any:
    """What stands at positions along the second axis; NaN where there is no such position.

    Args:
        x: (outer, size, inner).
        index: positions from the start or, below 0, from the end: of rows (count,), or of numbers
            (outer, count, inner).

    Returns:
        (outer, count, inner).
    """
    return _taken(x, index)


def added(x: Any, index: Any, values: Any) -> Any:
    """X with values (outer, count, inner) added at positions, in their order; others, see ``taken``, are left out."""
    return _added(x, index, values)


def _where(shape: tuple[int, ...], index: Any) -> tuple[Any, ...]:
    """Positions as a subscript of an array of this shape."""
    if index.ndim == 1:
        return slice(None), index
    outer, inner = jnp.arange(shape[0], dtype=index.dtype), jnp.arange(shape[2], dtype=index.dtype)
    return outer[:, None, None], index, inner


def _take_formula(x: Any, index: Any) -> Any:
    return x.at[_where(x.shape, index)].get(mode="fill")


def _add_formula(x: Any, index: Any, values: Any) -> Any:
    return x.at[_where(x.shape, index)].add(values, mode="drop")


def _take_call(name: str, x: Any, index: Any, zeros: bool = False) -> Any:
    count = index.shape[0 if index.ndim == 1 else 1]
    result = jax.ShapeDtypeStruct((x.shape[0], count, x.shape[2]), x.dtype)
    return jax.ffi.ffi_call(name, result)(x, index, zeros=np.int64(zeros))


def _add_call(name: str, x: Any, index: Any, values: Any) -> Any:
    """In place, where nobody else wants x."""
    result = jax.ShapeDtypeStruct(x.shape, x.dtype)
    return jax.ffi.ffi_call(name, result, input_output_aliases={2: 0})(index, values, x)


def _take_gradients(name: str, which: Which, cotangent: Any, x: Any, index: Any) -> list[Any]:
    return [jax.ffi.ffi_call(name, jax.ShapeDtypeStruct(x.shape, x.dtype))(index, cotangent)]


def _add_gradients(name: str, which: Which, cotangent: Any, x: Any, index: Any, values: Any) -> list[Any]:
    """That of x is the one that is given."""
    return [cotangent if place == 0 else _take_call(name, cotangent, index, zeros=True) for place in which]


_taken = NativeFunction("taken", _take_formula, _take_call, _take_gradients, (_TAKE, _ADD))
_added = NativeFunction("added", _add_formula, _add_call, _add_gradients, (_ADD, _TAKE))
