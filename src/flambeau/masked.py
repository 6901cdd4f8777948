"""PyTorch's ``torch.masked``: reductions and normalizations of the elements that a mask tells.

What a mask leaves out is replaced by what changes nothing: 0 in a sum, 1 in a product, minus infinity in a maximum.
Masks are tensors of truth values (True: counts), broadcast to the input. Without a mask everything counts. ``dtype``
is what the input is converted to first. ``MaskedTensor`` is not supported.

Source: https://docs.pytorch.org/docs/stable/masked.html
"""

from collections.abc import Sequence
from typing import Any

from flambeau.dtypes.kinds import DTYPES, dtype
from flambeau.dtypes.limits import iinfo
from flambeau.tensors import norms
from flambeau.tensors.creation import ones_like
from flambeau.tensors.options import tensor_argument
from flambeau.tensors.tensor import Tensor

__all__ = [
    "amax",
    "amin",
    "argmax",
    "argmin",
    "as_masked_tensor",
    "cumprod",
    "cumsum",
    "is_masked_tensor",
    "log_softmax",
    "logaddexp",
    "logsumexp",
    "masked_tensor",
    "mean",
    "median",
    "norm",
    "normalize",
    "prod",
    "softmax",
    "softmin",
    "std",
    "sum",
    "var",
]

Dims = int | Sequence[int] | None
Mask = Tensor | None

_INFINITY = float("inf")


# -- masks -------------------------------------------------------------------------------------------------------------


def _mask(input: Tensor, mask: Tensor) -> Tensor:
    """A mask in the input's shape; raises, in PyTorch's words, if it cannot have it."""
    if len(mask.shape) > len(input.shape):
        raise IndexError("_input_mask expected broadcastable mask (got mask dimensionality higher than of the input)")
    return mask.expand(input.shape).bool()


def _filled(input: Tensor, mask: Mask, fill: float) -> Tensor:
    """The input with a number where it does not count."""
    return input if mask is None else input.masked_fill(~_mask(input, mask), fill)


def _extreme(name: str, input: Tensor, sign: int) -> Any:
    """The smallest (sign -1) or largest number of a type; raises NotImplementedError for truth values."""
    kind = input.dtype
    if kind.name == "bool" or kind.is_complex:
        raise NotImplementedError(f"identity of {name} on {kind} input")
    if kind.is_floating_point:
        return sign * _INFINITY
    limits = iinfo(kind)
    return limits.min if sign < 0 else limits.max


def _outside(name: str, input: Tensor, mask: Mask, sign: int) -> Tensor:
    """The input with the smallest or largest number where it does not count."""
    return input if mask is None else _filled(input, mask, _extreme(name, input, sign))


def _dims(dim: Dims, rank: int) -> tuple[int, ...]:
    """The dimensions to reduce, in order; raises in PyTorch's words."""
    if dim is None:
        return tuple(range(rank))
    span = max(rank, 1)
    found: list[int] = []
    for item in (dim,) if isinstance(dim, int) else dim:
        if not -span <= item < span:
            bounds = f"expected to be in range of [{-span}, {span - 1}]"
            raise IndexError(f"Dimension out of range ({bounds}, but got {item})")
        if item % span in found:
            raise RuntimeError(f"dim={item % span} appears multiple times in the list of dims")
        found.append(item % span)
    return tuple(sorted(found)) if found else tuple(range(rank))


def _converted(name: str, input: Any, kind: dtype | None, whole: dtype | None = None) -> Tensor:
    """The input in the type asked for; ``whole`` is that of whole numbers otherwise."""
    tensor: Tensor = tensor_argument(name, 1, input)
    inexact = tensor.dtype.is_floating_point or tensor.dtype.is_complex
    if kind is None and whole is not None and not inexact:
        kind = whole
    return tensor if kind is None else tensor.to(kind)


_WHOLE = DTYPES["int64"]


# -- reductions --------------------------------------------------------------------------------------------------------


def sum(
    input: Tensor, dim: Dims = None, *, keepdim: bool | None = False, dtype: dtype | None = None, mask: Mask = None
) -> Tensor:
    """Sum of the elements that count; 0 of none.

    Args:
        input: any shape.
        dim: the dimensions to reduce; all by default.
        keepdim: whether they stay, with size 1.
        dtype: the type to calculate in.
        mask: which elements count; of a shape that broadcasts to the input's.

    Returns:
        A tensor without the reduced dimensions.

    Raises:
        IndexError: there is no such dimension, or the mask has more than the input.
        RuntimeError: a dimension is given twice, or the mask does not broadcast.

    Example:
        >>> import flambeau as torch
        >>> torch.masked.sum(torch.tensor([1.0, 2.0, 3.0]), mask=torch.tensor([True, False, True]))
        tensor(4.)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.masked.sum.html
    """
    value = _filled(_converted("sum", input, dtype, _WHOLE), mask, 0)
    return value.sum(_dims(dim, len(value.shape)), bool(keepdim))


def prod(
    input: Tensor, dim: Dims = None, *, keepdim: bool | None = False, dtype: dtype | None = None, mask: Mask = None
) -> Tensor:
    """Product of the elements that count; 1 of none. Arguments as ``sum``'s.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.masked.prod.html
    """
    value = _filled(_converted("prod", input, dtype, _WHOLE), mask, 1)
    for axis in reversed(_dims(dim, len(value.shape))):
        value = value.prod(axis, bool(keepdim))
    return value


def amax(
    input: Tensor, dim: Dims = None, *, keepdim: bool | None = False, dtype: dtype | None = None, mask: Mask = None
) -> Tensor:
    """Largest of the elements that count; the type's smallest number of none. Arguments as ``sum``'s.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.masked.amax.html
    """
    value = _outside("amax", _converted("amax", input, dtype), mask, -1)
    return value.amax(_dims(dim, len(value.shape)), bool(keepdim))


def amin(
    input: Tensor, dim: Dims = None, *, keepdim: bool | None = False, dtype: dtype | None = None, mask: Mask = None
) -> Tensor:
    """Smallest of the elements that count; the type's largest number of none. Arguments as ``sum``'s.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.masked.amin.html
    """
    value = _outside("amin", _converted("amin", input, dtype), mask, 1)
    return value.amin(_dims(dim, len(value.shape)), bool(keepdim))


def argmax(
    input: Tensor,
    dim: int | None = None,
    *,
    keepdim: bool | None = False,
    dtype: dtype | None = None,
    mask: Mask = None,
) -> Tensor:
    """Position of the largest element that counts, along a dimension or in all; in the input's type, as in PyTorch.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.masked.argmax.html
    """
    value = _outside("argmax", _converted("argmax", input, dtype), mask, -1)
    return value.argmax(dim, bool(keepdim)).to(value.dtype)


def argmin(
    input: Tensor,
    dim: int | None = None,
    *,
    keepdim: bool | None = False,
    dtype: dtype | None = None,
    mask: Mask = None,
) -> Tensor:
    """Position of the smallest element that counts, along a dimension or in all; in the input's type, as in PyTorch.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.masked.argmin.html
    """
    value = _outside("argmin", _converted("argmin", input, dtype), mask, 1)
    return value.argmin(dim, bool(keepdim)).to(value.dtype)


def _count(value: Tensor, dims: tuple[int, ...], keepdim: bool, mask: Mask) -> Tensor:
    """How many elements count."""
    counted = ones_like(value, dtype=_WHOLE) if mask is None else _mask(value, mask).to(_WHOLE)
    return counted.sum(dims, keepdim)


def _mean(value: Tensor, dims: tuple[int, ...], keepdim: bool, mask: Mask) -> Tensor:
    return _filled(value, mask, 0).sum(dims, keepdim) / _count(value, dims, keepdim, mask)


def mean(
    input: Tensor, dim: Dims = None, *, keepdim: bool | None = False, dtype: dtype | None = None, mask: Mask = None
) -> Tensor:
    """Mean of the elements that count; NaN of none. Arguments as ``sum``'s.

    Raises:
        ValueError: whole numbers, without a ``dtype``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.masked.mean.html
    """
    value = _converted("mean", input, dtype)
    if not (value.dtype.is_floating_point or value.dtype.is_complex):
        wanted = "Input dtype must be either a floating point or complex dtype"
        raise ValueError(f"mean(): Could not infer output dtype. {wanted}. Got: {value.dtype}")
    return _mean(value, _dims(dim, len(value.shape)), bool(keepdim), mask)


def median(
    input: Tensor, dim: int = -1, *, keepdim: bool = False, dtype: dtype | None = None, mask: Mask = None
) -> Tensor:
    """Median of the elements that count along a dimension, the lower of two; NaN of none.

    Raises:
        ValueError: whole numbers, of which none count in some row.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.masked.median.html
    """
    value: Tensor = tensor_argument("median", 1, input)
    (axis,) = _dims(dim, len(value.shape))
    if value.dtype.is_floating_point:
        return _filled(value, mask, float("nan")).nanmedian(axis, keepdim).values
    if mask is not None and not bool(_mask(value, mask).any(axis).all()):
        raise ValueError("masked median expects no fully masked out rows if dtype is not floating point")
    kind = DTYPES["float64"]
    return _filled(value.to(kind), mask, float("nan")).nanmedian(axis, keepdim).values.to(value.dtype)


def norm(
    input: Tensor,
    ord: float | None = 2.0,
    dim: Dims = None,
    *,
    keepdim: bool | None = False,
    dtype: dtype | None = None,
    mask: Mask = None,
) -> Tensor:
    """Vector norm of the elements that count; see ``linalg.vector_norm``. Other arguments as ``sum``'s.

    As in PyTorch, what does not count is 0, except for minus infinity: a norm of another negative order is then 0.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.masked.norm.html
    """
    value = _converted("norm", input, dtype)
    order = 2.0 if ord is None else float(ord)
    dims = _dims(dim, len(value.shape))
    filled = _filled(value, mask, _INFINITY if order == -_INFINITY else 0)
    return norms.vector_norm(filled, order, dims, bool(keepdim))


def logsumexp(
    input: Tensor, dim: Dims = None, *, keepdim: bool = False, dtype: dtype | None = None, mask: Mask = None
) -> Tensor:
    """Logarithm of the sum of exponentials of the elements that count; minus infinity of none.

    Arguments as ``sum``'s. Of whole numbers the result is rounded towards 0, as in PyTorch.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.masked.logsumexp.html
    """
    value = _outside("logsumexp", _converted("logsumexp", input, dtype), mask, -1)
    return value.logsumexp(_dims(dim, len(value.shape)), keepdim).to(value.dtype)


def var(
    input: Tensor,
    dim: Dims = None,
    unbiased: bool | None = None,
    *,
    correction: float | None = None,
    keepdim: bool | None = False,
    dtype: dtype | None = None,
    mask: Mask = None,
) -> Tensor:
    """Variance of the elements that count: sum of squared distances from the mean, over their number less a correction.

    Args:
        input, dim, keepdim, dtype, mask: as ``sum``'s.
        unbiased: True for a correction of 1, False for 0.
        correction: what to subtract from the number; 1 by default.

    Raises:
        AssertionError: both are given.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.masked.var.html
    """
    if unbiased is not None and correction is not None:
        raise AssertionError("Only one of unbiased and correction may be given")
    less = (1 if unbiased is None else int(unbiased)) if correction is None else correction
    value = _converted("var", input, dtype)
    if value.dtype.name == "bool":
        return value - 1.0  # raises as PyTorch does
    if not (value.dtype.is_floating_point or value.dtype.is_complex):
        value = value.to(DTYPES["float32"])
    dims = _dims(dim, len(value.shape))
    distances = value - _mean(value, dims, True, mask)
    squares = distances * (distances.conj() if value.dtype.is_complex else distances)
    count = (_count(value, dims, bool(keepdim), mask) - less).clamp(min=0)
    return _filled(squares, mask, 0).sum(dims, bool(keepdim)) / count


def std(
    input: Tensor,
    dim: Dims = None,
    unbiased: bool | None = None,
    *,
    correction: float | None = None,
    keepdim: bool | None = False,
    dtype: dtype | None = None,
    mask: Mask = None,
) -> Tensor:
    """Root of ``var``; see there.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.masked.std.html
    """
    return var(input, dim, unbiased, correction=correction, keepdim=keepdim, dtype=dtype, mask=mask).sqrt()


# -- of the same shape -------------------------------------------------------------------------------------------------


def cumsum(input: Tensor, dim: int, *, dtype: dtype | None = None, mask: Mask = None) -> Tensor:
    """Sums up to each element along a dimension, of those that count.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.masked.cumsum.html
    """
    value = _converted("cumsum", input, dtype, _WHOLE)
    return _filled(value, mask, 0).cumsum(_dims(dim, len(value.shape))[0])


def cumprod(input: Tensor, dim: int, *, dtype: dtype | None = None, mask: Mask = None) -> Tensor:
    """Products up to each element along a dimension, of those that count.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.masked.cumprod.html
    """
    value = _converted("cumprod", input, dtype, _WHOLE)
    return _filled(value, mask, 1).cumprod(_dims(dim, len(value.shape))[0])


def softmax(input: Tensor, dim: int, *, dtype: dtype | None = None, mask: Mask = None) -> Tensor:
    """Exponentials over their sum along a dimension: 0 for what does not count, NaN where nothing does.

    Args:
        input: any shape.
        dim: the dimension of the sum.
        dtype: the type to calculate in.
        mask: which elements count.

    Example:
        >>> import flambeau as torch
        >>> torch.masked.softmax(torch.zeros(3), 0, mask=torch.tensor([True, False, True]))
        tensor([0.5000, 0.0000, 0.5000])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.masked.softmax.html
    """
    value = _converted("softmax", input, dtype)
    return _outside("softmax", value, mask, -1).softmax(_dims(dim, len(value.shape))[0])


def log_softmax(input: Tensor, dim: int, *, dtype: dtype | None = None, mask: Mask = None) -> Tensor:
    """Logarithm of ``softmax``; see there.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.masked.log_softmax.html
    """
    value = _converted("log_softmax", input, dtype)
    return _outside("log_softmax", value, mask, -1).log_softmax(_dims(dim, len(value.shape))[0])


def softmin(input: Tensor, dim: int, *, dtype: dtype | None = None, mask: Mask = None) -> Tensor:
    """``softmax`` of the negative input; see there.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.masked.softmin.html
    """
    value = _converted("softmin", input, dtype)
    return (-_outside("softmin", value, mask, 1)).softmax(_dims(dim, len(value.shape))[0])


def normalize(
    input: Tensor, ord: float, dim: int, *, eps: float = 1e-12, dtype: dtype | None = None, mask: Mask = None
) -> Tensor:
    """``input / max(norm, eps)`` along a dimension; 0 for what does not count.

    Args:
        input: any shape.
        ord: the order of the norm.
        dim: the dimension of the norm.
        eps: the smallest divisor.
        dtype: the type to calculate in.
        mask: which elements count.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.masked.normalize.html
    """
    value = _converted("normalize", input, dtype)
    size = norm(value, ord, dim, keepdim=True, mask=mask)
    return _filled(value, mask, 0) / size.clamp(min=eps)


def logaddexp(
    input: Tensor,
    other: Tensor,
    *,
    dtype: dtype | None = None,
    input_mask: Mask = None,
    other_mask: Mask = None,
) -> Tensor:
    """``log(exp(input) + exp(other))`` of the elements that count; minus infinity where neither does.

    Args:
        input, other: shapes that broadcast.
        dtype: the type to calculate in.
        input_mask, other_mask: which elements of each count.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.masked.logaddexp.html
    """
    first = _outside("logaddexp", _converted("logaddexp", input, dtype), input_mask, -1)
    second = _outside("logaddexp", _converted("logaddexp", other, dtype), other_mask, -1)
    return first.logaddexp(second)


# -- what is not supported ---------------------------------------------------------------------------------------------


def is_masked_tensor(obj: Any, /) -> bool:
    """Whether something is a ``MaskedTensor``: nothing is.

    Source: https://docs.pytorch.org/docs/stable/masked.html
    """
    return False


def masked_tensor(data: object, mask: object, requires_grad: bool = False) -> Any:
    """Raise NotImplementedError: pass ``mask`` to the functions instead."""
    raise NotImplementedError("MaskedTensor is not supported: pass mask=... to the functions of masked instead")


def as_masked_tensor(data: object, mask: object) -> Any:
    """Raise NotImplementedError: pass ``mask`` to the functions instead."""
    return masked_tensor(data, mask)
