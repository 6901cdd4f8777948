"""Linear layers with native products on the CPU, and the ReLUs before and after them."""

from collections.abc import Sequence
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from flambeau.kernels.library import computes
from flambeau.kernels.native_function import NativeFunction, Which

__all__ = ["linear", "multiplies", "relu"]

_FEW_PRODUCTS = 50_000  # below, calling costs more than it saves


def multiplies(operands: Sequence[Any]) -> bool:
    """Whether ``linear`` takes (x, weight) or (x, weight, bias)."""
    x, weight = operands[:2]
    products = prod(x.shape[:-1]) * prod(weight.shape)
    shaped = weight.ndim == 2 and all(item.shape == weight.shape[:1] for item in operands[2:])
    return (
        shaped
        and prod(x.shape[:-1]) > 1
        and products >= _FEW_PRODUCTS
        and all(item.dtype == x.dtype for item in operands)
        and computes(x.dtype)
    )


def relu(x: Any) -> Any:
    """The larger of x and 0, 0 never -0; NaN stays."""
    return jnp.where(x <= 0, jnp.zeros((), x.dtype), x)


def linear(x: Any, weight: Any, *bias: Any, before: bool = False, after: bool = False) -> Any:
    """x @ weight.T + bias, for x (..., inputs), weight (outputs, inputs).

    Args:
        x, weight, bias: see ``multiplies``.
        before: whether x is what a ReLU gave; its gradient is then that of what the ReLU was given.
        after: whether to return the ReLU of the result.
    """
    rows = x.reshape(-1, x.shape[-1])
    return _linear(rows, weight, *bias, before=before, after=after).reshape(*x.shape[:-1], weight.shape[0])


def _formula(x: Any, weight: Any, *bias: Any, before: bool, after: bool) -> Any:
    y = jnp.matmul(relu(x) if before else x, weight.T)
    y = y + bias[0] if bias else y
    return relu(y) if after else y


def _like(*arrays: Any) -> list[jax.ShapeDtypeStruct]:
    return [jax.ShapeDtypeStruct(item.shape, item.dtype) for item in arrays]


def _products(x: Any, weight: Any) -> np.int64:
    return np.int64(x.shape[0] * prod(weight.shape))


def _value(name: str, x: Any, weight: Any, *bias: Any, before: bool, after: bool) -> Any:
    call = jax.ffi.ffi_call(name, jax.ShapeDtypeStruct((x.shape[0], weight.shape[0]), x.dtype))
    return call(x, weight, *bias, rectified=np.int64(after), products=_products(x, weight))


def _gradients(name: str, which: Which, cotangent: Any, *arrays: Any, before: bool, after: bool) -> Any:
    if after:
        return None  # it would need the result
    x, weight = arrays[:2]
    call = jax.ffi.ffi_call(name, _like(*[arrays[index] for index in which]))
    return call(
        x,
        weight,
        cotangent,
        wanted=np.int64(sum(1 << index for index in which)),
        rectified=np.int64(before),
        products=_products(x, weight) * sum(index < 2 for index in which),
    )


_linear = NativeFunction("linear", _formula, _value, _gradients, ("flambeau_linear", "flambeau_linear_gradients"))
