"""What a recurrent layer does at one time step, and the gradient of that: formulas without any weights.

The gradients are written by hand, because a loop should leave as little as possible for its way back: what is kept are
the gates after their activations, from which everything else follows.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from flambeau.primitives.primitive import Array

__all__ = ["CELLS", "Cell", "lstm_output"]

Gates = tuple[Array, ...]


class Cell(NamedTuple):
    """One kind of recurrent layer.

    Attributes:
        forward: ``(projected input, projected hidden state, hidden state, memory) -> (kept gates, output, memory)``.
        backward: ``(kept gates, hidden state, memory, gradient of the output, gradient of the memory) -> gradients`` of
            forward's four arguments; None is a gradient of zero, or of the memory where there is none.
    """

    forward: Callable[[Array, Array, Array, Any], tuple[Gates, Array, Any]]
    backward: Callable[[Gates, Array, Any, Array, Any], tuple[Array, Array, Array | None, Any]]


def _plain(activation: Callable[[Array], Array], slope: Callable[[Array], Array]) -> Cell:
    """``activation(x + h)``; the slope is a function of the output."""

    def forward(x: Array, h: Array, hidden: Array, memory: None) -> tuple[Gates, Array, None]:
        output = activation(x + h)
        return (output,), output, None

    def backward(
        kept: Gates, hidden: Array, memory: None, wanted: Array, later: None
    ) -> tuple[Array, Array, None, None]:
        gradient = wanted * slope(kept[0])
        return gradient, gradient, None, None

    return Cell(forward, backward)


def _lstm_forward(x: Array, h: Array, hidden: Array, memory: Array) -> tuple[Gates, Array, Array]:
    enter, forget, candidate, leave = jnp.split(x + h, 4, axis=-1)
    kept = jax.nn.sigmoid(enter), jax.nn.sigmoid(forget), jnp.tanh(candidate), jax.nn.sigmoid(leave)
    return kept, lstm_output(kept, memory), _lstm_memory(kept, memory)


def _lstm_memory(kept: Gates, memory: Array) -> Array:
    enter, forget, candidate, _ = kept
    return forget * memory + enter * candidate


def lstm_output(kept: Gates, memory: Array) -> Array:
    """An LSTM's output before its projection, from the gates and the memory before the step."""
    return kept[3] * jnp.tanh(_lstm_memory(kept, memory))


def _lstm_backward(
    kept: Gates, hidden: Array, memory: Array, wanted: Array, later: Array
) -> tuple[Array, Array, None, Array]:
    enter, forget, candidate, leave = kept
    shown = jnp.tanh(_lstm_memory(kept, memory))
    through = later + wanted * leave * (1 - shown * shown)
    gradients = [
        through * candidate * enter * (1 - enter),
        through * memory * forget * (1 - forget),
        through * enter * (1 - candidate * candidate),
        wanted * shown * leave * (1 - leave),
    ]
    gradient = jnp.concatenate(gradients, axis=-1)
    return gradient, gradient, None, through * forget


def _gru_forward(x: Array, h: Array, hidden: Array, memory: None) -> tuple[Gates, Array, None]:
    x_reset, x_update, x_new = jnp.split(x, 3, axis=-1)
    h_reset, h_update, h_new = jnp.split(h, 3, axis=-1)
    reset, update = jax.nn.sigmoid(x_reset + h_reset), jax.nn.sigmoid(x_update + h_update)
    new = jnp.tanh(x_new + reset * h_new)
    return (reset, update, new, h_new), new + update * (hidden - new), None


def _gru_backward(
    kept: Gates, hidden: Array, memory: None, wanted: Array, later: None
) -> tuple[Array, Array, Array, None]:
    reset, update, new, h_new = kept
    for_new = wanted * (1 - update) * (1 - new * new)
    for_update = wanted * (hidden - new) * update * (1 - update)
    for_reset = for_new * h_new * reset * (1 - reset)
    for_x = jnp.concatenate([for_reset, for_update, for_new], axis=-1)
    for_h = jnp.concatenate([for_reset, for_update, for_new * reset], axis=-1)
    return for_x, for_h, wanted * update, None


CELLS: dict[str, Cell] = {
    "RNN_TANH": _plain(jnp.tanh, lambda output: 1 - output * output),
    "RNN_RELU": _plain(jax.nn.relu, lambda output: (output > 0).astype(output.dtype)),
    "LSTM": Cell(_lstm_forward, _lstm_backward),
    "GRU": Cell(_gru_forward, _gru_backward),
}
