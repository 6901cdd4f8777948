"""Optimizer steps: one operation updates all parameters of a group, so that a step is one piece of a program.

An algorithm is a rule for one parameter; an ``Update`` applies its rule to each of many. Its inputs are

    numbers..., parameters..., gradients..., first state of each parameter..., second state..., ...

and its results are the new parameters, first states, second states, and so on, in the same order. Learning rates and
the like are Python numbers among the inputs, so that a schedule needs no other program; what changes the formula is
static: the number of parameters and the rule's flags. The rules are in ``update_rules`` and ``matrix_updates``.

The rules round where PyTorch rounds, so that training gives the same numbers. XLA's CPU compiler turns a product and a
sum into one operation with one rounding; of two products in a sum it takes the first. PyTorch's kernels do the same
with what is added to a tensor (``alpha * other``, ``value * a * b``), so that product is written first.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax.numpy as jnp

from flambeau.kernels.updates import updated, updates
from flambeau.primitives.primitive import Array, Primitive, Scalar

__all__ = [
    "Flags",
    "Numbers",
    "Rule",
    "Update",
    "between",
    "directed",
    "lerp_update",
    "mean_update",
    "rounded",
    "turned",
]

Rule = Callable[..., tuple[Array, ...]]
"""``rule(numbers, flags, parameter, gradient, *states)`` -> the new parameter and its new states."""

Numbers = Sequence[Array]
"""A rule's numbers, in the parameter's type."""

Flags = tuple[Any, ...]
"""What changes a rule's formula: mostly switches."""


class Update(Primitive):
    """A rule applied to every parameter of a group; static arguments are the number of parameters and the flags.

    Attributes:
        rule: the rule.
        native: the kernel that does the same, if there is one; its flags are switches.
    """

    __slots__ = ("native", "rule")

    def __init__(self, name: str, rule: Rule, native: str = "") -> None:
        super().__init__(name, self._lower, variadic=True, differentiable=False)
        self.rule = rule
        self.native = native

    def evaluate(self, static: tuple[Any, ...], inputs: tuple[Any, ...]) -> Any:
        """Results have the shapes and types of the inputs they replace: everything but numbers and gradients."""
        count: int = static[0]
        tensors = inputs[_leading_numbers(inputs) :]
        return tensors[:count] + tensors[2 * count :]

    def _lower(self, inputs: tuple[Any, ...], count: int, flags: Flags) -> tuple[Array, ...]:
        start = _leading_numbers(inputs)
        numbers = [number.value for number in inputs[:start]]
        tensors = inputs[start:]
        if self.native and updates(tensors[:count], tensors[count:]):
            packed = jnp.stack([number.astype(jnp.float32) for number in numbers])
            bits = sum(1 << place for place, flag in enumerate(flags) if flag)
            return tuple(updated(self.native, partial(self._all, count, flags), packed, tensors, count, bits))
        return self._all(count, flags, numbers, *tensors)

    def _all(self, count: int, flags: Flags, numbers: Any, *tensors: Array) -> tuple[Array, ...]:
        """Apply the rule to all parameters."""
        columns = [tensors[at : at + count] for at in range(0, len(tensors), count)]
        rows = [self._row(numbers, flags, row) for row in zip(*columns, strict=True)]
        return tuple(part for column in zip(*rows, strict=True) for part in column)

    def _row(self, numbers: Sequence[Any], flags: Flags, row: tuple[Array, ...]) -> list[Array]:
        """Apply the rule to one parameter; complex ones as pairs of reals, halves in float32."""
        parts = [_as_reals(item) for item in row]
        kind = jnp.promote_types(parts[0].dtype, jnp.float32)
        local = [number.astype(kind) for number in numbers]
        results = self.rule(local, flags, *[part.astype(kind) for part in parts])
        olds = (row[0], *row[2:])
        return [_as_before(new, old) for new, old in zip(results, olds, strict=True)]


def _leading_numbers(inputs: Sequence[Any]) -> int:
    """How many of the inputs are Python numbers; they come first."""
    for index, item in enumerate(inputs):
        if not isinstance(item, (Scalar, type)):
            return index
    return len(inputs)


def _as_reals(x: Array) -> Array:
    return jnp.stack([x.real, x.imag]) if jnp.iscomplexobj(x) else x


def _as_before(new: Array, old: Array) -> Array:
    """A new value in the form of the old one."""
    if jnp.iscomplexobj(old):
        return (new[0] + 1j * new[1]).astype(old.dtype)
    return new.astype(old.dtype)


# -- pieces of formulas ------------------------------------------------------------------------------------------------


def turned(gradient: Array, sign: Array, climbs: bool) -> Array:
    """The gradient, or to climb its opposite; times a number, because XLA would move a mere minus elsewhere."""
    return sign * gradient if climbs else gradient


def directed(
    gradient: Array, parameter: Array, sign: Array, decay: Array, decays: bool, climbs: bool
) -> tuple[Array, Array]:
    """The gradient to go against, turned round to climb and with the pull of a weight decay; and what to square for it.

    To climb changes no square, and leaving the sign out of it keeps its rounding.
    """
    slope = turned(gradient, sign, climbs)
    if not decays:
        return slope, gradient
    slope = decay * parameter + slope
    return slope, slope


def between(start: Array, end: Array, share: Array) -> Array:
    """Linear interpolation, from whichever side rounds less."""
    return jnp.where(share < 0.5, start + share * (end - start), end - (end - start) * (1 - share))


def rounded(product: Array) -> Array:
    """A product that keeps its own rounding, though a sum follows: the choice, always the same, stands between them."""
    return jnp.where(product == product, product, jnp.nan)  # noqa: PLR0124  (not equal to itself: nan)


def _lerp(numbers: Numbers, flags: Flags, parameter: Array, other: Array) -> tuple[Array, ...]:
    """Go a share of the way towards other parameters, which stand in the gradients' place."""
    return (between(parameter, other, numbers[0]),)


def _mean(numbers: Numbers, flags: Flags, parameter: Array, other: Array) -> tuple[Array, ...]:
    """Take other parameters, which stand in the gradients' place, into a mean of so many with them."""
    return (parameter + (other - parameter) / numbers[0],)


lerp_update = Update("lerp_update", _lerp)
mean_update = Update("mean_update", _mean)
