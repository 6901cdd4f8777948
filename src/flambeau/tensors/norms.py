"""Norms of vectors and matrices, and of slices of a tensor."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flambeau.base.shapes import normalize_axes, normalize_axis
from flambeau.dtypes.kinds import dtype
from flambeau.dtypes.promotion import promote_types
from flambeau.primitives import linalg as primitives
from flambeau.primitives import reduction
from flambeau.primitives.pointwise import cast
from flambeau.tensors.core import Core, call
from flambeau.tensors.outputs import takes_out

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = [
    "check_has_norm",
    "check_matrices",
    "check_square",
    "cond",
    "matrix_norm",
    "norm",
    "norm_except_dim",
    "vector_norm",
    "weight_norm",
]

_INFINITY = float("inf")
_MATRIX_ORDERS = (2, -2, 1, -1, _INFINITY, -_INFINITY)


def _kind_name(kind: dtype) -> str:
    return kind.tensor_type.removesuffix("Tensor")


def check_matrices(name: str, tensor: Core, label: str = " A") -> None:
    """Raise RuntimeError, in PyTorch's words, unless a tensor has matrices."""
    if len(tensor.shape) < 2:
        raise RuntimeError(f"{name}: The input tensor{label} must have at least 2 dimensions.")


def check_square(name: str, tensor: Core) -> None:
    """Raise RuntimeError, in PyTorch's words, unless a tensor has square matrices."""
    check_matrices(name, tensor)
    rows, columns = tensor.shape[-2:]
    if rows != columns:
        raise RuntimeError(f"{name}: A must be batches of square matrices, but they are {rows} by {columns} matrices")


@takes_out("linalg.")
def vector_norm(
    x: "Tensor",
    ord: float = 2,
    dim: int | Sequence[int] | None = None,
    keepdim: bool = False,
    *,
    dtype: dtype | None = None,
) -> "Tensor":
    """Norm of vectors: ``(sum of |x| ** ord) ** (1 / ord)``, with the limits at 0 and infinity.

    Args:
        x: any shape, floating-point or complex.
        ord: order of the norm: any number, or infinity.
        dim: the dimensions of the vectors; all if None.
        keepdim: whether they stay, with size 1.
        dtype: data type to compute in; that of ``x`` if None.

    Raises:
        RuntimeError: ``x`` holds whole numbers, ``dtype`` does not fit, or an empty vector has no such norm.
        IndexError: there is no such dimension.

    Example:
        >>> import flambeau as torch
        >>> torch.linalg.vector_norm(torch.tensor([3.0, -4.0]))
        tensor(5.)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.vector_norm.html
    """
    if isinstance(ord, str):
        message = "linalg_vector_norm(): argument 'ord' (position 2) must be Number, not str"
        raise TypeError(message)
    _check_norm_type(x, dtype)
    axes = normalize_axes(dim, len(x.shape))
    check_has_norm(x, ord, dim)
    return call(reduction.vector_norm, (x,), (float(ord), axes, keepdim, dtype))


def _check_norm_type(x: "Tensor", kind: dtype | None) -> None:
    """Raise RuntimeError, in PyTorch's words, unless a norm can be computed in this type."""
    name = "linalg.vector_norm"
    if not (x.dtype.is_floating_point or x.dtype.is_complex):
        kinds = f"floating point or complex tensor as input. Got {_kind_name(x.dtype)}"
        raise RuntimeError(f"{name}: Expected a {kinds}")
    if kind is None:
        return
    if not (kind.is_floating_point or kind.is_complex):
        raise RuntimeError(f"{name}: dtype should be floating point or complex, but got {_kind_name(kind)}")
    if kind.is_complex != x.dtype.is_complex:
        realness = "complex" if x.dtype.is_complex else "real"
        raise RuntimeError(f"{name}: dtype should be {realness} for {realness} inputs, but got {_kind_name(kind)}")
    if promote_types(x.dtype, kind) is not kind:
        kinds = f"({_kind_name(x.dtype)}) should be convertible without narrowing to the specified dtype"
        raise RuntimeError(f"{name}: the dtype of the input {kinds} ({_kind_name(kind)})")


def check_has_norm(x: Core, order: float, dim: int | Sequence[int] | None) -> None:
    """Raise RuntimeError, in PyTorch's words, where vectors without elements have no such norm."""
    if 0 not in x.shape or 0 <= order < _INFINITY:
        return
    label = f"linalg.vector_norm cannot compute the {order:g} norm on"
    given = () if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    if not given:
        raise RuntimeError(f"{label} an empty tensor because the operation does not have an identity")
    for axis in given:
        if x.shape[axis] == 0:
            reason = "because this dimension is empty and the operation does not have an identity"
            raise RuntimeError(f"{label} the dimension {axis}{reason}")


@takes_out("linalg.")
def matrix_norm(
    A: "Tensor",
    ord: float | str = "fro",
    dim: Sequence[int] = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: dtype | None = None,
) -> "Tensor":
    """Norm of matrices.

    Args:
        A: ``(..., rows, columns)``, floating-point or complex.
        ord: ``"fro"`` (the elements as a vector), ``"nuc"`` (sum of the singular values), 2 or -2 (largest or smallest
            singular value), infinity or its negative (largest or smallest sum of a row), 1 or -1 (of a column).
        dim: the two dimensions of the matrices.
        keepdim: whether they stay, with size 1.
        dtype: data type to compute in; that of ``A`` if None.

    Raises:
        RuntimeError: ``A`` has no matrices or holds whole numbers, or there is no such order.
        IndexError: there is no such dimension.

    Example:
        >>> import flambeau as torch
        >>> torch.linalg.matrix_norm(torch.tensor([[1.0, -2.0], [3.0, 4.0]]), float("inf"))
        tensor(7.)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.matrix_norm.html
    """
    name = "linalg.matrix_norm"
    check_matrices(name, A)
    _check_matrix_type(A, ord)
    if isinstance(ord, str) and ord not in ("fro", "nuc"):
        raise RuntimeError(f"{name}: Order {ord} not supported.")
    if not isinstance(ord, str) and ord not in _MATRIX_ORDERS:
        raise RuntimeError(f"{name}: Order {ord:g} not supported.")
    axes = _matrix_axes(A, dim)
    if ord == "fro":
        return vector_norm(A, 2, axes, keepdim, dtype=dtype)
    matrices = A if dtype is None else call(cast, (A,), (dtype,))
    if 0 in A.shape and not isinstance(ord, str) and ord < 0:
        _check_has_least(A, ord, axes, keepdim)
    return call(reduction.matrix_norm, (matrices,), (ord if isinstance(ord, str) else float(ord), axes, keepdim))


def _check_has_least(A: "Tensor", order: float, axes: tuple[int, int], keepdim: bool) -> None:
    """Raise IndexError, in PyTorch's words, where matrices have no rows, columns or singular values to be the least."""
    rows, columns = axes
    kept, summed = (columns, rows) if order == -1 else (rows, columns)
    if order == -2:
        place = -1 if 0 in (A.shape[rows], A.shape[columns]) else None
    else:
        place = (kept if keepdim or kept < summed else kept - 1) if A.shape[kept] == 0 else None
    if place is not None:
        raise IndexError(f"amin(): Expected reduction dim {place} to have non-zero size.")


def _check_matrix_type(A: "Tensor", order: float | str) -> None:
    name, kind = "linalg.matrix_norm", _kind_name(A.dtype)
    if not (A.dtype.is_floating_point or A.dtype.is_complex):
        raise RuntimeError(f"{name}: Expected a floating point or complex tensor as input. Got {kind}")
    if A.dtype.itemsize < 4 and order in ("nuc", 2, -2):
        raise RuntimeError(f"{name}: Low precision dtypes not supported. Got {kind}")


def _matrix_axes(A: "Tensor", dim: Sequence[int]) -> tuple[int, int]:
    """Rows' and columns' dimension; raises in PyTorch's words where they are not two."""
    given = [dim] if isinstance(dim, int) else list(dim)
    if len(given) != 2:
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {' '.join(map(str, given))}")
    rows, columns = (normalize_axis(axis, len(A.shape)) for axis in given)
    if rows == columns:
        raise RuntimeError(f"linalg.matrix_norm: dims must be different. Got ({given[0]}, {given[1]})")
    return rows, columns


@takes_out("linalg.")
def norm(
    A: "Tensor",
    ord: float | str | None = None,
    dim: int | Sequence[int] | None = None,
    keepdim: bool = False,
    *,
    dtype: dtype | None = None,
) -> "Tensor":
    """Norm of vectors or matrices, whichever the arguments tell: ``vector_norm`` or ``matrix_norm``.

    Args:
        A: any shape; with ``ord`` and without ``dim``, a vector or a matrix.
        ord: order of the norm; if None, the elements' 2-norm.
        dim: one dimension for vectors, two for matrices; all of them if None.
        keepdim: whether the dimensions stay, with size 1.
        dtype: data type to compute in; that of ``A`` if None.

    Raises:
        RuntimeError: ``A`` and ``dim`` tell neither a vector nor a matrix, or there is no such norm.

    Example:
        >>> import flambeau as torch
        >>> torch.linalg.norm(torch.ones(2, 2), 1)
        tensor(2.)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.norm.html
    """
    axes = None if dim is None else [dim] if isinstance(dim, int) else list(dim)
    if axes is not None and len(axes) not in (1, 2):
        raise RuntimeError(f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {axes}")
    if axes is None and ord is not None and len(A.shape) not in (1, 2):
        got = f"Got {len(A.shape)}D."
        raise RuntimeError(f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. {got}")
    if ord is None:
        return vector_norm(A, 2, axes, keepdim, dtype=dtype)
    if isinstance(ord, str) or (len(A.shape) if axes is None else len(axes)) == 2:
        return matrix_norm(A, ord, (-2, -1) if axes is None else axes, keepdim, dtype=dtype)
    return vector_norm(A, ord, axes, keepdim, dtype=dtype)


@takes_out("linalg.")
def cond(A: "Tensor", p: float | str | None = None) -> "Tensor":
    """Condition number: the norm of a matrix times that of its inverse.

    Args:
        A: ``(..., n, n)``; for orders 2 and -2 of any two sizes.
        p: order of the norm, as in ``matrix_norm``; None means 2.

    Raises:
        RuntimeError: ``A`` has no matrices, or they are not square, or there is no such order.

    Example:
        >>> import flambeau as torch
        >>> torch.linalg.cond(torch.diag(torch.tensor([4.0, 2.0])))
        tensor(2.)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.cond.html
    """
    check_matrices("linalg.cond", A, "")
    if p is not None and (p not in ("fro", "nuc") if isinstance(p, str) else p not in _MATRIX_ORDERS):
        raise RuntimeError(f"linalg.cond got an invalid norm type: {p if isinstance(p, str) else f'{p:g}'}")
    if 0 in A.shape:
        return A.new_zeros(A.shape[:-2], dtype=A.dtype.to_real())
    if p is None or p in (2, -2):
        sizes: Tensor = call(primitives.singular_values, (A,))
        largest, smallest = sizes[..., 0], sizes[..., -1]
        return smallest / largest if p == -2 else largest / smallest
    check_square(f"linalg.cond(ord={p if isinstance(p, str) else f'{p:g}'})", A)
    return matrix_norm(A, p) * matrix_norm(call(primitives.inverse, (A,)), p)


# -- slices --------------------------------------------------------------------------------------------------------


def _kept_axis(v: Core, dim: int) -> int:
    return -1 if dim == -1 else normalize_axis(dim, len(v.shape))


def norm_except_dim(v: "Tensor", pow: int = 2, dim: int = 0) -> "Tensor":
    """Norm over all dimensions but one, which stay with size 1; for ``dim=-1``, over all, a tensor without dimensions.

    Args:
        v: any shape.
        pow: order of the norm.
        dim: the dimension that is kept.

    Raises:
        IndexError: there is no such dimension.

    Example:
        >>> import flambeau as torch
        >>> torch.norm_except_dim(torch.ones(2, 4))
        tensor([[2.],
                [2.]])
    """
    return call(primitives.norm_except_dim, (v,), (float(pow), _kept_axis(v, dim)))


def weight_norm(v: "Tensor", g: "Tensor", dim: int = 0) -> "Tensor":
    """``g * v / norm_except_dim(v, 2, dim)``.

    Source: Salimans and Kingma (2016); https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.parametrizations.weight_norm.html
    """
    return call(primitives.weight_norm, (v, g), (_kept_axis(v, dim),))
