"""Attention with native kernels on the CPU, which never hold the whole matrix of scores."""

from collections.abc import Callable
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from flambeau.kernels.library import computes
from flambeau.kernels.native_function import NativeFunction, Which

__all__ = ["attended", "attends"]

_FEW_PRODUCTS = 50_000  # below, calling costs more than it saves

# result = plain(query, key, value, mask or None, scale, causal), in operations that JAX can differentiate.
Plain = Callable[[Any, Any, Any, Any, Any, bool], Any]


def attends(query: Any, key: Any, value: Any, mask: Any | None) -> bool:
    """Whether ``attended`` takes these: equal batches and heads, and a mask of numbers, booleans or none."""
    batch = query.shape[:-2]
    return (
        batch == key.shape[:-2] == value.shape[:-2]
        and key.shape[-2] == value.shape[-2]
        and 0 not in (*query.shape, *value.shape)
        and query.size * key.shape[-2] >= _FEW_PRODUCTS
        and (mask is None or _fits(mask, (*batch, query.shape[-2], key.shape[-2])))
        and computes(query.dtype)
    )


def _fits(mask: Any, shape: tuple[int, ...]) -> bool:
    """Whether a mask's axes before the last three can be taken together."""
    if mask.ndim > len(shape) or mask.ndim < 2:
        return False
    pairs = list(zip(mask.shape[::-1], shape[::-1], strict=False))
    outer = pairs[3:]
    whole = all(mine == size for mine, size in outer) and len(outer) == max(0, len(shape) - 3)
    return all(mine in (1, size) for mine, size in pairs) and (whole or all(mine == 1 for mine, _ in outer))


def attended(query: Any, key: Any, value: Any, mask: Any | None, scale: Any, causal: bool, plain: Plain) -> Any:
    """``softmax(query @ key.T * scale + mask) @ value``, as ``plain`` says it."""
    kind = query.dtype
    query, key, value = (item.astype(np.float32) for item in (query, key, value))
    boolean = False
    if mask is not None and mask.dtype == np.bool_:
        boolean = True
        mask = jnp.where(mask, jnp.zeros((), query.dtype), -jnp.inf)
    batch, heads = prod(query.shape[:-3]), prod(query.shape[-3:-2])
    operands = [item.reshape(batch, heads, *item.shape[-2:]) for item in (query, key, value)]
    places = jnp.zeros((0, 1, 1, 1), query.dtype) if mask is None else _with_four_axes(mask.astype(query.dtype))
    options = {"causal": causal, "boolean": boolean, "masked": mask is not None, "plain": plain}
    result = _attention(*operands, places, jnp.asarray(scale, query.dtype), **options)
    return result.reshape(*query.shape[:-1], value.shape[-1]).astype(kind)


def _with_four_axes(mask: Any) -> Any:
    inner = mask.shape[-3:]
    return mask.reshape(prod(mask.shape[:-3]), *(1,) * (3 - len(inner)), *inner)


def _formula(
    query: Any, key: Any, value: Any, mask: Any, scale: Any, *, causal: bool, boolean: bool, masked: bool, plain: Plain
) -> Any:
    places = (mask == 0 if boolean else mask) if masked else None
    return plain(query, key, value, places, scale, causal)


def _swapped(*arrays: Any) -> list[Any]:
    """The kernels take and give (batch, length, heads, width), which is how models make and use them."""
    return [jnp.swapaxes(item, 1, 2) for item in arrays]


def _attributes(causal: bool, boolean: bool, products: int) -> dict[str, np.int64]:
    return {"causal": np.int64(causal), "boolean": np.int64(boolean), "products": np.int64(products)}


def _products(query: Any, key: Any, value: Any, of_widths: int, of_values: int) -> int:
    """Multiplications of products with the width, and with the values' width, as inner or outer size."""
    scores = prod(query.shape[:3]) * key.shape[2]
    return scores * (of_widths * query.shape[3] + of_values * value.shape[3])


def _value(
    name: str, query: Any, key: Any, value: Any, mask: Any, scale: Any, *, causal: bool, boolean: bool, **_: Any
) -> Any:
    operands = _swapped(query, key, value)
    result = jax.ShapeDtypeStruct((*operands[0].shape[:3], value.shape[3]), query.dtype)
    attributes = _attributes(causal, boolean, _products(query, key, value, 1, 1))
    return _swapped(jax.ffi.ffi_call(name, result)(*operands, mask, scale, **attributes))[0]


def _gradients(
    name: str, which: Which, cotangent: Any, query: Any, key: Any, value: Any, mask: Any, scale: Any,
    *, causal: bool, boolean: bool, **_: Any,
) -> list[Any] | None:  # fmt: skip
    if max(which) > 2:
        return None
    *operands, given = _swapped(query, key, value, cotangent)
    results = [jax.ShapeDtypeStruct(item.shape, item.dtype) for item in operands]
    attributes = _attributes(causal, boolean, _products(query, key, value, 3, 2))
    found = _swapped(*jax.ffi.ffi_call(name, results)(*operands, mask, scale, given, **attributes))
    return [found[index] for index in which]


_attention = NativeFunction(
    "attention", _formula, _value, _gradients, ("flambeau_attention", "flambeau_attention_gradients")
)
