"""What records become: the hooks through which the rooms above turn records into their own objects."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from flambeau.checkpoint.records import DeviceRecord, DtypeRecord, LayoutRecord, SizeRecord, TensorRecord
from flambeau.checkpoint.special_records import SpecialRecord

__all__ = ["Builders", "Known"]


def _tensor(record: TensorRecord) -> object:
    """Keep a tensor's record."""
    return record


def _special(record: SpecialRecord) -> object:
    """Keep the record of a sparse tensor, or of another that is no view of one storage."""
    return record


def _subclass(kind: object, record: TensorRecord) -> object:
    """Keep a tensor's record, whatever its class."""
    return record


def _parameter(data: object, requires_grad: bool, attributes: dict[str, object]) -> object:
    """Mark a tensor's record as a parameter."""
    if isinstance(data, TensorRecord):
        return replace(data, requires_grad=requires_grad, is_parameter=True, attributes=attributes)
    if isinstance(data, SpecialRecord):
        return data
    raise TypeError("Builders(tensor=...) was given without parameter=..., which has to go with it")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A class or function of the rooms above that a file may name.

    The pickle decides only that one of these is called, and with which of its own values: what they do is decided
    above, and each checks what it is given.

    Attributes:
        value: what the name stands for where the file holds it as a value.
        call: makes an object of the arguments, where the pickle calls the class or function; None: it may not.
        new: makes an object of the arguments, where the pickle makes an object without calling the class; None: it may
            not.
        build: gives an object that ``call`` or ``new`` made its state; None: it may not.
    """

    value: object
    call: Callable[[tuple[object, ...]], object] | None = None
    new: Callable[[tuple[object, ...], dict[object, object]], object] | None = None
    build: Callable[[object, object], None] | None = None


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
        subclass: takes a class of ``known`` and the record of a tensor of this class.
        special: takes the record of a tensor that is no view of one storage.
        known: classes and functions that the file may name besides those of the allowlist, by their full names.

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
    subclass: Callable[[object, TensorRecord], object] = _subclass
    special: Callable[[SpecialRecord], object] = _special
    known: Mapping[str, Known] = field(default_factory=dict[str, Known])
