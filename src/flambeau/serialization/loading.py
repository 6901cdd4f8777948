"""``load``: the checkpoint room reads records, and they become tensors here, placed by ``map_location``."""

import math
import os
from collections.abc import Callable
from typing import Any, BinaryIO, cast

import numpy as np

from flambeau.base.errors import UnsupportedTensor
from flambeau.base.shapes import Size, contiguous_strides
from flambeau.checkpoint import Builders, StorageRecord, TensorRecord, read
from flambeau.devices.backend import available
from flambeau.devices.device import as_device, device
from flambeau.dtypes.kinds import DTYPES, dtype, named
from flambeau.dtypes.layouts import LAYOUTS
from flambeau.graph.node import Aval, leaf
from flambeau.primitives.movement import as_strided
from flambeau.tensors.conversion import set_attributes
from flambeau.tensors.core import Core, call_view, made
from flambeau.tensors.parameter import Parameter
from flambeau.tensors.tensor import Tensor

__all__ = ["MapLocation", "built", "load"]

MapLocation = str | device | dict[str, str] | Callable[[Any, str], Any] | None


def load(
    f: str | os.PathLike[str] | BinaryIO,
    map_location: MapLocation = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Load an object from a file that PyTorch or ``save`` wrote. No code in the file is run, whatever the arguments.

    Tensors without a pickle are loaded as well, told by what is in the file: safetensors files, NumPy's ``.npz`` and
    ``.npy``, and an index of shards (``model.safetensors.index.json``, ``pytorch_model.bin.index.json``) with the files
    that it names, as one dictionary.

    Args:
        f: a path, or a file opened for reading in binary mode.
        map_location: where tensors go: a device; a dictionary from the device in the file to another; a function of
            (storage record, device in the file) that returns None (as in the file), or anything else (the CPU); or
            None, the device they were saved on.
        pickle_module: must be None: no pickle module is used.
        weights_only: accepted; files are always read as data, as with True.
        mmap: map a path's bytes instead of copying them into memory, which is the default for paths. Their checksums
            are compared in either case. What is mapped stays as it is when ``save`` replaces the file.
        pickle_load_args: ``encoding`` is accepted.

    Raises:
        LoadError: the file is damaged, or holds what is not data; the class and the text say what and where.
        RuntimeError: tensors were saved on a device this machine does not have, and ``map_location`` is not given.
        ValueError: ``mmap`` is asked for, but ``f`` is no path.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.load.html
    """
    if pickle_module is not None:
        raise NotImplementedError("load(pickle_module=...) is not supported: files are read as data, without pickle")
    unknown = sorted(set(pickle_load_args) - {"encoding"})
    if unknown:
        raise TypeError(f"load() got an unexpected keyword argument '{unknown[0]}'")
    if mmap and not isinstance(f, (str, os.PathLike)):
        raise ValueError("f must be a file path in order to use the mmap argument")
    return built(map_location, lambda builders: read(f, mmap=mmap is not False, build=builders).obj)


def built(map_location: MapLocation, read_with: Callable[[Builders], Any]) -> Any:
    """Read an object with tensors in the place of records."""
    builder = _Builder(map_location)
    obj = read_with(builder.builders())
    builder.finish()
    return obj


class _Builder:
    """Makes empty tensors while the file is read, and fills them once it is known who shares a storage with whom."""

    def __init__(self, map_location: MapLocation) -> None:
        self._map_location = map_location
        self._tensors: dict[tuple[Any, ...], list[tuple[Tensor, TensorRecord]]] = {}
        self._parameters: list[tuple[Parameter, Tensor, bool]] = []

    def builders(self) -> Builders:
        """The hooks for the checkpoint room."""
        return Builders(
            tensor=self._tensor,
            parameter=self._parameter,
            size=Size,
            device=device,
            dtype=_dtype,
            layout=LAYOUTS.__getitem__,
        )

    def _tensor(self, record: TensorRecord) -> Tensor:
        tensor: Tensor = object.__new__(Core.kind)
        set_attributes(tensor, record.attributes)
        # What another type, or a conj bit, makes of the same bytes is computed, and so is a storage of its own.
        look = (id(record.storage), record.dtype, record.metadata.get("conj", False), record.metadata.get("neg", False))
        self._tensors.setdefault(look, []).append((tensor, record))
        return tensor

    def _parameter(self, data: object, requires_grad: bool, attributes: dict[str, object]) -> Parameter:
        parameter: Parameter = object.__new__(Parameter)
        set_attributes(parameter, attributes)
        self._parameters.append((parameter, cast("Tensor", data), requires_grad))
        return parameter

    def finish(self) -> None:
        """Give every tensor its storage."""
        for group in self._tensors.values():
            place = self._place(group[0][1].storage)
            if len(group) == 1 and not _repeats(group[0][1]):
                tensor, record = group[0]
                tensor.take_storage(made(_whole(record, place)))
            else:
                _fill_shared(group, place)
        for parameter, data, requires_grad in self._parameters:
            parameter.take_storage(data)
            parameter._requires_grad = requires_grad  # pyright: ignore[reportPrivateUsage]  # it is being made here
        for group in self._tensors.values():
            for tensor, record in group:
                tensor._requires_grad = record.requires_grad  # pyright: ignore[reportPrivateUsage]  # it is being made

    def _place(self, storage: StorageRecord) -> device:
        """Device for a storage's tensors; raises RuntimeError in PyTorch's words where there is none."""
        location = storage.location
        wanted = self._map_location
        if isinstance(wanted, dict):
            location = str(cast("dict[str, str]", wanted).get(location, location))
        elif isinstance(wanted, (str, device)):
            location = str(wanted)
        elif wanted is not None and wanted(storage, location) is not None:
            location = "cpu"
        return _present(_parsed(location))


def _parsed(location: str) -> device:
    """The device that a file or a user names; raises RuntimeError in PyTorch's words if it is none."""
    try:
        return as_device(location)
    except RuntimeError:
        raise RuntimeError(
            f"don't know how to restore data location of torch.storage.UntypedStorage (tagged with {location})"
        ) from None


def _present(place: device) -> device:
    """The device, if this machine has it; raises RuntimeError in PyTorch's words where it has not."""
    if place.type in ("cpu", "meta"):
        return place
    count, name = available(place.type), place.type.upper()
    if count == 0:
        raise RuntimeError(
            f"Attempting to deserialize object on a {name} device but torch.{place.type}.is_available() is False. "
            "If you are running on a CPU-only machine, please use torch.load with map_location=torch.device('cpu') "
            "to map your storages to the CPU."
        )
    if (place.index or 0) >= count:
        raise RuntimeError(
            f"Attempting to deserialize object on {name} device {place.index} but torch.{place.type}.device_count() is "
            f"{count}. Please use torch.load with map_location to map your storages to an existing device."
        )
    return place


def _dtype(name: str) -> dtype:
    try:
        return named(name)
    except KeyError:
        raise UnsupportedTensor(f"data type torch.{name} is not supported") from None


def _node(array: Any, name: str, place: device) -> Any:
    """A leaf of an array."""
    if name not in DTYPES:
        raise UnsupportedTensor(f"a tensor of data type torch.{name} is not supported")
    return leaf(array, Aval.of(array.shape, DTYPES[name], place))


def _whole(record: TensorRecord, place: device) -> Any:
    """A leaf of a tensor that shares its storage with no other; in row order, without a copy if it lies so."""
    return _node(np.ascontiguousarray(record.array()).reshape(record.shape), record.dtype, place)


def _repeats(record: TensorRecord) -> bool:
    """Whether a tensor shows elements many times over, so that it would take more memory than its file."""
    return math.prod(record.shape) > record.storage.nbytes // DTYPES[_dtype(record.dtype).name].itemsize


def _fill_shared(group: list[tuple[Tensor, TensorRecord]], place: device) -> None:
    """Give tensors that share a storage one cell, and each its view of it."""
    first = group[0][1]
    size = DTYPES[_dtype(first.dtype).name].itemsize
    count = first.storage.nbytes // size
    alike = all(
        record.shape == first.shape
        and record.stride == contiguous_strides(first.shape)
        and record.storage_offset == 0
        and math.prod(record.shape) == count
        for _, record in group
    )
    if alike:
        root = made(_whole(first, place))
        for tensor, _ in group:
            tensor.take_storage(root)
        return
    flat = TensorRecord(first.dtype, (count,), (1,), 0, first.storage, metadata=first.metadata)
    root = made(_node(flat.array(), first.dtype, place))
    for tensor, record in group:
        view = call_view(as_strided, root, (record.shape, record.stride, record.storage_offset))
        tensor.take_storage(view)
