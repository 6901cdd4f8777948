"""The order of elements with a native kernel on the CPU, where XLA's sorting compares by calling a program."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from flambeau.kernels.library import target, wanted
from flambeau.kernels.native_function import defined

__all__ = ["order"]

_FEW_ELEMENTS = 256  # below, building the library costs more than it will ever save
_TYPES = (np.float32, np.float64, np.int32, np.int64)
# Types whose elements others hold as they are.
_HELD = {"float16": "float32", "bfloat16": "float32"} | dict.fromkeys(("bool", "int8", "uint8", "int16"), "int32")


def order(x: Any, count: int, descending: bool) -> Any:
    """Positions of the first ``count`` elements of each row in sorted order, as int32.

    Elements that are equal keep their order; NaN counts as the largest value. No gradient flows through.

    Args:
        x: (..., size), of fewer than 2**31 elements a row.
        count: at most ``size``.
        descending: the largest first.
    """
    key = jax.lax.stop_gradient(x)
    key = key.astype(_HELD.get(key.dtype.name, key.dtype))
    if wanted() and key.dtype in _TYPES and key.size >= _FEW_ELEMENTS and 0 < count:
        return _order_p.bind(key, count=count, descending=descending)[0]
    return _formula(key, count=count, descending=descending)


def _formula(x: Any, *, count: int, descending: bool) -> Any:
    if descending and count < x.shape[-1] and jnp.issubdtype(x.dtype, jnp.floating):
        return jax.lax.top_k(x, count)[1]
    found = jnp.argsort(jnp.flip(x, -1) if descending else x, -1, stable=True)
    found = x.shape[-1] - 1 - jnp.flip(found, -1) if descending else found
    return jax.lax.slice_in_dim(found, 0, count, axis=-1).astype(jnp.int32)


def _native(x: Any, *, count: int, descending: bool) -> Any:
    name = target("flambeau_order")
    if name is None:
        return _formula(x, count=count, descending=descending)
    result = jax.ShapeDtypeStruct((*x.shape[:-1], count), jnp.int32)
    return jax.ffi.ffi_call(name, result)(x, descending=np.int64(descending))


_order_p = defined("order", _formula, _native)
