"""Normally distributed numbers."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from flambeau.base.shapes import broadcast
from flambeau.generators.arithmetic import by_c_library, fused64
from flambeau.generators.boxmuller import GROUP, normal_doubles, normal_singles
from flambeau.generators.kinds import (
    COMPLEX_PARTS,
    FLOAT32,
    FLOAT64,
    FLOATS,
    REALS_AND_COMPLEX,
    element_count,
    narrow,
    supported,
)
from flambeau.generators.streams import Stream
from flambeau.generators.uniform import double_fraction_blocks

_KERNEL = "normal_kernel_cpu"


def normal(
    stream: Stream,
    shape: Sequence[int],
    mean: float = 0.0,
    std: float = 1.0,
    dtype: DTypeLike = np.float32,
    *,
    contiguous: bool = True,
) -> NDArray[Any]:
    """Draw from the normal distribution with mean `mean` and standard deviation `std`.

    From 16 elements on, groups of 16 by the Box-Muller transform (see `boxmuller`); an incomplete last group draws the
    last 16 elements again. Below 16, pairs in double precision, of which the stream keeps the second value for the next
    such draw. Complex values draw their real part, then their imaginary part, each with `mean` and `std / sqrt(2)`.

    Args:
        stream: where the random words come from.
        shape: the shape of the result, filled in row-major order.
        mean: the mean.
        std: the standard deviation, zero or more.
        dtype: float16, bfloat16, float32, float64, complex64 or complex128.
        contiguous: whether the tensor to fill has row-major strides; PyTorch fills others in pairs whatever their size.

    Returns:
        A new array, equal bit for bit to `torch.empty(shape, dtype=dtype).normal_(mean, std)` on a processor with AVX2.
        PyTorch's own results differ in the last bits on other processors.

    Raises:
        RuntimeError: if `std` is negative or not a number.
        NotImplementedError: for any other dtype.

    Example:
        >>> from flambeau.generators.streams import Stream
        >>> normal(Stream(0), (2,)).tolist()
        [1.5409960746765137, -0.293428897857666]

    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.normal_.html
    """
    wanted = supported(dtype, REALS_AND_COMPLEX, _KERNEL)
    if not std >= 0.0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std:g}")
    count = element_count(shape)
    part = COMPLEX_PARTS.get(wanted, wanted)
    if part != wanted:
        count, std = 2 * count, std / math.sqrt(2.0)
    with stream.lock:
        values = _flat(stream, count, mean, std, part, contiguous)
    return values.view(wanted).reshape(shape)


def normal_like(stream: Stream, mean: ArrayLike, std: ArrayLike, dtype: DTypeLike | None = None) -> NDArray[Any]:
    """Draw each element around its own mean, with its own standard deviation.

    `standard * std + mean`, where `standard` is one standard normal draw of the common shape; if `std` is a number,
    `normal(0, std) + mean`. Each operation rounds to the result's dtype.

    Args:
        stream: where the random words come from.
        mean: a number or an array.
        std: a number or an array whose shape broadcasts with that of `mean`; zero or more.
        dtype: the dtype of the result; without it, that of the array `mean`, else that of the array `std`.

    Returns:
        A new array, equal to `torch.normal(mean, std)`.

    Raises:
        RuntimeError: if an element of `std` is negative or the shapes do not broadcast.
        NotImplementedError: if the dtype is not floating.

    Example:
        >>> from flambeau.generators.streams import Stream
        >>> normal_like(Stream(0), np.zeros(2, np.float32), np.array([1.0, 2.0], np.float32)).tolist()
        [1.5409960746765137, -0.586857795715332]

    Source: https://docs.pytorch.org/docs/stable/generated/torch.normal.html
    """
    means, deviations = np.asarray(mean), np.asarray(std)
    named = [each.dtype for each in (means, deviations) if each.ndim]
    wanted = supported(dtype if dtype is not None else (named or [FLOAT32])[0], FLOATS, _KERNEL)
    shape = broadcast(means.shape, deviations.shape)
    if deviations.ndim == 0:
        values = normal(stream, shape, 0.0, float(deviations), wanted)
    else:
        if not bool((deviations >= 0).all()):
            raise RuntimeError(f"normal expects all elements of std >= 0.0, but the least is {deviations.min():g}")
        values = normal(stream, shape, dtype=wanted)
        values *= deviations.astype(wanted)
    values += means.astype(wanted)
    return values


def normal_pairs(stream: Stream, count: int, mean: float, std: float) -> NDArray[np.float64]:
    """`count` normal values in double precision, two from every two uniform values; the caller holds the lock.

    The stream's kept sample comes first; an odd one out is kept.
    """
    values = np.empty(count + 1, np.float64)
    filled = 0
    if count and stream.next_double_normal_sample is not None:
        values[0], filled = stream.next_double_normal_sample, 1
        stream.next_double_normal_sample = None
    pairs = (count - filled + 1) // 2
    stop = filled + 2 * pairs
    for where, uniform in double_fraction_blocks(stream.twister, 2 * pairs):
        values[filled + where.start : filled + where.stop] = _standard_pairs(uniform)
    if stop > count:
        stream.next_double_normal_sample = float(values[count])
    return fused64(values[:count], std, mean)


def _standard_pairs(uniform: NDArray[np.float64]) -> NDArray[np.float64]:
    """Uniform values in pairs to standard normal values in pairs."""
    angle = (2.0 * math.pi) * uniform[0::2]
    radius = np.sqrt(-2.0 * by_c_library(np.log1p, -uniform[1::2]))
    values = np.empty_like(uniform)
    values[0::2] = radius * by_c_library(np.cos, angle)
    values[1::2] = radius * by_c_library(np.sin, angle)
    return values


def _flat(stream: Stream, count: int, mean: float, std: float, dtype: np.dtype[Any], contiguous: bool) -> NDArray[Any]:
    """`count` values by the algorithm PyTorch chooses; the caller holds the lock."""
    if count < GROUP or not contiguous:
        return narrow(normal_pairs(stream, count, mean, std), dtype)
    if dtype == FLOAT64:
        return normal_doubles(stream, count, mean, std)
    return normal_singles(stream, count, mean, std, spends_tail=dtype == FLOAT32).astype(dtype, copy=False)
