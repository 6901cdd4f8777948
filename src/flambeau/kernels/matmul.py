"""Products of many pairs of matrices, natively on the CPU."""

from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from flambeau.kernels.library import wanted
from flambeau.kernels.native_function import NativeFunction, Which

__all__ = ["matmul", "pairs"]

_FEW_PRODUCTS = 4096  # of a pair; below, XLA's loop is as quick
_FEW = 200_000  # of all pairs


def pairs(x: Any, y: Any) -> bool:
    """Whether ``matmul`` takes x (..., rows, depth), y (..., depth, columns) with the same axes in front."""
    if not x.ndim == y.ndim > 2 or x.shape[:-2] != y.shape[:-2] or 1 in (x.shape[-2], y.shape[-1]):
        return False
    products = x.shape[-2] * prod(y.shape[-2:])
    many = products >= _FEW_PRODUCTS and products * prod(x.shape[:-2]) >= _FEW
    return many and x.dtype == y.dtype == np.float32 and wanted()


def _call(name: str, x: Any, y: Any, shape: tuple[int, int], transposed: int) -> Any:
    result = jax.ShapeDtypeStruct((*x.shape[:-2], *shape), x.dtype)
    products = prod(x.shape) * shape[1]
    return jax.ffi.ffi_call(name, result)(x, y, transposed=np.int64(transposed), products=np.int64(products))


def _value(name: str, x: Any, y: Any) -> Any:
    return _call(name, x, y, (x.shape[-2], y.shape[-1]), 0)


def _gradients(name: str, which: Which, cotangent: Any, x: Any, y: Any) -> list[Any]:
    """Gradient @ y transposed, and x transposed @ gradient."""
    found = (_call(name, cotangent, y, x.shape[-2:], 2), _call(name, x, cotangent, y.shape[-2:], 1))
    return [found[position] for position in which]  # XLA drops the call that nobody wants


matmul = NativeFunction("matmul", jnp.matmul, _value, _gradients, ("flambeau_matmul", "flambeau_matmul"))
