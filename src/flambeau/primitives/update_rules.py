"""The rules of the optimizers that treat each element of a parameter by itself; see ``update``.

Each rule takes its numbers in the order in which they are unpacked. ``decays`` is whether there is weight decay,
``decoupled`` whether it shrinks the parameter instead of adding to the gradient, ``climbs`` whether to go uphill; then
``sign`` is -1.
"""

import jax.numpy as jnp

from flambeau.primitives.primitive import Array
from flambeau.primitives.update import Flags, Numbers, Update, between, directed, rounded, turned

__all__ = [
    "adadelta_update",
    "adagrad_update",
    "adam_update",
    "adamax_update",
    "asgd_update",
    "nadam_update",
    "radam_update",
    "rmsprop_update",
    "rprop_update",
    "sgd_update",
]

New = tuple[Array, ...]


def _sgd(numbers: Numbers, flags: Flags, parameter: Array, gradient: Array, *buffers: Array) -> New:
    """Stochastic gradient descent.

    Numbers: sign, learning rate, weight decay, momentum, the shares of the old buffer and of the gradient in the new.
    Flags: whether there is weight decay, whether momentum is Nesterov's, whether to climb. A momentum buffer there may
    be or not.
    """
    sign, rate, decay, momentum, kept, fresh = numbers
    decays, nesterov, climbs = flags
    gradient, _ = directed(gradient, parameter, sign, decay, decays, climbs)
    if not buffers:
        return (parameter - rate * gradient,)
    buffer = fresh * gradient + kept * buffers[0]
    direction = momentum * buffer + gradient if nesterov else buffer
    return parameter - rate * direction, buffer


def _asgd(numbers: Numbers, flags: Flags, parameter: Array, gradient: Array, average: Array) -> New:
    """Averaged stochastic gradient descent; ``share`` is the parameter's in the average, all of it before averaging."""
    sign, rate, shrink, decay, share = numbers
    decays, climbs = flags
    gradient, _ = directed(gradient, parameter, sign, decay, decays, climbs)
    parameter = rounded(parameter * shrink) - rate * gradient
    moved = average + rounded((parameter - average) * share)
    return parameter, jnp.where(share == 1, parameter, moved)


def _rprop(numbers: Numbers, flags: Flags, parameter: Array, gradient: Array, before: Array, size: Array) -> New:
    """Resilient propagation: each element has a step size, which grows while its gradient keeps its sign."""
    sign, smaller, larger, least, most = numbers
    (climbs,) = flags
    gradient = turned(gradient, sign, climbs)
    product = gradient * before
    flipped = product < 0
    factor = jnp.where(flipped, smaller, jnp.where(product > 0, larger, jnp.where(product == 0, 1, product)))
    size = jnp.clip(size * factor, least, most)
    gradient = jnp.where(flipped, 0, gradient)
    return parameter - jnp.sign(gradient) * size, gradient, size


def _adadelta(numbers: Numbers, flags: Flags, parameter: Array, gradient: Array, square: Array, moved: Array) -> New:
    """Adadelta; ``moved`` is the running mean square of its steps."""
    sign, rate, kept, fresh, epsilon, decay = numbers
    decays, climbs = flags
    slope, gradient = directed(gradient, parameter, sign, decay, decays, climbs)
    square = fresh * gradient * gradient + kept * square
    delta = jnp.sqrt(moved + epsilon) / jnp.sqrt(square + epsilon) * slope
    moved = fresh * delta * delta + kept * moved
    return parameter - rate * delta, square, moved


def _adagrad(numbers: Numbers, flags: Flags, parameter: Array, gradient: Array, total: Array) -> New:
    """Adagrad; ``total`` is the sum of all squared gradients."""
    sign, rate, epsilon, decay = numbers
    decays, climbs = flags
    slope, gradient = directed(gradient, parameter, sign, decay, decays, climbs)
    total = gradient * gradient + total
    return parameter - rate * slope / (jnp.sqrt(total) + epsilon), total


def _rmsprop(numbers: Numbers, flags: Flags, parameter: Array, gradient: Array, square: Array, *more: Array) -> New:
    """RMSprop; a momentum buffer there may be, and then a mean of the gradients if it is centered."""
    sign, rate, kept, fresh, epsilon, decay, momentum = numbers
    decays, climbs, has_momentum, centered = flags
    slope, gradient = directed(gradient, parameter, sign, decay, decays, climbs)
    square = fresh * gradient * gradient + kept * square
    mean = between(more[-1], slope, fresh) if centered else None
    divisor = jnp.sqrt(square if mean is None else square - mean * mean) + epsilon
    means = () if mean is None else (mean,)
    if not has_momentum:
        return parameter - rate * slope / divisor, square, *means
    buffer = rounded(more[0] * momentum) + slope / divisor
    return parameter - rate * buffer, square, buffer, *means


def _adam(
    numbers: Numbers, flags: Flags, parameter: Array, gradient: Array, mean: Array, square: Array, *largest: Array
) -> New:
    """Adam, and AdamW if weight decay is decoupled.

    Numbers: sign, step size, weight decay (decoupled: the factor that shrinks the parameter), the shares of the
    gradient in the mean and in the mean square, the share of the old mean square, the root of the second bias
    correction, and epsilon. The largest mean square so far, AMSGrad's, there may be or not.
    """
    sign, size, decay, fresh_mean, kept_square, fresh_square, correction, epsilon = numbers
    decays, decoupled, climbs = flags
    slope, gradient, parameter = _decayed(gradient, parameter, sign, decay, decays, decoupled, climbs)
    mean = between(mean, slope, fresh_mean)
    square = fresh_square * gradient * gradient + kept_square * square
    largest = tuple(jnp.maximum(item, square) for item in largest)
    root = jnp.sqrt(largest[0] if largest else square)
    parameter = parameter - size * mean / (root / correction + epsilon)
    return parameter, mean, square, *largest


def _adamax(numbers: Numbers, flags: Flags, parameter: Array, gradient: Array, mean: Array, peak: Array) -> New:
    """Adamax; ``peak`` is a fading maximum of the gradients."""
    sign, size, fresh_mean, fading, epsilon, decay = numbers
    decays, climbs = flags
    gradient, _ = directed(gradient, parameter, sign, decay, decays, climbs)
    mean = between(mean, gradient, fresh_mean)
    peak = jnp.maximum(peak * fading, jnp.abs(gradient) + epsilon)
    return parameter - size * mean / peak, mean, peak


def _nadam(numbers: Numbers, flags: Flags, parameter: Array, gradient: Array, mean: Array, square: Array) -> New:
    """NAdam: a step along the gradient and one along its mean, of two sizes."""
    sign, size, mean_size, fresh_mean, kept_square, fresh_square, correction, epsilon, decay = numbers
    decays, decoupled, climbs = flags
    slope, gradient, parameter = _decayed(gradient, parameter, sign, decay, decays, decoupled, climbs)
    mean = between(mean, slope, fresh_mean)
    square = fresh_square * gradient * gradient + kept_square * square
    divisor = jnp.sqrt(square / correction) + epsilon
    parameter = parameter - size * slope / divisor
    return parameter - mean_size * mean / divisor, mean, square


def _radam(numbers: Numbers, flags: Flags, parameter: Array, gradient: Array, mean: Array, square: Array) -> New:
    """RAdam; ``adapts`` is 1 once the mean square can be trusted, and 0 before."""
    sign, rate, correction, root, rectifier, adapts, fresh_mean, kept_square, fresh_square, epsilon, decay = numbers
    decays, decoupled, climbs = flags
    slope, gradient, parameter = _decayed(gradient, parameter, sign, decay, decays, decoupled, climbs)
    mean = between(mean, slope, fresh_mean)
    square = fresh_square * gradient * gradient + kept_square * square
    step = rounded(mean / correction * rate)
    adapted = step * (root / (jnp.sqrt(square) + epsilon)) * rectifier
    return parameter - jnp.where(adapts > 0, adapted, step), mean, square


def _decayed(
    gradient: Array, parameter: Array, sign: Array, decay: Array, decays: bool, decoupled: bool, climbs: bool
) -> tuple[Array, Array, Array]:
    """``directed``, and the parameter after a decoupled decay, which is the factor that shrinks it."""
    slope, gradient = directed(gradient, parameter, sign, decay, decays and not decoupled, climbs)
    return slope, gradient, rounded(parameter * decay) if decays and decoupled else parameter


sgd_update = Update("sgd_update", _sgd, "flambeau_sgd")
asgd_update = Update("asgd_update", _asgd)
rprop_update = Update("rprop_update", _rprop)
adadelta_update = Update("adadelta_update", _adadelta)
adagrad_update = Update("adagrad_update", _adagrad)
rmsprop_update = Update("rmsprop_update", _rmsprop)
adam_update = Update("adam_update", _adam, "flambeau_adam")
adamax_update = Update("adamax_update", _adamax)
nadam_update = Update("nadam_update", _nadam)
radam_update = Update("radam_update", _radam)
