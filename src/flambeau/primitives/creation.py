"""Primitives without inputs to differentiate: constants and ranges."""

from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from flambeau.devices.device import device
from flambeau.dtypes.kinds import dtype
from flambeau.graph.node import Aval
from flambeau.primitives.primitive import Array, Primitive, Scalar, as_array, primitive

__all__ = ["DRAWS", "arange", "complex_of", "eye", "full", "imported", "linspace", "logspace", "platform_of",
           "polar"]  # fmt: skip


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


# -- ranges --------------------------------------------------------------------------------------------------------


class _Range(Primitive):
    """Numbers that follow from their position; alone they are computed by NumPy, inside a program they cost nothing.

    ``formula(xp, numbers, shape, data type of NumPy, *more)`` is written once, for ``xp`` NumPy and ``xp`` JAX.
    """

    __slots__ = ("formula",)

    def __init__(self, name: str, formula: Callable[..., Any]) -> None:
        super().__init__(name, self._lower, differentiable=False, variadic=True)
        self.formula = formula

    def _lower(self, numbers: tuple[Scalar, ...], *static: Any) -> Array:
        shape, kind, _, *more = static
        return self.formula(jnp, [number.value for number in numbers], shape, kind.numpy, *more).astype(kind.numpy)

    def evaluate(self, static: tuple[Any, ...], inputs: tuple[Any, ...]) -> Aval:
        return Aval.of(*static[:3])

    def host(self, *arguments: Any) -> Any:
        """The numbers as an array of NumPy."""
        count = next(index for index, item in enumerate(arguments) if isinstance(item, tuple))
        shape, kind, _, *more = arguments[count:]
        with np.errstate(all="ignore"):
            return np.asarray(self.formula(np, list(arguments[:count]), shape, kind.numpy, *more).astype(kind.numpy))


def _arange(xp: Any, numbers: list[Any], shape: tuple[int, ...], kind: Any) -> Any:
    start, step = numbers
    index = xp.arange(shape[0])
    return start + step * (index if np.dtype(kind).kind in "iu" else index.astype(np.float64))


def _ramp(xp: Any, numbers: list[Any], shape: tuple[int, ...], kind: Any) -> Any:
    """From the first number to the second, counted from the nearer end, in the precision of the result."""
    whole = np.dtype(kind).kind in "iu"
    real = np.dtype(np.float64) if whole else np.dtype(kind)
    start, end = (xp.asarray(number).astype(kind).astype(real) for number in numbers)
    count = shape[0]
    if count == 1:
        return xp.broadcast_to(start, shape)
    step = (end - start) / xp.asarray(count - 1).astype(real)
    index = xp.arange(count)
    forth, back = (part.astype(real) for part in (index, count - 1 - index))
    return xp.where(index < count // 2, start + step * forth, end - step * back)


def _powers(xp: Any, numbers: list[Any], shape: tuple[int, ...], kind: Any) -> Any:
    values = _ramp(xp, numbers[:2], shape, kind)
    return xp.asarray(numbers[2]).astype(values.dtype) ** values


def _eye(xp: Any, numbers: list[Any], shape: tuple[int, ...], kind: Any) -> Any:
    return xp.arange(shape[0])[:, None] == xp.arange(shape[1])[None, :]


arange = _Range("arange", _arange)
linspace = _Range("linspace", _ramp)
logspace = _Range("logspace", _powers)
eye = _Range("eye", _eye)


# -- from tensors, and from elsewhere ------------------------------------------------------------------------------


@primitive(saves=(), grad_name="ComplexBackward0", name="complex")
def complex_of(real: Array, imag: Array) -> Array:
    """Complex numbers of their parts."""
    return jax.lax.complex(*jnp.broadcast_arrays(real, imag))


@primitive(grad_name="PolarBackward0")
def polar(size: Array, angle: Array) -> Array:
    """Complex numbers of their absolute values and angles."""
    return jax.lax.complex(*jnp.broadcast_arrays(size * jnp.cos(angle), size * jnp.sin(angle)))


def imported(external: Any) -> Array:
    """A copy of what another library shows by DLPack."""
    importer = cast("Callable[..., Array]", jax.dlpack.from_dlpack)
    with jax.enable_x64(True):
        return importer(external, copy=True)


def platform_of(array: Array) -> str:
    """PyTorch's name of the kind of device an array is on."""
    platform = str(next(iter(array.devices())).platform)
    return {"gpu": "cuda"}.get(platform, platform)


# -- random numbers ------------------------------------------------------------------------------------------------


def _drawn(drawn: Array, *sources: Array) -> Array:
    return drawn


# Random numbers on the tape of the tensors they were drawn with: to these flow gradients of zero.
DRAWS = {
    name: Primitive(name, _drawn, saves=(), grad_name=grad_name)
    for name, grad_name in (
        ("normal", "NormalBackward0"),
        ("normal_mean", "NormalBackward1"),
        ("normal_std", "NormalBackward2"),
        ("normal_mean_std", "NormalBackward3"),
        ("uniform", "UniformBackward0"),
        ("random", "RandomBackward0"),
        ("bernoulli", "BernoulliBackward0"),
        ("binomial", "NotImplemented"),
        ("poisson", "PoissonBackward0"),
        ("exponential", "ExponentialBackward0"),
        ("geometric", "GeometricBackward0"),
        ("log_normal", "LogNormalBackward0"),
        ("cauchy", "CauchyBackward0"),
    )
}
