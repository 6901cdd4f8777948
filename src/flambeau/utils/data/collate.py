"""Collating: many samples become one batch."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from flambeau.devices.device import CPU
from flambeau.dtypes.kinds import DTYPES
from flambeau.tensors.core import wrap_array
from flambeau.tensors.creation import as_tensor, tensor
from flambeau.tensors.joining import stack
from flambeau.tensors.tensor import Tensor

__all__ = ["default_collate", "default_convert"]

_UNFIT = "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {kind}"


def default_convert(data: Any) -> Any:
    """Arrays of NumPy become tensors, inside lists, tuples and mappings too; everything else stays.

    Args:
        data: a sample.

    Example:
        >>> import numpy as np
        >>> from flambeau.utils.data import default_convert
        >>> default_convert({"x": np.array([1, 2]), "name": "a"})
        {'x': tensor([1, 2]), 'name': 'a'}

    Source: https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.default_convert
    """
    if isinstance(data, Tensor) or (_is_numpy(data) and data.dtype.kind in "SUO"):
        return data
    if _is_numpy(data):
        return as_tensor(data)
    return _converted_container(data)


def _converted_container(data: Any) -> Any:
    kind = cast("Any", type(data))
    if issubclass(kind, Mapping):
        return _like_mapping(data, {key: default_convert(value) for key, value in data.items()})
    if _is_namedtuple(data):
        return kind(*(default_convert(value) for value in data))
    if issubclass(kind, tuple):
        return [default_convert(value) for value in data]
    if issubclass(kind, Sequence) and not issubclass(kind, (str, bytes)):
        return _like_sequence(data, [default_convert(value) for value in data])
    return data


def default_collate(batch: Any) -> Any:
    """Samples as one batch: tensors and numbers are stacked, inside lists, tuples and mappings too; texts are listed.

    Args:
        batch: samples of equal structure.

    Returns:
        The batch; samples that are tuples give a list.

    Raises:
        TypeError: the samples are of a kind that cannot be stacked.
        RuntimeError: the samples differ in length or shape.

    Example:
        >>> from flambeau.utils.data import default_collate
        >>> default_collate([(1, "a"), (2, "b")])
        [tensor([1, 2]), ('a', 'b')]

    Source: https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.default_collate
    """
    first = batch[0]
    for kind, collated in _BY_KIND:
        if isinstance(first, kind):
            return collated(batch)
    kind = cast("Any", type(first))
    if issubclass(kind, Mapping):
        return _like_mapping(first, {key: default_collate([item[key] for item in batch]) for key in first})
    if issubclass(kind, Sequence):
        return _collated_sequences(batch)
    raise TypeError(_UNFIT.format(kind=kind))


def _collated_sequences(batch: Any) -> Any:
    first = batch[0]
    if _is_namedtuple(first):
        return type(first)(*(default_collate(column) for column in zip(*batch, strict=True)))
    if any(len(item) != len(first) for item in batch):
        raise RuntimeError("each element in list of batch should be of equal size")
    columns = [default_collate(column) for column in zip(*batch, strict=True)]
    return columns if isinstance(first, tuple) else _like_sequence(first, columns)


def _stacked(batch: Sequence[Tensor]) -> Tensor:
    """Tensors as one; on the host if they are there, so that nothing is recorded for a batch."""
    first = batch[0]
    kind, place = first.dtype, first.device
    if any(item.requires_grad or item.dtype is not kind or item.device.type != "cpu" for item in batch):
        return stack(batch)
    if any(item.shape != first.shape for item in batch):
        return stack(batch)  # raises in PyTorch's words
    return wrap_array(np.stack([item.host() for item in batch]), kind, place)


def _collated_arrays(batch: Sequence[Any]) -> Any:
    if batch[0].dtype.kind in "SUO":
        raise TypeError(_UNFIT.format(kind=batch[0].dtype))
    return default_collate([as_tensor(item) for item in batch])


def _collated_scalars(batch: Sequence[Any]) -> Any:
    return as_tensor(np.array(batch))


def _collated_floats(batch: Sequence[float]) -> Tensor:
    kind = DTYPES["float64"]
    return wrap_array(np.array(batch, kind.numpy), kind, CPU)


def _itself(batch: Any) -> Any:
    return batch


# Texts stand before NumPy's scalars, which some of NumPy's texts are too.
_BY_KIND: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (Tensor, _stacked),
    ((str, bytes), _itself),
    (np.ndarray, _collated_arrays),
    (float, _collated_floats),
    (np.generic, _collated_scalars),
    (int, tensor),
)


def _is_numpy(value: Any) -> bool:
    return isinstance(value, (np.ndarray, np.generic)) and not isinstance(value, (str, bytes))


def _is_namedtuple(value: Any) -> bool:
    return isinstance(value, tuple) and hasattr(value, "_fields")  # pyright: ignore[reportUnknownArgumentType]


def _like_mapping(model: Any, values: dict[Any, Any]) -> Any:
    """A mapping of the same class; a plain dictionary where that class is not made from one."""
    try:
        return type(model)(values)
    except TypeError:
        return values


def _like_sequence(model: Any, values: list[Any]) -> Any:
    """A sequence of the same class; a list where that class is not made from one."""
    try:
        return type(model)(values)
    except TypeError:
        return values
