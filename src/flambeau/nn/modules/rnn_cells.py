"""Single steps of recurrent layers, for loops of one's own."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from flambeau.nn import init
from flambeau.nn.modules.module import Module
from flambeau.nn.parameter import Parameter
from flambeau.tensors.creation import empty, zeros
from flambeau.tensors.recurrence import gru_cell, lstm_cell, rnn_relu_cell, rnn_tanh_cell
from flambeau.tensors.tensor import Tensor

__all__ = ["GRUCell", "LSTMCell", "RNNCell", "RNNCellBase"]

_STEPS: Final = {"tanh": rnn_tanh_cell, "relu": rnn_relu_cell}


class RNNCellBase(Module):
    """What ``RNNCell``, ``LSTMCell`` and ``GRUCell`` have in common.

    Args:
        input_size: number of features of the input.
        hidden_size: number of features of the hidden state.
        bias: whether there are biases.
        num_chunks: number of gates.
        device: where the parameters live.
        dtype: their data type.

    Source: https://docs.pytorch.org/docs/stable/nn.html#recurrent-layers
    """

    __constants__: ClassVar[list[str]] = ["input_size", "hidden_size", "bias"]
    input_size: int
    hidden_size: int
    bias: bool
    weight_ih: Tensor
    weight_hh: Tensor
    bias_ih: Tensor | None
    bias_hh: Tensor | None

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool, num_chunks: int, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        gates = num_chunks * hidden_size
        self.weight_ih = Parameter(empty((gates, input_size), device=device, dtype=dtype))
        self.weight_hh = Parameter(empty((gates, hidden_size), device=device, dtype=dtype))
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, Parameter(empty(gates, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights anew, uniformly from [-1/sqrt(hidden_size), 1/sqrt(hidden_size))."""
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def extra_repr(self) -> str:
        """Sizes, and what is not at its default."""
        text = f"{self.input_size}, {self.hidden_size}"
        if self.__dict__.get("bias", True) is not True:
            text += f", bias={self.bias}"
        if self.__dict__.get("nonlinearity", "tanh") != "tanh":
            text += f", nonlinearity={self.__dict__['nonlinearity']}"
        return text

    @property
    def _weights(self) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        return self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh

    def _check_rank(self, cell: str, what: str, tensor: Tensor) -> None:
        if tensor.dim() not in (1, 2):
            raise ValueError(f"{cell}: Expected {what} to be 1D or 2D, got {tensor.dim()}D instead")

    def _batch(self, input: Tensor, states: Sequence[Tensor] | None, count: int) -> tuple[Tensor, list[Tensor]]:
        """Input and states of a batch, of one sequence if there is none; states of zeros if there are none."""
        lone = input.dim() == 1
        batch = input.unsqueeze(0) if lone else input
        if states is None:
            first = zeros(batch.size(0), self.hidden_size, dtype=input.dtype, device=input.device)
            return batch, [first] * count
        return batch, [state.unsqueeze(0) if lone else state for state in states]


class RNNCell(RNNCellBase):
    """One step of a plain recurrent network: ``tanh(x @ w_ih.T + b_ih + h @ w_hh.T + b_hh)``.

    Args:
        input_size: number of features of the input.
        hidden_size: number of features of the hidden state.
        bias: whether there are biases.
        nonlinearity: ``"tanh"`` or ``"relu"``.
        device: where the parameters live.
        dtype: their data type.

    Attributes:
        weight_ih, weight_hh: (hidden_size, input_size) and (hidden_size, hidden_size), uniform from
            [-1/sqrt(hidden_size), 1/sqrt(hidden_size)).
        bias_ih, bias_hh: (hidden_size,), likewise; or None.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.RNNCell(3, 2)(torch.ones(4, 3)).shape
        torch.Size([4, 2])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.RNNCell.html
    """

    __constants__: ClassVar[list[str]] = ["input_size", "hidden_size", "bias", "nonlinearity"]
    nonlinearity: str

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, num_chunks=1, device=device, dtype=dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """The new hidden state.

        Args:
            input: (batch, input_size) or (input_size,).
            hx: hidden state, (batch, hidden_size) or (hidden_size,); zeros if None.

        Raises:
            ValueError: a tensor has another number of dimensions.
            RuntimeError: sizes do not fit, or there is no such nonlinearity.
        """
        self._check_rank("RNNCell", "input", input)
        if hx is not None:
            self._check_rank("RNNCell", "hidden", hx)
        batch, states = self._batch(input, None if hx is None else (hx,), 1)
        if self.nonlinearity not in _STEPS:
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        result = _STEPS[self.nonlinearity](batch, states[0], *self._weights)
        return result.squeeze(0) if input.dim() == 1 else result


class LSTMCell(RNNCellBase):
    """One step of an LSTM; see ``LSTM`` for the formulas.

    Args:
        input_size: number of features of the input.
        hidden_size: number of features of the states.
        bias: whether there are biases.
        device: where the parameters live.
        dtype: their data type.

    Attributes:
        weight_ih, weight_hh: (4 * hidden_size, input_size) and (4 * hidden_size, hidden_size), uniform from
            [-1/sqrt(hidden_size), 1/sqrt(hidden_size)).
        bias_ih, bias_hh: (4 * hidden_size,), likewise; or None.

    Example:
        >>> import flambeau as torch
        >>> hidden, cell = torch.nn.LSTMCell(3, 2)(torch.ones(4, 3))
        >>> hidden.shape, cell.shape
        (torch.Size([4, 2]), torch.Size([4, 2]))

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTMCell.html
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, num_chunks=4, device=device, dtype=dtype)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """The new hidden state and the new cell state.

        Args:
            input: (batch, input_size) or (input_size,).
            hx: hidden state and cell state, (batch, hidden_size) or (hidden_size,) each; zeros if None.

        Raises:
            ValueError: a tensor has another number of dimensions.
            RuntimeError: sizes do not fit.
        """
        self._check_rank("LSTMCell", "input", input)
        for index, state in enumerate(hx or ()):
            self._check_rank("LSTMCell", f"hx[{index}]", state)
        batch, states = self._batch(input, hx, 2)
        hidden, cell = lstm_cell(batch, states, *self._weights)
        return (hidden.squeeze(0), cell.squeeze(0)) if input.dim() == 1 else (hidden, cell)


class GRUCell(RNNCellBase):
    """One step of a GRU; see ``GRU`` for the formulas.

    Args:
        input_size: number of features of the input.
        hidden_size: number of features of the hidden state.
        bias: whether there are biases.
        device: where the parameters live.
        dtype: their data type.

    Attributes:
        weight_ih, weight_hh: (3 * hidden_size, input_size) and (3 * hidden_size, hidden_size), uniform from
            [-1/sqrt(hidden_size), 1/sqrt(hidden_size)).
        bias_ih, bias_hh: (3 * hidden_size,), likewise; or None.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.GRUCell(3, 2)(torch.ones(4, 3)).shape
        torch.Size([4, 2])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.GRUCell.html
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, num_chunks=3, device=device, dtype=dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """The new hidden state.

        Args:
            input: (batch, input_size) or (input_size,).
            hx: hidden state, (batch, hidden_size) or (hidden_size,); zeros if None.

        Raises:
            ValueError: a tensor has another number of dimensions.
            RuntimeError: sizes do not fit.
        """
        self._check_rank("GRUCell", "input", input)
        if hx is not None:
            self._check_rank("GRUCell", "hidden", hx)
        batch, states = self._batch(input, None if hx is None else (hx,), 1)
        result = gru_cell(batch, states[0], *self._weights)
        return result.squeeze(0) if input.dim() == 1 else result
