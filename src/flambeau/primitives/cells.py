"""What a recurrent layer does at one time step, and the gradient of that: formulas without any weights.

The gradients are written by hand, because a loop should leave as little as possible for its way back: what is kept are
the gates after their activations, from which everything else follows. Barriers keep XLA from computing a gate once
more for everything that reads it.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from flambeau.primitives.primitive import Array

__all__ = ["CELLS", "Cell", "lstm_output"]

_apart = jax.lax.optimization_barrier


class Cell(NamedTuple):
    """One kind of recurrent layer.

    Attributes:
        gates: number of blocks of hidden_size in the weights.
        forward: ``(projected input, projected hidden state, hidden state, memory) -> (kept, output, new memory)``.
        backward: ``(kept, hidden state, memory, gradient of the output, gradient of the new memory) -> gradients`` of
            forward's four arguments; None is a gradient of zero, and of the memory where there is none.
    """

    gates: int
    forward: Callable[[Array, Array, Array, Array | None], tuple[Array, Array, Array | None]]
    backward: Callable[
        [Array, Array, Array | None, Array, Array | None], tuple[Array, Array, Array | None, Array | None]
    ]


def _elman(activation: Callable[[Array], Array], slope: Callable[[Array], Array]) -> Cell:
    """``activation(x + h)``; the slope is a function of the output."""

    def forward(x: Array, h: Array, hidden: Array, memory: None) -> tuple[Array, Array, None]:
        output = activation(x + h)
        return output, output, None

    def backward(
        kept: Array, hidden: Array, memory: None, wanted: Array, later: None
    ) -> tuple[Array, Array, None, None]:
        gradient = _apart(wanted * slope(kept))
        return gradient, gradient, None, None

    return Cell(1, forward, backward)  # pyright: ignore[reportArgumentType]  # these cells have no memory


def _lstm_forward(x: Array, h: Array, hidden: Array, memory: Array) -> tuple[Array, Array, Array]:
    enter, forget, candidate, leave = jnp.split(_apart(x + h), 4, axis=-1)
    gates = [jax.nn.sigmoid(enter), jax.nn.sigmoid(forget), jnp.tanh(candidate), jax.nn.sigmoid(leave)]
    kept = _apart(jnp.concatenate(gates, axis=-1))
    after = _memory_after(kept, memory)
    return kept, _gate(kept, 3) * jnp.tanh(after), after


def _gate(kept: Array, index: int) -> Array:
    size = kept.shape[-1] // 4
    return kept[..., index * size : (index + 1) * size]


def _memory_after(kept: Array, memory: Array) -> Array:
    return _gate(kept, 1) * memory + _gate(kept, 0) * _gate(kept, 2)


def lstm_output(kept: Array, memory: Array) -> Array:
    """An LSTM's output before its projection, from the gates and the memory before the step."""
    return _gate(kept, 3) * jnp.tanh(_memory_after(kept, memory))


def _lstm_backward(
    kept: Array, hidden: Array, memory: Array, wanted: Array, later: Array
) -> tuple[Array, Array, None, Array]:
    enter, forget, candidate, leave = (_gate(kept, index) for index in range(4))
    shown = jnp.tanh(_memory_after(kept, memory))
    through = _apart(later + wanted * leave * (1 - shown * shown))
    gradients = [
        through * candidate * enter * (1 - enter),
        through * memory * forget * (1 - forget),
        through * enter * (1 - candidate * candidate),
        wanted * shown * leave * (1 - leave),
    ]
    gradient = _apart(jnp.concatenate(gradients, axis=-1))
    return gradient, gradient, None, through * forget


def _gru_forward(x: Array, h: Array, hidden: Array, memory: None) -> tuple[Array, Array, None]:
    x_reset, x_update, x_new = jnp.split(x, 3, axis=-1)
    h_reset, h_update, h_new = jnp.split(_apart(h), 3, axis=-1)
    reset, update = jax.nn.sigmoid(x_reset + h_reset), jax.nn.sigmoid(x_update + h_update)
    kept = _apart(jnp.concatenate([reset, update, jnp.tanh(x_new + reset * h_new), h_new], axis=-1))
    update, new = _gate(kept, 1), _gate(kept, 2)
    return kept, new + update * (hidden - new), None


def _gru_backward(kept: Array, hidden: Array, memory: None, wanted: Array, later: None) -> tuple[Array, ...]:
    reset, update, new, h_new = (_gate(kept, index) for index in range(4))
    for_new = wanted * (1 - update) * (1 - new * new)
    for_update = wanted * (hidden - new) * update * (1 - update)
    for_reset = for_new * h_new * reset * (1 - reset)
    for_x = _apart(jnp.concatenate([for_reset, for_update, for_new], axis=-1))
    for_h = _apart(jnp.concatenate([for_reset, for_update, for_new * reset], axis=-1))
    return for_x, for_h, wanted * update, None  # pyright: ignore[reportReturnType]  # there is no memory


CELLS: dict[str, Cell] = {
    "RNN_TANH": _elman(jnp.tanh, lambda output: 1 - output * output),
    "RNN_RELU": _elman(jax.nn.relu, lambda output: (output > 0).astype(output.dtype)),
    "LSTM": Cell(4, _lstm_forward, _lstm_backward),  # pyright: ignore[reportArgumentType]  # it always has a memory
    "GRU": Cell(3, _gru_forward, _gru_backward),  # pyright: ignore[reportArgumentType]  # it has none
}
