"""The loops over the steps of a recurrent layer, forward and back: JAX primitives with a native kernel on the CPU."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np

from flambeau.kernels.library import target, wanted
from flambeau.kernels.native_function import defined

__all__ = ["forward", "gradients", "serves"]

# The same loop in operations that JAX can differentiate: of the same arrays and options.
Plain = Callable[..., Sequence[Any]]

_KINDS = ("LSTM", "GRU", "RNN_TANH", "RNN_RELU")  # in the order of native/recurrent.cc


def serves(x: Any) -> bool:
    """Whether the native loops take inputs of this shape and data type."""
    return x.dtype == np.float32 and x.ndim == 3 and 0 not in x.shape and wanted()


def forward(
    projected: Any, weight: Any, *others: Any, kind: str, reverse: bool, kept: bool, plain: Plain
) -> Sequence[Any]:
    """All steps of a layer in one direction.

    Args:
        projected: what the gates get from the inputs, (steps, batch, gates * size), with all biases; a GRU's without
            those of the hidden state.
        weight: of the hidden state, (gates * size, size).
        others: first hidden state, and memory of an LSTM, (batch, size); a GRU's bias of the hidden state.
        kind: of the layer.
        reverse: whether to begin at the last step.
        kept: whether the way back is to follow.
        plain: the same in plain XLA.

    Returns:
        Output of all steps; last hidden state, and memory; if ``kept``, for all steps: hidden state and memory before
        it, and what the cell keeps (a plain RNN nothing but the output).
    """
    return _forward_p.bind(projected, weight, *others, kind=kind, reverse=reverse, kept=kept, plain=plain)


def gradients(*arrays: Any, kind: str, reverse: bool, plain: Plain) -> Sequence[Any]:
    """The way back through all steps.

    Args:
        arrays: gradients with respect to the outputs; the weight; gradients with respect to the last hidden state, and
            memory; for all steps the memory before it (LSTM), the hidden state before it (GRU) or the output (RNN), and
            what the cell kept.
        kind: of the layer.
        reverse: as it was forward.
        plain: the same in plain XLA.

    Returns:
        Gradients with respect to what was projected; a GRU's with respect to what was carried; those of the first
        hidden state, and memory.
    """
    return _gradients_p.bind(*arrays, kind=kind, reverse=reverse, plain=plain)


def _formula(*arrays: Any, plain: Plain, **options: Any) -> list[Any]:
    return list(plain(*arrays, **options))


def _native(function: str, *arrays: Any, kind: str, **options: Any) -> list[Any]:
    """What a program for the CPU computes: the native function, or the formula."""
    name = target(function)
    formula = partial(_formula, kind=kind, **options)
    if name is None:
        return formula(*arrays)
    rows = arrays[0].shape[0] * arrays[0].shape[1]
    numbers = {"kind": _KINDS.index(kind), "reverse": options["reverse"], "products": rows * arrays[1].size}
    call = jax.ffi.ffi_call(name, jax.eval_shape(formula, *arrays))
    return list(call(*arrays, **{key: np.int64(value) for key, value in numbers.items()}))


_FORWARD, _GRADIENTS = "flambeau_recurrent", "flambeau_recurrent_gradients"
_forward_p = defined(_FORWARD, _formula, partial(_native, _FORWARD))
_gradients_p = defined(_GRADIENTS, _formula, partial(_native, _GRADIENTS))
