"""Sums, products and extremes of the elements so far along an axis, by a native kernel on the CPU.

XLA takes each element many times: it joins neighbors, neighbors of neighbors, and so on.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.interpreters import ad

from flambeau.kernels.library import target, wanted
from flambeau.kernels.native_function import defined

__all__ = ["running_extremes", "running_products", "running_sums"]

_FEW_NUMBERS = 4096  # below, building the library costs more than it will ever save
_TYPES = (np.float32, np.float64, np.int64, jnp.bfloat16)
_FORMULAS = {"sums": jax.lax.cumsum, "products": jax.lax.cumprod, "maxima": jax.lax.cummax, "minima": jax.lax.cummin}


def running_sums(x: Any, axis: int) -> Any:
    """For each element of x, the sum of it and of those before it along the axis."""
    return _running("sums", x, axis)


def running_products(x: Any, axis: int) -> Any:
    """For each element of x, the product of it and of those before it along the axis."""
    return _running("products", x, axis)


def running_extremes(x: Any, axis: int, largest: bool) -> Any:
    """For each element of x, the largest, or the smallest, of it and of those before it; NaN from the first one on."""
    return _running("maxima" if largest else "minima", x, axis)


def _running(name: str, x: Any, axis: int) -> Any:
    if x.size < _FEW_NUMBERS or x.dtype not in _TYPES or not wanted():
        return _FORMULAS[name](x, axis)
    planes = x.reshape(prod(x.shape[:axis]), x.shape[axis], prod(x.shape[axis + 1 :]))
    return _PRIMITIVES[name].bind(planes, reverse=False)[0].reshape(x.shape)


def _made(kind: int, name: str, formula: Callable[..., Any]) -> Any:
    """The primitive that runs along the middle one of three axes."""

    def plain(x: Any, *, reverse: bool) -> Any:
        return formula(x, 1, reverse)

    def native(x: Any, *, reverse: bool) -> Any:
        found = target("flambeau_running", x.dtype if x.dtype == jnp.bfloat16 else np.dtype(np.float32))
        if found is None:
            return plain(x, reverse=reverse)
        call = jax.ffi.ffi_call(found, jax.ShapeDtypeStruct(x.shape, x.dtype))
        return call(x, kind=np.int64(kind), reverse=np.int64(reverse))

    return defined(f"running_{name}", plain, native)


def _transposed(cotangents: Sequence[Any], x: Any, *, reverse: bool) -> list[Any]:
    return _PRIMITIVES["sums"].bind(cotangents[0], reverse=not reverse)


_PRIMITIVES = {name: _made(kind, name, formula) for kind, (name, formula) in enumerate(_FORMULAS.items())}
ad.deflinear2(_PRIMITIVES["sums"], _transposed)
