"""Factors of symmetric matrices, definite or not: ``p @ a @ p.mT = l @ d @ l.mT`` (Bunch and Kaufman, 1977)."""

from collections.abc import Callable
from functools import partial
from math import sqrt
from typing import Any

import jax
import jax.numpy as jnp

from flambeau.primitives.linalg import batched, check_right_side, check_square, check_type, type_name
from flambeau.primitives.primitive import Array, primitive

__all__ = ["ldl_factor", "ldl_solve"]

_ALPHA = (1 + sqrt(17)) / 8  # bounds the growth of a step with one pivot by that of a step with two


def _sizes(x: Array) -> Array:
    """Sizes of numbers as LAPACK compares them."""
    return jnp.abs(x.real) + jnp.abs(x.imag) if jnp.iscomplexobj(x) else jnp.abs(x)


def _conjugate(hermitian: bool) -> Callable[[Array], Array]:
    return jnp.conj if hermitian else lambda x: x


def _over_matrices(function: Callable[..., Any], x: Array, *others: Array) -> Any:
    """``jax.vmap`` over all dimensions of a batch of matrices."""
    for _ in x.shape[:-2]:
        function = jax.vmap(function)
    return function(x, *others)


# -- factors -------------------------------------------------------------------------------------------------------


def _exchanged(rest: Array, first: Array, second: Array) -> Array:
    """The matrix with two rows and the same two columns exchanged."""
    order = jnp.arange(rest.shape[-1]).at[first].set(second).at[second].set(first)
    return rest[order][:, order]


def _choice(rest: Array, step: Array) -> tuple[Array, Array, Array]:
    """Which row comes to the diagonal, whether with a second one before it, and whether there is only zero to choose.

    Args:
        rest: what is left to factor, whole, from row and column ``step`` on; zero before.
        step: the first row that is left.
    """
    index = jnp.arange(rest.shape[-1])
    sizes = _sizes(rest)
    own = sizes[step, step]
    below = jnp.where(index > step, sizes[:, step], 0)
    row, largest = jnp.argmax(below), jnp.max(below)
    widest = jnp.max(jnp.where((index >= step) & (index != row), sizes[row], 0))
    zero = (jnp.maximum(own, largest) == 0) | jnp.isnan(own)
    stays = zero | (own >= _ALPHA * largest)
    stays |= own >= _ALPHA * largest * (largest / jnp.where(stays, 1, widest))
    single = stays | (sizes[row, row] >= _ALPHA * widest)
    return jnp.where(stays, step, row), ~single, zero


def _eliminated(rest: Array, step: Array, double: Array, zero: Array, hermitian: bool) -> tuple[Array, Array]:
    """The two columns of the factor that a step finds (one of them zero, unless ``double``), and what is left then."""
    conj = _conjugate(hermitian)
    index = jnp.arange(rest.shape[-1])
    after = jnp.minimum(step + 1, rest.shape[-1] - 1)
    left = index > jnp.where(double, after, step)
    first, second = (jnp.where(left, rest[:, column], 0) for column in (step, after))
    top, side, low = rest[step, step], rest[after, step], rest[after, after]

    # What is not the case divides by zero at times, and is not taken.
    size = jnp.abs(side).astype(side.dtype) if hermitian else side
    scale = 1 / ((low / size) * (top / size) - 1) / size
    pair = (
        scale * (low / size * first - side / size * second),
        scale * (top / size * second - conj(side / size) * first),
    )
    pair_change = first[:, None] * conj(pair[0]) + second[:, None] * conj(pair[1])
    single = jnp.where(zero, first, first / top)
    single_change = jnp.where(zero, 0, first[:, None] * conj(single))

    columns = jnp.where(double, jnp.stack(pair, 1), jnp.stack([single, jnp.zeros_like(single)], 1))
    changed = rest - jnp.where(double, pair_change, single_change)
    return columns, jnp.where(left[:, None] & left, changed, 0)


def _whole(x: Array, hermitian: bool) -> Array:
    """The matrix that a lower triangle tells."""
    below = jnp.tril(x, -1)
    diagonal = jnp.where(jnp.eye(x.shape[-1], dtype=bool), x.real.astype(x.dtype) if hermitian else x, 0)
    return diagonal + below + _conjugate(hermitian)(below.T)


def _factored(x: Array, hermitian: bool) -> tuple[Array, ...]:
    """One matrix; see ``ldl_factor``."""
    index = jnp.arange(x.shape[-1])

    def advance(step: Array, state: tuple[Array, ...]) -> tuple[Array, ...]:
        rest, packed, pivots, info, _ = state
        row, double, zero = _choice(rest, step)
        last = jnp.where(double, step + 1, step)
        moved = _exchanged(rest, last, row)
        columns, after = _eliminated(moved, step, double, zero, hermitian)
        inside = (index >= step) & (index <= last)
        packed = jnp.where(inside[:, None] & inside & (index[:, None] >= index), moved, packed)
        packed += jnp.where(index == step, columns[:, :1], 0) + jnp.where(index == step + 1, columns[:, 1:], 0)
        pivots = jnp.where(inside, jnp.where(double, -1, 1) * (row + 1), pivots).astype(jnp.int32)
        return after, packed, pivots, jnp.where(zero & (info == 0), step + 1, info).astype(jnp.int32), double

    def advance_or_skip(step: Array, state: tuple[Array, ...]) -> tuple[Array, ...]:
        """The second step of two at once is done already."""
        done = (*state[:4], jnp.zeros((), bool))
        return tuple(jnp.where(state[4], *pair) for pair in zip(done, advance(step, state), strict=True))

    nothing = jnp.zeros(x.shape[-1:], jnp.int32), jnp.zeros((), jnp.int32), jnp.zeros((), bool)
    start = _whole(x, hermitian), jnp.zeros_like(x), *nothing
    return jax.lax.fori_loop(0, x.shape[-1], advance_or_skip, start)[1:4]


@primitive(differentiable=False)
def ldl_factor(x: Array, hermitian: bool) -> tuple[Array, Array, Array]:
    """LAPACK's form of ``l`` and ``d`` in one matrix, its exchanges of rows, and the number of the first zero in ``d``.

    A row was exchanged with that of its number, counted from 1; two numbers below zero stand for a block of ``d`` of
    two rows, whose second was exchanged. The columns of ``l`` are in the order they had when they were found.
    """
    name = "torch.linalg.ldl_factor_ex"
    check_square(name, x)
    check_type(name, x)
    if not x.size:
        return x, jnp.zeros(x.shape[:-1], jnp.int32), jnp.zeros(x.shape[:-2], jnp.int32)
    return _over_matrices(partial(_factored, hermitian=hermitian), x)


# -- solving -------------------------------------------------------------------------------------------------------


def _seconds(pivots: Array) -> Array:
    """Which rows are the second ones of blocks of two."""

    def follow(inside: Array, pivot: Array) -> tuple[Array, Array]:
        return (pivot < 0) & ~inside, inside

    return jax.lax.scan(follow, jnp.zeros((), bool), pivots)[1]


def _ordered(packed: Array, pivots: Array, seconds: Array) -> tuple[Array, Array]:
    """``l`` with all of its rows in their last order, and which rows these were."""
    index = jnp.arange(pivots.shape[-1])

    def exchange(step: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        lower, order = state
        row = jnp.where((pivots[step] > 0) | seconds[step], jnp.abs(pivots[step]) - 1, step)
        new = index.at[step].set(row).at[row].set(step)
        return jnp.where(index < step - seconds[step], lower[new], lower), order[new]

    in_block = seconds[:, None] & (index[:, None] - 1 == index)
    return jax.lax.fori_loop(0, pivots.shape[-1], exchange, (jnp.where(in_block, 0, jnp.tril(packed, -1)), index))


def _divided(packed: Array, seconds: Array, b: Array, hermitian: bool) -> Array:
    """X of ``d x = b``."""
    index = jnp.arange(seconds.shape[-1])
    firsts = jnp.roll(seconds, -1)
    other = jnp.where(firsts, index + 1, jnp.where(seconds, index - 1, index))
    own = jnp.diagonal(packed)[:, None]
    side = packed[jnp.maximum(index, other), jnp.minimum(index, other)][:, None]
    turned = _conjugate(hermitian)(side)
    before, after = jnp.where(firsts[:, None], turned, side), jnp.where(firsts[:, None], side, turned)
    scale = own[other] / before
    return jnp.where((firsts | seconds)[:, None], (scale * b - b[other]) / (own * scale - after), b / own)


def _solved(packed: Array, pivots: Array, b: Array, hermitian: bool) -> Array:
    """One matrix; see ``ldl_solve``."""
    seconds = _seconds(pivots)
    lower, order = _ordered(packed, pivots, seconds)
    unpack = partial(jax.lax.linalg.triangular_solve, lower, left_side=True, lower=True, unit_diagonal=True)
    inner = _divided(packed, seconds, unpack(b[order]), hermitian)
    return jnp.zeros_like(b).at[order].set(unpack(inner, transpose_a=True, conjugate_a=hermitian))


def _check_solve(packed: Array, pivots: Array, b: Array) -> None:
    """Raise, in PyTorch's words, unless factors and right sides fit."""
    name = "torch.linalg.ldl_solve"
    check_square(name, packed)
    check_type(name, packed)
    if b.ndim < 2:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-b.ndim}, {b.ndim - 1}], but got -2)")
    check_right_side(name, packed, b)
    if pivots.shape != packed.shape[:-1]:
        got = f"but got pivots with shape {list(pivots.shape)} instead"
        raise RuntimeError(f"{name}: Expected LD.shape[:-1] and pivots.shape to be the same, {got}")
    if not jnp.isdtype(pivots.dtype, "integral"):
        raise RuntimeError(f"{name}: Expected pivots to be integers. Got {type_name(pivots)}")


@primitive(differentiable=False)
def ldl_solve(packed: Array, pivots: Array, b: Array, hermitian: bool) -> Array:
    """X of ``a x = b``, from the factors of a that ``ldl_factor`` gives."""
    _check_solve(packed, pivots, b)
    factors, columns = batched(packed, b)
    if not columns.size:
        return columns
    pivots = jnp.broadcast_to(pivots, factors.shape[:-1])
    return _over_matrices(partial(_solved, hermitian=hermitian), factors, pivots, columns)
