"""Clipping gradients: one operation looks at, or limits, all gradients of a step, so that it is one piece of a program.

Limits are Python numbers among the inputs, so that another one needs no other program. Half types are computed in
float32 and rounded where PyTorch rounds: each tensor's norm, and each result.
"""

from typing import Any

import jax.numpy as jnp

from flambeau.dtypes.kinds import from_numpy_dtype
from flambeau.primitives.pointwise import UNARY, add, clamp, mul
from flambeau.primitives.primitive import Array, Scalar, as_array, common_dtype, floating, primitive
from flambeau.primitives.reduction import vector_norm

__all__ = ["limited", "norms", "rescaled", "total_norm"]


def _wide(x: Array) -> Array:
    return x.astype(jnp.float32) if x.dtype.itemsize < 4 and jnp.issubdtype(x.dtype, jnp.floating) else x


def _norm(x: Array, order: float) -> Array:
    """The order-norm of all elements."""
    if x.size == 0 and (order < 0 or order == float("inf")):
        raise RuntimeError(
            f"linalg.vector_norm cannot compute the {order:g} norm on an empty tensor because the operation does not "
            "have an identity"
        )
    kind = jnp.real(x).dtype
    return vector_norm.lower(_wide(x), order, tuple(range(x.ndim)), False, None).astype(kind)


@primitive(differentiable=False, variadic=True)
def norms(inputs: tuple[Array, ...], order: float) -> Array:
    """The norm of each tensor, as one vector of their common type."""
    found = [_norm(item, order) for item in inputs]
    kind = common_dtype(*found)
    return jnp.stack([as_array(item, kind) for item in found])


@primitive(differentiable=False)
def total_norm(x: Array, order: float) -> Array:
    """The norm of all tensors' elements from the norm of each tensor."""
    return _norm(x, order)


@primitive(differentiable=False, variadic=True)
def rescaled(inputs: tuple[Any, ...]) -> tuple[Array, ...]:
    """(limit, norm, tensors...): the tensors times ``limit / (norm + 1e-6)`` where that is below 1."""
    limit, norm, *tensors = inputs
    factor = mul.lower(UNARY["reciprocal"].lower(add.lower(floating(norm), Scalar(1e-6, float))), limit)
    factor = jnp.where(factor > 1, 1, factor)
    results: list[Array] = []
    for item in tensors:
        wide = _wide(item)
        results.append((wide * factor.astype(jnp.real(wide).dtype)).astype(item.dtype))
    return tuple(results)


@primitive(differentiable=False, variadic=True)
def limited(inputs: tuple[Any, ...]) -> tuple[Array, ...]:
    """(limit, tensors...): the tensors' elements kept within [-limit, limit]."""
    limit, *tensors = inputs
    if any(jnp.iscomplexobj(item) for item in tensors):
        raise NotImplementedError("clamp is not supported for complex types")
    high = [as_array(limit, from_numpy_dtype(item.dtype)) for item in tensors]
    both = (True, True)
    return tuple(clamp.lower(item, -bound, bound, both) for item, bound in zip(tensors, high, strict=True))
