"""Sums of the elements so far along an axis, by a native kernel on the CPU: XLA adds each element many times."""

from collections.abc import Sequence
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.interpreters import ad

from flambeau.kernels.library import target, wanted
from flambeau.kernels.native_function import defined

__all__ = ["running_sums"]

_FEW_NUMBERS = 4096  # below, building the library costs more than it will ever save
_TYPES = (np.float32, np.float64, np.int64, jnp.bfloat16)


def running_sums(x: Any, axis: int) -> Any:
    """For each element of x, the sum of it and of those before it along the axis."""
    if x.size < _FEW_NUMBERS or x.dtype not in _TYPES or not wanted():
        return jax.lax.cumsum(x, axis)
    planes = x.reshape(prod(x.shape[:axis]), x.shape[axis], prod(x.shape[axis + 1 :]))
    return _sums.bind(planes, reverse=False)[0].reshape(x.shape)


def _formula(x: Any, *, reverse: bool) -> Any:
    return jax.lax.cumsum(x, 1, reverse)


def _native(x: Any, *, reverse: bool) -> Any:
    name = target("flambeau_running_sums", x.dtype if x.dtype == jnp.bfloat16 else np.dtype(np.float32))
    if name is None:
        return _formula(x, reverse=reverse)
    return jax.ffi.ffi_call(name, jax.ShapeDtypeStruct(x.shape, x.dtype))(x, reverse=np.int64(reverse))


def _transposed(cotangents: Sequence[Any], x: Any, *, reverse: bool) -> list[Any]:
    return _sums.bind(cotangents[0], reverse=not reverse)


_sums = defined("running_sums", _formula, _native)
ad.deflinear2(_sums, _transposed)
