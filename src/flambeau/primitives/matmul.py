"""Matrix products."""

from typing import Any

import jax.numpy as jnp

from flambeau.base.shapes import broadcast
from flambeau.primitives.primitive import Array, primitive

__all__ = ["addmm", "einsum", "linear", "matmul"]

_NAMES = {
    "float32": "float",
    "float64": "double",
    "int64": "long int",
    "int32": "int",
    "bfloat16": "c10::BFloat16",
    "float16": "c10::Half",
}


def _check_types(x: Array, y: Array) -> None:
    if x.dtype != y.dtype:
        names = [_NAMES.get(item.dtype.name, item.dtype.name) for item in (x, y)]
        raise RuntimeError(f"expected m1 and m2 to have the same dtype, but got: {names[0]} != {names[1]}")


def _check_inner(x: Array, y: Array) -> None:
    """Raise RuntimeError, in PyTorch's words, unless the inner sizes agree."""
    if x.ndim == 0 or y.ndim == 0:
        message = "both arguments to matmul need to be at least 1D, but they are"
        raise RuntimeError(f"{message} {x.ndim}D and {y.ndim}D")
    rows = y.shape[-2] if y.ndim > 1 else y.shape[0]
    if x.shape[-1] == rows:
        return
    if x.ndim == 1 and y.ndim == 1:
        message = "inconsistent tensor size, expected tensor"
        raise RuntimeError(f"{message} [{x.shape[0]}] and src [{rows}] to have the same number of elements")
    if y.ndim == 1:
        raise RuntimeError(f"size mismatch, got input ({x.shape[0]}), mat ({x.shape[0]}x{x.shape[-1]}), vec ({rows})")
    if x.ndim > 2 and y.ndim > 2:
        batch = broadcast(x.shape[:-2], y.shape[:-2])
        count = 1
        for size in batch:
            count *= size
        expected = [count, x.shape[-1], y.shape[-1]]
        got = [count, rows, y.shape[-1]]
        message = f"Expected size for first two dimensions of batch2 tensor to be: {expected[:2]} but got: {got[:2]}."
        raise RuntimeError(message)
    height = 1
    for size in x.shape[:-1]:
        height *= size
    raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({height}x{x.shape[-1]} and {rows}x{y.shape[-1]})")


@primitive(checks="others", grad_name="MmBackward0")
def matmul(x: Array, y: Array) -> Array:
    _check_types(x, y)
    _check_inner(x, y)
    return jnp.matmul(x, y)


@primitive(saves=(0, 1), checks="others", grad_name="AddmmBackward0", variadic=True)
def linear(inputs: tuple[Array, ...]) -> Array:
    """x @ weight.T + bias, for (x, weight) or (x, weight, bias)."""
    x, weight = inputs[:2]
    _check_types(x, weight)
    if x.ndim == 0 or x.shape[-1] != weight.shape[-1]:
        height = 1
        for size in x.shape[:-1]:
            height *= size
        shapes = f"{height}x{x.shape[-1] if x.ndim else 1} and {weight.shape[-1]}x{weight.shape[0]}"
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({shapes})")
    product = jnp.matmul(x, weight.T)
    return product + inputs[2] if len(inputs) == 3 else product


@primitive(saves=(1, 2, 3, 4), checks="others", grad_name="AddmmBackward0")
def addmm(x: Array, first: Array, second: Array, beta: Any, alpha: Any) -> Array:
    """beta * x + alpha * (first @ second)."""
    _check_types(first, second)
    _check_inner(first, second)
    product = jnp.matmul(first, second)
    return x * beta.value.astype(x.dtype) + product * alpha.value.astype(product.dtype)


@primitive(checks="others", grad_name="EinsumBackward0", variadic=True)
def einsum(inputs: tuple[Array, ...], equation: str) -> Array:
    return jnp.einsum(equation, *inputs)
