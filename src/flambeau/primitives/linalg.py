"""Linear algebra: solving, factorizations, functions of matrices; what is degenerate gives NaN or infinity."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from flambeau.base.shapes import broadcast
from flambeau.dtypes.kinds import from_numpy_dtype
from flambeau.primitives.primitive import Array, Primitive, as_array, common_dtype, primitive
from flambeau.primitives.reduction import vector_norm

__all__ = [
    "adjoint",
    "batched",
    "check_equation",
    "check_rank",
    "check_right_side",
    "check_square",
    "check_type",
    "cholesky",
    "complete_qr",
    "determinant",
    "geqrf",
    "hermitian_eigen",
    "hermitian_eigenvalues",
    "hermitian_of",
    "householder_product",
    "inverse",
    "matrix_exp",
    "matrix_rank",
    "norm_except_dim",
    "power_iterations",
    "pseudo_inverse",
    "qr",
    "sign_log_determinant",
    "singular_values",
    "solve",
    "solve_triangular",
    "svd",
    "type_name",
    "weight_norm",
]

# PyTorch's kernels that are not there for 16-bit types, as its errors spell them.
_KERNELS = {
    "linalg.det": "lu_cpu",
    "linalg.solve": "lu_cpu",
    "linalg.solve_triangular": "triangular_solve_cpu",
    "linalg.cholesky": "cholesky_cpu",
    "linalg.qr": "geqrf_cpu",
    "torch.geqrf": "geqrf_cpu",
    "linalg.svd": "linalg_svd_cpu",
    "linalg.eigh": "linalg_eigh_cpu",
    "torch.linalg.householder_product": "orgqr_cpu",
    "torch.linalg.ldl_factor_ex": "ldl_factor_kernel_cpu",
    "torch.linalg.ldl_solve": "ldl_solve_kernel_cpu",
}


# -- checks --------------------------------------------------------------------------------------------------------


def type_name(x: Array) -> str:
    return from_numpy_dtype(x.dtype).tensor_type.removesuffix("Tensor")


def check_rank(name: str, x: Array, label: str = "A") -> None:
    if x.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor {label} must have at least 2 dimensions.")


def check_square(name: str, x: Array) -> None:
    """Raise RuntimeError, in PyTorch's words, unless these are square matrices."""
    check_rank(name, x)
    if x.shape[-1] != x.shape[-2]:
        sizes = f"{x.shape[-2]} by {x.shape[-1]}"
        raise RuntimeError(f"{name}: A must be batches of square matrices, but they are {sizes} matrices")


def _check_kernel(name: str, x: Array) -> None:
    """Raise NotImplementedError, in PyTorch's words, for types it has no kernel for."""
    if x.dtype.name not in ("float32", "float64", "complex64", "complex128"):
        raise NotImplementedError(f"\"{_KERNELS[name]}\" not implemented for '{type_name(x)}'")


def check_type(name: str, x: Array) -> None:
    """Raise, in PyTorch's words, unless the elements are floating-point or complex numbers of 32 bits or more."""
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        kinds = f"floating point or complex tensor as input. Got {type_name(x)}"
        raise RuntimeError(f"{name}: Expected a {kinds}")
    if name in _KERNELS:
        _check_kernel(name, x)
    elif x.dtype.itemsize < 4:
        raise RuntimeError(f"{name}: Low precision dtypes not supported. Got {type_name(x)}")


def adjoint(x: Array) -> Array:
    return jnp.conj(jnp.swapaxes(x, -1, -2))


# -- solving -------------------------------------------------------------------------------------------------------


@primitive(grad_name="LinalgInvExBackward0")
def inverse(x: Array) -> Array:
    check_square("linalg.inv", x)
    check_type("linalg.inv", x)
    return jnp.linalg.inv(x)


def check_equation(name: str, a: Array, b: Array, left: bool) -> None:
    """Raise RuntimeError, in PyTorch's words, unless the sizes of ``a x = b`` (or ``x a = b``) agree."""
    if a.shape[-1] != b.shape[-2 if left else -1]:
        sizes = f"({a.shape[-2]}x{a.shape[-1]} and {b.shape[-2]}x{b.shape[-1]})"
        equation = "AX = B" if left else "XA = B"
        raise RuntimeError(f"{name}: Incompatible shapes of A and B for the equation {equation} {sizes}")


def check_right_side(name: str, a: Array, b: Array) -> None:
    """Raise RuntimeError, in PyTorch's words of its older solvers, unless ``a x = b`` fits."""
    if b.dtype != a.dtype:
        kinds = f"found b of type {type_name(b)} and A of type {type_name(a)} instead."
        raise RuntimeError(f"Expected b and A to have the same dtype, but {kinds}")
    rows, columns = a.shape[-2:]
    if rows != columns:
        raise RuntimeError(f"A must be batches of square matrices, but they are {rows} by {columns} matrices")
    if columns != b.shape[-2]:
        sizes = f"each A matrix is {columns} by {columns} but each b matrix is {b.shape[-2]} by {b.shape[-1]}"
        raise RuntimeError(f"Incompatible matrix sizes for {name}: {sizes}")


def batched(a: Array, b: Array) -> tuple[Array, Array]:
    """Two batches of matrices with equal batch dimensions."""
    batch = broadcast(b.shape[:-2], a.shape[:-2])
    return jnp.broadcast_to(a, (*batch, *a.shape[-2:])), jnp.broadcast_to(b, (*batch, *b.shape[-2:]))


@primitive(grad_name="LinalgSolveExBackward0")
def solve(a: Array, b: Array, left: bool) -> Array:
    """X of ``a x = b`` (or ``x a = b``); ``b`` with one dimension less than ``a`` is a batch of vectors."""
    name = "linalg.solve"
    check_square(name, a)
    check_type(name, a)
    if a.dtype != b.dtype:
        kinds = f"found A of type {type_name(a)} and B of type {type_name(b)} instead"
        raise RuntimeError(f"{name}: Expected A and B to have the same dtype, but {kinds}")
    vector = b.ndim == 1 or (a.ndim - 1 == b.ndim and b.shape == a.shape[:-1])
    columns = b[..., None] if vector else b
    check_rank(name, columns, "B")
    check_equation(name, a, columns, left)
    first, second = batched(a, columns)
    if left:
        found = jnp.linalg.solve(first, second)
    else:
        found = jnp.linalg.solve(first.swapaxes(-1, -2), second.swapaxes(-1, -2)).swapaxes(-1, -2)
    return found[..., 0] if vector else found


@primitive(grad_name="LinalgSolveTriangularBackward0")
def solve_triangular(a: Array, b: Array, upper: bool, left: bool, unit: bool) -> Array:
    """``solve`` that reads one triangle of ``a`` only."""
    name = "linalg.solve_triangular"
    check_rank(name, b, "B")
    check_square(name, a)
    check_equation(name, a, b, left)
    _check_kernel(name, a)
    if a.dtype != b.dtype:
        kinds = f"found A of type {type_name(a)} and B of type {type_name(b)} instead"
        raise RuntimeError(f"{name}: Expected A and B to have the same dtype, but {kinds}")
    first, second = batched(a, b)
    return jax.lax.linalg.triangular_solve(first, second, left_side=left, lower=not upper, unit_diagonal=unit)


@partial(jax.custom_jvp, nondiff_argnums=(3,))
def _pseudo_inverse(x: Array, absolute: Array, relative: Array, hermitian: bool) -> Array:
    if hermitian:
        values, vectors = jnp.linalg.eigh(hermitian_of(x, lower=True), symmetrize_input=False)
        sizes, right = jnp.abs(values), vectors
    else:
        vectors, values, rows = jnp.linalg.svd(x, full_matrices=False)
        sizes, right = values, adjoint(rows)
    kept = sizes > _threshold(sizes, absolute, relative)
    inverted = jnp.where(kept, 1 / jnp.where(kept, values, 1), 0)
    return (right * inverted[..., None, :].astype(x.dtype)) @ adjoint(vectors)


def _threshold(sizes: Array, absolute: Array, relative: Array) -> Array:
    """What singular values have to exceed to count as other than zero."""
    largest = jnp.max(sizes, axis=-1, keepdims=True, initial=0)
    return jnp.maximum(absolute[..., None], relative[..., None] * largest)


@_pseudo_inverse.defjvp
def _pseudo_inverse_derivative(
    hermitian: bool, primals: tuple[Array, ...], tangents: tuple[Array, ...]
) -> tuple[Array, Array]:
    """For matrices of constant rank (Golub and Pereyra, 1973)."""
    x, change = primals[0], tangents[0]
    found = _pseudo_inverse(*primals, hermitian)
    rows, columns = x.shape[-2:]
    outside = jnp.eye(rows, dtype=x.dtype) - x @ found
    inside = jnp.eye(columns, dtype=x.dtype) - found @ x
    turned = adjoint(change)
    derivative = -found @ change @ found
    derivative += found @ adjoint(found) @ turned @ outside
    derivative += inside @ turned @ adjoint(found) @ found
    return found, derivative


def _limits(x: Array, *tolerances: Any) -> list[Array]:
    """Tolerances as arrays; raises RuntimeError, in PyTorch's words, unless they broadcast with a batch of matrices."""
    arrays = [as_array(item, common_dtype(item)) for item in tolerances]
    for item in arrays:
        broadcast(item.shape, x.shape[:-2])
    return arrays


@primitive(grad_name="LinalgPinvBackward0")
def pseudo_inverse(x: Array, absolute: Any, relative: Any, hermitian: bool) -> Array:
    """The matrix with its singular values inverted; those at most ``max(absolute, relative * largest)`` become 0."""
    if x.ndim < 2 or x.dtype.name not in ("float32", "float64", "complex64", "complex128"):
        given = f"{type_name(x)}{{{list(x.shape)}}}"
        wanted = "expected a tensor with 2 or more dimensions of float, double, cfloat or cdouble types"
        raise RuntimeError(f"linalg.pinv({given}): {wanted}")
    if hermitian:
        check_square("linalg.pinv", x)
    if x.size == 0:
        return jnp.zeros((*x.shape[:-2], x.shape[-1], x.shape[-2]), x.dtype)
    return _pseudo_inverse(x, *_limits(x, absolute, relative), hermitian)


@primitive(differentiable=False)
def matrix_rank(x: Array, absolute: Any, relative: Any, hermitian: bool) -> Array:
    """How many singular values exceed ``max(absolute, relative * largest)``."""
    name = "torch.linalg.matrix_rank"
    check_rank(name, x, "input")
    if x.dtype.name not in ("float32", "float64", "complex64", "complex128"):
        raise RuntimeError("This function doesn't handle types other than float and double")
    if hermitian:
        check_square("linalg.eigh", x)
        sizes = jnp.abs(jnp.linalg.eigvalsh(hermitian_of(x, lower=True), symmetrize_input=False))
    else:
        sizes = jnp.linalg.svd(x, compute_uv=False)
    return jnp.sum(sizes > _threshold(sizes, *_limits(x, absolute, relative)), axis=-1, dtype=jnp.int64)


# -- determinants and functions of matrices ------------------------------------------------------------------------


@primitive(grad_name="LinalgDetBackward0")
def determinant(x: Array) -> Array:
    check_square("linalg.det", x)
    check_type("linalg.det", x)
    return jnp.linalg.det(x) if x.shape[-1] else jnp.ones(x.shape[:-2], x.dtype)


@primitive(grad_name="LinalgSlogdetBackward0")
def sign_log_determinant(x: Array) -> tuple[Array, Array]:
    check_square("linalg.slogdet", x)
    check_type("linalg.slogdet", x)
    if not x.shape[-1]:
        return jnp.ones(x.shape[:-2], x.dtype), jnp.zeros(x.shape[:-2], jnp.real(x).dtype)
    sign, size = jnp.linalg.slogdet(x)
    return sign, size


@primitive(grad_name="LinalgMatrixExpBackward0", residuals=True)
def matrix_exp(x: Array) -> Array:
    name = "linalg.matrix_exp"
    check_square(name, x)
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        raise RuntimeError(f"{name}: Expected a floating point or complex tensor as input. Got {type_name(x)}")
    if x.size == 0:
        return x
    wide = x.astype(jnp.complex128 if jnp.iscomplexobj(x) else jnp.float64)  # squaring doubles what was rounded away
    return jax.scipy.linalg.expm(wide, max_squarings=32).astype(x.dtype)


# -- factorizations ------------------------------------------------------------------------------------------------


def hermitian_of(x: Array, lower: bool) -> Array:
    """The Hermitian matrix that one triangle tells; its gradient is that of ``(x + x.mH) / 2``."""
    triangle = jnp.tril(x) if lower else adjoint(jnp.triu(x))
    told = triangle + adjoint(jnp.tril(triangle, -1))
    mean = (x + adjoint(x)) / 2
    return mean + jax.lax.stop_gradient(told - mean)


@primitive(grad_name="LinalgCholeskyExBackward0")
def cholesky(x: Array, upper: bool) -> Array:
    check_square("linalg.cholesky", x)
    check_type("linalg.cholesky", x)
    factor = jax.lax.linalg.cholesky(hermitian_of(x, lower=not upper), symmetrize_input=False)
    return adjoint(factor) if upper else factor


def _check_qr(x: Array) -> None:
    check_rank("linalg.qr", x)
    check_type("linalg.qr", x)


def _thin_qr(x: Array) -> tuple[Array, Array]:
    """``q, r`` with as few columns as rows or columns; the columns past the rows follow from the others."""
    rows, columns = x.shape[-2:]
    if columns <= rows:
        q, r = jnp.linalg.qr(x)
        return q, r
    q, r = jnp.linalg.qr(x[..., :rows])
    return q, jnp.concatenate([r, adjoint(q) @ x[..., rows:]], axis=-1)


@primitive(grad_name="LinalgQrBackward0")
def qr(x: Array, values_only: bool) -> tuple[Array, Array]:
    """The thin factors; or an empty tensor and the second."""
    _check_qr(x)
    q, r = _thin_qr(x)
    return (jnp.zeros((0,), x.dtype) if values_only else q), r


@primitive(differentiable=False)
def complete_qr(x: Array) -> tuple[Array, Array]:
    """The factors with all columns of ``q``; for more rows than columns they have no derivative."""
    _check_qr(x)
    q, r = jnp.linalg.qr(x, mode="complete")
    return q, r


@primitive(differentiable=False)
def geqrf(x: Array) -> tuple[Array, Array]:
    """LAPACK's form of ``qr``: the upper triangle is ``r``, below are the Householder vectors; and their factors."""
    if x.ndim < 2:
        raise RuntimeError("torch.geqrf: input must have at least 2 dimensions.")
    _check_kernel("torch.geqrf", x)
    packed, factors = jnp.linalg.qr(x, mode="raw")
    return packed.swapaxes(-1, -2), factors


@primitive(grad_name="LinalgHouseholderProductBackward0")
def householder_product(x: Array, factors: Array) -> Array:
    """The first columns of the product of ``I - factors[i] v_i v_i.mH``; below its 1 on the diagonal, v_i is in x.

    All reflections at once: ``I - v t v.mH`` with ``t = (I + d s)^-1 d``, where d is the diagonal matrix of the
    factors and s the part of ``v.mH v`` above the diagonal (Joffrain et al., 2006).
    """
    _check_reflections(x, factors)
    count = factors.shape[-1]
    vectors = jnp.tril(x[..., :count], -1) + jnp.eye(x.shape[-2], count, dtype=x.dtype)
    scales = factors[..., :, None]
    products = jnp.triu(adjoint(vectors) @ vectors, 1) * scales
    top = adjoint(vectors[..., : x.shape[-1], :]) * scales
    mixed = jax.lax.linalg.triangular_solve(products, top, left_side=True, lower=False, unit_diagonal=True)
    return jnp.eye(*x.shape[-2:], dtype=x.dtype) - vectors @ mixed


def _check_reflections(x: Array, factors: Array) -> None:
    """Raise RuntimeError, in PyTorch's words, unless vectors and factors of reflections fit."""
    name = "torch.linalg.householder_product"
    if x.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    if x.shape[-2] < x.shape[-1]:
        raise RuntimeError(f"{name}: input.shape[-2] must be greater than or equal to input.shape[-1]")
    if x.shape[-1] < factors.shape[-1]:
        raise RuntimeError(f"{name}: input.shape[-1] must be greater than or equal to tau.shape[-1]")
    if x.ndim - factors.ndim != 1:
        ranks = f"but got tau.ndim equal to {factors.ndim} and input.ndim is equal to {x.ndim}"
        raise RuntimeError(f"{name}: Expected tau to have one dimension less than input, {ranks}")
    if x.shape[:-2] != factors.shape[:-1]:
        got = f"but got {list(factors.shape[:-1])}"
        raise RuntimeError(f"{name}: Expected batch dimensions of tau to be equal to input.shape[:-2], {got}")
    if x.dtype != factors.dtype:
        kinds = f"tau dtype {type_name(factors)} does not match input dtype {type_name(x)}"
        raise RuntimeError(f"{name}: {kinds}")
    _check_kernel(name, x)


def _check_hermitian(x: Array) -> None:
    check_square("linalg.eigh", x)
    _check_kernel("linalg.eigh", x)


@primitive(grad_name="LinalgEighBackward0")
def hermitian_eigen(x: Array, lower: bool) -> tuple[Array, Array]:
    _check_hermitian(x)
    values, vectors = jnp.linalg.eigh(hermitian_of(x, lower), symmetrize_input=False)
    return values, vectors


@primitive(grad_name="LinalgEighBackward0")
def hermitian_eigenvalues(x: Array, lower: bool) -> Array:
    _check_hermitian(x)
    return jnp.linalg.eigvalsh(hermitian_of(x, lower), symmetrize_input=False)


def _completed(x: Array) -> Array:
    """Orthonormal columns, followed by others that make them a basis."""
    whole, _ = jnp.linalg.qr(jax.lax.stop_gradient(x), mode="complete")
    return jnp.concatenate([x, whole[..., x.shape[-1] :]], axis=-1)


def _check_svd(x: Array) -> None:
    check_rank("linalg.svd", x)
    check_type("linalg.svd", x)


@primitive(grad_name="LinalgSvdBackward0")
def svd(x: Array, full: bool) -> tuple[Array, Array, Array]:
    """``u, s, vh``; the columns (or rows) that complete the thin factors carry no gradient."""
    _check_svd(x)
    u, s, vh = jnp.linalg.svd(x, full_matrices=False)
    if full and x.shape[-2] > x.shape[-1]:
        u = _completed(u)
    elif full and x.shape[-2] < x.shape[-1]:
        vh = adjoint(_completed(adjoint(vh)))
    return u, s, vh


@primitive(grad_name="LinalgSvdBackward0")
def singular_values(x: Array) -> Array:
    _check_svd(x)
    return jnp.linalg.svd(x, compute_uv=False)


# -- norms of slices -----------------------------------------------------------------------------------------------


def _norm_except(x: Array, order: float, axis: int) -> Array:
    if axis == -1:
        return vector_norm.lower(x, order, tuple(range(x.ndim)), False, None)
    others = tuple(other for other in range(x.ndim) if other != axis % x.ndim)
    return vector_norm.lower(x, order, others, True, None)


norm_except_dim = Primitive("norm_except_dim", _norm_except, grad_name="ViewBackward0")


@primitive(grad_name="WeightNormInterfaceBackward0")
def weight_norm(x: Array, sizes: Array, axis: int) -> Array:
    """``x * (sizes / norm)``, the norm over all axes but one, or over all for axis -1."""
    return x * (sizes / _norm_except(x, 2.0, axis))


@primitive(differentiable=False)
def power_iterations(x: Array, u: Array, v: Array, count: int, eps: float) -> tuple[Array, Array]:
    """``u`` and ``v`` after ``u = x v / |x v|, v = x.mH u / |x.mH u|``, several times; no norm counts as under eps."""

    def unit(vector: Array) -> Array:
        return vector / jnp.maximum(vector_norm.lower(vector, 2.0, (0,), True, None), eps).astype(vector.dtype)

    def once(_: int, vectors: tuple[Array, Array]) -> tuple[Array, Array]:
        left = unit(x @ vectors[1])
        return left, unit(adjoint(x) @ left)

    return once(0, (u, v)) if count == 1 else jax.lax.fori_loop(0, count, once, (u, v))
