"""A barrier: values as they are, which the compiler may not merge with the same values on the other side."""

from typing import Any

import jax

from flambeau.primitives.primitive import Array, primitive

__all__ = ["barrier"]


@primitive(differentiable=False, variadic=True)
def barrier(inputs: tuple[Any, ...]) -> tuple[Array, ...]:
    """The inputs; each is there only once all are."""
    return tuple(jax.lax.optimization_barrier(inputs))
