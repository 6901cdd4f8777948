"""Datasets: where samples come from."""

import math
import warnings
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from flambeau.devices.device import CPU
from flambeau.generators.draws import permutation
from flambeau.tensors.core import wrap_array
from flambeau.tensors.generator import Generator, stream_of
from flambeau.tensors.tensor import Tensor

__all__ = [
    "ChainDataset",
    "ConcatDataset",
    "Dataset",
    "IterableDataset",
    "StackDataset",
    "Subset",
    "TensorDataset",
    "random_split",
]

Sample_co = TypeVar("Sample_co", covariant=True)


@runtime_checkable
class GathersBatches(Protocol):
    """A dataset that can hand over a whole batch, collated as ``default_collate`` would."""

    def gathered(self, indices: Sequence[int]) -> list[Tensor] | None:
        """The batch of these samples, or None where samples must be fetched one by one."""
        ...


class Dataset(Generic[Sample_co]):
    """Base class of datasets whose samples are found by a key; a subclass defines ``__getitem__``, mostly ``__len__``.

    Example:
        >>> from flambeau.utils.data import Dataset
        >>> class Squares(Dataset):
        ...     def __len__(self):
        ...         return 4
        ...     def __getitem__(self, index):
        ...         return index * index
        >>> Squares()[3]
        9

    Source: https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.Dataset
    """

    def __getitem__(self, index: Any) -> Sample_co:
        raise NotImplementedError("Subclasses of Dataset should implement __getitem__.")

    def __add__(self, other: "Dataset[Any]") -> "ConcatDataset[Any]":
        return ConcatDataset([self, other])


class IterableDataset(Dataset[Sample_co], ABC):
    """Base class of datasets whose samples come in a stream; a subclass defines ``__iter__``.

    Each of several workers has a copy of the dataset and gives its whole stream; ask ``get_worker_info`` to share it
    out.

    Source: https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.IterableDataset
    """

    @abstractmethod
    def __iter__(self) -> Iterator[Sample_co]: ...

    def __add__(self, other: "Dataset[Any]") -> "ChainDataset":  # pyright: ignore[reportIncompatibleMethodOverride]  # PyTorch's two kinds of sums
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Samples are the rows of tensors of equal length.

    Args:
        tensors: tensors with the same size in their first dimension.

    Raises:
        AssertionError: the sizes differ.

    Example:
        >>> import flambeau as torch
        >>> dataset = torch.utils.data.TensorDataset(torch.tensor([1.0, 2.0]), torch.tensor([3, 4]))
        >>> dataset[1]
        (tensor(2.), tensor(4))

    Source: https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.TensorDataset
    """

    def __init__(self, *tensors: Tensor) -> None:
        if any(tensor.shape[0] != tensors[0].shape[0] for tensor in tensors):
            raise AssertionError("Size mismatch between tensors")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Tensor, ...]]:
        """The samples of a batch, taken from the host's copy without recording an operation for each."""
        if not self._on_host() or type(self).__getitem__ is not TensorDataset.__getitem__:
            return [self[index] for index in indices]
        sources = [(tensor.host(), tensor.dtype, tensor.device) for tensor in self.tensors]
        return [tuple(wrap_array(rows[index, ...], kind, place) for rows, kind, place in sources) for index in indices]

    def gathered(self, indices: Sequence[int]) -> list[Tensor] | None:
        """The batch of these samples, or None where a subclass makes samples in its own way."""
        if type(self).__getitem__ is not TensorDataset.__getitem__ or any(item.requires_grad for item in self.tensors):
            return None
        if not self._on_host():
            return [tensor[list(indices)] for tensor in self.tensors]
        return [wrap_array(tensor.host()[list(indices)], tensor.dtype, tensor.device) for tensor in self.tensors]

    def _on_host(self) -> bool:
        return all(tensor.device.type == "cpu" and not tensor.requires_grad for tensor in self.tensors)

    def __len__(self) -> int:
        return self.tensors[0].shape[0]


class StackDataset(Dataset[Any]):
    """Samples are tuples, or dictionaries, of the samples of several datasets.

    Args:
        args: datasets of equal length, for tuples; or
        kwargs: datasets of equal length by name, for dictionaries.

    Raises:
        ValueError: the lengths differ, there is no dataset, or both kinds are given.

    Example:
        >>> from flambeau.utils.data import StackDataset
        >>> StackDataset(image=["a", "b"], label=[0, 1])[1]
        {'image': 'b', 'label': 1}

    Source: https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.StackDataset
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args and kwargs:
            raise ValueError(
                "Supported either ``tuple``- (via ``args``) or ``dict``- (via ``kwargs``) like input/output, but both "
                "types are given."
            )
        if not (args or kwargs):
            raise ValueError("At least one dataset should be passed")
        self.datasets: Any = args or kwargs
        members = args or tuple(kwargs.values())
        self._length = len(members[0])
        if any(len(member) != self._length for member in members):
            raise ValueError("Size mismatch between datasets")

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {name: member[index] for name, member in self.datasets.items()}  # pyright: ignore[reportUnknownVariableType]
        return tuple(member[index] for member in self.datasets)

    def __len__(self) -> int:
        return self._length


class ConcatDataset(Dataset[Sample_co]):
    """One dataset after another.

    Args:
        datasets: the datasets, each with a length.

    Raises:
        AssertionError: there is none, or one is an ``IterableDataset``.

    Example:
        >>> from flambeau.utils.data import ConcatDataset
        >>> ConcatDataset([[1, 2], [3]])[2]
        3

    Source: https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.ConcatDataset
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets: list[Any] = list(datasets)
        if not self.datasets:
            raise AssertionError("datasets should not be an empty iterable")
        if any(isinstance(member, IterableDataset) for member in self.datasets):
            raise AssertionError("ConcatDataset does not support IterableDataset")
        self.cumulative_sizes = list(accumulate(len(member) for member in self.datasets))

    def __getitem__(self, index: int) -> Sample_co:
        if index < 0:
            if -index > len(self):
                raise ValueError("absolute value of index should not exceed dataset length")
            index += len(self)
        place = bisect_right(self.cumulative_sizes, index)
        before = self.cumulative_sizes[place - 1] if place else 0
        return self.datasets[place][index - before]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]


class ChainDataset(IterableDataset[Any]):
    """One stream after another.

    Args:
        datasets: the streams.

    Source: https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.ChainDataset
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = datasets

    def __iter__(self) -> Iterator[Any]:
        for member in self.datasets:
            if not isinstance(member, IterableDataset):
                raise AssertionError("ChainDataset only supports IterableDataset")
            yield from member

    def __len__(self) -> int:
        total = 0
        for member in self.datasets:
            if not isinstance(member, IterableDataset):
                raise AssertionError("ChainDataset only supports IterableDataset")
            total += len(member)  # type: ignore[arg-type]
        return total


class Subset(Dataset[Sample_co]):
    """Some samples of a dataset.

    Args:
        dataset: the dataset.
        indices: keys of the samples.

    Example:
        >>> from flambeau.utils.data import Subset
        >>> list(Subset("abcd", [3, 1]))
        ['d', 'b']

    Source: https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.Subset
    """

    def __init__(self, dataset: Any, indices: Sequence[Any]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> Sample_co:
        if isinstance(index, list):
            return self.dataset[[self.indices[each] for each in index]]  # pyright: ignore[reportUnknownVariableType]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: Sequence[int]) -> list[Sample_co]:
        """The samples of a batch, fetched at once if the dataset can do so."""
        fetch = getattr(self.dataset, "__getitems__", None)
        keys = [self.indices[index] for index in indices]
        return fetch(keys) if callable(fetch) else [self.dataset[key] for key in keys]  # pyright: ignore[reportReturnType]

    def gathered(self, indices: Sequence[int]) -> list[Tensor] | None:
        """The batch of these samples, or None where samples must be fetched one by one."""
        if not isinstance(self.dataset, GathersBatches) or type(self).__getitem__ is not Subset.__getitem__:
            return None
        return self.dataset.gathered([self.indices[index] for index in indices])

    def __len__(self) -> int:
        return len(self.indices)


def random_split(dataset: Any, lengths: Sequence[int | float], generator: Generator | None = None) -> list[Subset[Any]]:
    """Split a dataset into parts that share no sample, in PyTorch's order.

    Args:
        dataset: the dataset.
        lengths: numbers of samples, or shares that sum to one; what rounding leaves goes to the first parts.
        generator: where to draw the order from; the default one if None.

    Returns:
        A ``Subset`` for each length.

    Raises:
        ValueError: the lengths do not add up, or a share is not between 0 and 1.

    Example:
        >>> import flambeau as torch
        >>> generator = torch.Generator().manual_seed(0)
        >>> [part.indices for part in torch.utils.data.random_split(range(5), [3, 2], generator)]
        [[4, 0, 1], [3, 2]]

    Source: https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.random_split
    """
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        counts = _counts(lengths, len(dataset))
    else:
        counts = list(lengths)
    if sum(counts) != len(dataset):
        raise ValueError("Sum of input lengths does not equal the length of the input dataset!")
    order: list[int] = permutation(stream_of(generator, CPU), int(sum(counts))).tolist()
    ends = accumulate(int(count) for count in counts)
    return [Subset(dataset, order[end - int(count) : end]) for end, count in zip(ends, counts, strict=True)]


def _counts(shares: Sequence[float], total: int) -> list[int | float]:
    """Numbers of samples for shares of the whole."""
    for index, share in enumerate(shares):
        if share < 0 or share > 1:
            raise ValueError(f"Fraction at index {index} is not between 0 and 1")
    counts = [math.floor(total * share) for share in shares]
    for left in range(total - sum(counts)):
        counts[left % len(counts)] += 1
    for index, count in enumerate(counts):
        if count == 0:
            message = f"Length of split at index {index} is 0. This might result in an empty dataset."
            warnings.warn(message, stacklevel=3)
    return [*counts]
