"""L-BFGS: all parameters as one real vector, a move along a direction, and the direction from the history.

The decisions between these steps are Python's; see ``flambeau.optim.lbfgs``.
"""

from typing import Any

import jax
import jax.numpy as jnp

from flambeau.primitives.primitive import Array, Scalar, primitive

__all__ = ["flattened", "moved", "newton_direction"]


@primitive(differentiable=False, variadic=True)
def flattened(inputs: tuple[Array, ...]) -> Array:
    """All elements as one vector; complex ones as pairs of reals."""
    return jnp.concatenate([_as_reals(item).reshape(-1) for item in inputs])


@primitive(differentiable=False, variadic=True)
def moved(inputs: tuple[Any, ...]) -> tuple[Array, ...]:
    """(size, direction, tensors...): the tensors, a step of this size along a vector of all their elements further."""
    size, direction, *tensors = inputs
    results: list[Array] = []
    start = 0
    for item in tensors:
        reals = _as_reals(item)
        part = direction[start : start + reals.size].reshape(reals.shape)
        start += reals.size
        new = size.value.astype(reals.dtype) * part.astype(reals.dtype) + reals
        results.append(jax.lax.complex(new[..., 0], new[..., 1]) if jnp.iscomplexobj(item) else new)
    return tuple(results)


@primitive(differentiable=False, variadic=True)
def newton_direction(inputs: tuple[Any, ...], count: int) -> tuple[Array, ...]:
    """The direction to go in from the gradient and the last steps, and the coefficients found on the way.

    Args:
        inputs: the gradient, the scale of the first guess at the inverse Hessian, then of each remembered step, oldest
            first, the change of the gradient, then of each that of the parameters, then the reciprocal of each product.
        count: how many steps are remembered.
    """
    gradient, scale, *history = inputs
    scale = scale.value.astype(gradient.dtype) if isinstance(scale, Scalar) else scale
    if not count:
        return -gradient * scale, jnp.zeros((0,), gradient.dtype)
    changes, steps, weights = (jnp.stack(history[at : at + count]) for at in range(0, 3 * count, count))

    def back(rest: Array, known: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        change, step, weight = known
        coefficient = jnp.dot(step, rest) * weight
        return -coefficient * change + rest, coefficient

    def forth(rest: Array, known: tuple[Array, Array, Array, Array]) -> tuple[Array, None]:
        change, step, weight, coefficient = known
        return (coefficient - jnp.dot(change, rest) * weight) * step + rest, None

    rest, coefficients = jax.lax.scan(back, -gradient, (changes, steps, weights), reverse=True)
    direction, _ = jax.lax.scan(forth, rest * scale, (changes, steps, weights, coefficients))
    return direction, coefficients


def _as_reals(x: Array) -> Array:
    return jnp.stack([x.real, x.imag], -1) if jnp.iscomplexobj(x) else x
