"""Uniform real numbers."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from flambeau.generators.arithmetic import fused32, fused64
from flambeau.generators.kinds import (
    COMPLEX_PARTS,
    FLOAT64,
    KINDS,
    LARGEST,
    REALS_AND_COMPLEX,
    element_count,
    supported,
)
from flambeau.generators.mt19937 import MersenneTwister
from flambeau.generators.streams import Stream

_MASK_24 = np.uint32((1 << 24) - 1)
_MASK_53 = np.uint64((1 << 53) - 1)


def mantissas(words: NDArray[np.uint32]) -> NDArray[np.int32]:
    """The low 24 bits of each word (in place), the numerators of a single-precision fraction."""
    words &= _MASK_24
    return words.view(np.int32)


def fraction_blocks(twister: MersenneTwister, count: int) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """`count` float32 values in [0, 1), 24 bits each, one word each, in blocks."""
    for where, words in twister.word_blocks(count):
        values = mantissas(words).astype(np.float32)
        values *= np.float32(2.0**-24)
        yield where, values


def double_fraction_blocks(twister: MersenneTwister, count: int) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """`count` float64 values in [0, 1), 53 bits each, two words each, in blocks."""
    for where, words in twister.long_word_blocks(count):
        words &= _MASK_53
        values = words.view(np.int64).astype(np.float64)
        values *= 2.0**-53
        yield where, values


def fractions(twister: MersenneTwister, count: int) -> NDArray[np.float32]:
    """`count` float32 values in [0, 1) in one array."""
    out = np.empty(count, np.float32)
    for where, values in fraction_blocks(twister, count):
        out[where] = values
    return out


def double_fractions(twister: MersenneTwister, count: int) -> NDArray[np.float64]:
    """`count` float64 values in [0, 1) in one array."""
    out = np.empty(count, np.float64)
    for where, values in double_fraction_blocks(twister, count):
        out[where] = values
    return out


def uniform(
    stream: Stream, shape: Sequence[int], low: float = 0.0, high: float = 1.0, dtype: DTypeLike = np.float32
) -> NDArray[Any]:
    """Draw from the uniform distribution on [low, high).

    `low + fraction * (high - low)` with one rounding. The fraction has 53 bits and costs two words for float64 and
    complex128; it has 24 bits and costs one word for float32, complex64, float16 and bfloat16. A result that rounds up
    to `high` becomes `low`. Complex values draw their real part, then their imaginary part.

    Args:
        stream: where the random words come from.
        shape: the shape of the result, filled in row-major order.
        low: the lower bound, included.
        high: the upper bound, excluded.
        dtype: float16, bfloat16, float32, float64, complex64 or complex128.

    Returns:
        A new array, equal bit for bit to `torch.empty(shape, dtype=dtype).uniform_(low, high)`.

    Raises:
        RuntimeError: if `low > high`, or a bound or the width is not finite in `dtype`.
        NotImplementedError: for any other dtype.

    Example:
        >>> from flambeau.generators.streams import Stream
        >>> uniform(Stream(0), (2,)).tolist()
        [0.49625658988952637, 0.7682217955589294]

    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.uniform_.html
    """
    wanted = supported(dtype, REALS_AND_COMPLEX, "check_uniform_bounds")
    part = COMPLEX_PARTS.get(wanted, wanted)
    _check_bounds(low, high, part)
    count = element_count(shape) * (1 if part == wanted else 2)
    out = np.empty(count, part)
    with stream.lock:
        if part == FLOAT64:
            for where, doubles in double_fraction_blocks(stream.twister, count):
                out[where] = _below(fused64(doubles, high - low, low), low, high)
        else:
            width = np.float32(high) - np.float32(low)
            for where, singles in fraction_blocks(stream.twister, count):
                out[where] = _below(fused32(singles, width, np.float32(low)).astype(part, copy=False), low, high)
    return out.view(wanted).reshape(shape)


def _below(values: NDArray[Any], low: float, high: float) -> NDArray[Any]:
    """`values` with those that rounded up to `high` replaced by `low` (in place)."""
    values[values >= values.dtype.type(high)] = values.dtype.type(low)
    return values


def _check_bounds(low: float, high: float, dtype: np.dtype[Any]) -> None:
    """Raise in PyTorch's words unless [low, high) is an interval of `dtype`."""
    limit, kind = LARGEST[dtype], KINDS[dtype]
    for name, value in (("from", low), ("to", high)):
        if not -limit <= value <= limit:
            raise RuntimeError(f"{name} is out of bounds for {kind.cpp_name}: {value:g} exceeds {limit:g} in size")
    if low > high:
        raise RuntimeError(f"uniform_ expects to return a [from, to) range, but found from={low:g} > to={high:g}")
    if high - low > limit:
        raise RuntimeError(
            f"uniform_ expects to-from <= std::numeric_limits<{kind.scalar_name}>::max(), but found to={high:g} and "
            f"from={low:g} which result in to-from to exceed the limit"
        )
