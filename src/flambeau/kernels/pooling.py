"""The gradient of max pooling by 2 x 2 as a JAX primitive that has a native kernel on the CPU."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from flambeau.kernels.library import target, wanted

__all__ = ["halves", "spread"]

_TARGET = "flambeau_max_pooling"

# gradient with respect to x = plain(x, gradient), in operations that JAX can differentiate.
Plain = Callable[[Any, Any], Any]


def halves(shape: Sequence[int], dtype: Any) -> bool:
    """Whether ``spread`` takes arrays of this shape and data type, pooled by 2 x 2 along the last two axes."""
    return dtype == np.float32 and 0 not in shape and shape[-2] > 1 and shape[-1] % 2 == 0 and wanted()


def spread(x: Any, gradient: Any, plain: Plain) -> Any:
    """The gradient with respect to x, given that of the pooled x: it goes to the first largest of each window."""
    return _spread_p.bind(x, gradient, plain=plain)


def _plain(x: Any, gradient: Any, *, plain: Plain) -> Any:
    return plain(x, gradient)


def _native(x: Any, gradient: Any, *, plain: Plain) -> Any:
    name = target(_TARGET)
    if name is None:
        return plain(x, gradient)
    return jax.ffi.ffi_call(name, jax.ShapeDtypeStruct(x.shape, x.dtype))(x, gradient)


def _jvp(primals: Sequence[Any], tangents: Sequence[Any], *, plain: Plain) -> tuple[Any, Any]:
    """It is linear in the gradient, and constant in x but for jumps."""
    x, gradient = primals
    result = spread(x, gradient, plain)
    if isinstance(tangents[1], ad.Zero):
        return result, ad.Zero(ShapedArray(result.shape, result.dtype))
    return result, jax.jvp(lambda gradient: plain(x, gradient), (gradient,), (tangents[1],))[1]


def _batched(arrays: Sequence[Any], axes: Sequence[Any], *, plain: Plain) -> tuple[Any, int]:
    """More planes; what is the same for all is repeated."""
    count = next(array.shape[axis] for array, axis in zip(arrays, axes, strict=True) if axis is not None)
    moved = [
        jnp.broadcast_to(array, (count, *array.shape)) if axis is None else jnp.moveaxis(array, axis, 0)
        for array, axis in zip(arrays, axes, strict=True)
    ]
    return spread(moved[0], moved[1], plain), 0


_spread_p = Primitive("max_pool_spread")
_spread_p.def_impl(_plain)
_spread_p.def_abstract_eval(lambda x, gradient, plain: ShapedArray(x.shape, x.dtype))
ad.primitive_jvps[_spread_p] = _jvp
batching.primitive_batchers[_spread_p] = _batched
mlir.register_lowering(_spread_p, mlir.lower_fun(_plain, multiple_results=False))
mlir.register_lowering(_spread_p, mlir.lower_fun(_native, multiple_results=False), platform="cpu")
