"""Recurrent networks as functions: layers stacked, in one or both directions, of padded or packed sequences."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from flambeau.dtypes.kinds import DTYPES
from flambeau.primitives.dropout import dropout as dropout_primitive
from flambeau.primitives.recurrence import recurrent_cell, recurrent_layer
from flambeau.tensors.core import CASTING, Core, call, wrap_array
from flambeau.tensors.generator import device_key
from flambeau.tensors.joining import cat, stack

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = [
    "gru",
    "gru_cell",
    "lstm",
    "lstm_cell",
    "rnn_relu",
    "rnn_relu_cell",
    "rnn_tanh",
    "rnn_tanh_cell",
]

_PADDED = ("input", "hx", "params", "has_biases", "num_layers", "dropout", "train", "bidirectional", "batch_first")
_PACKED = ("data", "batch_sizes", "hx", "params", "has_biases", "num_layers", "dropout", "train", "bidirectional")


class _Network(NamedTuple):
    """The arguments of a call.

    Attributes:
        kind: which cell, as ``primitives.cells`` names it.
        data: (steps, batch, input_size), or (rows, input_size) of packed sequences.
        states: the first hidden states, and an LSTM's memories, (layers * directions, batch, size).
        params: all weights, layer by layer and direction by direction.
        packing: plan and number of steps of packed sequences; empty for padded ones.
    """

    kind: str
    data: "Tensor"
    states: "tuple[Tensor, ...]"
    params: "Sequence[Tensor]"
    biased: bool
    layers: int
    dropout: float
    train: bool
    directions: int
    packing: tuple[Any, ...]


def lstm(*args: Any, **kwargs: Any) -> "tuple[Tensor, Tensor, Tensor]":
    """An LSTM: what ``nn.LSTM`` computes.

    Called as ``lstm(input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first)``, or with
    packed sequences as ``lstm(data, batch_sizes, hx, params, has_biases, num_layers, dropout, train, bidirectional)``.

    Args:
        args: the arguments above: ``hx`` are hidden state and cell state, ``params`` all weights in the order of
            ``nn.LSTM.parameters()``.
        kwargs: the same by name.

    Returns:
        Outputs of the last layer, last hidden states and last cell states of every layer.

    Raises:
        RuntimeError: there are not two states, not the right number of weights, no steps, or sizes do not fit.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.LSTM(3, 2)
        >>> state = torch.zeros(1, 1, 2)
        >>> x = torch.ones(4, 1, 3)
        >>> y, h, c = torch.lstm(x, (state, state), list(layer.parameters()), True, 1, 0.0, False, False, False)
        >>> y.shape
        torch.Size([4, 1, 2])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html
    """
    return cast("tuple[Tensor, Tensor, Tensor]", _called("lstm", "LSTM", args, kwargs))


def gru(*args: Any, **kwargs: Any) -> "tuple[Tensor, Tensor]":
    """A GRU: what ``nn.GRU`` computes; called as ``lstm``, with one state and two results.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.GRU.html
    """
    return cast("tuple[Tensor, Tensor]", _called("gru", "GRU", args, kwargs))


def rnn_tanh(*args: Any, **kwargs: Any) -> "tuple[Tensor, Tensor]":
    """A plain recurrent network with ``tanh``, as ``nn.RNN``; called as ``lstm``, with one state and two results.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.RNN.html
    """
    return cast("tuple[Tensor, Tensor]", _called("rnn_tanh", "RNN_TANH", args, kwargs))


def rnn_relu(*args: Any, **kwargs: Any) -> "tuple[Tensor, Tensor]":
    """A plain recurrent network with ``relu``, as ``nn.RNN``; called as ``lstm``, with one state and two results.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.RNN.html
    """
    return cast("tuple[Tensor, Tensor]", _called("rnn_relu", "RNN_RELU", args, kwargs))


# -- layers --------------------------------------------------------------------------------------------------------


def _called(name: str, kind: str, args: Sequence[Any], kwargs: dict[str, Any]) -> "tuple[Tensor, ...]":
    """Run a network whose arguments are padded or packed sequences."""
    position = 1 if kind == "LSTM" else 2  # where only packed sequences have a tensor
    packed = "batch_sizes" in kwargs or (len(args) > position and isinstance(args[position], Core))
    given = _bound(name, _PACKED if packed else _PADDED, args, kwargs)
    states = tuple(given["hx"]) if kind == "LSTM" else (given["hx"],)
    if kind == "LSTM" and len(states) != 2:
        raise RuntimeError("lstm expects two hidden states")
    turned = not packed and given["batch_first"]
    data = given["data" if packed else "input"]
    network = _Network(
        kind,
        data.transpose(0, 1) if turned else data,
        states,
        list(given["params"]),
        bool(given["has_biases"]),
        int(given["num_layers"]),
        float(given["dropout"]),
        bool(given["train"]),
        2 if given["bidirectional"] else 1,
        _packing(given["batch_sizes"], data) if packed else (),
    )
    batch = int(given["batch_sizes"].host()[0]) if packed else network.data.shape[1]
    _check_states(states, network.layers * network.directions, batch)
    output, *last = _run(network)
    return (output.transpose(0, 1) if turned else output, *last)


def _bound(name: str, names: Sequence[str], args: Sequence[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Arguments by name; raises TypeError unless there is one for each."""
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    if len(args) > len(names) or given.keys() != set(names):
        raise TypeError(f"{name}(): expected the arguments ({', '.join(names)}), but got ({', '.join(given)})")
    return given


def _check_states(states: "Sequence[Tensor]", count: int, batch: int) -> None:
    """Raise RuntimeError, in PyTorch's words, unless there is a state for each layer, direction and sequence."""
    for state in states:
        if state.shape[0] != count:
            raise RuntimeError("Expected more hidden states in stacked_rnn")
        if state.shape[1] != batch:
            sizes = f"tensor a ({state.shape[1]}) must match the size of tensor b ({batch})"
            raise RuntimeError(f"The size of {sizes} at non-singleton dimension 0")


def _packing(batch_sizes: "Tensor", data: "Tensor") -> tuple[Any, ...]:
    """Plan and number of steps: inputs of the program, so that other lengths of the same sum need no other one."""
    sizes = batch_sizes.host()
    plan = np.zeros((2, data.shape[0]), np.int64)
    plan[0, : len(sizes)] = sizes
    plan[1, : len(sizes)] = np.cumsum(sizes) - sizes
    return wrap_array(plan, DTYPES["int64"], data.device), len(sizes)


def _run(network: _Network) -> "list[Tensor]":
    """Outputs of the last layer, and the last states of all."""
    each = _weights_of_each(network)
    output = network.data
    last: list[Sequence[Tensor]] = []
    for layer in range(network.layers):
        if layer and network.train and network.dropout:
            output = call(dropout_primitive, (output, device_key(None, output.device), network.dropout), (False,))
        outputs: list[Tensor] = []
        for direction in range(network.directions):
            index = layer * network.directions + direction
            found, *states = _run_layer(network, output, index, each[index])
            outputs.append(found)
            last.append(states)
        output = outputs[0] if len(outputs) == 1 else cat(outputs, -1)
    return [output, *[stack(states) for states in zip(*last, strict=True)]]


def _run_layer(network: _Network, data: "Tensor", index: int, weights: "Sequence[Tensor]") -> "Sequence[Tensor]":
    """One layer in one direction: outputs and last states."""
    states = [state[index] for state in network.states]
    projected = len(weights) % 2 == 1
    static = (network.kind, index % network.directions == 1, network.biased, projected, bool(network.packing))
    return call(recurrent_layer, (data, *states, *weights, *network.packing), static)


def _weights_of_each(network: _Network) -> "list[Sequence[Tensor]]":
    """The weights of each layer and direction; raises RuntimeError, in PyTorch's words, unless they come out even."""
    count = 4 if network.biased else 2
    if network.kind == "LSTM" and network.states[0].shape[-1] != network.states[1].shape[-1]:
        count += 1
    params = network.params
    if len(params) % count:
        raise RuntimeError(f"MatrixRef: ArrayRef size {len(params)} not divisible by stride {count}")
    if len(params) != count * network.layers * network.directions:
        raise RuntimeError("got an incorrect number of RNN parameters")
    return [params[start : start + count] for start in range(0, len(params), count)]


# -- cells ---------------------------------------------------------------------------------------------------------


def lstm_cell(
    input: "Tensor",
    hx: "Sequence[Tensor]",
    w_ih: "Tensor",
    w_hh: "Tensor",
    b_ih: "Tensor | None" = None,
    b_hh: "Tensor | None" = None,
) -> "tuple[Tensor, Tensor]":
    """One step of an LSTM: what ``nn.LSTMCell`` computes.

    Args:
        input: (batch, input_size).
        hx: hidden state and cell state, (batch, hidden_size) each.
        w_ih: (4 * hidden_size, input_size); the gates are input, forget, cell, output.
        w_hh: (4 * hidden_size, hidden_size).
        b_ih: (4 * hidden_size,).
        b_hh: likewise.

    Returns:
        The new hidden state and the new cell state.

    Raises:
        RuntimeError: there are not two states, or sizes do not fit.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTMCell.html
    """
    if len(hx) != 2:
        raise RuntimeError("lstm_cell expects two hidden states")
    return _cell("LSTM", input, hx, (w_ih, w_hh), (b_ih, b_hh))


def gru_cell(
    input: "Tensor",
    hx: "Tensor",
    w_ih: "Tensor",
    w_hh: "Tensor",
    b_ih: "Tensor | None" = None,
    b_hh: "Tensor | None" = None,
) -> "Tensor":
    """One step of a GRU: what ``nn.GRUCell`` computes; see ``lstm_cell``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.GRUCell.html
    """
    return _cell("GRU", input, (hx,), (w_ih, w_hh), (b_ih, b_hh))


def rnn_tanh_cell(
    input: "Tensor",
    hx: "Tensor",
    w_ih: "Tensor",
    w_hh: "Tensor",
    b_ih: "Tensor | None" = None,
    b_hh: "Tensor | None" = None,
) -> "Tensor":
    """``tanh(input @ w_ih.T + b_ih + hx @ w_hh.T + b_hh)``; see ``lstm_cell``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.RNNCell.html
    """
    return _cell("RNN_TANH", input, (hx,), (w_ih, w_hh), (b_ih, b_hh))


def rnn_relu_cell(
    input: "Tensor",
    hx: "Tensor",
    w_ih: "Tensor",
    w_hh: "Tensor",
    b_ih: "Tensor | None" = None,
    b_hh: "Tensor | None" = None,
) -> "Tensor":
    """``relu(input @ w_ih.T + b_ih + hx @ w_hh.T + b_hh)``; see ``lstm_cell``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.RNNCell.html
    """
    return _cell("RNN_RELU", input, (hx,), (w_ih, w_hh), (b_ih, b_hh))


def _cell(kind: str, input: "Tensor", states: "Sequence[Tensor]", weights: Any, biases: Any) -> Any:
    _check_cell(input, states, *weights)
    biased = biases[0] is not None
    return call(recurrent_cell, (input, *states, *weights, *(biases if biased else ())), (kind, biased))


def _check_cell(input: "Tensor", states: "Sequence[Tensor]", w_ih: "Tensor", w_hh: "Tensor") -> None:
    """Raise RuntimeError, in PyTorch's words, where sizes or types do not fit."""
    batch, size = input.shape
    if size != w_ih.shape[1]:
        raise RuntimeError(f"input has inconsistent input_size: got {size} expected {w_ih.shape[1]}")
    for index, state in enumerate(states):
        if state.shape[0] != batch:
            raise RuntimeError(f"Input batch size {batch} doesn't match hidden{index} batch size {state.shape[0]}")
        if state.shape[1] != w_hh.shape[1]:
            found, wanted = state.shape[1], w_hh.shape[1]
            raise RuntimeError(f"hidden{index} has inconsistent hidden_size: got {found}, expected {wanted}")
    for operand, weight in () if CASTING else ((input, w_ih), (states[0], w_hh)):
        if operand.dtype is not weight.dtype:
            names = [item.dtype.tensor_type.removesuffix("Tensor") for item in (operand, weight)]
            raise RuntimeError(f"mat1 and mat2 must have the same dtype, but got {names[0]} and {names[1]}")
