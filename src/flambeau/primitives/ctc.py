"""Connectionist temporal classification: the sum over all alignments of a label sequence, as two scans.

Source: https://www.cs.toronto.edu/~graves/icml_2006.pdf
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from flambeau.primitives.primitive import Array, primitive
from flambeau.primitives.refusals import unsupported

__all__ = ["ctc_loss"]

# log(0), from which gradients are kept away.
_NEVER = -jnp.inf


def _log_sum(*parts: Array) -> Array:
    """``log(sum of exp)`` of equal shapes, also where all are minus infinity."""
    stacked = jnp.stack(parts)
    most = jnp.max(stacked, 0)
    base = jnp.where(jnp.isneginf(most), 0, most)
    return jnp.log(jnp.sum(jnp.exp(stacked - base), 0)) + base


def _shifted(x: Array, count: int) -> Array:
    """The states ``count`` places further on (back if negative); none come from outside."""
    edges = (max(count, 0), max(-count, 0), 0)
    fill = jnp.asarray(_NEVER, x.dtype)
    padded = jax.lax.pad(x, fill, [(0, 0, 0), edges])
    return padded[:, : x.shape[1]] if count > 0 else padded[:, -count:]


class _States(NamedTuple):
    """The states an alignment goes through: blank, first label, blank, second label, ..., blank.

    Attributes:
        labels: class of each state, (N, 2 S + 1).
        skips: whether the blank before a state may be left out.
        scores: log probability of each state at each step, (T, N, 2 S + 1).
        last: position of the last state, (N,).
    """

    labels: Array
    skips: Array
    scores: Array
    last: Array


def _states(log_probs: Array, targets: Array, target_lengths: Array, blank: int) -> _States:
    batch, longest = targets.shape
    labels = jnp.full((batch, 2 * longest + 1), blank, jnp.int64).at[:, 1::2].set(targets.astype(jnp.int64))
    before = jnp.pad(labels, ((0, 0), (2, 0)), constant_values=blank)[:, :-2]
    skips = (labels != before) & (jnp.arange(labels.shape[1]) > 1)
    places = jnp.where(labels < 0, log_probs.shape[2], labels)
    scores = jnp.take_along_axis(log_probs, places[None], 2, mode="fill", fill_value=jnp.nan)
    scores = scores.astype(jnp.float64)  # the sums grow with the steps, and gradients are differences of them
    return _States(labels, skips, scores, 2 * target_lengths.astype(jnp.int64))


def _at_end(states: _States) -> Array:
    """Whether an alignment may end in a state: in the last label, or the blank after it."""
    place = jnp.arange(states.labels.shape[1])
    last = states.last[:, None]
    return (place == last) | ((place == last - 1) & (last > 0))


def _forward(states: _States) -> Array:
    """Log probability of being in each state after each step: (T, N, 2 S + 1)."""
    place = jnp.arange(states.labels.shape[1])
    first = jnp.where((place == 0) | ((place == 1) & (states.last[:, None] > 0)), states.scores[0], _NEVER)

    def step(before: Array, scores: Array) -> tuple[Array, Array]:
        skipped = jnp.where(states.skips, _shifted(before, 2), _NEVER)
        after = _log_sum(before, _shifted(before, 1), skipped) + scores
        return after, after

    _, rest = jax.lax.scan(step, first, states.scores[1:])
    return jnp.concatenate([first[None], rest])


def _backward(states: _States, lengths: Array) -> Array:
    """Log probability of the steps from each one on, being in each state there: (T, N, 2 S + 1)."""
    steps = states.scores.shape[0]
    ends = _at_end(states)
    skips = jnp.pad(states.skips, ((0, 0), (0, 2)))[:, 2:]

    def step(after: Array, current: tuple[Array, Array]) -> tuple[Array, Array]:
        scores, when = current
        skipped = jnp.where(skips, _shifted(after, -2), _NEVER)
        inner = _log_sum(after, _shifted(after, -1), skipped) + scores
        last = (lengths - 1)[:, None]
        start = jnp.where(ends, scores, _NEVER)
        before = jnp.where(when == last, start, jnp.where(when < last, inner, _NEVER))
        return before, before

    nothing = jnp.full(states.labels.shape, _NEVER, states.scores.dtype)
    return jax.lax.scan(step, nothing, (states.scores, jnp.arange(steps)), reverse=True)[1]


def _losses(states: _States, alphas: Array, lengths: Array) -> Array:
    """Negative log probability of all alignments, (N,); of no steps only the empty one is certain."""
    last = jnp.maximum(lengths - 1, 0)[None, :, None]
    final = jnp.take_along_axis(alphas, last, 0)[0]
    total = jax.scipy.special.logsumexp(jnp.where(_at_end(states), final, _NEVER), 1)
    return jnp.where(lengths > 0, -total, jnp.where(states.last > 0, jnp.inf, 0.0))


Lengths = tuple[Array, Array]


@partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def _ctc(log_probs: Array, targets: Array, lengths: Lengths, blank: int, zero_infinity: bool) -> Array:
    return _ctc_forward(log_probs, targets, lengths, blank, zero_infinity)[0]


def _ctc_forward(
    log_probs: Array, targets: Array, lengths: Lengths, blank: int, zero_infinity: bool
) -> tuple[Array, tuple[Any, ...]]:
    states = _states(log_probs, targets, lengths[1], blank)
    alphas = _forward(states)
    losses = _losses(states, alphas, lengths[0])
    shown = jnp.where(jnp.isinf(losses), 0, losses) if zero_infinity else losses
    return shown.astype(log_probs.dtype), (log_probs, states, alphas, losses, lengths[0])


def _ctc_backward(
    blank: int, zero_infinity: bool, saved: tuple[Any, ...], gradient: Array
) -> tuple[Array, None, tuple[None, None]]:
    """exp(log_probs) - posterior of each class: right through a log_softmax before it, which PyTorch presumes."""
    log_probs, states, alphas, losses, lengths = saved
    shares = jnp.exp(alphas + _backward(states, lengths) - states.scores + losses[:, None])
    shares = jnp.where(jnp.isneginf(states.scores), 0, shares)
    rows = jnp.arange(log_probs.shape[1])[:, None]
    shares = shares.astype(log_probs.dtype)
    posterior = jnp.zeros_like(log_probs).at[:, rows, states.labels].add(shares, mode="drop")
    impossible = jnp.isinf(losses)[:, None]
    slope = jnp.where(impossible, 0 if zero_infinity else jnp.nan, jnp.exp(log_probs) - posterior)
    within = jnp.arange(log_probs.shape[0])[:, None] < lengths
    return jnp.where(within[..., None], slope * gradient[:, None], 0), None, (None, None)


_ctc.defvjp(_ctc_forward, _ctc_backward)


@primitive(residuals=True, grad_name="CtcLossBackward0")
def ctc_loss(
    log_probs: Array, targets: Array, input_lengths: Array, target_lengths: Array, blank: int, zero_infinity: bool
) -> Array:
    """Negative log probability of each label sequence.

    Args:
        log_probs: (T, N, C), float32 or float64.
        targets: labels, (N, S); those past a sequence's length do not matter.
        input_lengths: number of steps of each sequence, (N,).
        target_lengths: number of labels of each sequence, (N,).
        blank: the class that is no label.
        zero_infinity: whether impossible sequences have loss and gradient 0.
    """
    if log_probs.dtype not in (jnp.float32, jnp.float64):
        raise unsupported("ctc_loss_cpu", log_probs)
    return _ctc(log_probs, targets, (input_lengths, target_lengths), blank, zero_infinity)
