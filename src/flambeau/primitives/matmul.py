"""Matrix products."""

from collections.abc import Callable
from math import prod
from typing import Any, NoReturn

import jax.numpy as jnp

from flambeau.base.shapes import broadcast
from flambeau.dtypes.kinds import from_numpy_dtype
from flambeau.kernels.matmul import matmul as matmul_by_kernel
from flambeau.kernels.matmul import pairs
from flambeau.primitives.primitive import Array, Primitive, as_array, common_dtype, primitive, promoted

__all__ = [
    "addbmm",
    "addmm",
    "addmv",
    "addr",
    "baddbmm",
    "bmm",
    "check_types",
    "cross",
    "dot",
    "einsum",
    "kron",
    "matmul",
    "matrix_power",
    "mv",
    "raise_unexpanded",
    "tensordot",
]


def check_types(x: Array, y: Array) -> None:
    """Raise RuntimeError, in PyTorch's words, unless the types agree."""
    if x.dtype != y.dtype:
        kinds = [from_numpy_dtype(item.dtype) for item in (x, y)]
        if x.ndim == 1 and y.ndim == 1:
            found = " and ".join(kind.tensor_type.removesuffix("Tensor") for kind in kinds)
            raise RuntimeError(f"dot : expected both vectors to have same dtype, but found {found}")
        names = [kind.cpp_name for kind in kinds]
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
        sizes = x.shape[0], rows
        raise RuntimeError(
            f"inconsistent tensor size, expected tensor [{sizes[0]}] and src [{sizes[1]}] to have the same number of "
            f"elements, but got {sizes[0]} and {sizes[1]} elements respectively"
        )
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


@primitive(checks="others", grad_name="MmBackward0", splits=True)
def matmul(x: Array, y: Array) -> Array:
    check_types(x, y)
    _check_inner(x, y)
    return matmul_by_kernel(x, y) if pairs(x, y) else jnp.matmul(x, y)


def _added(x: Array, product: Array, beta: Any, alpha: Any) -> Array:
    """Beta * x + alpha * product; where beta is 0, x does not count, not even its NaN."""
    if x.ndim > product.ndim or any(
        size not in (1, wanted) for size, wanted in zip(x.shape[::-1], product.shape[::-1], strict=False)
    ):
        raise_unexpanded(x, product)
    own = jnp.where(beta.value == 0, 0, x) * beta.value.astype(x.dtype)
    return own + product * alpha.value.astype(product.dtype)


def raise_unexpanded(x: Array, product: Array) -> NoReturn:
    """Say, in PyTorch's words, why what is added to a product does not spread to its shape."""
    for axis in range(-1, -product.ndim - 1, -1):
        if -axis <= x.ndim and x.shape[axis] not in (1, product.shape[axis]):
            raise RuntimeError(
                f"The expanded size of the tensor ({product.shape[axis]}) must match the existing size "
                f"({x.shape[axis]}) at non-singleton dimension {product.ndim + axis}.  Target sizes: "
                f"{list(product.shape)}.  Tensor sizes: {list(x.shape)}"
            )
    raise RuntimeError(
        f"expand(torch.FloatTensor{{{list(x.shape)}}}, size={list(product.shape)}): the number of sizes provided "
        f"({product.ndim}) must be greater or equal to the number of dimensions in the tensor ({x.ndim})"
    )


@primitive(saves=(1, 2, 3, 4), checks="others", grad_name="AddmmBackward0")
def addmm(x: Array, first: Array, second: Array, beta: Any, alpha: Any) -> Array:
    """Beta * x + alpha * (first @ second)."""
    check_types(first, second)
    _check_inner(first, second)
    return _added(x, jnp.matmul(first, second), beta, alpha)


def _product(name: str, grad_name: str = "", **options: Any) -> Primitive:
    """``matmul`` under another name, for operands of fixed ranks."""
    return Primitive(name, matmul.lower, checks="others", grad_name=grad_name, splits=True, **options)


bmm = _product("bmm", "BmmBackward0")
mv = _product("mv", "MvBackward0")
dot = _product("dot", "DotBackward0")


def _added_product(name: str, product: Callable[[Array, Array], Array]) -> Primitive:
    """Beta * x + alpha * product(first, second)."""

    def lower(x: Array, first: Array, second: Array, beta: Any, alpha: Any) -> Array:
        check_types(first, second)
        return _added(x, product(first, second), beta, alpha)

    return Primitive(name, lower, saves=(1, 2, 3, 4), checks="others")


def _checked_matmul(first: Array, second: Array) -> Array:
    _check_inner(first, second)
    return jnp.matmul(first, second)


addmv = _added_product("addmv", _checked_matmul)
baddbmm = _added_product("baddbmm", _checked_matmul)
addbmm = _added_product("addbmm", lambda first, second: jnp.sum(_checked_matmul(first, second), 0))
addr = _added_product("addr", jnp.outer)


@primitive(checks="others", grad_name="EinsumBackward0", variadic=True)
def einsum(inputs: tuple[Array, ...], equation: str) -> Array:
    """The equation has an arrow, and only letters and ellipses; sizes have been checked."""
    for item in inputs[1:]:
        check_types(inputs[0], item)
    found = _as_pairs(inputs, equation) if len(inputs) == 2 and "." not in equation else None
    return jnp.einsum(equation, *inputs) if found is None else found


def _as_pairs(inputs: tuple[Array, ...], equation: str) -> Array | None:
    """An equation of two operands as a product of pairs of matrices; None where there is no kernel for that."""
    names, result = equation.split("->")
    first, second = names.split(",")
    both = set(first) & set(second)
    alike = (
        len(set(first)) == len(first) and len(set(second)) == len(second) and set(result) >= set(first) ^ set(second)
    )
    if not alike or any(inputs[0].shape[first.index(name)] != inputs[1].shape[second.index(name)] for name in both):
        return None
    size = dict(zip(first + second, (*inputs[0].shape, *inputs[1].shape), strict=True))
    batch, inner = ([name for name in first if name in both and (name in result) == kept] for kept in (True, False))
    rows, columns = ([name for name in names if name not in both] for names in (first, second))
    counts = [prod(size[name] for name in group) for group in (batch, rows, inner, columns)]
    x = jnp.transpose(inputs[0], [first.index(name) for name in (*batch, *rows, *inner)])
    y = jnp.transpose(inputs[1], [second.index(name) for name in (*batch, *inner, *columns)])
    x, y = x.reshape(counts[0], counts[1], counts[2]), y.reshape(counts[0], counts[2], counts[3])
    if not pairs(x, y):
        return None
    made = [*batch, *rows, *columns]
    product = matmul_by_kernel(x, y).reshape([size[name] for name in made])
    return jnp.transpose(product, [made.index(name) for name in result])


@primitive(checks="others", grad_name="TensordotBackward0")
def tensordot(x: Array, y: Array, first: tuple[int, ...], second: tuple[int, ...]) -> Array:
    check_types(x, y)
    return jnp.tensordot(x, y, (first, second))


@primitive(checks="others", grad_name="KronBackward0")
def kron(x: Any, y: Any) -> Array:
    kind = common_dtype(x, y)
    return jnp.kron(as_array(x, kind), as_array(y, kind))


@primitive(checks="others", grad_name="LinalgCrossBackward0")
def cross(x: Any, y: Any, axis: int) -> Array:
    first, second = jnp.broadcast_arrays(*promoted(x, y))
    return jnp.cross(first, second, axis=axis)


@primitive(grad_name="MatrixPowerBackward0")
def matrix_power(x: Array, exponent: int) -> Array:
    return jnp.asarray(jnp.linalg.matrix_power(x, exponent))
