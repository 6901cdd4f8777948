"""Primitives without inputs to differentiate: constants and ranges."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from flambeau.devices.device import device
from flambeau.dtypes.kinds import dtype
from flambeau.graph.node import Aval
from flambeau.primitives.primitive import Array, Primitive, Scalar, as_array

__all__ = ["DRAWS", "full"]


def _full(number: Scalar, shape: tuple[int, ...], kind: dtype, place: device) -> Array:
    return jnp.broadcast_to(as_array(number, kind), shape)


class _Full(Primitive):
    """A tensor of one number; alone it is filled by NumPy, inside a program it costs nothing."""

    __slots__ = ()

    def evaluate(self, static: tuple[Any, ...], inputs: tuple[Any, ...]) -> Aval:
        return Aval.of(*static)

    def host(self, number: Any, shape: tuple[int, ...], kind: dtype, place: device) -> Any:
        """The constant as an array of NumPy."""
        return np.full(shape, number, kind.numpy)


full = _Full("full", _full, differentiable=False)


def _drawn(drawn: Array, *sources: Array) -> Array:
    return drawn


# Random numbers on the tape of the tensors they were drawn with: to these flow gradients of zero.
DRAWS = {
    name: Primitive(name, _drawn, saves=(), grad_name=f"{name.title().replace('_', '')}Backward0")
    for name in (
        "normal",
        "uniform",
        "random",
        "bernoulli",
        "exponential",
        "geometric",
        "log_normal",
        "cauchy",
    )
}
