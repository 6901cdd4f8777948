"""Linear layers with native products on the CPU."""

from collections.abc import Sequence
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from flambeau.kernels.library import computes
from flambeau.kernels.native_function import NativeFunction, Which

__all__ = ["linear", "multiplies"]

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


def linear(x: Any, weight: Any, *bias: Any) -> Any:
    """x @ weight.T + bias, for x (..., inputs), weight (outputs, inputs)."""
    return _linear(x.reshape(-1, x.shape[-1]), weight, *bias).reshape(*x.shape[:-1], weight.shape[0])


def _formula(x: Any, weight: Any, *bias: Any) -> Any:
    y = jnp.matmul(x, weight.T)
    return y + bias[0] if bias else y


def _like(*arrays: Any) -> list[jax.ShapeDtypeStruct]:
    return [jax.ShapeDtypeStruct(item.shape, item.dtype) for item in arrays]


def _products(x: Any, weight: Any) -> np.int64:
    return np.int64(x.shape[0] * prod(weight.shape))


def _value(name: str, x: Any, weight: Any, *bias: Any) -> Any:
    result = jax.ShapeDtypeStruct((x.shape[0], weight.shape[0]), x.dtype)
    return jax.ffi.ffi_call(name, result)(x, weight, *bias, products=_products(x, weight))


def _gradients(name: str, which: Which, cotangent: Any, *arrays: Any) -> Any:
    x, weight = arrays[:2]
    call = jax.ffi.ffi_call(name, _like(*[arrays[index] for index in which]))
    products = _products(x, weight) * sum(index < 2 for index in which)
    return call(x, weight, cotangent, wanted=np.int64(sum(1 << index for index in which)), products=products)


_linear = NativeFunction("linear", _formula, _value, _gradients, ("flambeau_linear", "flambeau_linear_gradients"))
