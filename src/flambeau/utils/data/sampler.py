"""Samplers: in which order samples are taken, drawn as PyTorch draws them."""

from collections.abc import Iterator, Sequence, Sized
from itertools import islice
from typing import Any, Generic, TypeVar

import numpy as np

from flambeau.devices.device import CPU
from flambeau.dtypes.kinds import DTYPES
from flambeau.generators.draws import integers, multinomial, permutation, unbounded_integers
from flambeau.generators.streams import Stream
from flambeau.tensors.core import wrap_array
from flambeau.tensors.generator import Generator, stream_of
from flambeau.tensors.tensor import Tensor

__all__ = [
    "BatchSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
]

Key_co = TypeVar("Key_co", covariant=True)

_DRAWN_AT_ONCE = 32
"""So many keys PyTorch draws at once when it draws with replacement."""


class Sampler(Generic[Key_co]):
    """Base class of samplers; a subclass defines ``__iter__``, which yields keys of samples or lists of them.

    Source: https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.Sampler
    """

    def __iter__(self) -> Iterator[Key_co]:
        raise NotImplementedError(f"{type(self).__name__} defines no __iter__(); write one in the subclass")


class SequentialSampler(Sampler[int]):
    """Samples in order.

    Args:
        data_source: something with a length.

    Source: https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.SequentialSampler
    """

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """Samples in random order, or drawn with replacement.

    Args:
        data_source: something with a length.
        replacement: whether a sample may come again before all have come.
        num_samples: how many to draw; as many as there are by default.
        generator: where to draw from. If None, each epoch draws the seed of its own from the default one.

    Raises:
        TypeError: ``replacement`` is no boolean.
        ValueError: ``num_samples`` is not a positive integer.

    Example:
        >>> import flambeau as torch
        >>> list(torch.utils.data.RandomSampler(range(5), generator=torch.Generator().manual_seed(0)))
        [4, 0, 1, 3, 2]

    Source: https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.RandomSampler
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if not isinstance(replacement, bool):
            raise TypeError(f"replacement should be a boolean value, but got replacement={replacement}")
        _check_count(self.num_samples)

    @property
    def num_samples(self) -> int:
        """How many samples are drawn."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        stream = Stream(draw_seed(None)) if self.generator is None else stream_of(self.generator, CPU)
        count, wanted = len(self.data_source), self.num_samples
        if self.replacement:
            for _ in range(wanted // _DRAWN_AT_ONCE):
                yield from integers(stream, (_DRAWN_AT_ONCE,), 0, count).tolist()
            yield from integers(stream, (wanted % _DRAWN_AT_ONCE,), 0, count).tolist()
            return
        for _ in range(wanted // count):
            yield from permutation(stream, count).tolist()
        # Drawn even if nothing is left to take from it: the generator then stands where PyTorch's stands.
        yield from permutation(stream, count).tolist()[: wanted % count]

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """Some samples, in random order.

    Args:
        indices: keys of the samples.
        generator: where to draw from; the default one if None.

    Source: https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.SubsetRandomSampler
    """

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for place in permutation(stream_of(self.generator, CPU), len(self.indices)).tolist():
            yield self.indices[place]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Samples drawn with given weights.

    Args:
        weights: a weight for each sample; they need not sum to one.
        num_samples: how many to draw.
        replacement: whether a sample may be drawn again.
        generator: where to draw from; the default one if None.

    Raises:
        ValueError: an argument is of the wrong kind, or the weights are not one-dimensional.

    Example:
        >>> import flambeau as torch
        >>> sampler = torch.utils.data.WeightedRandomSampler([0.0, 1.0], num_samples=3)
        >>> list(sampler)
        [1, 1, 1]

    Source: https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.WeightedRandomSampler
    """

    def __init__(
        self,
        weights: Sequence[float] | Tensor,
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        _check_count(num_samples)
        if not isinstance(replacement, bool):
            raise ValueError(f"replacement should be a boolean value, but got replacement={replacement}")
        values = weights.host() if isinstance(weights, Tensor) else weights
        array = np.array(values, np.float64)
        if array.ndim != 1:
            raise ValueError(f"weights should be a 1d sequence but given weights have shape {array.shape}")
        self.weights = wrap_array(array, DTYPES["float64"], CPU)
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        stream = stream_of(self.generator, CPU)
        yield from multinomial(stream, self.weights.host(), self.num_samples, self.replacement).tolist()

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Lists of the keys that another sampler yields.

    Args:
        sampler: the other sampler.
        batch_size: number of keys in a list.
        drop_last: leave out the last list if it is shorter.

    Raises:
        ValueError: an argument is of the wrong kind.

    Example:
        >>> from flambeau.utils.data import BatchSampler
        >>> list(BatchSampler(range(5), batch_size=2, drop_last=False))
        [[0, 1], [2, 3], [4]]

    Source: https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.BatchSampler
    """

    def __init__(self, sampler: Any, batch_size: int, drop_last: bool) -> None:
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
            raise ValueError(f"batch_size should be a positive integer value, but got batch_size={batch_size}")
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        keys: Iterator[int] = iter(self.sampler)
        while batch := list(islice(keys, self.batch_size)):
            if self.drop_last and len(batch) < self.batch_size:
                return
            yield batch

    def __len__(self) -> int:
        count = len(self.sampler)
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)


class Endless(Sampler[None]):
    """Yields None forever: what drives a stream, whose samples have no keys."""

    def __iter__(self) -> Iterator[None]:
        while True:
            yield None


def draw_seed(generator: Generator | None) -> int:
    """A whole number from 0 to 2**63 - 1, drawn as PyTorch draws seeds."""
    return int(unbounded_integers(stream_of(generator, CPU), ()))


def _check_count(count: Any) -> None:
    if not isinstance(count, int) or isinstance(count, bool) or count <= 0:
        raise ValueError(f"num_samples should be a positive integer value, but got num_samples={count}")
