"""Recurrent layers."""

import math
import numbers
import warnings
import weakref
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final, Self, cast

from flambeau.nn import init
from flambeau.nn.modules.module import Module
from flambeau.nn.modules.rnn_cells import GRUCell, LSTMCell, RNNCell, RNNCellBase
from flambeau.nn.packed_sequence import PackedSequence
from flambeau.nn.parameter import Parameter
from flambeau.tensors.core import CASTING
from flambeau.tensors.creation import empty, zeros
from flambeau.tensors.recurrence import gru, lstm, rnn_relu, rnn_tanh
from flambeau.tensors.tensor import Tensor

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNBase", "RNNCell", "RNNCellBase"]

# By mode: what computes it, and how many blocks of hidden_size its weights have.
_MODES: Final[dict[str, tuple[Callable[..., Any], int]]] = {
    "LSTM": (lstm, 4),
    "GRU": (gru, 3),
    "RNN_TANH": (rnn_tanh, 1),
    "RNN_RELU": (rnn_relu, 1),
}
_NONLINEARITIES: Final = {"tanh": "RNN_TANH", "relu": "RNN_RELU"}
_ONLY_LSTM = "proj_size argument is only supported for LSTM, not RNN or GRU"


class RNNBase(Module):
    """What ``RNN``, ``LSTM`` and ``GRU`` have in common: weights by layer and direction, and the checks.

    Args:
        mode: ``"RNN_TANH"``, ``"RNN_RELU"``, ``"LSTM"`` or ``"GRU"``.
        input_size: number of features of the input.
        hidden_size: number of features of the hidden state.
        num_layers: number of layers; each after the first reads the outputs of the one before.
        bias: whether there are biases.
        batch_first: whether inputs and outputs are (batch, steps, ...) instead of (steps, batch, ...).
        dropout: probability of a zero between layers, in training.
        bidirectional: whether every layer also runs from the end to the beginning.
        proj_size: size to which an LSTM's hidden state is projected; 0 does not.
        device: where the parameters live.
        dtype: their data type.

    Attributes:
        all_weights: the parameters, one list for each layer and direction.

    Raises:
        TypeError: a size is no whole number, or ``bias`` or ``batch_first`` no bool.
        ValueError: a size, the mode or the probability is out of range.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.RNNBase.html
    """

    __constants__: ClassVar[list[str]] = [
        "mode",
        "input_size",
        "hidden_size",
        "num_layers",
        "bias",
        "batch_first",
        "dropout",
        "bidirectional",
        "proj_size",
    ]
    mode: str
    input_size: int
    hidden_size: int
    num_layers: int
    bias: bool
    batch_first: bool
    dropout: float
    bidirectional: bool
    proj_size: int
    _flat_weights: list[Tensor | None]
    _flat_weights_names: list[str]
    _flat_weight_refs: "list[weakref.ref[Tensor] | None]"
    _all_weights: list[list[str]]

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self._flat_weight_refs = []
        _check_dropout(dropout, num_layers)
        self._check_arguments()
        self._all_weights = self._names()
        self._flat_weights_names = []
        for index, names in enumerate(self._all_weights):
            for name, shape in zip(names, self._shapes(index), strict=True):
                setattr(self, name, Parameter(empty(shape, device=device, dtype=dtype)))
            self._flat_weights_names.extend(names)
        self._init_flat_weights()
        self.reset_parameters()

    def _check_arguments(self) -> None:
        """Raise TypeError or ValueError, in PyTorch's words, for arguments that cannot be."""
        for name, kind in (("bias", bool), ("batch_first", bool), ("input_size", int), ("hidden_size", int)):
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise TypeError(f"{name} should be of type {kind.__name__}, got: {type(value).__name__}")
            if kind is int and value <= 0:
                raise ValueError(f"{name} must be greater than zero")
        if self.num_layers <= 0:
            raise ValueError("num_layers must be greater than zero")
        if self.proj_size < 0:
            raise ValueError("proj_size should be a positive integer or zero to disable projections")
        if self.proj_size >= self.hidden_size:
            raise ValueError("proj_size has to be smaller than hidden_size")
        if self.mode not in _MODES:
            raise ValueError("Unrecognized RNN mode: " + self.mode)

    # -- weights ---------------------------------------------------------------------------------------------------

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    def _names(self) -> list[list[str]]:
        """Names of the parameters, one list for each layer and direction."""
        kinds = ["weight_ih", "weight_hh", *(["bias_ih", "bias_hh"] if self.bias else [])]
        if self.proj_size > 0:
            kinds.append("weight_hr")
        ends = ["", "_reverse"][: self._directions]
        return [[f"{kind}_l{layer}{end}" for kind in kinds] for layer in range(self.num_layers) for end in ends]

    def _shapes(self, index: int) -> list[tuple[int, ...]]:
        """Shapes of the parameters of a layer and direction, in the order of their names."""
        gates = _MODES[self.mode][1] * self.hidden_size
        size = self.proj_size or self.hidden_size
        entering = self.input_size if index < self._directions else size * self._directions
        shapes = [(gates, entering), (gates, size), *([(gates,), (gates,)] if self.bias else [])]
        return [*shapes, (self.proj_size, self.hidden_size)] if self.proj_size else shapes

    def _init_flat_weights(self) -> None:
        """Gather the parameters, in their order, into ``_flat_weights``."""
        self._flat_weights = [getattr(self, name, None) for name in self._flat_weights_names]
        self._refer()
        self.flatten_parameters()

    def _refer(self) -> None:
        self._flat_weight_refs = [None if item is None else weakref.ref(item) for item in self._flat_weights]

    def _weights_have_changed(self) -> bool:
        """Whether a weight is another object than at the last call, as inside ``torch.func.functional_call``."""
        for reference, name in zip(self._flat_weight_refs, self._flat_weights_names, strict=True):
            weight = getattr(self, name, None)
            if weight is not None and reference is not None and reference() is not weight:
                return True
        return False

    def _update_flat_weights(self) -> None:
        if self._weights_have_changed():
            self._init_flat_weights()

    def __setattr__(self, name: str, value: Any) -> None:
        names = self.__dict__.get("_flat_weights_names", ())
        if name in names and "_flat_weights" in self.__dict__:
            self._flat_weights[names.index(name)] = value
        super().__setattr__(name, value)

    def flatten_parameters(self) -> None:
        """Does nothing: how weights lie in memory is XLA's business.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.RNNBase.html#torch.nn.RNNBase.flatten_parameters
        """

    def reset_parameters(self) -> None:
        """Draw all weights anew, uniformly from [-1/sqrt(hidden_size), 1/sqrt(hidden_size))."""
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The parameters, one list for each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)
        self._init_flat_weights()
        return self

    def __getstate__(self) -> dict[str, Any]:
        self._update_flat_weights()
        return {name: value for name, value in self.__dict__.items() if name != "_flat_weight_refs"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "all_weights" in state:
            self._all_weights = state["all_weights"]
        if "proj_size" not in state:
            self.proj_size = 0
        if not isinstance(self._all_weights[0][0], str):  # pickled before the weights had names there
            self._all_weights = self._names()
            self._flat_weights_names = [name for names in self._all_weights for name in names]
            self._flat_weights = [getattr(self, name, None) for name in self._flat_weights_names]
        self._refer()

    def _replicate_for_data_parallel(self) -> Module:
        replica = cast("Any", super()._replicate_for_data_parallel())
        replica._flat_weights = replica._flat_weights[:]
        replica._flat_weights_names = replica._flat_weights_names[:]
        return replica

    # -- checks ----------------------------------------------------------------------------------------------------

    def check_input(self, input: Tensor, batch_sizes: Tensor | None) -> None:
        """Raise ValueError or RuntimeError where an input does not fit."""
        weight = cast("Tensor", self._flat_weights[0])
        if input.dtype is not weight.dtype and not CASTING:
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({weight.dtype}). Convert input: "
                f"input.to({weight.dtype}), or convert model: model.to({input.dtype})"
            )
        rank = 3 if batch_sizes is None else 2
        if input.dim() != rank:
            raise RuntimeError(f"input must have {rank} dimensions, got {input.dim()}")
        if input.size(-1) != self.input_size:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {input.size(-1)}"
            )

    def get_expected_hidden_size(self, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
        """Shape of the hidden state for an input."""
        return self._state_size(input, batch_sizes, self.proj_size or self.hidden_size)

    def _state_size(self, input: Tensor, batch_sizes: Tensor | None, size: int) -> tuple[int, int, int]:
        batch = input.size(0 if self.batch_first else 1) if batch_sizes is None else int(batch_sizes.host()[0])
        return (self.num_layers * self._directions, batch, size)

    def check_hidden_size(
        self, hx: Tensor, expected_hidden_size: tuple[int, int, int], msg: str = "Expected hidden size {}, got {}"
    ) -> None:
        """Raise RuntimeError where a state has another shape."""
        if tuple(hx.shape) != tuple(expected_hidden_size):
            raise RuntimeError(msg.format(expected_hidden_size, list(hx.shape)))

    def check_forward_args(self, input: Tensor, hidden: Any, batch_sizes: Tensor | None) -> None:
        """Raise ValueError or RuntimeError where input or state do not fit."""
        self.check_input(input, batch_sizes)
        self.check_hidden_size(hidden, self.get_expected_hidden_size(input, batch_sizes))

    def _check_ranks(self, hx: Any, batched: bool) -> None:
        """Raise RuntimeError where a state has not as many dimensions as the input."""
        if hx.dim() != (3 if batched else 2):
            which, rank = ("batched 3-D", 3) if batched else ("unbatched 2-D", 2)
            raise RuntimeError(f"For {which} input, hx should also be {rank}-D but got {hx.dim()}-D tensor")

    # -- computing -------------------------------------------------------------------------------------------------

    def permute_hidden(self, hx: Any, permutation: Tensor | None) -> Any:
        """The states with the sequences of the batch in another order."""
        return hx if permutation is None else _each(hx, lambda state: state.index_select(1, permutation))

    def _first_state(self, input: Tensor, batch_sizes: Tensor | None) -> Any:
        """The state where none is given."""
        size = self.get_expected_hidden_size(input, batch_sizes)
        return zeros(size, dtype=input.dtype, device=input.device)

    def _recur(self, input: Any, hx: Any) -> tuple[Any, Any]:
        """What ``forward`` does."""
        self._update_flat_weights()
        if isinstance(input, PackedSequence):
            return self._recur_packed(input, hx)
        rank, axis = input.dim(), 0 if self.batch_first else 1
        if rank not in (2, 3):
            kind = type(self).__name__ if self.mode not in _NONLINEARITIES.values() else "RNN"
            end = "D tensor instead" if kind == "RNN" else "D instead"
            raise ValueError(f"{kind}: Expected input to be 2D or 3D, got {rank}{end}")
        batched = rank == 3
        data = input if batched else input.unsqueeze(axis)
        if hx is None:
            hx = self._first_state(data, None)
        else:
            self._check_ranks(hx, batched)
            hx = hx if batched else _each(hx, lambda state: state.unsqueeze(1))
        self.check_forward_args(data, hx, None)
        output, hidden = self._computed((data, hx), (self.batch_first,))
        if batched:
            return output, hidden
        return output.squeeze(axis), _each(hidden, lambda state: state.squeeze(1))

    def _recur_packed(self, input: PackedSequence, hx: Any) -> tuple[PackedSequence, Any]:
        """What ``forward`` does with packed sequences."""
        data, batch_sizes, order, back = input
        hx = self._first_state(data, batch_sizes) if hx is None else self.permute_hidden(hx, order)
        if self.mode != "LSTM":  # PyTorch leaves an LSTM's to what computes it
            self.check_forward_args(data, hx, batch_sizes)
        output, hidden = self._computed((data, batch_sizes, hx), ())
        return PackedSequence(output, batch_sizes, order, back), self.permute_hidden(hidden, back)

    def _computed(self, before: Sequence[Any], after: Sequence[Any]) -> tuple[Tensor, Any]:
        """Output and last state."""
        settings = (self.bias, self.num_layers, self.dropout, self.training, self.bidirectional)
        output, *states = _MODES[self.mode][0](*before, self._flat_weights, *settings, *after)
        return output, tuple(states) if len(states) > 1 else states[0]

    def extra_repr(self) -> str:
        """Sizes, and what is not at its default."""
        text = f"{self.input_size}, {self.hidden_size}"
        usual = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0}
        for name, default in {**usual, "bidirectional": False}.items():
            value = getattr(self, name)
            if value != default:
                text += f", {name}={value}"
        return text


def _check_dropout(dropout: Any, num_layers: int) -> None:
    """Raise ValueError for what is no probability; warn where it has no effect."""
    if not isinstance(dropout, numbers.Number) or isinstance(dropout, bool) or not 0 <= cast("float", dropout) <= 1:
        raise ValueError(
            "dropout should be a number in range [0, 1] representing the probability of an element being zeroed"
        )
    if cast("float", dropout) > 0 and num_layers == 1:
        warnings.warn(
            "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects num_layers "
            f"greater than 1, but got dropout={dropout} and num_layers={num_layers}",
            stacklevel=4,
        )


def _each(states: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """One state, or both of an LSTM, changed."""
    return change(states) if isinstance(states, Tensor) else (change(states[0]), change(states[1]))


class RNN(RNNBase):
    """Plain recurrent network: ``h = tanh(x @ w_ih.T + b_ih + h @ w_hh.T + b_hh)`` at every step.

    Args:
        args: input_size, hidden_size, num_layers=1, nonlinearity="tanh", bias=True, batch_first=False, dropout=0.0,
            bidirectional=False, device=None, dtype=None.
        kwargs: the same by name.

    Attributes:
        weight_ih_l0: (hidden_size, input_size); weight_hh_l0, bias_ih_l0, bias_hh_l0 and those of the other layers
            and of the other direction (``weight_ih_l0_reverse``) likewise.

    Raises:
        TypeError: a size is no whole number, or ``bias`` or ``batch_first`` no bool.
        ValueError: a size or probability is out of range, or the nonlinearity is neither ``tanh`` nor ``relu``.

    Example:
        >>> import flambeau as torch
        >>> rnn = torch.nn.RNN(10, 20, num_layers=2)
        >>> output, hidden = rnn(torch.ones(5, 3, 10))
        >>> output.shape, hidden.shape
        (torch.Size([5, 3, 20]), torch.Size([2, 3, 20]))

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.RNN.html
    """

    nonlinearity: str

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError(_ONLY_LSTM)
        if len(args) > 3:
            self.nonlinearity = args[3]
            args = args[:3] + args[4:]
        else:
            self.nonlinearity = kwargs.pop("nonlinearity", "tanh")
        if self.nonlinearity not in _NONLINEARITIES:
            raise ValueError(f"Unknown nonlinearity '{self.nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__(_NONLINEARITIES[self.nonlinearity], *args, **kwargs)

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        """Outputs of the last layer at every step, and the last hidden states of all layers.

        Args:
            input: (steps, batch, input_size), (batch, steps, input_size) if ``batch_first``, (steps, input_size), or
                a ``PackedSequence``.
            hx: first hidden states, (num_layers * directions, batch, hidden_size); zeros if None.

        Returns:
            As the input, with (directions * hidden_size) features; and states as ``hx``.

        Raises:
            ValueError: the input has another number of dimensions or another data type.
            RuntimeError: sizes do not fit.
        """
        return self._recur(input, hx)


class LSTM(RNNBase):
    """Long short-term memory: gates decide what the cell state takes in, forgets and shows.

    i, f, o = sigmoid(...), g = tanh(...) of ``x @ w_ih.T + b_ih + h @ w_hh.T + b_hh``; ``c = f * c + i * g``;
    ``h = o * tanh(c)``, with a projection ``h = w_hr @ (o * tanh(c))``.

    Args:
        args: input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0, bidirectional=False,
            proj_size=0, device=None, dtype=None.
        kwargs: the same by name.

    Attributes:
        weight_ih_l0: (4 * hidden_size, input_size), the gates i, f, g, o; weight_hh_l0, bias_ih_l0, bias_hh_l0,
            weight_hr_l0 (proj_size, hidden_size), and those of the other layers and direction likewise.

    Raises:
        TypeError: a size is no whole number, or ``bias`` or ``batch_first`` no bool.
        ValueError: a size or probability is out of range.

    Example:
        >>> import flambeau as torch
        >>> lstm = torch.nn.LSTM(10, 20, bidirectional=True)
        >>> output, (hidden, cell) = lstm(torch.ones(5, 3, 10))
        >>> output.shape, hidden.shape, cell.shape
        (torch.Size([5, 3, 40]), torch.Size([2, 3, 20]), torch.Size([2, 3, 20]))

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)

    def get_expected_cell_size(self, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
        """Shape of the cell state for an input."""
        return self._state_size(input, batch_sizes, self.hidden_size)

    def check_forward_args(self, input: Tensor, hidden: Any, batch_sizes: Tensor | None) -> None:
        """Raise ValueError or RuntimeError where input or states do not fit."""
        self.check_input(input, batch_sizes)
        sizes = self.get_expected_hidden_size(input, batch_sizes), self.get_expected_cell_size(input, batch_sizes)
        for index, size in enumerate(sizes):
            self.check_hidden_size(hidden[index], size, f"Expected hidden[{index}] size {{}}, got {{}}")

    def _check_ranks(self, hx: Any, batched: bool) -> None:
        ranks = hx[0].dim(), hx[1].dim()
        if ranks != ((3, 3) if batched else (2, 2)):
            which, rank = ("batched 3-D", 3) if batched else ("unbatched 2-D", 2)
            raise RuntimeError(
                f"For {which} input, hx and cx should also be {rank}-D but got ({ranks[0]}-D, {ranks[1]}-D) tensors"
            )

    def _first_state(self, input: Tensor, batch_sizes: Tensor | None) -> Any:
        cell = self.get_expected_cell_size(input, batch_sizes)
        return super()._first_state(input, batch_sizes), zeros(cell, dtype=input.dtype, device=input.device)

    def forward(self, input: Any, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Any, tuple[Tensor, Tensor]]:
        """Outputs of the last layer at every step, and the last states of all layers.

        Args:
            input: (steps, batch, input_size), (batch, steps, input_size) if ``batch_first``, (steps, input_size), or
                a ``PackedSequence``.
            hx: first hidden and cell states, (num_layers * directions, batch, hidden_size) each (the hidden state
                with ``proj_size``, if that is set); zeros if None.

        Returns:
            As the input, with (directions * hidden_size) features; and the pair of states.

        Raises:
            ValueError: the input has another number of dimensions or another data type.
            RuntimeError: sizes do not fit.
        """
        return self._recur(input, hx)


class GRU(RNNBase):
    """Gated recurrent unit: gates decide how much of the state is kept, and how much of it the new one sees.

    r, z = sigmoid(...) of ``x @ w_ih.T + b_ih + h @ w_hh.T + b_hh``; ``n = tanh(x_n + r * h_n)``;
    ``h = (1 - z) * n + z * h``.

    Args:
        args: input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0, bidirectional=False,
            device=None, dtype=None.
        kwargs: the same by name.

    Attributes:
        weight_ih_l0: (3 * hidden_size, input_size), the gates r, z, n; weight_hh_l0, bias_ih_l0, bias_hh_l0, and those
            of the other layers and direction likewise.

    Raises:
        TypeError: a size is no whole number, or ``bias`` or ``batch_first`` no bool.
        ValueError: a size or probability is out of range.

    Example:
        >>> import flambeau as torch
        >>> gru = torch.nn.GRU(10, 20, batch_first=True)
        >>> output, hidden = gru(torch.ones(3, 5, 10))
        >>> output.shape, hidden.shape
        (torch.Size([3, 5, 20]), torch.Size([1, 3, 20]))

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.GRU.html
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError(_ONLY_LSTM)
        super().__init__("GRU", *args, **kwargs)

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        """Outputs of the last layer at every step, and the last hidden states of all layers; see ``RNN.forward``."""
        return self._recur(input, hx)
