"""``save``: tensors become records, and the checkpoint room writes them."""

import os
from typing import Any, BinaryIO, cast

import numpy as np

from flambeau.base.shapes import Size
from flambeau.checkpoint import (
    DeviceRecord,
    DtypeRecord,
    LayoutRecord,
    SizeRecord,
    StorageRecord,
    TensorRecord,
    write,
)
from flambeau.devices.device import device
from flambeau.dtypes.kinds import dtype
from flambeau.dtypes.layouts import layout
from flambeau.runtime.force import host_value
from flambeau.tensors.conversion import attributes
from flambeau.tensors.core import Core, Storage
from flambeau.tensors.parameter import Parameter

__all__ = ["save"]


def save(
    obj: Any,
    f: str | os.PathLike[str] | BinaryIO,
    pickle_module: Any = None,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """Save an object to a file that PyTorch's ``torch.load(weights_only=True)`` reads.

    A file is replaced in one step: it is the old one or the new one, whatever happens. Tensors are written as if they
    lived on the CPU, so that a file opens anywhere. Numbers of NumPy are saved as Python numbers.

    Args:
        obj: tensors, parameters, numbers, strings, and dictionaries, lists, tuples and sets of them.
        f: a path, or a file opened for writing in binary mode.
        pickle_module, pickle_protocol, _disable_byteorder_record: PyTorch's; only their defaults are supported.
        _use_new_zipfile_serialization: False writes the format from before PyTorch 1.6, which has no checksums.

    Raises:
        AttributeError: ``f`` is neither a path nor a file.
        SaveError: the object holds something that cannot be saved, or the file cannot be written.
        NotImplementedError: another pickle module or protocol is asked for.

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
    if (pickle_module, pickle_protocol, _disable_byteorder_record) != (None, 2, False):
        raise NotImplementedError(
            "save() writes pickle protocol 2 only, with a record of the byte order; pickle_module, pickle_protocol and "
            "_disable_byteorder_record cannot be changed"
        )
    if not isinstance(f, (str, os.PathLike)) and not hasattr(f, "write"):
        raise AttributeError("expected 'f' to be string, path, or a file-like object with a 'write' attribute")
    write(obj, f, describe=_Describer(), legacy=not _use_new_zipfile_serialization)


class _Describer:
    """Turns tensors and PyTorch's small types into records; tensors that share a storage share its record."""

    def __init__(self) -> None:
        self._storages: dict[int, tuple[Storage, StorageRecord]] = {}

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
            found = self._storages[id(storage)] = (storage, StorageRecord.from_array(host_value(storage.node)))
        return found[1]
