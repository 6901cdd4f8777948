"""Matrix products of groups, as in mixtures of experts; and of scaled numbers, which are not supported."""

from typing import Any, NoReturn

from flambeau.dtypes.kinds import dtype
from flambeau.primitives import grouped as p
from flambeau.tensors.core import call
from flambeau.tensors.tensor import Tensor

__all__ = ["grouped_mm", "scaled_grouped_mm", "scaled_mm"]

_TYPES = ("float32", "bfloat16", "float16")


def grouped_mm(
    mat_a: Tensor,
    mat_b: Tensor,
    *,
    offs: Tensor | None = None,
    bias: Tensor | None = None,
    out_dtype: dtype | None = None,
) -> Tensor:
    """Matrix products of groups of different sizes.

    With two three-dimensional tensors it is their batched product. Otherwise ``offs`` tells where each group ends, in
    the dimension that the two-dimensional one is divided along; what lies past the last end counts nowhere.

    Args:
        mat_a: (rows, K) with groups of rows, (groups, M, K), or (M, K) with groups of K.
        mat_b: (groups, K, N), (K, columns) with groups of columns, or (K, N) with groups of K.
        offs: (groups,), int32; each end is not before the one before it.
        bias: not supported, as in PyTorch.
        out_dtype: data type of the result; that of ``mat_a``, as in PyTorch.

    Returns:
        (rows, N), (M, columns), or (groups, M, N).

    Raises:
        RuntimeError: sizes, data types or options do not fit.

    Example:
        >>> import flambeau as torch
        >>> experts = torch.tensor([[[1.0]], [[10.0]]])
        >>> ends = torch.tensor([1, 3], dtype=torch.int32)
        >>> torch.nn.functional.grouped_mm(torch.ones(3, 1), experts, offs=ends).flatten()
        tensor([ 1., 10., 10.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.grouped_mm.html
    """
    _check(mat_a, mat_b, offs)
    if bias is not None:
        raise RuntimeError("Bias not supported yet")
    if out_dtype is not None and out_dtype != mat_a.dtype:
        raise RuntimeError("Grouped gemm output dtype must match `mat_a` dtype")
    return mat_a.bmm(mat_b) if offs is None else call(p.grouped_matmul, (mat_a, mat_b, offs))


def _check(mat_a: Tensor, mat_b: Tensor, offs: Tensor | None) -> None:
    """Raise RuntimeError, in PyTorch's words, where sizes or data types do not fit."""
    for name, item in (("mat_a", mat_a), ("mat_b", mat_b)):
        if item.dtype.name not in _TYPES:
            kind = item.dtype.tensor_type.removesuffix("Tensor")
            raise RuntimeError(f"Expected {name} to be Float32, BFloat16 or Float16 matrix, got {kind}")
    for name, item in (("mat_a", mat_a), ("mat_b", mat_b)):
        if item.dim() not in (2, 3):
            raise RuntimeError(f"{name} has to be 2 or 3d")
    both = mat_a.dim() == mat_b.dim() == 3
    if mat_a.shape[-1] != mat_b.shape[-2]:
        raise RuntimeError("contraction dimension of mat_a and mat_b must match")
    if (offs is None) != both:
        raise RuntimeError("Have to provide offsets if there is a 2d matrix, or no offset if both matrices are 3d")
    if offs is None:
        if mat_a.shape[0] != mat_b.shape[0]:
            raise RuntimeError("batched dimension has to match")
        return
    if offs.dim() != 1:
        raise RuntimeError("offs has to be 1D")
    if offs.dtype.name != "int32":
        raise RuntimeError("Offsets have to be int32")
    for item in (mat_a, mat_b):
        if item.dim() == 3 and item.shape[0] != offs.shape[0]:
            raise RuntimeError("matrix batch sizes have to match")


def _unsupported(name: str) -> NoReturn:
    raise NotImplementedError(
        f"{name} is not supported: it multiplies numbers of 8 and 4 bits with scales of their own; convert them to "
        "bfloat16, scale them, and use matmul or grouped_mm"
    )


def scaled_mm(*args: Any, **kwargs: Any) -> Tensor:
    """Not supported.

    Raises:
        NotImplementedError: always.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_mm.html
    """
    _unsupported("scaled_mm")


def scaled_grouped_mm(*args: Any, **kwargs: Any) -> Tensor:
    """Not supported.

    Raises:
        NotImplementedError: always.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_grouped_mm.html
    """
    _unsupported("scaled_grouped_mm")
