"""Optimizer steps: one operation updates all parameters of a group, so that a step is one piece of a program.

An algorithm is a rule for one parameter; an ``Update`` applies its rule to each of many. Its inputs are

    numbers..., parameters..., gradients..., first state of each parameter..., second state..., ...

and its results are the new parameters, first states, second states, and so on, in the same order. Learning rates and
the like are Python numbers among the inputs, so that a schedule needs no other program; what changes the formula is
static: the number of parameters and the rule's flags.

The rules round where PyTorch rounds, so that training gives the same numbers. XLA's CPU compiler turns a product and a
sum into one operation with one rounding; of two products in a sum it takes the first. PyTorch's kernels do the same
with what is added to a tensor (``alpha * other``, ``value * a * b``), so that product is written first.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp

from flambeau.primitives.primitive import Array, Primitive, Scalar

__all__ = ["Rule", "Update", "adam_update", "sgd_update"]

Rule = Callable[..., tuple[Array, ...]]
"""``rule(numbers, flags, parameter, gradient, *states)`` -> the new parameter and its new states."""


class Update(Primitive):
    """A rule applied to every parameter of a group; static arguments are the number of parameters and the flags."""

    __slots__ = ("rule",)

    def __init__(self, name: str, rule: Rule) -> None:
        super().__init__(name, self._lower, variadic=True, differentiable=False)
        self.rule = rule

    def evaluate(self, static: tuple[Any, ...], inputs: tuple[Any, ...]) -> Any:
        """Results have the shapes and types of the inputs they replace: everything but numbers and gradients."""
        count: int = static[0]
        tensors = inputs[_leading_numbers(inputs) :]
        return tensors[:count] + tensors[2 * count :]

    def _lower(self, inputs: tuple[Any, ...], count: int, flags: tuple[bool, ...]) -> tuple[Array, ...]:
        start = _leading_numbers(inputs)
        columns = [inputs[at : at + count] for at in range(start, len(inputs), count)]
        numbers = [number.value for number in inputs[:start]]
        rows = [self._row(numbers, flags, row) for row in zip(*columns, strict=True)]
        return tuple(part for column in zip(*rows, strict=True) for part in column)

    def _row(self, numbers: Sequence[Any], flags: tuple[bool, ...], row: tuple[Array, ...]) -> list[Array]:
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


def _sgd(
    numbers: Sequence[Array], flags: tuple[bool, ...], parameter: Array, gradient: Array, *buffers: Array
) -> tuple[Array, ...]:
    """Stochastic gradient descent.

    Numbers: the gradient's sign (-1 to climb), learning rate, weight decay, momentum, and the shares of the old buffer
    and of the gradient in the new. Flags: whether there is weight decay, whether momentum is Nesterov's,
    whether to climb. A momentum buffer there may be or not.
    """
    sign, rate, decay, momentum, kept, fresh = numbers
    decays, nesterov, climbs = flags
    if climbs:
        gradient = sign * gradient
    if decays:
        gradient = decay * parameter + gradient
    if not buffers:
        return (parameter - rate * gradient,)
    buffer = fresh * gradient + kept * buffers[0]
    direction = momentum * buffer + gradient if nesterov else buffer
    return parameter - rate * direction, buffer


def _adam(
    numbers: Sequence[Array],
    flags: tuple[bool, ...],
    parameter: Array,
    gradient: Array,
    mean: Array,
    square: Array,
    *largest: Array,
) -> tuple[Array, ...]:
    """Adam, and AdamW if weight decay is decoupled.

    Numbers: the gradient's sign (-1 to climb), step size, weight decay (decoupled: the factor that shrinks the
    parameter), the shares of the gradient in the mean and in the mean square, the share of the old mean square, the
    root of the second bias correction, and epsilon. Flags: whether there is weight decay, whether it is decoupled,
    whether to climb. The largest mean square so far, AMSGrad's, there may be or not.
    """
    sign, size, decay, fresh_mean, kept_square, fresh_square, correction, epsilon = numbers
    decays, decoupled, climbs = flags
    slope = sign * gradient if climbs else gradient
    if decays and decoupled:
        parameter = _rounded(parameter * decay)
    elif decays:
        gradient = slope = decay * parameter + slope
    mean = _between(mean, slope, fresh_mean)
    square = fresh_square * gradient * gradient + kept_square * square
    largest = tuple(jnp.maximum(item, square) for item in largest)
    root = jnp.sqrt(largest[0] if largest else square)
    parameter = parameter - size * mean / (root / correction + epsilon)
    return parameter, mean, square, *largest


def _between(start: Array, end: Array, share: Array) -> Array:
    """Linear interpolation, from whichever side rounds less."""
    return jnp.where(share < 0.5, start + share * (end - start), end - (end - start) * (1 - share))


def _rounded(product: Array) -> Array:
    """A product that keeps its own rounding, though a sum follows: the choice, always the same, stands between them."""
    return jnp.where(product == product, product, jnp.nan)  # noqa: PLR0124  (not equal to itself: nan)


sgd_update = Update("sgd_update", _sgd)
adam_update = Update("adam_update", _adam)
