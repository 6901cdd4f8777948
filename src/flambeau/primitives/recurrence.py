"""Recurrent layers as one scan each."""

import jax
import jax.numpy as jnp

from flambeau.primitives.primitive import Array, primitive

__all__ = ["lstm_layer"]


@primitive(residuals=True, grad_name="LstmBackward0")
def lstm_layer(
    x: Array, hidden: Array, cell: Array, input_weight: Array, hidden_weight: Array, bias: Array
) -> tuple[Array, Array, Array]:
    """One layer of an LSTM in one direction.

    Args:
        x: input, (steps, batch, input_size).
        hidden, cell: first states, (batch, hidden_size).
        input_weight, hidden_weight: (4 * hidden_size, input_size) and (4 * hidden_size, hidden_size); the gates in
            PyTorch's order: input, forget, cell, output.
        bias: (4 * hidden_size,), the sum of both of PyTorch's.

    Returns:
        Output of every step, (steps, batch, hidden_size), and the last states.
    """
    projected = jnp.matmul(x, input_weight.T) + bias
    recurrent = hidden_weight.T

    def step(state: tuple[Array, Array], gates: Array) -> tuple[tuple[Array, Array], Array]:
        before, memory = state
        enter, forget, candidate, leave = jnp.split(gates + jnp.matmul(before, recurrent), 4, axis=-1)
        memory = jax.nn.sigmoid(forget) * memory + jax.nn.sigmoid(enter) * jnp.tanh(candidate)
        after = jax.nn.sigmoid(leave) * jnp.tanh(memory)
        return (after, memory), after

    (hidden, cell), outputs = jax.lax.scan(step, (hidden, cell), projected)
    return outputs, hidden, cell
