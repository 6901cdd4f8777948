"""The loops over the steps of an LSTM, forward and back, as JAX primitives that have a native kernel on the CPU."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np

from flambeau.kernels.library import target, wanted
from flambeau.kernels.native_function import defined

__all__ = ["forward", "gradients", "serves"]

# The same loop in operations that JAX can differentiate: of the same arrays, and whether it begins at the end.
Plain = Callable[..., Sequence[Any]]


def serves(projected: Any) -> bool:
    """Whether the native loops take inputs of this shape and data type."""
    return projected.dtype == np.float32 and projected.ndim == 3 and 0 not in projected.shape and wanted()


def forward(projected: Any, hidden: Any, memory: Any, weight: Any, *, reverse: bool, plain: Plain) -> Sequence[Any]:
    """All steps of a layer in one direction.

    Args:
        projected: what the gates get from the inputs, with both biases, (steps, batch, 4 * size).
        hidden: first hidden state, (batch, size).
        memory: first memory, likewise.
        weight: of the hidden state, (4 * size, size).
        reverse: whether to begin at the last step.
        plain: the same in plain XLA.

    Returns:
        For all steps: output, the four gates, hidden state and memory before the step; last hidden state and memory.
    """
    return _forward_p.bind(projected, hidden, memory, weight, reverse=reverse, plain=plain)


def gradients(*arrays: Any, reverse: bool, plain: Plain) -> Sequence[Any]:
    """The way back through all steps.

    Args:
        arrays: gradients with respect to the outputs, the last hidden state and memory; the four gates and the memory
            before each step, as ``forward`` returned them; the weight.
        reverse: as it was forward.
        plain: the same in plain XLA.

    Returns:
        Gradients with respect to what was projected, and to the first hidden state and memory.
    """
    return _gradients_p.bind(*arrays, reverse=reverse, plain=plain)


def _formula(*arrays: Any, reverse: bool, plain: Plain) -> list[Any]:
    return list(plain(*arrays, reverse=reverse))


def _native(function: str, *arrays: Any, reverse: bool, plain: Plain) -> list[Any]:
    """What a program for the CPU computes: the native function, or the formula."""
    name = target(function)
    shapes = jax.eval_shape(partial(_formula, reverse=reverse, plain=plain), *arrays)
    if name is None:
        return _formula(*arrays, reverse=reverse, plain=plain)
    rows = arrays[0].shape[0] * arrays[0].shape[1]
    weight = arrays[3 if function == _FORWARD else -1]
    numbers = {"reverse": np.int64(reverse), "products": np.int64(rows * weight.size)}
    return list(jax.ffi.ffi_call(name, shapes)(*arrays, **numbers))


_FORWARD, _GRADIENTS = "flambeau_lstm", "flambeau_lstm_gradients"
_forward_p = defined(_FORWARD, _formula, partial(_native, _FORWARD))
_gradients_p = defined(_GRADIENTS, _formula, partial(_native, _GRADIENTS))
