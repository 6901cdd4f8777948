"""Packing and padding: what needs no program gets none, and what PyTorch lets pass is refused."""

import pytest

import flambeau as torch
from flambeau.nn.utils import rnn
from flambeau.runtime.force import RUNS
from flambeau.testing import compilations


def test_a_batch_that_is_known_is_put_together_without_a_program():
    data = torch.arange(40.0).view(20, 2)
    before = dict(RUNS)
    unpacked = []
    with compilations(at_most=0):
        for length in range(1, 6):
            sequences = [data[:length], data[5 : 5 + 2 * length : 2], torch.ones(3, 2)]
            padded = rnn.pad_sequence(sequences, batch_first=True)
            lengths = [len(item) for item in sequences]
            packed = rnn.pack_padded_sequence(padded, lengths, batch_first=True, enforce_sorted=False)
            unpacked = rnn.unpack_sequence(packed)
            assert [item.shape for item in unpacked] == [item.shape for item in sequences]
    assert RUNS["programs"] == before["programs"]
    assert unpacked[1].tolist() == [[10.0, 11.0], [14.0, 15.0], [18.0, 19.0], [22.0, 23.0], [26.0, 27.0]]


def test_what_is_recorded_depends_on_sizes_not_on_lengths():
    weight = torch.ones((), requires_grad=True)

    def total(lengths):
        packed = rnn.pack_padded_sequence(torch.ones(3, 2) * weight, lengths, enforce_sorted=False)
        return rnn.pad_packed_sequence(packed, total_length=3)[0].sum()

    assert total([3, 2]).item() == 5.0
    with compilations(at_most=0):
        assert total([2, 3]).item() == 5.0


def test_results_do_not_share_memory_with_what_they_came_from():
    padded = torch.zeros(2, 2)
    parts = rnn.unpad_sequence(padded, torch.tensor([2, 1]), batch_first=True)
    parts[0][0] = 5.0
    rnn.pad_sequence([padded])[0] = 7.0
    assert padded.tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert rnn.unpad_sequence(torch.zeros(3, 2), torch.tensor([2, 1]))[0].shape == (2,)


def test_a_padded_batch_keeps_its_shape_when_it_is_taken_apart():
    padded = torch.zeros(3, 2, 4)
    rnn.unpad_sequence(padded, [3, 1])
    assert padded.shape == (3, 2, 4)  # PyTorch transposes it in place


def test_refusals():
    with pytest.raises(RuntimeError, match=r"^Expected every length to be at most the number of steps, 4, but got 5$"):
        rnn.pack_padded_sequence(torch.ones(4, 2), [5, 1])
    message = r"^Expected batch_sizes to be positive, not to increase, and to sum to the 4 rows of the data, but got "
    for sizes in ([1, 2], [3, 2], [2, 0]):
        with pytest.raises(RuntimeError, match=message):
            rnn.pad_packed_sequence(rnn.PackedSequence(torch.ones(4), torch.tensor(sizes)))
    with pytest.raises(RuntimeError, match=r"^Expected `len\(lengths\)` to be equal to batch_size, but got 1"):
        rnn.pack_padded_sequence(torch.ones(4, 2), [4], enforce_sorted=False)
    with pytest.raises(IndexError, match=r"^Dimension specified as 0 but tensor has no dimensions$"):
        rnn.pad_sequence([torch.tensor(1.0)])
