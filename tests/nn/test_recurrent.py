"""Recurrent layers by themselves: known values, packed sequences, dropout between layers, programs."""

import math
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence, pad_packed_sequence
from flambeau.testing import compilations

nn = torch.nn


def filled(layer: Any, value: float) -> Any:
    """A layer whose weights are all one number."""
    for weight in layer.parameters():
        nn.init.constant_(weight, value)
    return layer


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_an_lstm_by_hand() -> None:
    layer = filled(nn.LSTM(1, 1), 0.5)
    output, (hidden, cell) = layer(torch.tensor([[[1.0]], [[-2.0]]]))
    h = c = 0.0
    for x, found in zip((1.0, -2.0), output.flatten().tolist(), strict=True):
        gate = 0.5 * x + 0.5 * h + 1.0
        c = sigmoid(gate) * c + sigmoid(gate) * math.tanh(gate)
        h = sigmoid(gate) * math.tanh(c)
        assert found == pytest.approx(h, abs=1e-6)
    assert (hidden.item(), cell.item()) == (pytest.approx(h, abs=1e-6), pytest.approx(c, abs=1e-6))


def test_a_gru_by_hand() -> None:
    layer = filled(nn.GRU(1, 1), 0.5)
    output, _ = layer(torch.tensor([[[1.0]], [[-2.0]]]))
    h = 0.0
    for x, found in zip((1.0, -2.0), output.flatten().tolist(), strict=True):
        gate = sigmoid(0.5 * x + 0.5 * h + 1.0)
        new = math.tanh(0.5 * x + 0.5 + gate * (0.5 * h + 0.5))
        h = (1 - gate) * new + gate * h
        assert found == pytest.approx(h, abs=1e-6)


@pytest.mark.parametrize("kind", ["RNNCell", "LSTMCell", "GRUCell"])
def test_cells_are_layers_of_one_step(kind: str) -> None:
    cell, layer = getattr(nn, kind)(2, 3), getattr(nn, kind.removesuffix("Cell"))(2, 3)
    layer.load_state_dict({f"{name}_l0": value for name, value in cell.state_dict().items()})
    x = torch.randn(4, 2)
    found = cell(x)
    output, _ = layer(x[None])
    np.testing.assert_allclose(output[0].tolist(), (found if kind != "LSTMCell" else found[0]).tolist(), atol=1e-6)
    np.testing.assert_allclose(flat(cell(x[0]))[0], flat(found)[0][0], atol=1e-6)


def flat(states: Any) -> list[Any]:
    return [item.tolist() for item in (states if isinstance(states, tuple) else (states,))]


def test_packed_sequences_are_computed_one_by_one() -> None:
    torch.manual_seed(0)
    layer = nn.GRU(2, 3, bidirectional=True)
    sequences = [torch.randn(length, 2) for length in (2, 4, 1, 3)]
    output, hidden = layer(pack_sequence(sequences, enforce_sorted=False))
    assert isinstance(output, PackedSequence)
    padded, lengths = pad_packed_sequence(output)
    assert lengths.tolist() == [2, 4, 1, 3]
    for index, sequence in enumerate(sequences):
        alone, last = layer(sequence)
        np.testing.assert_allclose(padded[: len(sequence), index].tolist(), alone.tolist(), atol=1e-6)
        np.testing.assert_allclose(hidden[:, index].tolist(), last.tolist(), atol=1e-6)
        assert padded[len(sequence) :, index].abs().sum().item() == 0


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_packed_sequences_of_one_total_length_share_programs(kind: str) -> None:
    torch.manual_seed(0)
    layer = getattr(nn, kind)(2, 3)
    found: list[float] = []
    for limit, lengths in ((None, [4, 4, 1]), (0, [3, 3, 3]), (0, [7, 1, 1])):
        data = torch.ones(9, 2)
        sizes = torch.tensor([sum(length > step for length in lengths) for step in range(max(lengths))])
        with compilations(at_most=limit):
            layer.zero_grad()
            output, _ = layer(PackedSequence(data, sizes))
            output.data.square().sum().backward()
            found.append(layer.weight_hh_l0.grad.square().sum().item())
    assert len(set(found)) == 3


def test_gradients_of_packed_sequences_reach_the_padded_ones() -> None:
    layer = nn.LSTM(2, 3)
    x = torch.ones(3, 2, 2, requires_grad=True)
    output, _ = layer(pack_padded_sequence(x, [3, 1]))
    output.data.sum().backward()
    assert (x.grad.abs().sum(2) > 0).tolist() == [[True, True], [True, False], [True, False]]


def test_dropout_between_layers() -> None:
    torch.manual_seed(0)
    layer = nn.LSTM(2, 3, num_layers=2, dropout=1.0)
    x = torch.randn(4, 1, 2)
    second = nn.LSTM(3, 3)
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    second.load_state_dict({f"{name}_l0": layer.state_dict()[f"{name}_l1"] for name in names})
    np.testing.assert_allclose(layer(x)[0].tolist(), second(torch.zeros(4, 1, 3))[0].tolist(), atol=1e-6)
    assert layer.eval()(x)[0].tolist() != layer.train()(x)[0].tolist()


def test_dropout_follows_the_seed() -> None:
    layer = nn.GRU(2, 8, num_layers=3, dropout=0.5)
    x = torch.ones(4, 1, 2)
    drawn: list[Any] = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        with compilations(at_most=0 if drawn else None):
            drawn.append(layer(x)[0].tolist())
    assert drawn[0] == drawn[1] != drawn[2]


def test_the_layers_convert_and_move_together() -> None:
    layer = nn.LSTM(2, 3).double()
    assert [item.dtype for item in layer._flat_weights] == [torch.float64] * 4
    assert layer(torch.ones(4, 1, 2, dtype=torch.float64))[0].dtype == torch.float64
    meta = layer.to("meta")
    assert all(
        item is getattr(meta, name) for item, name in zip(meta._flat_weights, meta._flat_weights_names, strict=True)
    )
    assert meta(torch.ones(4, 1, 2, dtype=torch.float64, device="meta"))[0].shape == (4, 1, 3)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN", "LSTMCell"])
def test_autocast(kind: str) -> None:
    layer, x = getattr(nn, kind)(2, 3), torch.ones(4, 2)
    with torch.autocast("cpu"):
        for input in (x, x.to(torch.bfloat16)):
            assert layer(input)[0].dtype == torch.bfloat16


def test_a_batch_of_nothing() -> None:
    output, hidden = nn.GRU(2, 3)(torch.zeros(4, 0, 2))
    assert (output.shape, hidden.shape) == ((4, 0, 3), (1, 0, 3))


def test_wrong_arguments_of_the_functions() -> None:
    with pytest.raises(TypeError, match=r"gru\(\): expected the arguments \(input, hx, params, .*but got \(input\)"):
        torch.gru(torch.zeros(1, 1, 1))
    with pytest.raises(RuntimeError, match="got an incorrect number of RNN parameters"):
        torch.gru(
            torch.zeros(1, 1, 1), torch.zeros(1, 1, 1), [torch.zeros(3, 1)] * 4, False, 1, 0.0, False, False, False
        )
