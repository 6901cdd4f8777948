"""``load``: the checkpoint room reads records, and they become tensors here, placed by ``map_location``."""

import math
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any, BinaryIO, Final, cast

import numpy as np

from flambeau.base.errors import BadTensor, UnsupportedTensor
from flambeau.base.shapes import Size, contiguous_strides
from flambeau.checkpoint import (
    Builders,
    DtypeRecord,
    MetaRecord,
    NestedRecord,
    QuantizedRecord,
    SparseRecord,
    StorageRecord,
    TensorRecord,
    read,
)
from flambeau.checkpoint.reader import Unknown
from flambeau.checkpoint.special_records import SpecialRecord
from flambeau.devices.device import META, device
from flambeau.dtypes.kinds import DTYPES, dtype
from flambeau.dtypes.layouts import LAYOUTS
from flambeau.graph.node import Aval, Deferred, leaf
from flambeau.primitives.movement import as_strided
from flambeau.serialization.instances import instances
from flambeau.serialization.options import skipping_data
from flambeau.serialization.places import MapLocation, placed
from flambeau.serialization.registry import registered
from flambeau.tensors.conversion import set_attributes
from flambeau.tensors.core import Core, call_view, made, wrap_array
from flambeau.tensors.parameter import Parameter
from flambeau.tensors.tensor import Tensor

__all__ = ["built", "load"]

_AT_ONCE: Final = 1 << 20  # bytes of a storage that is read, and compared with its checksum, while the file is opened


def load(
    f: str | os.PathLike[str] | BinaryIO,
    map_location: MapLocation = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    unknown: Unknown = "error",
    **pickle_load_args: Any,
) -> Any:
    """Load an object from a file that PyTorch or ``save`` wrote. No code in the file is run, whatever the arguments.

    Layers, optimizers and schedules of PyTorch's become ours, so a whole model made of them loads as a model. Classes
    of yours are made if they were registered with ``serialization.add_safe_globals``: nothing is imported for a file.

    Tensors without a pickle are loaded as well, told by what is in the file: safetensors files, NumPy's ``.npz`` and
    ``.npy``, and an index of shards (``model.safetensors.index.json``, ``pytorch_model.bin.index.json``) with the files
    that it names, as one dictionary.

    Args:
        f: a path, or a file opened for reading in binary mode.
        map_location: where tensors go: a device; a dictionary from the device in the file to another; a function of
            (storage, device in the file) that returns the storage (``storage``, which is on the CPU, or
            ``storage.cuda(1)``), or None for the device in the file; or None, the device they were saved on.
        pickle_module: must be None: no pickle module is used.
        weights_only: accepted, and changes nothing: with False, too, files are read as data, and the only classes and
            functions of yours that are called are registered ones. There is no way to run a file's code.
        mmap: map a path's bytes instead of copying them into memory, which is the default for paths. Storages over
            1 MB are then read, and compared with their checksums, when their tensors are first looked at; with False
            everything is compared at once. What is mapped stays as it is when ``save`` replaces the file.
        unknown: what becomes of objects of unknown classes, and of tensors that have no counterpart here (sparse,
            quantized, nested): ``"error"``; or ``"record"``, which gives each as an inert
            ``checkpoint.records.ObjectRecord`` (or another record) of what the file says about it. Its ``tensors()``
            are the tensors inside, by their paths.
            A TorchScript archive is read as such records only; their ``state_dict()`` holds its weights.
        pickle_load_args: ``encoding`` says how text that Python 2 wrote is read: ``"utf-8"``, ``"ascii"``,
            ``"latin1"`` or ``"bytes"``. By default it is UTF-8, or else Latin-1 where it is no dictionary's key.

    Raises:
        LoadError: the file is damaged, or holds what is not data; the class and the text say what and where. Of these
            ``DisallowedGlobal`` means an unknown class, ``UnsupportedTensor`` a tensor without a counterpart.
        RuntimeError: tensors were saved on a device this machine does not have, and ``map_location`` is not given.
        ValueError: ``mmap`` is asked for, but ``f`` is no path; or ``encoding`` is none of the four.

    Example:
        >>> import io
        >>> import flambeau as torch
        >>> file = io.BytesIO()
        >>> torch.save(torch.nn.Linear(2, 3), file)
        >>> _ = file.seek(0)
        >>> torch.load(file)
        Linear(in_features=2, out_features=3, bias=True)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.load.html
    """
    if pickle_module is not None:
        raise NotImplementedError("load(pickle_module=...) is not supported: files are read as data, without pickle")
    strange = sorted(set(pickle_load_args) - {"encoding"})
    if strange:
        raise TypeError(f"load() got an unexpected keyword argument '{strange[0]}'")
    if mmap and not isinstance(f, (str, os.PathLike)):
        raise ValueError("f must be a file path in order to use the mmap argument")
    encoding = cast("str | None", pickle_load_args.get("encoding"))

    def read_with(builders: Builders) -> Any:
        return read(f, mmap=mmap is not False, build=builders, encoding=encoding, unknown=unknown).obj

    return built(read_with, map_location, unknown == "record")


def built(read_with: Callable[[Builders], Any], map_location: MapLocation, as_records: bool = False) -> Any:
    """Read an object with tensors in the place of records.

    Args:
        read_with: reads it, with the hooks that it is given.
        map_location: where tensors go, as for ``load``.
        as_records: whether what is not supported stays a record.
    """
    builder = _Builder(map_location, as_records)
    obj = read_with(builder.builders())
    builder.finish()
    return obj


class _Builder:
    """Makes empty tensors while the file is read, and fills them once it is known who shares a storage with whom.

    That is at the end, and before code of the user's or ours is given an object with tensors.
    """

    def __init__(self, map_location: MapLocation, as_records: bool) -> None:
        self._map_location = map_location
        self._as_records = as_records
        self._skipping = skipping_data()
        # Tensors by how they look at which storage, and the keys of those that have new ones.
        self._tensors: dict[tuple[Any, ...], list[tuple[Tensor, TensorRecord]]] = {}
        self._changed: dict[tuple[Any, ...], int] = {}
        self._parameters: list[tuple[Parameter, Tensor, bool]] = []
        self._followers: dict[int, list[Parameter]] = {}
        self._places: dict[int, device] = {}

    def builders(self) -> Builders:
        """The hooks for the checkpoint room."""
        return Builders(
            tensor=self._tensor,
            parameter=self._parameter,
            size=Size,
            device=device,
            dtype=self._dtype,
            layout=LAYOUTS.__getitem__,
            subclass=self._subclass,
            special=self._special,
            known={**instances(self.finish), **registered(self.finish)},
        )

    def _tensor(self, record: TensorRecord) -> object:
        if record.dtype not in DTYPES:
            if self._as_records:
                return record
            raise _unsupported(f"a tensor of data type torch.{record.dtype} is not supported")
        return self._empty(Core.kind, record)

    def _subclass(self, kind: object, record: TensorRecord) -> object:
        if not isinstance(kind, type) or not issubclass(kind, Tensor):
            raise BadTensor(f"a tensor is of the class {kind!r}, which is no class of tensors")
        if record.dtype not in DTYPES:
            raise _unsupported(f"a tensor of data type torch.{record.dtype} is not supported")
        return self._empty(kind, record)

    def _empty(self, kind: type[Any], record: TensorRecord) -> Tensor:
        """A tensor whose elements come later."""
        if self._skipping:
            record.storage.load = lambda: np.zeros(record.storage.nbytes, np.uint8)
        tensor: Tensor = object.__new__(kind)
        set_attributes(tensor, record.attributes)
        # What another type, or a conj bit, makes of the same bytes is computed, and so is a storage of its own.
        look = (id(record.storage), record.dtype, record.metadata.get("conj", False), record.metadata.get("neg", False))
        group = self._tensors.setdefault(look, [])
        self._changed.setdefault(look, len(group))
        group.append((tensor, record))
        return tensor

    def _special(self, record: SpecialRecord) -> object:
        if isinstance(record, MetaRecord):
            kind = _dtype(record.dtype)
            empty = np.broadcast_to(np.zeros((), kind.numpy), record.shape)
            return wrap_array(empty, kind, META).requires_grad_(record.requires_grad)
        if self._as_records:
            return record
        raise _unsupported(f"{_KINDS[type(record)]} is not supported")

    def _parameter(self, data: object, requires_grad: bool, attributes: dict[str, object]) -> object:
        if isinstance(data, TensorRecord):
            return replace(data, requires_grad=requires_grad, is_parameter=True, attributes=attributes)
        if not isinstance(data, Tensor):
            return data
        parameter: Parameter = object.__new__(Parameter)
        set_attributes(parameter, attributes)
        self._parameters.append((parameter, data, requires_grad))
        self._followers.setdefault(id(data), []).append(parameter)
        return parameter

    def _dtype(self, name: str) -> object:
        if name not in DTYPES and self._as_records:
            return DtypeRecord(name)
        return _dtype(name)

    def finish(self) -> None:
        """Give every tensor that is new its storage; one that shares a storage with a new one gets a common one."""
        for look, first in self._changed.items():
            group = self._tensors[look]
            place = self._place(group[0][1].storage)
            if len(group) == 1 and not _repeats(group[0][1]):
                tensor, record = group[0]
                tensor.take_storage(made(_whole(record, place)))
            else:
                _fill_shared(group, place)
            for tensor, record in group[first:]:
                tensor._requires_grad = record.requires_grad  # pyright: ignore[reportPrivateUsage]  # it is being made
            for tensor, _ in group[:first]:
                for parameter in self._followers.get(id(tensor), ()):
                    parameter.take_storage(tensor)
        for parameter, data, requires_grad in self._parameters:
            parameter.take_storage(data)
            parameter._requires_grad = requires_grad  # pyright: ignore[reportPrivateUsage]  # it is being made here
        self._changed.clear()
        self._parameters.clear()

    def _place(self, storage: StorageRecord) -> device:
        """Device for a storage's tensors, asked for once."""
        if id(storage) not in self._places:
            self._places[id(storage)] = placed(storage, self._map_location)
        return self._places[id(storage)]


# What PyTorch calls tensors that have no counterpart here.
_KINDS: Final[dict[type, str]] = {
    NestedRecord: "a nested tensor",
    QuantizedRecord: "a quantized tensor",
    SparseRecord: "a sparse tensor",
}


def _unsupported(text: str) -> UnsupportedTensor:
    """The error for what has no counterpart here."""
    return UnsupportedTensor(f'{text}; load(..., unknown="record") gives it as a record with its parts as arrays')


def _dtype(name: str) -> dtype:
    """The data type of a name in a file."""
    if name not in DTYPES:
        raise _unsupported(f"data type torch.{name} is not supported")
    return DTYPES[name]


def _whole(record: TensorRecord, place: device) -> Any:
    """A leaf of a tensor's elements in row order, without a copy if they lie so.

    Large ones are read, and compared with their checksum, when somebody looks at them.
    """

    def fetch() -> Any:
        return np.ascontiguousarray(record.array()).reshape(record.shape)

    aval = Aval.of(record.shape, DTYPES[record.dtype], place)
    return leaf(Deferred(fetch) if record.storage.nbytes > _AT_ONCE else fetch(), aval)


def _repeats(record: TensorRecord) -> bool:
    """Whether a tensor shows elements many times over, so that it would take more memory than its file."""
    return math.prod(record.shape) > record.storage.nbytes // DTYPES[record.dtype].itemsize


def _fill_shared(group: list[tuple[Tensor, TensorRecord]], place: device) -> None:
    """Give tensors that share a storage one cell, and each its view of it."""
    first = group[0][1]
    size = DTYPES[first.dtype].itemsize
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
    root = made(_whole(TensorRecord(first.dtype, (count,), (1,), 0, first.storage, metadata=first.metadata), place))
    for tensor, record in group:
        view = call_view(as_strided, root, (record.shape, record.stride, record.storage_offset))
        tensor.take_storage(view)
