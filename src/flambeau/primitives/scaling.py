"""Gradients of a scaled loss: taken back to their own scale, looked at, and the scale of the next step."""

from typing import Any

import jax.numpy as jnp

from flambeau.primitives.primitive import Array, Scalar, primitive

__all__ = ["next_scale", "unscaled"]


@primitive(differentiable=False, variadic=True)
def unscaled(inputs: tuple[Any, ...]) -> tuple[Array, ...]:
    """(scale, gradients...): 1 if any element is infinite or NaN else 0, and the gradients over the scale.

    One operation for all gradients of a step, so that it is one piece of a program. The reciprocal is taken in double
    precision and rounded once, as in PyTorch.
    """
    scale, *gradients = inputs
    inverse = (1 / scale.astype(jnp.float64)).astype(jnp.float32)
    broken = jnp.zeros((), bool)
    results: list[Array] = []
    for item in gradients:
        broken = broken | ~jnp.all(jnp.isfinite(item))
        wide = item.astype(jnp.promote_types(item.dtype, jnp.float32))
        results.append((wide * inverse.astype(jnp.real(wide).dtype)).astype(item.dtype))
    return (broken.astype(jnp.float32), *results)


@primitive(differentiable=False)
def next_scale(
    scale: Array, streak: Array, broken: Array, growth: Scalar, backoff: Scalar, interval: Scalar
) -> tuple[Array, Array]:
    """The scale and the number of good steps in a row, after a step.

    A bad step multiplies the scale by ``backoff``; the ``interval``-th good one in a row by ``growth``, unless that
    overflows.
    """
    grown = scale * growth.value.astype(scale.dtype)
    good = streak + 1
    due = good == interval.value
    raised = jnp.where(due & jnp.isfinite(grown), grown, scale)
    lowered = scale * backoff.value.astype(scale.dtype)
    bad = broken > 0
    return jnp.where(bad, lowered, raised), jnp.where(bad | due, 0, good).astype(streak.dtype)
