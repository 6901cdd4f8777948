"""What records become: the hooks through which the rooms above turn records into their own objects."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from flambeau.checkpoint.records import DeviceRecord, DtypeRecord, LayoutRecord, SizeRecord, TensorRecord

__all__ = ["Builders"]


def _tensor(record: TensorRecord) -> object:
    """Keep a tensor's record."""
    return record


def _parameter(data: object, requires_grad: bool, attributes: dict[str, object]) -> object:
    """Mark a tensor's record as a parameter."""
    if not isinstance(data, TensorRecord):
        raise TypeError("Builders(tensor=...) was given without parameter=..., which has to go with it")
    return replace(data, requires_grad=requires_grad, is_parameter=True, attributes=attributes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Builders:
    """What each kind of record becomes while a file is read; by default every record stays a record.

    Each hook is called once for an object of the file, and what it returns takes the object's place everywhere.

    Attributes:
        tensor: takes the tensor's record.
        parameter: takes what ``tensor`` returned, ``requires_grad`` and the attributes set on the parameter.
        size: takes the sizes.
        device: takes the type and the index, or None.
        dtype: takes PyTorch's name without the module; what it returns for two names has to differ.
        layout: takes PyTorch's name without the module.

    Example:
        >>> Builders(size=list).size((2, 3))
        [2, 3]
    """

    tensor: Callable[[TensorRecord], object] = _tensor
    parameter: Callable[[object, bool, dict[str, object]], object] = _parameter
    size: Callable[[tuple[int, ...]], object] = SizeRecord
    device: Callable[[str, int | None], object] = DeviceRecord
    dtype: Callable[[str], object] = DtypeRecord
    layout: Callable[[str], object] = LayoutRecord
