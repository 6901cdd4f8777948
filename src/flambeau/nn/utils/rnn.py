"""Sequences of different lengths as one tensor: padded to equal lengths, or packed one step after another.

Which elements go where follows from the lengths, which are known, so it is worked out with NumPy; what is recorded is
one look-up. A batch whose values are on the host already, as in a data loader, is put together by NumPy alone: there
would be another program for every combination of lengths.
"""

from collections.abc import Iterable, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from flambeau.base.shapes import broadcast
from flambeau.devices.device import CPU
from flambeau.dtypes.kinds import DTYPES
from flambeau.nn.packed_sequence import PackedSequence, invert_permutation
from flambeau.primitives.indexing import index_select
from flambeau.primitives.padding import pad_stack
from flambeau.primitives.pointwise import where
from flambeau.tensors.core import call, wrap_array
from flambeau.tensors.creation import as_tensor, full
from flambeau.tensors.known import all_known, known
from flambeau.tensors.tensor import Tensor

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]

_INT64 = DTYPES["int64"]

Whole = NDArray[np.int64]


# -- packing -------------------------------------------------------------------------------------------------------


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack padded sequences: of each, its first elements, as many as its length says.

    Args:
        input: (steps, batch, ...), or (batch, steps, ...) if ``batch_first``.
        lengths: length of every sequence: a tensor on the CPU, or a list.
        batch_first: which of the first two dimensions is the batch.
        enforce_sorted: whether the longest sequence must come first and so on; otherwise they are sorted here.

    Returns:
        A ``PackedSequence``; gradients flow from its data to ``input``.

    Raises:
        RuntimeError: the input is empty; the lengths are no vector of one number for each sequence, are not
            positive, are longer than the input, or are not sorted though they have to be.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils.rnn import pack_padded_sequence
        >>> padded = torch.tensor([[1, 2, 0], [4, 5, 6]])
        >>> pack_padded_sequence(padded, [2, 3], batch_first=True, enforce_sorted=False)
        PackedSequence(data=tensor([4, 1, 5, 2, 6]), batch_sizes=tensor([2, 2, 1]),
        sorted_indices=tensor([1, 0]), unsorted_indices=tensor([1, 0]))

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.pack_padded_sequence.html
    """
    if not isinstance(input, Tensor):
        kind = type(input).__name__
        raise TypeError(f"_pack_padded_sequence(): argument 'input' (position 1) must be Tensor, not {kind}")
    counts = _vector(lengths.to(_INT64) if isinstance(lengths, Tensor) else as_tensor(lengths, dtype=_INT64))
    second, first = input.size(1), input.size(0)
    steps, batch = (second, first) if batch_first else (first, second)
    _check_lengths(counts, steps, batch, input.numel(), enforce_sorted)
    order = _up_to(batch) if enforce_sorted else np.argsort(-counts, kind="stable").astype(np.int64)
    present = _up_to(int(counts.max()))[:, None] < counts[order]
    step, row = np.nonzero(present)
    column = order[row]
    positions = column * steps + step if batch_first else step * batch + column
    data = _rows(input, positions, (steps * batch, *input.shape[2:]))
    sizes = wrap_array(present.sum(1), _INT64, CPU)
    if enforce_sorted:
        return PackedSequence(data, sizes)
    indices = (wrap_array(item, _INT64, input.device) for item in (order, np.argsort(order)))
    return PackedSequence(data, sizes, *indices)


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack sequences of different lengths: ``pad_sequence`` and then ``pack_padded_sequence``.

    Args:
        sequences: tensors (length, ...), equal in all other sizes.
        enforce_sorted: whether the longest sequence must come first and so on; otherwise they are sorted here.

    Raises:
        RuntimeError: there are no sequences, one is empty, or they are not sorted though they have to be.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils.rnn import pack_sequence
        >>> pack_sequence([torch.tensor([1, 2, 3]), torch.tensor([4, 5])])
        PackedSequence(data=tensor([1, 4, 2, 5, 3]), batch_sizes=tensor([2, 2, 1]),
        sorted_indices=None, unsorted_indices=None)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.pack_sequence.html
    """
    lengths = wrap_array(np.array([item.size(0) for item in sequences], np.int64), _INT64, CPU)
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """Unpack to padded sequences, in the order in which they were before packing.

    Args:
        sequence: what to unpack.
        batch_first: which of the result's first two dimensions is the batch.
        padding_value: what stands after the end of a sequence.
        total_length: number of steps of the result; by default that of the longest sequence.

    Returns:
        The padded sequences, (steps, batch, ...) or (batch, steps, ...), and the length of each, int64 on the CPU.

    Raises:
        ValueError: ``total_length`` is less than the longest sequence's.
        RuntimeError: the batch sizes are no such vector, or the padding value does not fit the data type.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils.rnn import pack_sequence, pad_packed_sequence
        >>> packed = pack_sequence([torch.tensor([1]), torch.tensor([4, 5])], enforce_sorted=False)
        >>> pad_packed_sequence(packed, batch_first=True)
        (tensor([[1, 0],
                [4, 5]]), tensor([1, 2]))

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.pad_packed_sequence.html
    """
    longest = sequence.batch_sizes.size(0)
    if total_length is not None and total_length < longest:
        raise ValueError(
            "Expected total_length to be at least the length of the longest sequence in input, but got "
            f"total_length={total_length} and max sequence length being {longest}"
        )
    sizes = _vector(sequence.batch_sizes)
    data = sequence.data
    _check_batch_sizes(sizes, data.size(0))
    column = _up_to(int(sizes[0]))
    present = column < sizes[:, None]
    positions = np.where(present, (np.cumsum(sizes) - sizes)[:, None] + column, 0)
    if sequence.unsorted_indices is not None:
        order = sequence.unsorted_indices.host()
        positions, present = positions[:, order], present[:, order]
    lengths = wrap_array(present.sum(0), _INT64, CPU)
    extra = 0 if total_length is None else total_length - longest
    positions, present = np.pad(positions, ((0, extra), (0, 0))), np.pad(present, ((0, extra), (0, 0)))
    if batch_first:
        positions, present = positions.T, present.T
    rows = _rows(data, positions, data.shape)
    fill = full((), padding_value, dtype=data.dtype, device=data.device)
    mask = present.reshape(*present.shape, *[1] * (data.dim() - 1))
    if (array := known(rows)) is not None:
        return wrap_array(np.where(mask, array, fill.host()), data.dtype, CPU), lengths
    return call(where, (wrap_array(mask, DTYPES["bool"], data.device), rows, fill)), lengths


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """Unpack to the sequences that were packed, in their order.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils.rnn import pack_sequence, unpack_sequence
        >>> unpack_sequence(pack_sequence([torch.tensor([1, 2]), torch.tensor([3])]))
        [tensor([1, 2]), tensor([3])]

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.unpack_sequence.html
    """
    return unpad_sequence(*pad_packed_sequence(packed_sequences, batch_first=True), batch_first=True)


# -- padding -------------------------------------------------------------------------------------------------------


def pad_sequence(
    sequences: Iterable[Tensor], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Tensor:
    """Stack sequences of different lengths, each padded to the longest one's.

    Args:
        sequences: tensors (length, ...), or one tensor whose rows they are; the first decides the data type.
        batch_first: whether the result is (batch, steps, ...) instead of (steps, batch, ...).
        padding_value: what to pad with.
        padding_side: ``"right"``, after the sequences, or ``"left"``, before them.

    Returns:
        The padded sequences; gradients flow back to them.

    Raises:
        RuntimeError: there are no sequences, they differ in other sizes, or there is no such side.
        TypeError: one of them is no tensor.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils.rnn import pad_sequence
        >>> pad_sequence([torch.tensor([1, 2]), torch.tensor([3])], batch_first=True)
        tensor([[1, 2],
                [3, 0]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.pad_sequence.html
    """
    given = _checked(sequences)
    if not isinstance(padding_value, (int, float)):
        kind = type(padding_value).__name__
        raise TypeError(f"pad_sequence(): argument 'padding_value' (position 3) must be float, not {kind}")
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"Expected padding_side to be one of left or right, but got {padding_side}.")
    first = given[0]
    fill = full((), padding_value, dtype=first.dtype, device=first.device)
    axis, at_start = 0 if batch_first else 1, padding_side == "left"
    arrays = all_known(given)
    if arrays is None:
        return call(pad_stack, (fill, *given), (axis, at_start))
    longest = max(map(len, arrays))
    padded = np.full((len(arrays), longest, *first.shape[1:]), fill.host())
    for row, item in zip(padded, arrays, strict=True):
        row[longest - len(item) if at_start else 0 :][: len(item)] = item
    return wrap_array(np.moveaxis(padded, 0, axis), first.dtype, CPU)


def unpad_sequence(padded_sequences: Tensor, lengths: Any, batch_first: bool = False) -> list[Tensor]:
    """Take padded sequences apart; the padded ones stay as they are.

    Args:
        padded_sequences: (steps, batch, ...), or (batch, steps, ...) if ``batch_first``.
        lengths: length of every sequence.
        batch_first: which of the first two dimensions is the batch.

    Returns:
        The first elements of each sequence, as many as its length says.

    Raises:
        ValueError: there are not as many lengths as sequences.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils.rnn import unpad_sequence
        >>> unpad_sequence(torch.tensor([[1, 2], [3, 0]]), torch.tensor([2, 1]), batch_first=True)
        [tensor([1, 2]), tensor([3])]

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.unpad_sequence.html
    """
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    counts = np.clip(np.ceil(as_tensor(lengths).host()), 0, rows.size(1)).astype(np.int64)
    array = known(rows)
    return [
        rows[row, :count].clone() if array is None else wrap_array(array[row, :count].copy(), rows.dtype, CPU)
        for row, count in zip(range(len(rows)), counts.tolist(), strict=True)
    ]


# -- what they share -----------------------------------------------------------------------------------------------


def _rows(tensor: Tensor, positions: Whole, shape: Sequence[int]) -> Tensor:
    """Rows of a tensor reshaped, at an array of positions."""
    rest = tuple(shape[1:])
    array = known(tensor)
    if array is not None:
        return wrap_array(array.reshape(shape)[positions], tensor.dtype, CPU)
    index = wrap_array(positions.reshape(-1), _INT64, tensor.device)
    return call(index_select, (tensor.reshape(shape), index), (0,)).view(*positions.shape, *rest)


def _up_to(stop: int) -> Whole:
    """0, 1, ..., stop - 1."""
    return cast("Whole", np.arange(stop))


def _vector(tensor: Tensor) -> Whole:
    """The numbers of a vector of int64 on the CPU; raises RuntimeError in PyTorch's words if it is none."""
    rank, place = tensor.dim(), tensor.device.type
    if rank != 1 or place != "cpu" or tensor.dtype is not _INT64:
        kind = tensor.dtype.tensor_type.removesuffix("Tensor")
        raise RuntimeError(
            f"'lengths' argument should be a 1D CPU int64 tensor, but got {rank}D {tensor.device} {kind} tensor"
        )
    return tensor.host()


def _check_lengths(counts: Whole, steps: int, batch: int, numel: int, enforce_sorted: bool) -> None:
    """Raise RuntimeError, mostly in PyTorch's words, where a padded batch cannot have these lengths."""
    if not numel:
        raise RuntimeError("Cannot pack empty tensors.")
    if len(counts) != batch:
        got = f"but got {len(counts)} (batch_size={batch})"
        raise RuntimeError(f"Expected `len(lengths)` to be equal to batch_size, {got}")
    if counts.min() <= 0:
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0"
        )
    if enforce_sorted and (np.diff(counts) > 0).any():
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
            "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement if you "
            "do not need ONNX exportability."
        )
    if counts.max() > steps:
        raise RuntimeError(f"Expected every length to be at most the number of steps, {steps}, but got {counts.max()}")


def _check_batch_sizes(sizes: Whole, rows: int) -> None:
    """Raise RuntimeError where packed data of so many rows cannot have these batch sizes."""
    if not len(sizes):
        raise RuntimeError("batch_sizes can not be empty")
    if sizes.sum() > rows or (np.diff(sizes) > 0).any() or sizes.min() <= 0:
        raise RuntimeError(
            f"Expected batch_sizes to be positive, not to increase, and to sum to the {rows} rows of the data, but got "
            f"{sizes.tolist()}"
        )


def _checked(sequences: Iterable[Tensor]) -> tuple[Tensor, ...]:
    """The sequences to pad; raises what PyTorch raises where they cannot be stacked."""
    if not isinstance(sequences, Iterable):
        kind = cast("Any", type(sequences))
        raise RuntimeError(f"pad_sequence: Expected iterable for input sequences, but got arg of type: {kind}")
    given = tuple(sequences)
    if not given:
        raise RuntimeError("received an empty list of sequences")
    for position, item in enumerate(given):
        if not isinstance(item, Tensor):
            kind = type(item).__name__
            raise TypeError(f"expected Tensor as element {position} in argument 0, but got {kind}")
        if not item.dim():
            raise IndexError("Dimension specified as 0 but tensor has no dimensions")
        wanted = (item.shape[0], *given[0].shape[1:])
        if broadcast(wanted, item.shape) != wanted:
            raise RuntimeError(f"a sequence of shape {list(item.shape)} cannot be broadcast to {list(wanted)}")
    return given
