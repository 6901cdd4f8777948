"""``PackedSequence``: sequences of different lengths as one tensor; ``nn.utils.rnn`` makes them."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self, cast

import numpy as np

from flambeau.devices.device import CPU
from flambeau.dtypes.kinds import DTYPES
from flambeau.tensors.core import wrap_array
from flambeau.tensors.known import known
from flambeau.tensors.tensor import Tensor

__all__ = ["PackedSequence", "invert_permutation"]

_INT64 = DTYPES["int64"]


class PackedSequence_(NamedTuple):  # noqa: N801  (PyTorch's name)
    """The fields of a ``PackedSequence``."""

    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(PackedSequence_):
    """Sequences of different lengths, step by step: all first elements, all second ones, and so on.

    ``pack_sequence`` and ``pack_padded_sequence`` make them. The sequences ``abc`` and ``x`` are the data ``axbc`` with
    the batch sizes ``[2, 1, 1]``.

    Attributes:
        data: (sum of all lengths, ...).
        batch_sizes: how many sequences have an element at each step, int64 on the CPU.
        sorted_indices: which sequence of the batch each packed one is, the longest first; None if they were sorted.
        unsorted_indices: the inverse of that.

    Raises:
        ValueError: ``batch_sizes`` is not on the CPU.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils.rnn import pack_sequence
        >>> data, batch_sizes, _, _ = pack_sequence([torch.tensor([1, 2, 3]), torch.tensor([9])])
        >>> data, batch_sizes
        (tensor([1, 9, 2, 3]), tensor([2, 1, 1]))

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.PackedSequence.html
    """

    def __new__(  # noqa: D102  (the class documents it)
        cls,
        data: Any,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> Self:
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes is None:
            if not (isinstance(data, (list, tuple)) and len(cast("Sequence[Any]", data)) == 2):
                raise AssertionError("Expected data to be a list or tuple of length 2")
            data, batch_sizes = cast("Sequence[Tensor]", data)
        elif batch_sizes.device.type != "cpu":
            raise ValueError(
                "batch_sizes should always be on CPU. Instances of PackedSequence should never be created manually. "
                "They should be instantiated by functions like pack_sequence and pack_padded_sequences in "
                "nn.utils.rnn. https://pytorch.org/docs/stable/nn.html#torch.nn.utils.rnn.pack_sequence"
            )
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Data and indices converted as ``Tensor.to`` converts; itself if nothing changes. ``batch_sizes`` stays."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        places = [None if item is None else item.to(data.device) for item in self[2:]]
        return type(self)(data, self.batch_sizes, *places)

    def cpu(self, *args: Any, **kwargs: Any) -> Self:
        """Moved to the CPU, and converted as ``to`` with the same arguments."""
        return self._moved("cpu", args, kwargs)

    def cuda(self, *args: Any, **kwargs: Any) -> Self:
        """Moved to a GPU, and converted as ``to`` with the same arguments; AssertionError where there is none."""
        return self._moved("cuda", args, kwargs)

    def _moved(self, kind: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Self:
        """Moved to a kind of device, unless the arguments say which one of it."""
        there = self.data[:0].to(*args, **kwargs).device.type == kind
        return self.to(*args, **kwargs) if there else self.to(*args, **{**kwargs, "device": kind})

    def double(self) -> Self:
        """Data as float64."""
        return self.to(DTYPES["float64"])

    def float(self) -> Self:
        """Data as float32."""
        return self.to(DTYPES["float32"])

    def half(self) -> Self:
        """Data as float16."""
        return self.to(DTYPES["float16"])

    def long(self) -> Self:
        """Data as int64."""
        return self.to(DTYPES["int64"])

    def int(self) -> Self:
        """Data as int32."""
        return self.to(DTYPES["int32"])

    def short(self) -> Self:
        """Data as int16."""
        return self.to(DTYPES["int16"])

    def char(self) -> Self:
        """Data as int8."""
        return self.to(DTYPES["int8"])

    def byte(self) -> Self:
        """Data as uint8."""
        return self.to(DTYPES["uint8"])

    @property
    def is_cuda(self) -> bool:
        """Whether the data are on a GPU."""
        return self.data.is_cuda

    def is_pinned(self) -> bool:
        """Whether the data are in page-locked memory: never, memory is XLA's business."""
        return self.data.is_pinned()

    def pin_memory(self) -> Self:
        """The same: memory is XLA's business."""
        return self


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes another: ``result[permutation[i]] = i``; None of None.

    Args:
        permutation: a vector of int64.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.invert_permutation.html
    """
    if permutation is None:
        return None
    order = known(permutation)
    if order is not None and permutation.dtype is _INT64 and np.array_equal(np.sort(order), range(order.size)):
        return wrap_array(np.argsort(order), _INT64, CPU)
    positions = wrap_array(np.arange(permutation.numel()), _INT64, permutation.device)
    return permutation.new_zeros(permutation.shape).scatter_(0, permutation, positions)
