"""Exponential, geometric, Cauchy and log-normal numbers."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from flambeau.generators.arithmetic import by_c_library, fused64
from flambeau.generators.kinds import FLOATS, INTEGERS, KINDS, element_count, narrow, supported
from flambeau.generators.normal import normal_pairs
from flambeau.generators.streams import Stream
from flambeau.generators.uniform import double_fraction_blocks

Doubles = NDArray[np.float64]


def exponential(stream: Stream, shape: Sequence[int], rate: float = 1.0, dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Draw from the exponential distribution, `-1 / rate * ln(1 - u)`, with `u` uniform in double precision.

    Args:
        stream: where the random words come from, two for each element.
        shape: the shape of the result, filled in row-major order.
        rate: PyTorch's `lambd`, greater than zero; the mean is `1 / rate`.
        dtype: float16, bfloat16, float32 or float64.

    Returns:
        A new array, equal to `torch.empty(shape, dtype=dtype).exponential_(rate)`.

    Raises:
        RuntimeError: if `rate` is not greater than zero.
        NotImplementedError: for any other dtype.

    Example:
        >>> from flambeau.generators.streams import Stream
        >>> exponential(Stream(0), (2,)).tolist()
        [3.508326292037964, 1.2303847074508667]

    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.exponential_.html
    """
    if np.dtype(dtype) in KINDS and np.dtype(dtype) not in FLOATS:
        raise RuntimeError(
            "Exponential distribution is a continuous probability distribution. dtype must be a floating point but you "
            f"specified {KINDS[np.dtype(dtype)].scalar_name}"
        )
    wanted = supported(dtype, FLOATS, "exponential_cpu")
    if not rate > 0.0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={rate:g}")
    return _from_uniform(stream, shape, wanted, lambda u: (-1.0 / rate) * by_c_library(np.log1p, -u))


def geometric(stream: Stream, shape: Sequence[int], p: float, dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Draw the number of trials up to the first success, `ceil(ln(u) / ln(1 - p))`, with `u` a uniform double.

    Args:
        stream: where the random words come from, two for each element.
        shape: the shape of the result, filled in row-major order.
        p: the probability of success, between 0 and 1 exclusive.
        dtype: uint8, int8, int16, int32, int64, float16, bfloat16, float32 or float64.

    Returns:
        A new array, equal to `torch.empty(shape, dtype=dtype).geometric_(p)`.

    Raises:
        RuntimeError: if `p` is not between 0 and 1.
        NotImplementedError: for any other dtype.

    Example:
        >>> from flambeau.generators.streams import Stream
        >>> geometric(Stream(0), (3,), 0.25, np.int64).tolist()
        [1, 2, 3]

    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.geometric_.html
    """
    wanted = supported(dtype, FLOATS | INTEGERS, "geometric_cpu")
    if not 0.0 < p < 1.0:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p:g}")
    decay = math.log(1.0 - p)
    return _from_uniform(stream, shape, wanted, lambda u: np.ceil(by_c_library(np.log, u) / decay))


def cauchy(
    stream: Stream, shape: Sequence[int], median: float = 0.0, sigma: float = 1.0, dtype: DTypeLike = np.float32
) -> NDArray[Any]:
    """Draw from the Cauchy distribution, `median + sigma * tan(pi * (u - 1/2))`, with `u` uniform in double precision.

    Args:
        stream: where the random words come from, two for each element.
        shape: the shape of the result, filled in row-major order.
        median: the median.
        sigma: half the distance between the quartiles, greater than zero.
        dtype: float16, bfloat16, float32 or float64.

    Returns:
        A new array, equal to `torch.empty(shape, dtype=dtype).cauchy_(median, sigma)`.

    Raises:
        RuntimeError: if `sigma` is not greater than zero.
        NotImplementedError: for any other dtype.

    Example:
        >>> from flambeau.generators.streams import Stream
        >>> cauchy(Stream(0), (2,)).tolist()
        [10.597729682922363, 0.7647672891616821]

    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.cauchy_.html
    """
    wanted = supported(dtype, FLOATS, "cauchy_cpu")
    if not sigma > 0.0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma:g}")
    return _from_uniform(
        stream, shape, wanted, lambda u: fused64(by_c_library(np.tan, math.pi * (u - 0.5)), sigma, median)
    )


def log_normal(
    stream: Stream, shape: Sequence[int], mean: float = 1.0, std: float = 2.0, dtype: DTypeLike = np.float32
) -> NDArray[Any]:
    """Draw from the log-normal distribution, `exp(mean + std * z)`, with `z` standard normal in double precision.

    The normal values come in pairs, of which the stream keeps the second for the next draw that can use it.

    Args:
        stream: where the random words come from, four for each pair.
        shape: the shape of the result, filled in row-major order.
        mean: the mean of the logarithm.
        std: the standard deviation of the logarithm, greater than zero.
        dtype: float16, bfloat16, float32 or float64.

    Returns:
        A new array, equal to `torch.empty(shape, dtype=dtype).log_normal_(mean, std)`.

    Raises:
        RuntimeError: if `std` is not greater than zero.
        NotImplementedError: for any other dtype.

    Example:
        >>> from flambeau.generators.streams import Stream
        >>> log_normal(Stream(0), (2,), 0.0, 1.0).tolist()
        [4.669239044189453, 0.7457022070884705]

    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.log_normal_.html
    """
    wanted = supported(dtype, FLOATS, "log_normal_cpu")
    if not std > 0.0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std:g}")
    count = element_count(shape)
    with stream.lock:
        values = normal_pairs(stream, count, mean, std)
    with np.errstate(over="ignore"):
        return narrow(by_c_library(np.exp, values), wanted).reshape(shape)


def _from_uniform(
    stream: Stream, shape: Sequence[int], dtype: np.dtype[Any], transform: Callable[[Doubles], Doubles]
) -> NDArray[Any]:
    """One result from each uniform double."""
    out = np.empty(element_count(shape), dtype)
    with stream.lock, np.errstate(divide="ignore", over="ignore"):
        for where, uniform in double_fraction_blocks(stream.twister, out.size):
            out[where] = narrow(transform(uniform), dtype)
    return out.reshape(shape)
