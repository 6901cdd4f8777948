"""``save``: tensors become records, and the checkpoint room writes them."""

import os
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, cast

import numpy as np

from flambeau.base.shapes import Size
from flambeau.checkpoint import (
    DeviceRecord,
    DtypeRecord,
    LayoutRecord,
    Pickled,
    SizeRecord,
    StorageRecord,
    TensorRecord,
    write_pickle,
    write_pickled,
)
from flambeau.devices.device import device
from flambeau.dtypes.kinds import dtype
from flambeau.dtypes.layouts import layout
from flambeau.graph.node import Node
from flambeau.runtime.force import host_value
from flambeau.serialization.background import BackgroundSave, in_background, wait_for_all
from flambeau.tensors.conversion import attributes
from flambeau.tensors.core import Core, Storage
from flambeau.tensors.parameter import Parameter

__all__ = ["described", "prepared", "save"]


def save(
    obj: Any,
    f: str | os.PathLike[str] | BinaryIO,
    pickle_module: Any = None,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
    *,
    background: bool = False,
) -> BackgroundSave | None:
    """Save an object to a file that PyTorch's ``torch.load(weights_only=True)`` reads.

    A file is replaced in one step: it is the old one or the new one, whatever happens. Tensors are written as if they
    lived on the CPU, so that a file opens anywhere. Numbers of NumPy are saved as Python numbers.

    Args:
        obj: tensors, parameters, numbers, strings, and dictionaries, lists, tuples and sets of them.
        f: a path, or a file opened for writing in binary mode.
        pickle_module, pickle_protocol, _use_new_zipfile_serialization, _disable_byteorder_record: PyTorch's; only their
            defaults are supported.
        background: return as soon as what is to be written is fixed, and write it while the program goes on. Saves are
            done in the order they were asked for.

    Returns:
        With ``background``, a handle to ask or wait for the save; else None.

    Raises:
        AttributeError: ``f`` is neither a path nor a file.
        SaveError: the object holds something that cannot be saved, or the file cannot be written; or an earlier save in
            the background failed.
        NotImplementedError: another pickle module, protocol or format is asked for.

    Example:
        >>> import io
        >>> import flambeau as torch
        >>> file = io.BytesIO()
        >>> torch.save({"weight": torch.ones(2), "epoch": 3}, file)
        >>> file.seek(0)
        0
        >>> torch.load(file)
        {'weight': tensor([1., 1.]), 'epoch': 3}

    Source: https://docs.pytorch.org/docs/stable/generated/torch.save.html
    """
    asked = (pickle_module, pickle_protocol, _use_new_zipfile_serialization, _disable_byteorder_record)
    if asked != (None, 2, True, False):
        raise NotImplementedError(
            "save() writes PyTorch's zip format with pickle protocol 2 only; pickle_module, pickle_protocol, "
            "_use_new_zipfile_serialization and _disable_byteorder_record cannot be changed"
        )
    if not isinstance(f, (str, os.PathLike)) and not hasattr(f, "write"):
        raise AttributeError("expected 'f' to be string, path, or a file-like object with a 'write' attribute")
    if not background:
        wait_for_all()
    writing = prepared(obj, f)
    if background:
        return in_background(f, writing)
    writing()
    return None


def prepared(obj: Any, f: str | os.PathLike[str] | BinaryIO) -> Callable[[], None]:
    """Describe an object as it is now; what is returned writes that, whenever it is called.

    Raises:
        SaveError: the object holds something that cannot be saved.
    """
    describer = _Describer()
    pickled = write_pickle(obj, describer)
    return lambda: write_pickled(describer.kept(pickled), f)


def described(tensors: Mapping[str, Core]) -> dict[str, TensorRecord]:
    """Describe tensors by name; those that share a storage share its record."""
    describer = _Describer()
    return {name: cast("TensorRecord", describer(tensor)) for name, tensor in tensors.items()}


class _Describer:
    """Turns tensors and PyTorch's small types into records; tensors that share a storage share its record."""

    def __init__(self) -> None:
        self._storages: dict[int, tuple[Storage, Node, StorageRecord]] = {}

    def __call__(self, value: object) -> object:
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
        return value

    def _tensor(self, tensor: Core) -> TensorRecord:
        if tensor.device.type == "meta":
            raise NotImplementedError("Cannot copy out of meta tensor; no data! A meta tensor has no values to save.")
        offset, stride = tensor.geometry()
        return TensorRecord(
            tensor.dtype.name,
            tuple(tensor.shape),
            stride,
            offset,
            self._storage(tensor._storage),  # pyright: ignore[reportPrivateUsage]  # what is saved is the storage
            requires_grad=tensor.edge() is not None,
            is_parameter=isinstance(tensor, Parameter),
            attributes=attributes(tensor),
        )

    def _storage(self, storage: Storage) -> StorageRecord:
        found = self._storages.get(id(storage))
        if found is None:
            # The node is held, too, so that no later step may overwrite its value.
            record = StorageRecord.from_array(host_value(storage.node))
            found = self._storages[id(storage)] = (storage, storage.node, record)
        return found[2]

    def kept(self, pickled: Pickled) -> Pickled:
        """What was described; whoever holds this method holds the values."""
        return pickled
