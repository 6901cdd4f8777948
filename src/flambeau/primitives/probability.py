"""Functions of the normal distribution, of entropy, and scaled Bessel functions, as JAX has them."""

from collections.abc import Callable
from math import pi, sqrt
from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy import special

from flambeau.dtypes.kinds import python_dtype
from flambeau.primitives.activation import wide
from flambeau.primitives.kinks import xlog1py
from flambeau.primitives.primitive import Array, Primitive, as_array, check_broadcast, common_dtype, floating
from flambeau.primitives.refusals import unsupported
from flambeau.primitives.zeta import zeta

__all__ = ["BINARY", "UNARY"]


def _in_64_bits(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """A function whose formulas lose digits, which in 32 bits shows."""

    def wider(x: Array) -> Array:
        return function(x.astype(jnp.float64)).astype(x.dtype)

    return wider


# From here on the asymptotic series is exact in 64 bits: its smallest term is about exp(-x^2).
_FAR = 7.0
_TERMS = 24


@jax.custom_jvp
def _erfcx(x: Array) -> Array:
    """``exp(x^2) erfc(x)``; far up by its asymptotic series (Abramowitz and Stegun 7.1.23), as erfc vanishes there."""
    near = jnp.minimum(x, _FAR)
    far = jnp.maximum(x, _FAR)
    inverse = -1 / (2 * far * far)
    total = jnp.ones_like(far)
    for index in range(_TERMS, 0, -1):
        total = 1 + (2 * index - 1) * inverse * total
    return jnp.where(x < _FAR, jnp.exp(near * near) * special.erfc(near), total / (far * sqrt(pi)))


@_erfcx.defjvp
def _erfcx_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    found = _erfcx(*primals)
    return found, (2 * primals[0] * found - 2 / sqrt(pi)) * tangents[0]


@jax.custom_jvp
def _ndtri(x: Array) -> Array:
    return special.ndtri(x)


@_ndtri.defjvp
def _ndtri_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    """``sqrt(2 pi) exp(y^2 / 2)``, infinite at 0 and 1, where JAX has 0."""
    found = _ndtri(*primals)
    return found, sqrt(2 * pi) * jnp.exp(found * found / 2) * tangents[0]


@jax.custom_jvp
def _i1(x: Array) -> Array:
    return special.i1(x)


@_i1.defjvp
def _i1_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    """``i0(x) - i1(x) / x``, a half at 0, in a form whose own derivative is right there, unlike JAX's."""
    x = primals[0]
    found = _i1(x)
    slope = special.i0(x) - found / jnp.where(x == 0, 1, x)
    return found, jnp.where(x == 0, 0.5, slope).astype(x.dtype) * tangents[0]


def _unary(name: str, function: Callable[[Array], Array], half: bool = False, grad_name: str = "") -> Primitive:
    """A function of real numbers; of 16 bits, too, if PyTorch has it for them: worked out in 32."""

    def lower(x: Array) -> Array:
        value = floating(x)
        if jnp.iscomplexobj(value) or (value.dtype.itemsize < 4 and not half):
            raise unsupported(f"{name}_cpu", value)
        return function(wide(value)).astype(value.dtype)

    title = "".join(part.capitalize() for part in name.split("_"))
    return Primitive(name, lower, grad_name=grad_name or f"Special{title}Backward0")


UNARY = {
    item.name: item
    for item in (
        _unary("entr", special.entr, half=True),
        _unary("erfcx", _in_64_bits(_erfcx)),
        _unary("i0e", special.i0e, half=True, grad_name="SpecialI0EBackward0"),
        _unary("i1", _i1, half=True),
        _unary("i1e", special.i1e, half=True, grad_name="SpecialI1EBackward0"),
        _unary("log_ndtr", _in_64_bits(special.log_ndtr)),
        _unary("ndtr", special.ndtr, half=True, grad_name="MulBackward1"),
        _unary("ndtri", _ndtri),
    )
}


def _binary(name: str, function: Callable[[Array, Array], Array], half: bool, **options: Any) -> Primitive:
    def lower(x: Any, y: Any) -> Array:
        check_broadcast(x, y)
        kind = common_dtype(x, y)
        kind = kind if kind.is_floating_point or kind.is_complex else python_dtype(float)
        first, second = as_array(x, kind), as_array(y, kind)
        if kind.is_complex or (kind.itemsize < 4 and not half):
            raise unsupported(f"{name}_cpu", first)
        return function(wide(first), wide(second)).astype(kind.numpy)

    return Primitive(name, lower, **options)


BINARY = {
    item.name: item
    for item in (
        _binary("xlog1py", xlog1py, half=True, grad_name="SpecialXlog1PyBackward0"),
        _binary(
            "zeta",
            zeta,
            half=False,
            grad_name="SpecialZetaBackward0",
            refuses={0: NotImplementedError("the derivative for 'zeta' is not implemented.")},
        ),
    )
}
