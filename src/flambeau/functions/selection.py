"""Slices combined, shortened and found: each function hands over to the method of the same name."""

from collections.abc import Sequence
from typing import Any

from flambeau.tensors.numpy_names import numpy_names
from flambeau.tensors.outputs import takes_out
from flambeau.tensors.tensor import Tensor

__all__ = [
    "as_strided_",
    "as_strided_scatter",
    "detach",
    "detach_",
    "fill",
    "get_device",
    "index_reduce",
    "is_conj",
    "is_distributed",
    "is_inference",
    "is_neg",
    "nonzero_static",
    "renorm",
    "resize_as_",
    "vander",
]


@numpy_names
@takes_out()
def index_reduce(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """A copy with slices combined by prod, mean, amax or amin at positions; see ``Tensor.index_reduce``."""
    return input.index_reduce(dim, index, source, reduce, include_self=include_self)


@numpy_names
@takes_out()
def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Slices along a dimension, those with a larger norm shortened; see ``Tensor.renorm``."""
    return input.renorm(p, dim, maxnorm)


@takes_out()
def nonzero_static(input: Tensor, *, size: int, fill_value: int = -1) -> Tensor:
    """Positions of the first so many elements that are not zero; see ``Tensor.nonzero_static``."""
    return input.nonzero_static(size=size, fill_value=fill_value)


def as_strided_scatter(
    input: Tensor, src: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Tensor:
    """A copy with the elements that ``as_strided`` would show replaced; see ``Tensor.as_strided_scatter``."""
    return input.as_strided_scatter(src, size, stride, storage_offset)


def as_strided_(input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None) -> Tensor:
    """Become a view of the storage; see ``Tensor.as_strided_``."""
    return input.as_strided_(size, stride, storage_offset)


def resize_as_(input: Tensor, the_template: Tensor, *, memory_format: Any = None) -> Tensor:
    """Another tensor's shape; see ``Tensor.resize_as_``."""
    return input.resize_as_(the_template)


def detach(input: Tensor) -> Tensor:
    """The same elements, off the tape; see ``Tensor.detach``."""
    return input.detach()


def detach_(input: Tensor) -> Tensor:
    """Take off the tape; see ``Tensor.detach_``."""
    return input.detach_()


@takes_out()
def fill(input: Tensor, value: Any) -> Tensor:
    """A tensor of this shape and type with every element the same; no gradient but that of the value."""
    return (input * 0 if input.requires_grad else input.clone()).fill_(value)


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """Powers of every element of a vector, in rows: from N - 1 to 0, or upwards if ``increasing``.

    Example:
        >>> import flambeau as torch
        >>> torch.vander(torch.tensor([2, 3]), N=3)
        tensor([[4, 2, 1],
                [9, 3, 1]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.vander.html
    """
    if len(x.shape) != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    columns = x.shape[0] if N is None else N
    kind = x if x.is_floating_point() or x.is_complex() else x.long()
    powers = kind.new_ones((x.shape[0], columns))
    if columns > 1:
        powers[:, 1:] = kind.unsqueeze(1).expand(x.shape[0], columns - 1)
    powers = powers.cumprod(1)
    return powers if increasing else powers.flip(1)


def is_conj(input: Tensor) -> bool:
    """Whether this is a conjugate that is not computed yet: never."""
    return input.is_conj()


def is_neg(input: Tensor) -> bool:
    """Whether this is a negation that is not computed yet: never."""
    return input.is_neg()


def is_inference(input: Tensor) -> bool:
    """Whether the tensor was made in inference mode; see ``Tensor.is_inference``."""
    return input.is_inference()


def is_distributed(input: Tensor) -> bool:
    """Whether the values are spread over processes: never."""
    return input.is_distributed()


def get_device(input: Tensor) -> int:
    """Number of the accelerator the values are on; -1 for the CPU; see ``Tensor.get_device``."""
    return input.get_device()
