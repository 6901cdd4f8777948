"""Random permutations."""

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from flambeau.generators.kinds import FLOATS, INTEGERS, KINDS, supported
from flambeau.generators.streams import Stream

_LONG = 0xFFFFFFFF // 20
"""From this length on PyTorch draws 64-bit words and runs the shuffle in the other direction."""

_SHORT = 4096
"""Up to this length exchanging one after another is as fast as in blocks."""


def permutation(stream: Stream, n: int, dtype: DTypeLike = np.int64) -> NDArray[Any]:
    """Draw a permutation of 0 to n - 1.

    Fisher-Yates: below 214,748,364 elements, element `i` changes places with element `i + word % (n - i)` for `i` from
    0 to n - 2, one 32-bit word each; from there on, with element `word % (i + 1)` for `i` from 0 to n - 1, one 64-bit
    word each.

    Args:
        stream: where the random words come from.
        n: the number of elements, zero or more.
        dtype: an integer or floating dtype that represents every integer up to n - 1.

    Returns:
        A new array of shape (n,), equal to `torch.randperm(n, dtype=dtype)`.

    Raises:
        RuntimeError: if `n` is negative or too large for `dtype`.
        NotImplementedError: for any other dtype.

    Example:
        >>> from flambeau.generators.streams import Stream
        >>> permutation(Stream(0), 5).tolist()
        [4, 0, 1, 3, 2]

    Source: https://docs.pytorch.org/docs/stable/generated/torch.randperm.html
    """
    wanted = supported(dtype, FLOATS | INTEGERS, "randperm")
    if n < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {n}: [{n}]")
    kind = KINDS[wanted]
    limit = (1 << kind.digits) + 1 if wanted in FLOATS else 1 << kind.digits
    if n > limit:
        raise RuntimeError(f"n cannot be greater than {limit} for {kind.scalar_name} type, got {n}; use int64")
    order = np.arange(n, dtype=np.int32 if n < 1 << 31 else np.int64)
    with stream.lock:
        if n < _LONG:
            _shuffle_forward(stream, order)
        else:
            _shuffle_inside_out(stream, order)
    return order.astype(wanted, copy=False)


def _shuffle_forward(stream: Stream, order: NDArray[Any]) -> None:
    """Exchange each element with one at or after it."""
    n = order.size
    marks = np.empty(n if n > _SHORT else 0, np.int32)
    start = 0
    while n - start > _SHORT:
        size = _block_size(n - start)
        _exchange(order, marks, start, _targets_ahead(stream, n, start, size))
        start += size
    _exchange_in_turn(order, start, _targets_ahead(stream, n, start, max(n - start - 1, 0)))


def _targets_ahead(stream: Stream, n: int, start: int, size: int) -> NDArray[np.int64]:
    """The partners of the `size` elements from `start`."""
    left = np.arange(n - start, n - start - size, -1, dtype=np.uint32)
    targets = (stream.twister.words(size) % left).astype(np.int64)
    targets += np.arange(start, start + size)
    return targets


def _shuffle_inside_out(stream: Stream, order: NDArray[Any]) -> None:
    """Exchange each element with one at or before it."""
    marks = np.empty(order.size, np.int32)
    _exchange_in_turn(order, 0, _targets_behind(stream, 0, min(_SHORT, order.size)))
    start = _SHORT
    while start < order.size:
        size = min(_block_size(start), order.size - start)
        _exchange(order, marks, start, _targets_behind(stream, start, size))
        start += size


def _targets_behind(stream: Stream, start: int, size: int) -> NDArray[np.int64]:
    """The partners of the `size` elements from `start`."""
    words = stream.twister.long_words(size)
    words %= np.arange(start + 1, start + size + 1, dtype=np.uint64)
    return words.view(np.int64)


def _block_size(candidates: int) -> int:
    """How many exchanges to do at once: the cost of a block against that of the collisions inside it."""
    return min(6 * math.isqrt(candidates), 16384)


def _exchange(order: NDArray[Any], marks: NDArray[np.int32], start: int, targets: NDArray[np.int64]) -> None:
    """Exchange the elements from `start` with their targets, as if one after another.

    Exchanges that share no element may happen all at once. Two share one if their targets are equal or if a target lies
    among the elements themselves; these, and whatever they meet, go one after another. `marks` is working space.
    """
    steps = np.arange(targets.size, dtype=np.int32)
    marks[targets] = steps  # of equal targets the last one stays
    repeated = marks[targets] != steps
    inside = (targets >= start) & (targets < start + targets.size)
    tangled = repeated | inside
    tangled[marks[targets[repeated]]] = True
    tangled[targets[inside] - start] = True
    here = np.flatnonzero(~tangled)
    there = targets[here]
    here += start
    moved = order[here]
    order[here] = order[there]
    order[there] = moved
    for step in np.flatnonzero(tangled).tolist():
        target = targets[step]
        order[start + step], order[target] = order[target], order[start + step]


def _exchange_in_turn(order: NDArray[Any], start: int, targets: NDArray[np.int64]) -> None:
    """Exchange the elements from `start` with their targets, none of which lies before `start`, one after another."""
    values = order[start:].tolist() if start else order[: targets.size + 1].tolist()
    for here, there in enumerate((targets - start).tolist()):
        values[here], values[there] = values[there], values[here]
    order[start : start + len(values)] = values
