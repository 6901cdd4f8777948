"""The Box-Muller transform as PyTorch's AVX2 kernel computes it: 16 uniform values become 16 normal values.

Of each 16 values the first eight give radii, `sqrt(-2 ln(1 - u))`, the last eight give angles, `2 pi u`; the results
are eight cosines and then eight sines, times the radius.

The float32 logarithm, sine and cosine are Cephes' polynomials with fused multiply-adds. A fused multiply-add of
float32 values is a product and a sum in float64, rounded to float32 once at the end; the product is exact. Checked
against PyTorch 2.13 on all 2**24 radii and all 2**24 angles: every bit is equal.

Source: Box and Muller, "A note on the generation of random normal deviates", Annals of Mathematical Statistics 29
(1958); Moshier, Cephes Mathematical Library (`logf.c`, `sinf.c`).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from flambeau.generators.arithmetic import by_c_library, fused64
from flambeau.generators.mt19937 import MersenneTwister
from flambeau.generators.streams import Stream
from flambeau.generators.uniform import double_fraction_blocks, double_fractions, mantissas

GROUP = 16

_BLOCK = 1 << 15
"""Values transformed at a time: their working space stays in the cache."""

Singles = NDArray[np.float32]
Doubles = NDArray[np.float64]
Integers = NDArray[np.int32]

WRITERS: list[Callable[[MersenneTwister, Singles, float, float], bool]] = []
"""Quicker ways to fill an array of whole groups: functions of (twister, array, mean, std) that say whether they did."""

_UNIT = 1 << 24
_HALF_GROUP = np.dtype("V32")
"""Eight float32 values as one item, so that half groups are copied whole."""


def _rounded(*coefficients: float) -> tuple[float, ...]:
    """The coefficients rounded to float32, as doubles."""
    return tuple(float(np.float32(each)) for each in coefficients)


# ln(1 + x) = x - x**2 / 2 + x**3 * P(x), highest power first
_LOG_POLYNOMIAL = _rounded(
    7.0376836292e-2,
    -1.1514610310e-1,
    1.1676998740e-1,
    -1.2420140846e-1,
    1.4249322787e-1,
    -1.6668057665e-1,
    2.0000714765e-1,
    -2.4999993993e-1,
    3.3333331174e-1,
)
# ln 2 in two parts
_LOG2_LOW = np.float32(-2.12194440e-4)
_LOG2_HIGH = np.float32(0.693359375)
# sin x = x + x**3 * P(x**2); cos x = 1 - x**2 / 2 + x**4 * P(x**2)
_SINE_POLYNOMIAL = _rounded(-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
_COSINE_POLYNOMIAL = _rounded(2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)
# pi / 2 in three parts; their sum, and its small multiples, are exact in double precision
_HALF_PI = 2.0 * sum(_rounded(0.78515625, 2.4187564849853515625e-4, 3.77489497744594108e-8))
_TURN = np.float32(2.0 * np.pi) * np.float32(2.0**-24)

_EXPONENT_SHIFT = 23
_FRACTION_MASK = (1 << _EXPONENT_SHIFT) - 1
_ONE_BITS = 0x3F800000
_ROOT_HALF_BITS = 0x3F3504F3
_BIAS = 127 + 24  # the exponent's own bias, and the 2**24 the numerators are scaled by
_SIGN_BIT = np.int32(-(1 << 31))


def normal_singles(stream: Stream, count: int, mean: float, std: float, spends_tail: bool) -> Singles:
    """`count` >= 16 normal values, in float32.

    A count that is not a multiple of 16 draws its last 16 values a second time.

    Args:
        stream: where the random words come from; the caller holds its lock.
        count: how many values.
        mean: the mean, rounded to float32.
        std: the standard deviation, rounded to float32.
        spends_tail: whether the words of an incomplete last group are drawn before they are replaced (PyTorch does so
            for float32, and not for the half types).
    """
    out = np.empty(count, np.float32)
    whole = count - count % GROUP
    if not any(write(stream.twister, out[:whole], mean, std) for write in WRITERS):
        transform = _Transform(min(whole, _BLOCK) // 2, mean, std)
        for start in range(0, whole, _BLOCK):
            stop = min(start + _BLOCK, whole)
            transform.write(stream.twister.words(stop - start), out[start:stop])
    if whole != count:
        if spends_tail:
            stream.twister.skip(count - whole)
        _Transform(GROUP // 2, mean, std).write(stream.twister.words(GROUP), out[-GROUP:])
    return out


def normal_doubles(stream: Stream, count: int, mean: float, std: float) -> Doubles:
    """`count` >= 16 normal values, in float64, from C library functions; the groups are those of float32."""
    out = np.empty(count, np.float64)
    whole = count - count % GROUP
    for where, uniform in double_fraction_blocks(stream.twister, whole):
        out[where] = _transformed_doubles(uniform, mean, std)
    if whole != count:
        stream.twister.skip(2 * (count - whole))
        out[-GROUP:] = _transformed_doubles(double_fractions(stream.twister, GROUP), mean, std)
    return out


def _transformed_doubles(uniform: Doubles, mean: float, std: float) -> Doubles:
    """Whole groups of uniform values as normal values."""
    groups = uniform.reshape(-1, 2, GROUP // 2)
    radius = np.sqrt(-2.0 * by_c_library(np.log, (1.0 - groups[:, 0]).ravel()))
    angle = ((2.0 * np.pi) * groups[:, 1]).ravel()
    values = np.empty_like(groups)
    for half, wave in ((0, np.cos), (1, np.sin)):
        values[:, half] = (radius * by_c_library(wave, angle)).reshape(-1, GROUP // 2)
    return fused64(values.ravel(), std, mean)


class _Transform:
    """The float32 transform with its working space, which is allocated once and not once for each operation."""

    def __init__(self, pairs: int, mean: float, std: float) -> None:
        self._mean, self._std = np.float32(mean), np.float32(std)
        self._resize(pairs)

    def _resize(self, pairs: int) -> None:
        self._numerators, self._bits, self._mask = (np.empty(pairs, np.int32) for _ in range(3))
        self._radius, self._sine, self._cosine, self._square = (np.empty(pairs, np.float32) for _ in range(4))
        self._wide, self._product, self._wide_square = (np.empty(pairs, np.float64) for _ in range(3))

    def write(self, words: NDArray[np.uint32], out: Singles) -> None:
        """Write the normal values that whole groups of words become; `words` is overwritten."""
        if words.size != 2 * self._numerators.size:
            self._resize(words.size // 2)
        halves = mantissas(words).view(_HALF_GROUP).reshape(-1, 2)
        self._numerators.view(_HALF_GROUP)[:] = halves[:, 0]
        self._find_radius()
        self._numerators.view(_HALF_GROUP)[:] = halves[:, 1]
        self._find_waves()
        target = out.view(_HALF_GROUP).reshape(-1, 2)
        for half, wave in ((0, self._cosine), (1, self._sine)):
            wave *= self._radius
            self._place(wave)
            target[:, half] = wave.view(_HALF_GROUP)

    def _place(self, standard: Singles) -> None:
        """Give standard normal values their mean and deviation, with one rounding."""
        if self._mean == 0:
            standard *= self._std
            standard += self._mean  # turns -0 into +0, as the fused operation does
        else:
            self._product[:] = standard
            self._product *= np.float64(self._std)
            self._product += np.float64(self._mean)
            standard[:] = self._product

    def _find_radius(self) -> None:
        """sqrt(-2 ln(1 - n / 2**24)) of the numerators n."""
        # the waves come later, so their arrays serve here
        value, square, series, exponent = self._radius, self._square, self._cosine, self._sine
        np.subtract(_UNIT, self._numerators, out=self._numerators)
        value[:] = self._numerators
        bits = value.view(np.int32)
        bits += _ONE_BITS - _ROOT_HALF_BITS - (_BIAS << _EXPONENT_SHIFT)
        exponent[:] = np.right_shift(bits, _EXPONENT_SHIFT, out=self._bits)
        bits &= _FRACTION_MASK
        bits += _ROOT_HALF_BITS
        value -= np.float32(1.0)  # now 1 - n / 2**24 = (1 + value) * 2**exponent, 1 + value in [sqrt(1/2), sqrt(2))
        self._wide[:] = value
        self._evaluate(_LOG_POLYNOMIAL, self._wide, series)
        series *= value
        np.multiply(value, value, out=square)
        self._product[:] = series
        self._wide[:] = square
        self._product *= self._wide
        self._wide[:] = np.multiply(exponent, _LOG2_LOW, out=series)
        self._product += self._wide
        series[:] = self._product
        square *= np.float32(0.5)
        series -= square
        value += series
        exponent *= _LOG2_HIGH
        value += exponent
        value *= np.float32(-2.0)
        np.sqrt(value, out=value)

    def _find_waves(self) -> None:
        """The sine and the cosine of 2 pi n / 2**24 of the numerators n."""
        octants, angle, square = self._numerators, self._sine, self._square
        angle[:] = octants
        angle *= _TURN
        octants += _UNIT >> 3
        self._product[:] = np.right_shift(octants, 22, out=self._bits)
        self._product *= _HALF_PI
        self._wide[:] = angle
        self._wide -= self._product
        angle[:] = self._wide
        self._wide[:] = angle
        np.multiply(angle, angle, out=square)
        self._wide_square[:] = square
        self._finish_wave(_COSINE_POLYNOMIAL, self._cosine, -0.5, self._wide_square)
        self._cosine += np.float32(1.0)
        self._finish_wave(_SINE_POLYNOMIAL, self._sine, 1.0, self._wide)
        self._turn()

    def _finish_wave(self, coefficients: tuple[float, ...], wave: Singles, addend: float, factor: Doubles) -> None:
        """(square * polynomial(square) + addend) * factor, rounded to float32 after each multiply-add."""
        self._evaluate(coefficients, self._wide_square, wave)
        wave *= self._square
        self._product[:] = wave
        self._product += addend
        self._product *= factor
        wave[:] = self._product

    def _turn(self) -> None:
        """Turn the bits of (cosine, sine) by the quarter turns that bits 22 and 23 of the octants count."""
        sine, cosine = self._sine.view(np.int32), self._cosine.view(np.int32)
        octants, mask, bits = self._numerators, self._mask, self._bits
        np.left_shift(octants, 9, out=mask)
        mask >>= 31  # bit 22 in every place
        mask &= np.bitwise_xor(sine, cosine, out=bits)
        sine ^= mask
        cosine ^= mask
        np.left_shift(octants, 8, out=mask)
        mask &= _SIGN_BIT
        sine ^= mask
        octants += 1 << 22
        octants <<= 8
        octants &= _SIGN_BIT
        cosine ^= octants

    def _evaluate(self, coefficients: tuple[float, ...], variable: Doubles, out: Singles) -> None:
        """Horner's rule with a rounding to float32 after each multiply-add."""
        result = np.multiply(variable, coefficients[0], out=self._product)
        for coefficient in coefficients[1:-1]:
            result += coefficient
            out[:] = result
            result[:] = out
            result *= variable
        result += coefficients[-1]
        out[:] = result
