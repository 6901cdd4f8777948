"""Linear algebra by triangular factors, with a report of where they fail; and eigenvalues of any matrix."""

from functools import partial

import jax
import jax.numpy as jnp

from flambeau.primitives.linalg import (
    adjoint,
    batched,
    check_equation,
    check_rank,
    check_right_side,
    check_square,
    check_type,
    hermitian_of,
    householder_product,
    inverse,
    solve,
    type_name,
)
from flambeau.primitives.primitive import Array, primitive

__all__ = [
    "cholesky_ex",
    "cholesky_inverse",
    "cholesky_solve",
    "eigen",
    "eigenvalues",
    "inverse_ex",
    "lu",
    "lu_factor",
    "lu_solve",
    "lu_unpack",
    "reflect",
    "solve_ex",
]


# -- what failed ---------------------------------------------------------------------------------------------------


def _zero_pivot(packed: Array) -> Array:
    """The number, from 1, of the first zero on the diagonal; 0 where there is none."""
    zero = jnp.diagonal(jax.lax.stop_gradient(packed), axis1=-2, axis2=-1) == 0
    if not zero.shape[-1]:
        return jnp.zeros(zero.shape[:-1], jnp.int32)
    return jnp.where(zero.any(-1), jnp.argmax(zero, -1) + 1, 0).astype(jnp.int32)


def _bad_minor(x: Array) -> Array:
    """Order of the first leading minor of a Hermitian matrix that is not positive; 0 where all are."""

    def eliminate(step: int, state: tuple[Array, Array]) -> tuple[Array, Array]:
        rest, found = state
        pivot = rest[..., step, step].real
        found = jnp.where((found == 0) & ~(pivot > 0), step + 1, found).astype(jnp.int32)
        column = rest[..., :, step] / jnp.sqrt(jnp.where(pivot > 0, pivot, 1))[..., None]
        return rest - column[..., :, None] * jnp.conj(column)[..., None, :], found

    return jax.lax.fori_loop(0, x.shape[-1], eliminate, (x, jnp.zeros(x.shape[:-2], jnp.int32)))[1]


# -- with a report -------------------------------------------------------------------------------------------------


@primitive(grad_name="LinalgInvExBackward0")
def inverse_ex(x: Array) -> tuple[Array, Array]:
    found = inverse.lower(x)
    return found, _zero_pivot(jax.lax.linalg.lu(x)[0])


@primitive(residuals=True, grad_name="LinalgSolveExBackward0")
def solve_ex(a: Array, b: Array, left: bool) -> tuple[Array, Array]:
    found = solve.lower(a, b, left)
    return found, _zero_pivot(jax.lax.linalg.lu(a)[0])


@primitive(grad_name="LinalgCholeskyExBackward0")
def cholesky_ex(x: Array, upper: bool) -> tuple[Array, Array]:
    """The factor, NaN where there is none; and the order of the first minor that is not positive."""
    check_square("linalg.cholesky", x)
    check_type("linalg.cholesky", x)
    whole = hermitian_of(x, lower=not upper)
    factor = jax.lax.linalg.cholesky(whole, symmetrize_input=False)
    if not x.size:
        return factor, jnp.zeros(x.shape[:-2], jnp.int32)
    failed = jnp.isnan(jax.lax.stop_gradient(factor)).any((-2, -1))
    plain = jax.lax.stop_gradient(whole)
    report = jax.lax.cond(failed.any(), _bad_minor, lambda _: jnp.zeros(x.shape[:-2], jnp.int32), plain)
    return (adjoint(factor) if upper else factor), report


# -- LU ------------------------------------------------------------------------------------------------------------


def _check_lu(x: Array) -> None:
    if x.ndim < 2:
        raise RuntimeError(
            f"torch.lu_factor: Expected tensor with 2 or more dimensions. Got size: {list(x.shape)} instead"
        )
    if x.dtype.name not in ("float32", "float64", "complex64", "complex128"):
        raise NotImplementedError(f"\"lu_cpu\" not implemented for '{type_name(x)}'")


def _triangles(packed: Array) -> tuple[Array, Array]:
    """The two factors that lie in one matrix."""
    size = min(packed.shape[-2:])
    lower = jnp.tril(packed[..., :, :size], -1) + jnp.eye(packed.shape[-2], size, dtype=packed.dtype)
    return lower, jnp.triu(packed[..., :size, :])


def _permutation(pivots: Array, rows: int) -> Array:
    """Where the rows come from that exchanges, one after the other, put in place."""
    return jax.lax.linalg.lu_pivots_to_permutation(pivots - 1, rows)


def _matrix(order: Array, kind: Array) -> Array:
    """The matrix P of a permutation, so that ``P @ x[order] = x``."""
    return jnp.swapaxes(jnp.eye(order.shape[-1], dtype=kind.dtype)[order], -1, -2)


@primitive(grad_name="LinalgLuFactorExBackward0")
def lu_factor(x: Array) -> tuple[Array, Array, Array]:
    """Both triangles in one matrix, the exchanges of rows (from 1), and the number of the first zero pivot."""
    _check_lu(x)
    packed, pivots, _ = jax.lax.linalg.lu(x)
    return packed, (pivots + 1).astype(jnp.int32), _zero_pivot(packed)


@primitive(grad_name="LinalgLuBackward0")
def lu(x: Array) -> tuple[Array, Array, Array]:
    """``p, l, u`` with ``x = p @ l @ u``."""
    _check_lu(x)
    packed, _, order = jax.lax.linalg.lu(x)
    lower, upper = _triangles(packed)
    return _matrix(order, x), lower, upper


@primitive(grad_name="LuUnpackBackward0")
def lu_unpack(packed: Array, pivots: Array, data: bool, exchanges: bool) -> tuple[Array, Array, Array]:
    """The factors of ``lu`` from those of ``lu_factor``; empty where they are not asked for."""
    if exchanges and pivots.dtype != jnp.int32:
        raise RuntimeError(
            "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 dtype.\n"
            "Note: this function is intended to be used with the output produced by torch.linalg.lu_factor"
        )
    nothing = jnp.zeros((0,), packed.dtype)
    lower, upper = _triangles(packed) if data else (nothing, nothing)
    order = _permutation(pivots, packed.shape[-2]) if exchanges else None
    return (nothing if order is None else _matrix(order, packed)), lower, upper


def _triangular(a: Array, b: Array, *, lower: bool, unit: bool = False, transposed: bool = False) -> Array:
    return jax.lax.linalg.triangular_solve(
        a, b, left_side=True, lower=lower, unit_diagonal=unit, transpose_a=transposed, conjugate_a=transposed
    )


@primitive(grad_name="LinalgLuSolveBackward0")
def lu_solve(packed: Array, pivots: Array, b: Array, left: bool, turned: bool) -> Array:
    """X of ``a x = b`` from the factors of a; or of the adjoint, or from the other side."""
    _check_lu_solve(packed, pivots, b, left)
    if not left:
        return adjoint(_lu_solved(packed, pivots, adjoint(b), not turned))
    return _lu_solved(packed, pivots, b, turned)


def _lu_solved(packed: Array, pivots: Array, b: Array, turned: bool) -> Array:
    both, columns = batched(packed, b)
    order = jnp.broadcast_to(_permutation(pivots, packed.shape[-2]), both.shape[:-1])
    if not turned:
        columns = jnp.take_along_axis(columns, order[..., None], axis=-2)
        return _triangular(both, _triangular(both, columns, lower=True, unit=True), lower=False)
    inner = _triangular(both, columns, lower=False, transposed=True)
    inner = _triangular(both, inner, lower=True, unit=True, transposed=True)
    return jnp.take_along_axis(inner, jnp.argsort(order, -1)[..., None], axis=-2)


def _check_lu_solve(packed: Array, pivots: Array, b: Array, left: bool) -> None:
    """Raise RuntimeError, in PyTorch's words, unless factors and right sides fit."""
    name = "linalg.lu_solve"
    if pivots.dtype != jnp.int32:
        raise RuntimeError(f"{name}: pivots should be a Tensor of scalar type torch.int32")
    if packed.dtype != b.dtype:
        kinds = f"found LU of type {type_name(packed)} and B of type {type_name(b)} instead"
        raise RuntimeError(f"{name}: Expected LU and B to have the same dtype, but {kinds}")
    check_square(f"torch.{name}", packed)
    check_rank(name, b, "B")
    check_equation(name, packed, b, left)
    if pivots.shape[-1] != packed.shape[-1]:
        raise RuntimeError(f"{name}: Number of pivots per batch should be same as the dimension of the matrix")
    if pivots.shape[:-1] != packed.shape[:-2]:
        got = f"LU.shape[:-1]={list(packed.shape[:-1])} and pivots.shape={list(pivots.shape)}"
        raise RuntimeError(f"{name}: Expected LU.shape[:-1] and pivots.shape to be the same, but got {got} instead")


# -- Cholesky's factors --------------------------------------------------------------------------------------------


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def _cholesky_solved(factor: Array, b: Array, upper: bool) -> Array:
    first = _triangular(factor, b, lower=not upper, transposed=upper)
    return _triangular(factor, first, lower=not upper, transposed=not upper)


@_cholesky_solved.defjvp
def _cholesky_solved_derivative(
    upper: bool, primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    """As if all of the factor were read, which is what PyTorch takes for its gradient."""
    (factor, b), (change, moved) = primals, tangents
    found = _cholesky_solved(factor, b, upper)
    half = adjoint(factor) @ change if upper else change @ adjoint(factor)
    return found, _cholesky_solved(factor, moved - (half + adjoint(half)) @ found, upper)


@primitive(grad_name="CholeskySolveBackward0")
def cholesky_solve(b: Array, factor: Array, upper: bool) -> Array:
    for label, x in (("b", b), ("u", factor)):
        if x.ndim < 2:
            raise RuntimeError(f"{label} should have at least 2 dimensions, but has {x.ndim} dimensions instead")
    check_right_side("cholesky_solve", factor, b)
    return _cholesky_solved(*batched(factor, b), upper)


@primitive(grad_name="CholeskyInverseBackward0")
def cholesky_inverse(factor: Array, upper: bool) -> tuple[Array, Array]:
    """The inverse of the matrix with this factor, and the number of the first zero on its diagonal."""
    check_square("cholesky_inverse", factor)
    eye = jnp.broadcast_to(jnp.eye(factor.shape[-1], dtype=factor.dtype), factor.shape)
    return cholesky_solve.lower(eye, factor, upper), _zero_pivot(factor)


# -- reflections ---------------------------------------------------------------------------------------------------


@primitive(grad_name="OrmqrBackward0")
def reflect(x: Array, factors: Array, other: Array, left: bool, turned: bool) -> Array:
    """``q @ other``, or ``other @ q`` unless ``left``, with q or its adjoint: the product of reflections."""
    name, axis = "torch.ormqr", -2 if left else -1
    for label, item in (("input", x), ("other", other)):
        if item.ndim < 2:
            raise RuntimeError(f"{name}: {label} must have at least 2 dimensions.")
    if other.shape[axis] < factors.shape[-1]:
        raise RuntimeError(f"{name}: other.shape[{axis}] must be greater than or equal to tau.shape[-1]")
    if factors.shape[-1] != min(other.shape[axis], x.shape[-1]):
        raise RuntimeError(f"{name}: tau.shape[-1] must be equal to min(other.shape[{axis}], input.shape[-1])")
    if other.shape[axis] != x.shape[-2]:
        raise RuntimeError(f"{name}: other.shape[{axis}] must be equal to input.shape[-2]")
    rows, columns = x.shape[-2:]
    wide = jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, max(rows - columns, 0))])[..., :rows]
    product = householder_product.lower(wide, factors)
    product = adjoint(product) if turned else product
    return product @ other if left else other @ product


# -- eigenvalues ---------------------------------------------------------------------------------------------------


def _check_eigen(x: Array) -> None:
    check_square("linalg.eig", x)
    if not jnp.isdtype(x.dtype, ("real floating", "complex floating")):
        raise RuntimeError(f"Unknown Complex ScalarType for {type_name(x)}")


@jax.custom_jvp
def _eigen(x: Array) -> tuple[Array, Array]:
    values, vectors = jnp.linalg.eig(x)
    return values, vectors


@_eigen.defjvp
def _eigen_derivative(primals: tuple[Array], tangents: tuple[Array]) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Of distinct eigenvalues; the vectors keep their length and turn as little as they can."""
    (x,), (change,) = primals, tangents
    values, vectors = _eigen(x)
    seen = jnp.linalg.solve(vectors, change.astype(vectors.dtype) @ vectors)
    same = jnp.eye(x.shape[-1], dtype=bool)
    gaps = jnp.where(same, 1, values[..., None, :] - values[..., :, None])
    turns = vectors @ jnp.where(same, 0, seen / gaps)
    lengths = jnp.sum((jnp.conj(vectors) * turns).real, axis=-2, keepdims=True)
    return (values, vectors), (jnp.diagonal(seen, axis1=-2, axis2=-1), turns - vectors * lengths)


@primitive(grad_name="LinalgEigBackward0")
def eigen(x: Array) -> tuple[Array, Array]:
    _check_eigen(x)
    values, vectors = _eigen(x.astype(jnp.result_type(x.dtype, jnp.complex64)) if x.size == 0 else x)
    return values, vectors


@primitive(grad_name="LinalgEigBackward0")
def eigenvalues(x: Array) -> Array:
    return eigen.lower(x)[0]
