"""Orthogonal polynomials of any degree, by their recurrences; inside (-1, 1) Chebyshev's by the cosine.

Degrees are tensors: the recurrence runs as far as the highest, and each element stops at its own. None has a gradient,
as in PyTorch; what has a negative degree is 0.

Source: https://dlmf.nist.gov/18.9
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from flambeau.dtypes.kinds import python_dtype
from flambeau.primitives.primitive import Array, Primitive, as_array, check_broadcast, common_dtype
from flambeau.primitives.refusals import unsupported

__all__ = ["POLYNOMIALS"]


class _Family(NamedTuple):
    """A family of polynomials.

    Attributes:
        first: that of degree 1.
        following: of x, the present degree, the polynomial of the one before, and of that: the next polynomial.
        direct: of x and the degree: the polynomial for some elements, and for which.
        limit: the highest degree there is by the number of bits; of higher ones there is NaN.
    """

    first: Callable[[Array], Array]
    following: Callable[[Array, Array, Array, Array], Array]
    direct: Callable[[Array, Array], tuple[Array, Array]] | None = None
    limit: dict[int, int] | None = None


def _value(family: _Family, x: Array, degree: Array) -> Array:
    """The polynomial, element by element."""
    given, known = (jnp.zeros_like(x), jnp.zeros(x.shape, bool))
    if family.direct is not None:
        given, known = family.direct(x, degree)
    last = jnp.where(known, 0, degree)
    if family.limit is not None:
        last = jnp.minimum(last, family.limit[x.dtype.itemsize * 8])

    def unfinished(state: tuple[Array, Array, Array]) -> Array:
        index, _, present = state
        return jnp.any((index < last) & ~jnp.isnan(present))

    def step(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        index, before, present = state
        following = family.following(x, index.astype(x.dtype), before, present)
        active = index < last
        return index + 1, jnp.where(active, present, before), jnp.where(active, following, present)

    start = (jnp.ones((), jnp.int64), jnp.ones_like(x), family.first(x))
    found = jax.lax.while_loop(unfinished, step, start)[2]
    found = jnp.where(degree == 0, 1, found)
    if family.limit is not None:
        found = jnp.where(degree > family.limit[x.dtype.itemsize * 8], jnp.nan, found)
    return jnp.where(degree < 0, 0, jnp.where(known, given, found)).astype(x.dtype)


def _at_ends(x: Array, degree: Array, above: Array, below: Array) -> tuple[Array, Array]:
    """Values at 1 and -1, the second with the sign of the degree's parity, and where they are."""
    sign = jnp.where(degree % 2 == 0, 1, -1)
    return jnp.where(x > 0, above, sign * below).astype(x.dtype), jnp.abs(x) == 1


def _chebyshev(
    above: Callable[[Array], Array],
    below: Callable[[Array], Array],
    inside: Callable[[Array, Array], Array],
    from_degree: int,
) -> Callable[[Array, Array], tuple[Array, Array]]:
    """Values at the ends, and those of higher degrees between them, of the angle."""

    def direct(x: Array, degree: Array) -> tuple[Array, Array]:
        ends, at_ends = _at_ends(x, degree, above(degree), below(degree))
        between = (degree > from_degree) & (jnp.abs(x) < 1)
        angle = jnp.arccos(jnp.where(between, x, 0))
        return jnp.where(at_ends, ends, inside(angle, degree.astype(x.dtype))), at_ends | between

    return direct


def _one(degree: Array) -> Array:
    return jnp.ones_like(degree)


def _doubling(x: Array, _: Array, before: Array, present: Array) -> Array:
    return 2 * x * present - before


_FAMILIES = {
    "chebyshev_polynomial_t": _Family(
        lambda x: x, _doubling, _chebyshev(_one, _one, lambda angle, n: jnp.cos(n * angle), 6)
    ),
    "chebyshev_polynomial_u": _Family(
        lambda x: 2 * x,
        _doubling,
        _chebyshev(lambda n: n + 1, lambda n: n + 1, lambda angle, n: jnp.sin((n + 1) * angle) / jnp.sin(angle), 8),
    ),
    "chebyshev_polynomial_v": _Family(
        lambda x: 2 * x - 1,
        _doubling,
        _chebyshev(_one, lambda n: 2 * n + 1, lambda angle, n: jnp.cos((n + 0.5) * angle) / jnp.cos(angle / 2), 8),
    ),
    "chebyshev_polynomial_w": _Family(
        lambda x: 2 * x + 1,
        _doubling,
        _chebyshev(lambda n: 2 * n + 1, _one, lambda angle, n: jnp.sin((n + 0.5) * angle) / jnp.sin(angle / 2), 8),
    ),
    "hermite_polynomial_h": _Family(
        lambda x: 2 * x, lambda x, k, before, present: 2 * (x * present - k * before), limit={32: 128, 64: 512}
    ),
    "hermite_polynomial_he": _Family(
        lambda x: x, lambda x, k, before, present: x * present - k * before, limit={32: 128, 64: 512}
    ),
    "laguerre_polynomial_l": _Family(
        lambda x: 1 - x,
        lambda x, k, before, present: ((2 * k + 1 - x) * present - k * before) / (k + 1),
        lambda x, _: (jnp.ones_like(x), x == 0),
    ),
    "legendre_polynomial_p": _Family(
        lambda x: x,
        lambda x, k, before, present: ((2 * k + 1) * x * present - k * before) / (k + 1),
        lambda x, degree: _at_ends(x, degree, _one(degree), _one(degree)),
    ),
}


def _polynomial(name: str, shifted: bool = False) -> Primitive:
    family = _FAMILIES[name]
    full = f"shifted_{name}" if shifted else name

    def lower(x: Any, degree: Any) -> Array:
        check_broadcast(x, degree)
        kind = common_dtype(x, degree)
        kind = kind if kind.is_floating_point or kind.is_complex else python_dtype(float)
        value, wanted = jnp.broadcast_arrays(as_array(x, kind), as_array(degree, kind))
        if kind.name not in ("float32", "float64"):
            raise unsupported(f"{full}_cpu", value)
        whole = jnp.where(jnp.abs(wanted) < 2.0**63, wanted, -1).astype(jnp.int64)  # of other degrees PyTorch makes 0
        return _value(family, 2 * value - 1 if shifted else value, whole)

    return Primitive(full, lower, differentiable=False)


POLYNOMIALS = {
    item.name: item
    for item in (
        *[_polynomial(name) for name in _FAMILIES],
        *[_polynomial(name, shifted=True) for name in _FAMILIES if name.startswith("chebyshev")],
    )
}
