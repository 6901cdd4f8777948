"""Recurrent layers: one loop over the time steps for each layer and direction.

What does not depend on the step before is done for all steps at once, outside the loop: the projection of the inputs,
and, on the way back, the gradients of the weights, which JAX's own gradient of a scan would add up step by step.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from flambeau.dtypes.kinds import from_numpy_dtype
from flambeau.kernels import recurrent as native
from flambeau.kernels.linear import linear, multiplies
from flambeau.primitives.activation import wide
from flambeau.primitives.cells import CELLS, lstm_output
from flambeau.primitives.primitive import Array, primitive

__all__ = ["recurrent_cell", "recurrent_layer"]


class State(NamedTuple):
    """What goes from step to step: (batch, hidden_size) each; only LSTMs have a memory, PyTorch's cell state."""

    hidden: Array
    memory: Array | None


class Weights(NamedTuple):
    """Weights of a layer in one direction, shaped as PyTorch's; what a layer does not have is None."""

    input: Array
    hidden: Array
    input_bias: Array | None
    hidden_bias: Array | None
    projection: Array | None


class Packing(NamedTuple):
    """Where the steps of packed sequences lie.

    Attributes:
        plan: (2, rows) whole numbers: for each step how many sequences it has, and its first row; zeros follow.
        steps: number of steps, so that it is not part of the program.
    """

    plan: Array
    steps: Array


# ``(step, first state, arrays by step, whether to begin at the end) -> (last state, results by step)``, as lax.scan.
_Loop = Callable[[Callable[[Any, Any], Any], Any, Any, bool], tuple[Any, Any]]


# -- the layer -----------------------------------------------------------------------------------------------------


@primitive(residuals=True, variadic=True, grad_name="RecurrentLayerBackward0")
def recurrent_layer(
    inputs: tuple[Any, ...], kind: str, reverse: bool, biased: bool, projected: bool, packed: bool
) -> tuple[Array, ...]:
    """One recurrent layer in one direction.

    Takes (x, hidden state, memory of an LSTM, input weight, hidden weight, both biases if ``biased``, the projection's
    weight if ``projected``, plan and number of steps if ``packed``). x is (steps, batch, input_size), or (rows,
    input_size) if packed; gates lie in PyTorch's order.

    Returns:
        Output of every step, shaped as x, the last hidden state, and the last memory of an LSTM.
    """
    operands = list(inputs)
    packing = Packing(operands[-2], operands[-1].value) if packed else None
    x, state, weights = _grouped(operands[: -2 if packed else None], kind, biased, projected)
    _check(x, state, weights)
    x, state, weights = jax.tree.map(wide, (x, state, weights))
    rows = x.shape[0]
    if packed:
        # A step reads and writes as many rows as the batch has; those of the last ones may lie behind the end.
        x = jnp.pad(x, ((0, state.hidden.shape[0]), (0, 0)))
    computed: Any = _layer(kind, reverse, x, state, weights, packing)
    outputs, last = computed
    results = [outputs[:rows], last.hidden, last.memory]
    return tuple([item.astype(inputs[0].dtype) for item in results if item is not None])


def _grouped(operands: Sequence[Array], kind: str, biased: bool, projected: bool) -> tuple[Array, State, Weights]:
    """Operands in their order as what they are."""
    rest = iter(operands)
    x, state = next(rest), _state(kind, rest)
    matrices = next(rest), next(rest)
    biases = (next(rest), next(rest)) if biased else (None, None)
    return x, state, Weights(*matrices, *biases, next(rest) if projected else None)


def _state(kind: str, rest: Iterator[Array]) -> State:
    return State(next(rest), next(rest) if kind == "LSTM" else None)


def _check(x: Array, state: State, weights: Weights) -> None:
    """Raise RuntimeError, in PyTorch's words, where sizes or data types do not fit."""
    for operand, weight in ((x, weights.input), (state.hidden, weights.hidden)):
        if operand.dtype != weight.dtype:
            names = [from_numpy_dtype(item.dtype).tensor_type.removesuffix("Tensor") for item in (operand, weight)]
            raise RuntimeError(f"mat1 and mat2 must have the same dtype, but got {names[0]} and {names[1]}")
        if operand.shape[-1] != weight.shape[-1]:
            rows = math.prod(operand.shape[:-1])
            shapes = f"{rows}x{operand.shape[-1]} and {weight.shape[1]}x{weight.shape[0]}"
            raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({shapes})")
    if x.shape[0] == 0:
        raise RuntimeError("Expected sequence length to be larger than 0 in RNN")


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _layer(
    kind: str, reverse: bool, x: Array, state: State, weights: Weights, packing: Packing | None
) -> tuple[Array, State]:
    return _computed(kind, reverse, x, state, weights, packing, kept=False)[0]


def _forward(
    kind: str, reverse: bool, x: Array, state: State, weights: Weights, packing: Packing | None
) -> tuple[tuple[Array, State], Any]:
    """Outputs and last state, and what the way back needs."""
    results, kept = _computed(kind, reverse, x, state, weights, packing, kept=True)
    return results, (x, weights, packing, *kept)


def _computed(
    kind: str, reverse: bool, x: Array, state: State, weights: Weights, packing: Packing | None, *, kept: bool
) -> tuple[tuple[Array, State], Any]:
    """Outputs and last state; and if they are to be kept, for every step the gates and the state before it."""
    if _is_native(x, weights, packing):
        return _natively(kind, reverse, x, state, weights, kept=kept)
    projected = _projected(x, weights.input, weights.input_bias)
    last, (outputs, *rest) = _steps(kind, reverse, projected, state, weights, packing)
    return (outputs, last), rest


def _steps(
    kind: str, reverse: bool, projected: Array, state: State, weights: Weights, packing: Packing | None
) -> tuple[State, Any]:
    """All steps of a layer: the last state, and for every step (output, kept gates, state before)."""
    cell = CELLS[kind]
    recurrent = weights.hidden.T

    def step(before: State, projected: Array) -> tuple[State, Any]:
        carried = _plus(jnp.matmul(before.hidden, recurrent), weights.hidden_bias)
        kept, output, memory = cell.forward(projected, carried, before.hidden, before.memory)
        if weights.projection is not None:
            output = jnp.matmul(output, weights.projection.T)
        return State(output, memory), (output, kept, before)

    return _loop(packing)(step, state, projected, reverse)


def _backward(kind: str, reverse: bool, residuals: Any, wanted: tuple[Array, State]) -> tuple[Any, ...]:
    """Gradients of the input, the first state and the weights, from those of the outputs and the last state."""
    x, weights, packing, kept, before = residuals
    if _is_native(x, weights, packing):
        first, (projected, carried, hidden) = _back_natively(kind, reverse, residuals, wanted)
    else:
        first, (projected, carried, hidden) = _steps_back(kind, reverse, residuals, wanted)
    if carried is None:
        carried = projected
    of_input, of_input_bias = _weight_gradients(projected, x, weights.input, weights.input_bias)
    apart = None if carried is projected else weights.hidden_bias
    of_hidden, of_hidden_bias = _weight_gradients(carried, before.hidden, weights.hidden, apart)
    gradients = Weights(
        of_input,
        of_hidden,
        of_input_bias,
        of_input_bias if apart is None else of_hidden_bias,
        None if hidden is None else _product(hidden, lstm_output(kept, before.memory)),
    )
    return _input_gradient(projected, x, weights.input), first, gradients, None


def _steps_back(kind: str, reverse: bool, residuals: Any, wanted: tuple[Array, State]) -> tuple[State, Any]:
    """The way back: gradients of the first state, and for every step those of what was projected and carried.

    What was carried has None where its gradients are those of what was projected; the third of a step is the gradient
    of a projection's result.
    """
    _, weights, packing, kept, before = residuals
    cell = CELLS[kind]

    def step(later: State, given: Any) -> tuple[State, Any]:
        wanted, kept, before = given
        hidden = later.hidden + wanted
        output = hidden if weights.projection is None else jnp.matmul(hidden, weights.projection)
        projected, carried, direct, memory = cell.backward(kept, before.hidden, before.memory, output, later.memory)
        earlier = State(_plus(jnp.matmul(carried, weights.hidden), direct), memory)
        apart = None if carried is projected else carried
        return earlier, (projected, apart, None if weights.projection is None else hidden)

    outputs, last = wanted
    return _loop(packing)(step, last, (outputs, kept, before), not reverse)


# -- where a native kernel serves ----------------------------------------------------------------------------------


def _is_native(x: Array, weights: Weights, packing: Packing | None) -> bool:
    return packing is None and weights.projection is None and native.serves(x)


def _natively(
    kind: str, reverse: bool, x: Array, state: State, weights: Weights, *, kept: bool
) -> tuple[tuple[Array, State], Any]:
    """As ``_computed``."""
    bias, apart = weights.input_bias, weights.hidden_bias
    others = [item for item in state if item is not None]
    if kind == "GRU":  # its reset gate stands between the two biases
        others.append(jnp.zeros(len(weights.hidden), x.dtype) if apart is None else apart)
    else:
        bias = None if apart is None else _plus(apart, bias)
    projected = _projected(x, weights.input, bias)
    outputs, *found = native.forward(
        projected, weights.hidden, *others, kind=kind, reverse=reverse, kept=kept, plain=_plain_steps
    )
    rest = iter(found)
    last = _state(kind, rest)
    if not kept:
        return (outputs, last), None
    before = _state(kind, rest)
    return (outputs, last), (tuple(rest) or (outputs,), before)


def _back_natively(kind: str, reverse: bool, residuals: Any, wanted: tuple[Array, State]) -> tuple[State, Any]:
    """As ``_steps_back``."""
    _, weights, _, kept, before = residuals
    outputs, last = wanted
    state = before.hidden if kind == "GRU" else before.memory  # a plain layer's is its output, which was kept
    read = [item for item in (*last, state, *kept) if item is not None]
    found = native.gradients(outputs, weights.hidden, *read, kind=kind, reverse=reverse, plain=_plain_steps_back)
    rest = iter(found)
    projected, carried = next(rest), next(rest) if kind == "GRU" else None
    return _state(kind, rest), (projected, carried, None)


def _plain_steps(
    projected: Array, weight: Array, *others: Array, kind: str, reverse: bool, kept: bool
) -> Sequence[Array]:
    """What the kernel for the steps computes."""
    rest = iter(others)
    weights = Weights(weight, weight, None, None, None)
    state = _state(kind, rest)
    weights = weights._replace(hidden_bias=next(rest, None))
    last, (outputs, gates, before) = _steps(kind, reverse, projected, state, weights, None)
    own_gates = () if kind.startswith("RNN") else gates  # a plain layer's is its output
    for_way_back = (*before, *own_gates) if kept else ()
    return [item for item in (outputs, *last, *for_way_back) if item is not None]


def _plain_steps_back(wanted: Array, weight: Array, *others: Array, kind: str, reverse: bool) -> Sequence[Array]:
    """What the kernel for the way back computes."""
    rest = iter(others)
    last, state = _state(kind, rest), next(rest)
    before = State(state, state if kind == "LSTM" else None)  # of an LSTM's, it reads the memory alone
    residuals = (None, Weights(weight, weight, None, None, None), None, tuple(rest) or (state,), before)
    first, (projected, carried, _) = _steps_back(kind, reverse, residuals, (wanted, last))
    return [item for item in (projected, carried, *first) if item is not None]


# -- products of all steps -----------------------------------------------------------------------------------------


def _projected(x: Array, weight: Array, bias: Array | None) -> Array:
    operands = (x, weight) if bias is None else (x, weight, bias)
    return linear(*operands) if multiplies(operands) else _plus(jnp.matmul(x, weight.T), bias)


def _input_gradient(gradients: Array, x: Array, weight: Array) -> Array:
    """Apart from those of the weights, so that XLA can leave it out where nobody wants it."""
    if multiplies((x, weight)):
        return jax.vjp(lambda x: linear(x, weight), x)[1](gradients)[0]
    return jnp.matmul(gradients, weight)


def _weight_gradients(gradients: Array, x: Array, weight: Array, bias: Array | None) -> tuple[Array, Array | None]:
    """Those of the weight and of the bias, if there is one."""
    if multiplies((x, weight)):
        own = (weight,) if bias is None else (weight, bias)
        found = jax.vjp(partial(linear, x), *own)[1](gradients)
        return found[0], None if bias is None else found[1]
    return _product(gradients, x), None if bias is None else jnp.sum(_flat(gradients), 0)


def _plus(x: Array, other: Array | None) -> Array:
    return x if other is None else x + other


def _flat(x: Array) -> Array:
    return x.reshape(-1, x.shape[-1])


def _product(gradients: Array, inputs: Array) -> Array:
    """Gradient of a weight: the sum over all rows of gradient times input.

    XLA's CPU takes nearly twice as long for the product whose result is (gates, inputs), so it is given the other one;
    without the barrier it would turn that around again.
    """
    return jax.lax.optimization_barrier(jnp.matmul(_flat(inputs).T, _flat(gradients))).T


_layer.defvjp(_forward, _backward)


# -- loops over steps ----------------------------------------------------------------------------------------------


def _loop(packing: Packing | None) -> _Loop:
    """The loop over steps as ``lax.scan`` is one, or as packed sequences need it."""
    if packing is None:
        return lambda step, state, arrays, reverse: jax.lax.scan(step, state, arrays, reverse=reverse)
    return partial(_over_packed, packing)


def _over_packed(
    packing: Packing, step: Callable[[Any, Any], Any], state: Any, arrays: Any, reverse: bool
) -> tuple[Any, Any]:
    """A scan over packed rows: each step takes a stretch as long as the batch, and leaves what is no longer its own.

    The sequences of a step are the first ones of the batch, so that those which have ended, or not begun when going
    backward, keep their state.
    """
    plan, steps = packing
    batch = state.hidden.shape[0]
    rows = jnp.arange(batch)[:, None]
    shapes = jax.eval_shape(step, state, jax.tree.map(lambda item: item[:batch], arrays))[1]
    length = jax.tree.leaves(arrays)[0].shape[0]
    made = jax.tree.map(lambda item: jnp.zeros((length, *item.shape[1:]), item.dtype), shapes)

    def body(index: Array, current: Any) -> Any:
        state, made = current
        turn = jnp.where(reverse, steps - 1 - index, index)
        start = plan[1, turn]
        own = rows < jnp.where(index < steps, plan[0, turn], 0)
        stretch = jax.tree.map(lambda item: jax.lax.dynamic_slice_in_dim(item, start, batch), arrays)
        new, results = step(state, stretch)

        def put(whole: Array, part: Array) -> Array:
            old = jax.lax.dynamic_slice_in_dim(whole, start, batch)
            return jax.lax.dynamic_update_slice_in_dim(whole, jnp.where(own, part, old), start, 0)

        return jax.tree.map(lambda new, old: jnp.where(own, new, old), new, state), jax.tree.map(put, made, results)

    closed, constants = jax.closure_convert(body, jnp.zeros((), steps.dtype), (state, made))
    return _repeated(closed, plan.shape[1], steps, (state, made), constants)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _repeated(body: Callable[..., Any], limit: int, count: Array, state: Any, constants: Any) -> Any:
    """``state = body(index, state, *constants)``, as often as ``count``, which is not known before running, says."""
    return jax.lax.fori_loop(0, count, lambda index, state: body(index, state, *constants), state)


def _repeated_forward(body: Callable[..., Any], limit: int, count: Array, state: Any, constants: Any) -> Any:
    """For second derivatives: ``limit`` times, as JAX cannot go back through a loop of unknown length."""

    def all_times(state: Any, constants: Any) -> Any:
        return jax.lax.fori_loop(0, limit, lambda index, state: body(index, state, *constants), state)

    return jax.vjp(all_times, state, constants)


def _repeated_backward(body: Callable[..., Any], limit: int, pull: Callable[..., Any], wanted: Any) -> Any:
    return (None, *pull(wanted))


_repeated.defvjp(_repeated_forward, _repeated_backward)


# -- the cell ------------------------------------------------------------------------------------------------------


@primitive(variadic=True, grad_name="RecurrentCellBackward0")
def recurrent_cell(inputs: tuple[Array, ...], kind: str, biased: bool) -> Any:
    """One step of a layer.

    Takes (x, hidden state, memory of an LSTM, input weight, hidden weight, both biases if ``biased``), x as (batch,
    input_size). Returns the new hidden state, and the new memory of an LSTM.
    """
    x, state, weights = _grouped([wide(item) for item in inputs], kind, biased, projected=False)
    projected = _plus(jnp.matmul(x, weights.input.T), weights.input_bias)
    carried = _plus(jnp.matmul(state.hidden, weights.hidden.T), weights.hidden_bias)
    _, output, memory = CELLS[kind].forward(projected, carried, state.hidden, state.memory)
    kind_of = inputs[0].dtype
    return output.astype(kind_of) if memory is None else (output.astype(kind_of), memory.astype(kind_of))
