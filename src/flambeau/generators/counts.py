"""Numbers of events: Poisson and binomial.

Each element takes as many random words as its rejections need, so elements are drawn one after the other. Everything is
computed in double precision.

Sources: W. Hoermann, "The transformed rejection method for generating Poisson random variables", Insurance: Mathematics
and Economics 12 (1993); W. Hoermann, "The generation of binomial random variates", Journal of Statistical Computation
and Simulation 46 (1993); L. Devroye, "Non-Uniform Random Variate Generation" (1986), chapters X.3 and X.4.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from operator import length_hint
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from flambeau.generators.kinds import FLOAT32, FLOAT64, FLOATS, narrow, supported
from flambeau.generators.mt19937 import MersenneTwister
from flambeau.generators.streams import Stream
from flambeau.generators.uniform import double_fractions

_BLOCK = 256
_MANY = 10.0
"""From this mean on, rejection needs fewer uniform numbers than counting events."""

_WRAPPED = -(2.0**63)
"""What x86 processors make of a double that is no 64-bit integer."""


class _Uniforms:
    """Uniform doubles one by one: taken from a twister in blocks, of which the rest is put back at the end."""

    def __init__(self, twister: MersenneTwister) -> None:
        self._twister = twister
        self._start = (twister.key, twister.position, twister.untouched)
        self._taken = 0
        self._block: Iterator[float] = iter(())

    def __call__(self) -> float:
        for value in self._block:
            return value
        self._block = iter(double_fractions(self._twister, _BLOCK).tolist())
        self._taken += _BLOCK
        return next(self._block)

    def put_back(self) -> None:
        """Leave the twister behind the last number used."""
        used = self._taken - length_hint(self._block)
        self._twister.restore(*self._start)
        self._twister.skip(2 * used)


def poisson(stream: Stream, shape: Sequence[int], rates: NDArray[Any], dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Draw numbers of events from Poisson distributions.

    Below a mean of 10, uniform doubles are multiplied until they fall below exp(-rate); from there on, a uniform pair
    is transformed and accepted or rejected.

    Args:
        stream: where the random words come from, two for each uniform double.
        shape: the shape of the result, filled in row-major order.
        rates: the means, zero or more; an array that broadcasts to ``shape``.
        dtype: float16, bfloat16, float32 or float64.

    Returns:
        A new array, equal to `torch.poisson(rates)`.

    Raises:
        RuntimeError: if a rate is negative or NaN.
        NotImplementedError: for any other dtype.

    Example:
        >>> from flambeau.generators.streams import Stream
        >>> poisson(Stream(0), (4,), np.array([0.0, 1.0, 4.0, 20.0], np.float32)).tolist()
        [0.0, 2.0, 5.0, 17.0]

    Source: https://docs.pytorch.org/docs/stable/generated/torch.poisson.html
    """
    wanted = supported(dtype, FLOATS, "poisson_cpu")
    return _one_by_one(stream, shape, wanted, _poisson, rates)


def binomial(
    stream: Stream, shape: Sequence[int], counts: NDArray[Any], p: NDArray[Any], dtype: DTypeLike = np.float32
) -> NDArray[Any]:
    """Draw numbers of successes from binomial distributions.

    Below a mean of 10, the distances between successes are drawn until they exceed the count; from there on, a uniform
    pair is transformed and accepted or rejected. Successes more likely than not are counted by the failures.

    Args:
        stream: where the random words come from, two for each uniform double.
        shape: the shape of the result, filled in row-major order.
        counts: the numbers of trials; an array that broadcasts to ``shape``.
        p: the probabilities of success (below 0 as 0, above 1 as 1); an array that broadcasts to ``shape``.
        dtype: float32 or float64.

    Returns:
        A new array, equal to `torch.binomial(counts, p)`.

    Raises:
        NotImplementedError: for any other dtype.

    Example:
        >>> from flambeau.generators.streams import Stream
        >>> counts, p = np.array([5.0, 100.0], np.float32), np.array([0.3, 0.9], np.float32)
        >>> binomial(Stream(0), (2,), counts, p).tolist()
        [3.0, 89.0]
    """
    wanted = supported(dtype, frozenset({FLOAT32, FLOAT64}), "binomial_cpu")
    return _one_by_one(stream, shape, wanted, _binomial, counts, p)


def _one_by_one(
    stream: Stream, shape: Sequence[int], dtype: np.dtype[Any], draw: Callable[..., float], *parameters: NDArray[Any]
) -> NDArray[Any]:
    """``draw(uniforms, *parameters)`` of each element; what an error leaves undrawn is put back."""
    columns = [np.broadcast_to(item.astype(np.float64), tuple(shape)).ravel().tolist() for item in parameters]
    with stream.lock:
        uniforms = _Uniforms(stream.twister)
        try:
            values = [draw(uniforms, *row) for row in zip(*columns, strict=True)]
        finally:
            uniforms.put_back()
    with np.errstate(over="ignore"):
        return narrow(np.array(values, np.float64), dtype).reshape(tuple(shape))


def _logarithm(value: float) -> float:
    """Natural logarithm, as C has it: minus infinity of zero, NaN below."""
    if value > 0:
        return math.log(value)
    return -math.inf if value == 0 else math.nan


# -- Poisson -------------------------------------------------------------------------------------------------------


def _poisson(uniform: _Uniforms, rate: float) -> float:
    if not rate >= 0:
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
    if rate == 0:
        return 0.0
    if rate < _MANY:
        return _events(uniform, math.exp(-rate))
    found = _poisson_rejection(uniform, rate)
    return found if _WRAPPED <= found < -_WRAPPED else _WRAPPED


def _events(uniform: _Uniforms, none: float) -> float:
    """Events in a unit of time, given the probability of none: how many uniform numbers have a product above it."""
    count, product = -1, 1.0
    while product > none or count < 0:
        product *= uniform()
        count += 1
    return float(count)


def _poisson_rejection(uniform: _Uniforms, rate: float) -> float:
    """Hoermann's PTRS."""
    root, log_rate = math.sqrt(rate), math.log(rate)
    b = 0.931 + 2.53 * root
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    quick = 0.9277 - 3.6224 / (b - 2)
    while True:
        u, v = uniform() - 0.5, uniform()
        edge = 0.5 - abs(u)
        count = _floor((2 * a / edge + b) * u + rate + 0.43) if edge else math.copysign(math.inf, u)
        if edge >= 0.07 and v <= quick:
            return count
        if count < 0 or (edge < 0.013 and v > edge):
            continue
        density = -rate + count * log_rate - math.lgamma(count + 1)
        if _logarithm(v) + math.log(inverse_alpha) - math.log(a / (edge * edge) + b) <= density:
            return count


def _floor(value: float) -> float:
    return float(math.floor(value)) if math.isfinite(value) else value


# -- binomial ------------------------------------------------------------------------------------------------------


def _binomial(uniform: _Uniforms, count: float, p: float) -> float:
    if count <= 0 or p <= 0:
        return 0.0
    if p >= 1:
        return count
    if math.isnan(p) or math.isnan(count):
        return math.nan
    if p > 0.5:
        return count - _at_most_half(uniform, count, 1.0 - p)
    return _at_most_half(uniform, count, p)


def _at_most_half(uniform: _Uniforms, count: float, p: float) -> float:
    return _binomial_rejection(uniform, count, p) if count * p >= _MANY else _successes(uniform, count, p)


def _successes(uniform: _Uniforms, count: float, p: float) -> float:
    """Successes among the trials, by the distances between them, which are geometrically distributed."""
    decay, place, successes = math.log1p(-p), 0.0, -1
    while place <= count:
        place += _ceiling(_logarithm(uniform()) / decay)
        successes += 1
    return float(successes)


def _ceiling(value: float) -> float:
    return float(math.ceil(value)) if math.isfinite(value) else value


def _binomial_rejection(uniform: _Uniforms, count: float, p: float) -> float:
    """Hoermann's BTRS, whose last comparison is between logarithms."""
    deviation = math.sqrt(count * p * (1 - p))
    b = 1.15 + 2.53 * deviation
    a = -0.0873 + 0.0248 * b + 0.01 * p
    center, quick = count * p + 0.5, 0.92 - 4.2 / b
    odds, alpha = p / (1 - p), (2.83 + 5.1 / b) * deviation
    mode = _floor((count + 1) * p)
    while True:
        u, v = uniform() - 0.5, uniform()
        edge = 0.5 - abs(u)
        found = _floor((2 * a / edge + b) * u + center) if edge else math.copysign(math.inf, u)
        if found < 0 or found > count:
            continue
        if edge >= 0.07 and v <= quick:
            return found
        bound = (
            (mode + 0.5) * math.log((mode + 1) / (odds * (count - mode + 1)))
            + (count + 1) * math.log((count - mode + 1) / (count - found + 1))
            + (found + 0.5) * math.log(odds * (count - found + 1) / (found + 1))
            + _stirling_rest(mode)
            + _stirling_rest(count - mode)
            - _stirling_rest(found)
            - _stirling_rest(count - found)
        )
        if _logarithm(v * alpha / (a / (edge * edge) + b)) <= bound:
            return found


def _stirling_rest(k: float) -> float:
    """ln(k!) less Stirling's approximation of it; by its series above 9."""
    if k <= 9:
        k = math.floor(k)
        return math.lgamma(k + 1) - ((k + 0.5) * math.log(k + 1) - (k + 1) + 0.5 * math.log(2 * math.pi))
    square = (k + 1) * (k + 1)
    return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (k + 1)
