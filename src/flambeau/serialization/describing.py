"""What is saved, as the checkpoint room writes it: tensors become records, and other objects what pickle says of them.

An object of a class is described as pickle does: by its class, by name, and its state. The class itself is not saved.
"""

import copyreg
import sys
from collections import OrderedDict
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType
from typing import Any, Final, cast

import numpy as np

from flambeau.base.errors import CannotReference, CannotSave
from flambeau.base.shapes import Size
from flambeau.checkpoint import (
    CallRecord,
    DeviceRecord,
    DtypeRecord,
    GlobalRecord,
    LayoutRecord,
    MetaRecord,
    ObjectRecord,
    SizeRecord,
    StorageRecord,
    TensorRecord,
)
from flambeau.devices.device import device
from flambeau.dtypes.kinds import dtype
from flambeau.dtypes.layouts import layout, memory_format
from flambeau.graph.node import Node
from flambeau.runtime.force import host_value
from flambeau.serialization.classes import GENERATOR, NAMES
from flambeau.serialization.options import skipping_data
from flambeau.tensors.conversion import attributes
from flambeau.tensors.core import Core, Storage
from flambeau.tensors.generator import Generator
from flambeau.tensors.parameter import Parameter
from flambeau.tensors.tensor import Tensor

__all__ = ["Describer"]

_PROTOCOL: Final = 2
_PARAMETER: Final = "torch._utils._rebuild_parameter"


class Describer:
    """Describes the objects of one file; tensors that share a storage share its record."""

    def __init__(self) -> None:
        self._storages: dict[int, tuple[Storage, Node, StorageRecord]] = {}

    def __call__(self, value: object) -> object:
        """Describe a value that is no plain one.

        Raises:
            CannotSave: it is none that a file can hold.
        """
        if isinstance(value, Core):
            return self._tensor(value)
        if isinstance(value, Size):
            return SizeRecord(value)
        if isinstance(value, dtype):
            return DtypeRecord(value.name)
        if isinstance(value, device):
            return DeviceRecord(value.type, value.index)
        if isinstance(value, layout):
            return LayoutRecord(value.name)
        if isinstance(value, np.generic):
            return cast("object", value.item())
        if isinstance(value, memory_format):
            raise CannotSave("cannot pickle 'torch.memory_format' object")
        if isinstance(value, Generator):
            state = (value.initial_seed(), None, value.get_state())
            return CallRecord(GENERATOR, (value.device,), state)
        return _object(value)

    def _tensor(self, tensor: Core) -> object:
        """Describe a tensor."""
        offset, stride = tensor.geometry()
        wanted = tensor.edge() is not None
        if tensor.device.type == "meta":
            data = MetaRecord(
                tensor.dtype.name, tuple(tensor.shape), stride, wanted and not isinstance(tensor, Parameter)
            )
            hooks = OrderedDict[object, object]()
            return CallRecord(_PARAMETER, (data, wanted, hooks)) if isinstance(tensor, Parameter) else data
        return TensorRecord(
            tensor.dtype.name,
            tuple(tensor.shape),
            stride,
            offset,
            self._storage(tensor._storage),  # pyright: ignore[reportPrivateUsage]  # what is saved is the storage
            requires_grad=wanted,
            is_parameter=isinstance(tensor, Parameter),
            attributes=attributes(tensor),
            kind="torch.Tensor" if type(tensor) in (Tensor, Parameter) else _name(type(tensor)),
        )

    def _storage(self, storage: Storage) -> StorageRecord:
        """Describe a storage, once."""
        found = self._storages.get(id(storage))
        if found is None:
            record = _zeros(storage) if skipping_data() else StorageRecord.from_array(host_value(storage.node))
            # The node is held, too, so that no later step may overwrite its value.
            found = self._storages[id(storage)] = (storage, storage.node, record)
        return found[2]

    def keeping(self, writing: Callable[[], None]) -> Callable[[], None]:
        """The same work; whoever holds it holds the values that were described."""

        def write() -> None:
            writing()
            self._storages.clear()

        return write


def _zeros(storage: Storage) -> StorageRecord:
    """A storage of zeros in place of one whose elements are not wanted."""
    aval = storage.node.aval
    nbytes = aval.shape.numel() * aval.dtype.itemsize
    return StorageRecord(aval.dtype.name, nbytes, lambda: np.zeros(nbytes, np.uint8))


# -- objects of classes --------------------------------------------------------------------------------------------


def _object(value: Any) -> object:
    """Describe an object as pickle does.

    Raises:
        CannotSave: it cannot be described, or not by names that lead to its class and functions.
    """
    if isinstance(value, (type, FunctionType, BuiltinFunctionType)):
        return GlobalRecord(_name(value))
    reducer = copyreg.dispatch_table.get(cast("type[Any]", type(value)))
    try:
        reduced: Any = value.__reduce_ex__(_PROTOCOL) if reducer is None else reducer(value)
    except TypeError as error:
        raise CannotSave(str(error)) from error
    if isinstance(reduced, str):
        return GlobalRecord(_found(value, getattr(value, "__module__", None) or "__main__", reduced))
    if not isinstance(reduced, tuple) or not 2 <= len(cast("tuple[Any, ...]", reduced)) <= 6:
        raise CannotSave("__reduce__ must return a string or tuple")
    function, arguments, *rest = cast("tuple[Any, ...]", reduced)
    state, items, pairs, setter = (*rest, None, None, None, None)[:4]
    if not callable(function) or setter is not None or not isinstance(arguments, tuple):
        raise CannotSave("first item of the tuple returned by __reduce__ must be callable, the second a tuple")
    parts = cast("tuple[Any, ...]", arguments)
    content: tuple[Any, list[Any], list[Any]] = (state, list(items or ()), list(pairs or ()))
    name = getattr(function, "__name__", "")
    if name == "__newobj_ex__":
        raise CannotSave(
            f"it is made with keyword arguments ({type(value).__qualname__}.__getnewargs_ex__), which pickle protocol "
            f"{_PROTOCOL} cannot express"
        )
    if name == "__newobj__":
        return ObjectRecord(_name(parts[0]), parts[1:], *content)
    return CallRecord(_name(function), parts, *content)


def _name(value: Any) -> str:
    """Full name of a class or function in files: PyTorch's where it stands for one of PyTorch's."""
    try:
        known = NAMES.get(value)
    except TypeError:  # it has no hash
        known = None
    if known is not None:
        return known
    name = getattr(value, "__qualname__", None) or value.__name__
    return _found(value, getattr(value, "__module__", None) or _home(value, name), name)


def _home(value: Any, name: str) -> str:
    """Module of a function that does not tell it, as pickle finds it."""
    for module, found in list(sys.modules.items()):
        if module not in ("__main__", "__mp_main__") and getattr(found, name, None) is value:
            return module
    return "__main__"


def _found(value: Any, module: str, name: str) -> str:
    """A full name that leads to a class or function.

    Raises:
        CannotReference: it leads nowhere, or to something else; the text is pickle's.
    """
    if "<locals>" in name:
        raise CannotReference(f"Can't pickle local object {name!r}")
    there = sys.modules.get(module)
    if there is None:
        raise CannotReference(f"Can't pickle {value!r}: import of module {module!r} failed")
    if "." in name:
        raise CannotReference(
            f"Can't pickle {value!r}: it is defined inside another class, where pickle protocol {_PROTOCOL} finds it "
            "only by calling getattr, which no safe reader does"
        )
    missing = object()
    found = getattr(there, name, missing)
    if found is missing:
        raise CannotReference(f"Can't pickle {value!r}: attribute lookup {name} on {module} failed")
    if found is not value:
        raise CannotReference(f"Can't pickle {value!r}: it's not the same object as {module}.{name}")
    return f"{module}.{name}"
