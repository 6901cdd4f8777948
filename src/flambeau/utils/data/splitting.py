"""``random_split``: a dataset in random parts."""

import math
import warnings
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from flambeau.devices.device import CPU
from flambeau.generators.draws import permutation
from flambeau.tensors.generator import Generator, stream_of
from flambeau.utils.data.dataset import Subset

__all__ = ["random_split"]


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
