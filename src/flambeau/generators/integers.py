"""Random integers."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from flambeau.generators.kinds import (
    BFLOAT16,
    BOOL,
    EVERY_REAL,
    FLOAT32,
    FLOAT64,
    FLOATS,
    HALVES,
    INT64,
    INTEGERS,
    KINDS,
    LARGEST,
    SIGNED,
    element_count,
    supported,
)
from flambeau.generators.streams import Stream

_LOWEST = -(1 << 63)
_SPAN_64 = 1 << 64
_WIDE = 1 << 28
"""From this range on PyTorch spends a 64-bit word on an integer, so that the remainder stays nearly even."""

_FULL_RANGE = frozenset({INT64, FLOAT64, FLOAT32, BFLOAT16})


def integers(
    stream: Stream, shape: Sequence[int], low: int, high: int | None, dtype: DTypeLike = np.int64
) -> NDArray[Any]:
    """Draw integers from `low` (included) to `high` (excluded).

    `low + word % (high - low)`: a 32-bit word where the range is below 2**28, else a 64-bit word.

    Args:
        stream: where the random words come from.
        shape: the shape of the result, filled in row-major order.
        low: the least integer.
        high: one more than the greatest integer. None: up to the greatest integer of an integer dtype, up to 2**digits
            of a floating dtype; with `low` = -2**63, all 64-bit integers (int64, bfloat16, float32 and float64).
        dtype: an integer dtype, bool, float16, bfloat16, float32 or float64.

    Returns:
        A new array, equal to `torch.randint(low, high, shape, dtype=dtype)` and to
        `torch.empty(shape, dtype=dtype).random_(low, high)`.

    Raises:
        RuntimeError: if `low >= high`, or a bound does not fit the dtype.
        ValueError: if a bound does not fit 64 bits.
        NotImplementedError: for any other dtype.

    Warns:
        UserWarning: if a floating dtype cannot represent every integer of the range.

    Example:
        >>> from flambeau.generators.streams import Stream
        >>> integers(Stream(0), (5,), 0, 10).tolist()
        [4, 9, 3, 0, 3]

    Source: https://docs.pytorch.org/docs/stable/generated/torch.randint.html
    """
    wanted = supported(dtype, EVERY_REAL, "random_from_to_kernel_cpu")
    for bound in (low, high):
        if bound is not None and not _LOWEST <= bound < -_LOWEST:
            raise ValueError(f"Overflow when unpacking long long: a bound must fit 64 bits, got {bound}")
    count = element_count(shape)
    if high is None and low == _LOWEST:
        return _all_64_bits(stream, count, wanted).reshape(shape)
    base, span = _range(low, high, wanted)
    out = np.empty(count, wanted)
    with stream.lock:
        if span < _WIDE:
            divisor = np.uint32(span)
            for where, words in stream.twister.word_blocks(count):
                words -= words // divisor * divisor  # several times faster than NumPy's remainder
                out[where] = _converted(words.astype(np.int64) + base, wanted)
        else:
            for where, long_words in stream.twister.long_word_blocks(count):
                long_words %= np.uint64(span)
                long_words += np.uint64(base % _SPAN_64)
                out[where] = _converted(long_words.view(np.int64), wanted)
    return out.reshape(shape)


def unbounded_integers(stream: Stream, shape: Sequence[int], dtype: DTypeLike = np.int64) -> NDArray[Any]:
    """Draw integers over the non-negative range of `dtype`.

    From 0 to the greatest value of an integer dtype; from 0 to 2**digits (included) of a floating dtype, which is
    where it stops representing every integer; 0 or 1 for bool. int64 and float64 spend a 64-bit word, others a 32-bit
    word.

    Args:
        stream: where the random words come from.
        shape: the shape of the result, filled in row-major order.
        dtype: bool, uint8, int8, int16, int32, int64, float16, bfloat16, float32 or float64.

    Returns:
        A new array, equal to `torch.empty(shape, dtype=dtype).random_()`.

    Raises:
        NotImplementedError: for any other dtype.

    Example:
        >>> from flambeau.generators.streams import Stream
        >>> unbounded_integers(Stream(0), (3,), np.uint8).tolist()
        [172, 47, 117]

    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.random_.html
    """
    wanted = supported(dtype, FLOATS | INTEGERS | {BOOL}, "random_kernel_cpu")
    span = (1 << KINDS[wanted].digits) + (1 if wanted in FLOATS else 0)
    out = np.empty(element_count(shape), wanted)
    with stream.lock:
        if wanted in (INT64, FLOAT64):
            for where, long_words in stream.twister.long_word_blocks(out.size):
                long_words %= np.uint64(span)
                out[where] = _converted(long_words.view(np.int64), wanted)
        else:
            for where, words in stream.twister.word_blocks(out.size):
                out[where] = _converted((words % np.uint32(span)).astype(np.int64), wanted)
    return out.reshape(shape)


def _all_64_bits(stream: Stream, count: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Every 64-bit integer alike."""
    supported(dtype, _FULL_RANGE, "random_full_64_bits_range_kernel_cpu")
    out = np.empty(count, dtype)
    with stream.lock:
        for where, words in stream.twister.long_word_blocks(count):
            out[where] = _converted(words.view(np.int64), dtype)
    return out


def _converted(values: NDArray[np.int64], dtype: np.dtype[Any]) -> NDArray[Any]:
    """The integers in `dtype`; half types round to float32 first, as PyTorch's conversions do."""
    return values.astype(np.float32).astype(dtype) if dtype in HALVES else values.astype(dtype, copy=False)


def _range(low: int, high: int | None, dtype: np.dtype[Any]) -> tuple[int, int]:
    """The first integer and the number of integers, checked against `dtype`."""
    digits = KINDS[dtype].digits
    if high is None:
        last = 1 << digits if dtype in FLOATS else (1 << digits) - 1
        stop = min(last, -_LOWEST - 1) + 1
    else:
        stop = high
    if low >= stop:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={stop}")
    _check_bound("from", low, dtype)
    _check_bound("to - 1", stop - 1, dtype)
    if dtype in FLOATS:
        low = _raised(low, dtype)
        stop = stop if high is None else _lowered(stop, dtype)
        if low >= stop:
            raise RuntimeError(
                "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, "
                f"but got from={low} >= to={stop}"
            )
        _warn_of_gaps("from", low, dtype)
        _warn_of_gaps("to - 1", stop - 1, dtype)
    return low, stop - low


def _check_bound(name: str, value: int, dtype: np.dtype[Any]) -> None:
    """Raise in PyTorch's words unless `value` lies between the least and the greatest value of `dtype`."""
    kind = KINDS[dtype]
    highest = int(LARGEST[dtype]) if dtype in FLOATS else (1 << kind.digits) - 1
    lowest = -highest if dtype in FLOATS else -highest - 1 if dtype in SIGNED else 0
    if not lowest <= value <= highest:
        raise RuntimeError(f"{name} is out of bounds for {kind.cpp_name}: {value} is not in [{lowest}, {highest}]")


def _warn_of_gaps(name: str, value: int, dtype: np.dtype[Any]) -> None:
    """Warn in PyTorch's words if `value` lies where a floating dtype skips integers."""
    kind = KINDS[dtype]
    if abs(value) > 1 << kind.digits:
        warnings.warn(
            f"{name} is out of bounds [-(2^{kind.digits}), 2^{kind.digits}]. Due to precision limitations "
            f"{kind.cpp_name} can support discrete uniform distribution only within this range.",
            UserWarning,
            stacklevel=4,
        )


def _raised(low: int, dtype: np.dtype[Any]) -> int:
    """`low`, moved up where rounding to `dtype` would fall below it."""
    rounded = _through(low + 1, dtype)
    return rounded + _spacing(low + 1, dtype) if rounded < low else low


def _lowered(stop: int, dtype: np.dtype[Any]) -> int:
    """`stop`, moved down where rounding to `dtype` would reach it."""
    rounded = _through(stop - 1, dtype)
    return rounded - _spacing(stop - 1, dtype) if rounded >= stop else stop


def _spacing(value: int, dtype: np.dtype[Any]) -> int:
    """The distance between neighbors of `dtype` around `value`."""
    return 1 << (abs(value).bit_length() - KINDS[dtype].digits)


def _through(value: int, dtype: np.dtype[Any]) -> int:
    """`value` converted to `dtype` and back to a 64-bit integer; what does not fit becomes -2**63, as on x86."""
    rounded = float(_converted(np.array([value], np.int64), dtype)[0])
    return int(rounded) if _LOWEST <= rounded < -_LOWEST else _LOWEST
