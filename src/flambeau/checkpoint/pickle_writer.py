"""Describing an object as a pickle of protocol 2: the mirror of the reader's opcodes and names.

What is written is what PyTorch 2.13 writes for the same object, byte for byte: equal bytes are the plainest proof that
PyTorch reads them. An object is visited once; what goes into the file of each storage is settled when all have been
visited, so the few numbers that depend on it are filled in at the end.
"""

import sys
from collections import Counter, OrderedDict
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final, TypeAlias

from flambeau.base.errors import CannotSave, CircularReference
from flambeau.checkpoint.elements import ELEMENTS
from flambeau.checkpoint.encoding import (
    LONGEST_TEXT,
    encode_float,
    encode_get,
    encode_global,
    encode_integer,
    encode_put,
    encode_text,
)
from flambeau.checkpoint.records import (
    CallRecord,
    DeviceRecord,
    DtypeRecord,
    GlobalRecord,
    LayoutRecord,
    ObjectRecord,
    SizeRecord,
    StorageRecord,
    StorageView,
    TensorRecord,
)
from flambeau.checkpoint.special_records import SpecialRecord
from flambeau.checkpoint.special_writing import as_call
from flambeau.checkpoint.storage_plan import SavedStorage, storage_type

__all__ = ["Pickled", "write_pickle"]

_BATCH: Final = 1_000  # values between a mark and the opcode that takes them, as in CPython
_LATIN1: Final = "latin1"
_INNER: Final = object()  # the label of a step that users have no name for


@dataclass(frozen=True, slots=True)
class Pickled:
    """An object's description, and the storages that its tensors view."""

    data: bytes
    storages: Sequence[SavedStorage]


@dataclass(frozen=True, slots=True)
class _Late:
    """An integer that is known only when every object has been visited."""

    value: Callable[[], int]


@dataclass(frozen=True, slots=True)
class _Mention:
    """One mention of a storage, with the class that is named in it."""

    saved: SavedStorage
    kind: str


# A saver writes a value; where the value has children, it yields each with its label, to be written there and then.
_Steps: TypeAlias = Generator[tuple[object, object], None, None]


@dataclass(frozen=True, slots=True)
class _Frame:
    """A value that has been begun: where it is in the object, and what is left to be done."""

    value: object
    label: object
    steps: _Steps


def write_pickle(obj: object, describe: Callable[[object], object] | None = None, *, legacy: bool = False) -> Pickled:
    """Describe an object.

    Args:
        obj: plain Python values and records, nested in any way; a tuple or a set must not contain itself.
        describe: turns any other object into one of these; what it does not know it returns unchanged.
        legacy: mention storages as PyTorch did before version 1.6.

    Raises:
        CannotSave: the object holds something else.
        CircularReference: a tuple or a set contains itself.
        StorageTypeConflict: two tensors view one storage as different types.
    """
    writer = _PickleWriter(describe, legacy)
    writer.write(obj)
    return writer.finish()


class _PickleWriter:
    """Visits an object without recursion, writing opcodes as it goes."""

    def __init__(self, describe: Callable[[object], object] | None, legacy: bool) -> None:
        self._describe = describe
        # What part of another storage a storage is, which was once a fact of its own: none.
        self._view = (None,) if legacy else ()
        # PyTorch does not read an untyped storage from its own old format, but reads bytes as any type from both.
        self._untyped = "torch.ByteStorage" if legacy else "torch.storage.UntypedStorage"
        self._pieces: list[bytes | _Late] = [b"\x80\x02"]  # PROTO 2
        # Identity -> index in the memo and the object itself, which is kept so that its identity stays its own.
        self._memo: dict[int, tuple[int, object]] = {}
        self._names: dict[str, int] = {}
        self._frames: list[_Frame] = []
        self._open: set[int] = set()
        self._storages: dict[int, SavedStorage] = {}

    def write(self, obj: object) -> None:
        """Visit an object and everything in it."""
        self._begin(obj, _INNER)
        while self._frames:
            frame = self._frames[-1]
            step = next(frame.steps, None)
            if step is None:
                self._open.discard(id(frame.value))
                self._frames.pop()
            else:
                self._begin(*step)

    def finish(self) -> Pickled:
        """Fill in the numbers that came late."""
        self._emit(b".")  # STOP
        pieces = (piece if isinstance(piece, bytes) else encode_integer(piece.value()) for piece in self._pieces)
        return Pickled(b"".join(pieces), list(self._storages.values()))

    def _begin(self, value: object, label: object) -> None:
        """Write a value without children, or begin one with children."""
        known = self._memo.get(id(value))
        if known is not None:
            self._emit(encode_get(known[0]))
            return
        if id(value) in self._open:
            raise CircularReference(f"cannot save {self._path(label)}: it contains itself")
        described = value
        if type(value) not in _SAVERS and self._describe is not None and not isinstance(value, SpecialRecord):
            try:
                described = self._describe(value)
            except CannotSave as error:
                raise type(error)(f"cannot save {self._path(label)}: {error}") from error.__cause__
        if isinstance(described, SpecialRecord):
            described = as_call(described)
        saver = _SAVERS.get(type(described))
        if saver is None:
            raise CannotSave(f"cannot save {self._path(label)}: {_complaint(value)}")
        steps = saver(self, described, value)
        if steps is not None:
            self._open.add(id(value))
            self._frames.append(_Frame(value, label, steps))

    def _path(self, label: object) -> str:
        """Say where in the object something is."""
        labels = [*(frame.label for frame in self._frames), label]
        return "the object" + "".join(
            f"[{str(part)[:80]!r}]" if isinstance(part, str) else f"[{part!r}]" for part in labels if part is not _INNER
        )

    def _emit(self, piece: bytes) -> None:
        """Write bytes."""
        self._pieces.append(piece)

    def _remember(self, value: object) -> None:
        """Put the value that was just written into the memo."""
        index = len(self._memo) + len(self._names)
        self._memo[id(value)] = (index, value)
        self._emit(encode_put(index))

    def _name(self, name: str) -> None:
        """Write the name of a class or function."""
        if name in self._names:
            self._emit(encode_get(self._names[name]))
            return
        self._names[name] = index = len(self._memo) + len(self._names)
        self._emit(encode_global(name) + encode_put(index))

    # Values without children ----------------------------------------------------------------------------------------

    def save_constant(self, value: object, _: object) -> None:
        """Write None, True or False."""
        self._emit(b"N" if value is None else b"\x88" if value else b"\x89")

    def save_integer(self, value: int, _: object) -> None:
        """Write an integer."""
        self._emit(encode_integer(value))

    def save_late(self, value: _Late, _: object) -> None:
        """Leave room for an integer."""
        self._pieces.append(value)

    def save_float(self, value: float, _: object) -> None:
        """Write a number."""
        self._emit(encode_float(value))

    def save_text(self, value: str, original: object) -> None:
        """Write a string."""
        encoded = encode_text(value)
        if len(encoded) > LONGEST_TEXT:
            raise CannotSave(f"cannot save {self._path(_INNER)}: a string of {len(value)} characters is too long")
        self._emit(encoded)
        self._remember(original)

    def save_global(self, value: GlobalRecord, _: object) -> None:
        """Write the name of a class or function."""
        self._name(value.name)

    def save_dtype(self, value: DtypeRecord, _: object) -> None:
        """Write an element type."""
        self._name(f"torch.{value.name}")

    # Containers -----------------------------------------------------------------------------------------------------

    def save_tuple(self, value: tuple[object, ...], original: object) -> _Steps | None:
        """Write a tuple."""
        if not value:
            self._emit(b")")  # EMPTY_TUPLE
            return None
        return self._tuple_steps(value, original)

    def _tuple_steps(self, value: tuple[object, ...], original: object) -> _Steps:
        """Write the items of a tuple, then what makes a tuple of them."""
        short = {1: b"\x85", 2: b"\x86", 3: b"\x87"}.get(len(value))  # TUPLE1, TUPLE2, TUPLE3
        if short is None:
            self._emit(b"(")  # MARK
        for index, item in enumerate(value):
            yield item, index
        self._emit(short or b"t")  # TUPLE
        self._remember(original)

    def save_list(self, value: list[object], original: object) -> _Steps:
        """Write a list."""
        self._emit(b"]")  # EMPTY_LIST
        self._remember(original)
        yield from self._batches(enumerate(value), b"a", b"e")  # APPEND, APPENDS

    def save_dict(self, value: dict[object, object], original: object) -> _Steps:
        """Write a dictionary."""
        self._emit(b"}")  # EMPTY_DICT
        self._remember(original)
        yield from self._batches(value.items(), b"s", b"u", keyed=True)  # SETITEM, SETITEMS

    def _batches(
        self, items: Iterable[tuple[object, object]], one: bytes, many: bytes, *, keyed: bool = False
    ) -> _Steps:
        """Write labeled items, many of them for one opcode."""
        remaining = iter(items)
        while batch := list(islice(remaining, _BATCH)):
            if len(batch) > 1:
                self._emit(b"(")  # MARK
            for label, item in batch:
                if keyed:
                    yield label, label
                yield item, label
            self._emit(many if len(batch) > 1 else one)

    def _call(self, name: str, arguments: tuple[object, ...], original: object) -> _Steps:
        """Write a call of a permitted name."""
        self._name(name)
        yield arguments, _INNER
        self._emit(b"R")  # REDUCE
        self._remember(original)

    def save_ordered_dict(self, value: "OrderedDict[object, object]", original: object) -> _Steps:
        """Write an ordered dictionary with its attributes."""
        yield from self._call("collections.OrderedDict", (), original)
        yield from self._batches(value.items(), b"s", b"u", keyed=True)  # SETITEM, SETITEMS
        # Python leaves this one behind where an OrderedDict was made with type arguments.
        if attributes := {name: part for name, part in vars(value).items() if name != "__orig_class__"}:
            yield attributes, _INNER
            self._emit(b"b")  # BUILD

    def save_counter(self, value: "Counter[object]", original: object) -> _Steps:
        """Write a counter."""
        return self._call("collections.Counter", (dict(value),), original)

    def save_set(self, value: set[object], original: object) -> _Steps:
        """Write a set."""
        return self._call("builtins.set", (list(value),), original)

    def save_bytes(self, value: bytes, original: object) -> _Steps:
        """Write bytes, each as a character: PyTorch reads no other form, not even its own of empty bytes."""
        return self._call("_codecs.encode", (value.decode("latin1"), _LATIN1), original)

    def save_bytearray(self, value: bytearray, original: object) -> _Steps:
        """Write an array of bytes."""
        return self._call("builtins.bytearray", (bytes(value),) if value else (), original)

    def save_complex(self, value: complex, original: object) -> _Steps:
        """Write a complex number."""
        return self._call("builtins.complex", (value.real, value.imag), original)

    def save_object(self, value: ObjectRecord, original: object) -> _Steps:
        """Write an object of a class, or what a function is called for."""
        self._name(value.name)
        yield value.arguments, _INNER
        self._emit(b"R" if isinstance(value, CallRecord) else b"\x81")  # REDUCE, NEWOBJ
        self._remember(original)
        yield from self._batches(enumerate(value.items), b"a", b"e")  # APPEND, APPENDS
        yield from self._batches(value.pairs, b"s", b"u", keyed=True)  # SETITEM, SETITEMS
        if value.state is not None:
            yield value.state, _INNER
            self._emit(b"b")  # BUILD

    # Records --------------------------------------------------------------------------------------------------------

    def save_size(self, value: SizeRecord, original: object) -> _Steps:
        """Write a torch.Size."""
        return self._call("torch.Size", (tuple(value),), original)

    def save_device(self, value: DeviceRecord, original: object) -> _Steps:
        """Write a torch.device."""
        arguments = (value.type,) if value.index is None else (value.type, value.index)
        return self._call("torch.device", arguments, original)

    def save_layout(self, value: LayoutRecord, original: object) -> _Steps:
        """Write a torch.layout."""
        return self._call("torch.serialization._get_layout", (f"torch.{value.name}",), original)

    def save_tensor(self, value: TensorRecord, original: object) -> _Steps:
        """Write a tensor, a parameter, or a tensor with attributes."""
        if value.is_parameter:
            data = replace(value, is_parameter=False, requires_grad=False, attributes={})
            state = (value.attributes,) if value.attributes else ()
            name = "torch._utils._rebuild_parameter" + ("_with_state" if state else "")
            return self._call(name, (data, value.requires_grad, _no_hooks(), *state), original)
        name, arguments = self._tensor_call(value)
        if not value.attributes and value.kind == "torch.Tensor":
            return self._call(name, arguments, original)
        typed = (GlobalRecord(name), GlobalRecord(value.kind), arguments, value.attributes)
        return self._call("torch._tensor._rebuild_from_type_v2", typed, original)

    def _tensor_call(self, value: TensorRecord) -> tuple[str, tuple[object, ...]]:
        """Tell how a plain tensor is rebuilt."""
        storage = ELEMENTS[value.dtype].storage
        saved = self._saved(value.storage, storage_type(value.dtype))
        saved.add(value)
        arguments = (
            _Mention(saved, self._untyped if storage is None else f"torch.{storage}"),
            _Late(lambda: saved.view(value).offset),
            (*value.shape,),
            tuple(_Late(lambda axis=axis: saved.view(value).stride[axis]) for axis in range(len(value.stride))),
            value.requires_grad,
            _no_hooks(),
            *((DtypeRecord(value.dtype),) if storage is None else ()),
            *((value.metadata,) if value.metadata else ()),
        )
        return f"torch._utils._rebuild_tensor_v{2 if storage else 3}", arguments

    def save_storage(self, value: StorageRecord, _: object) -> _Steps:
        """Write a storage for itself, which is then saved whole."""
        saved = self._saved(value, storage_type(value.dtype))
        saved.keep_whole(storage_type(value.dtype))
        storage = ELEMENTS[value.dtype].storage
        untyped = storage is None or value.dtype == "uint8"
        return self.save_mention(_Mention(saved, self._untyped if untyped else f"torch.{storage}"), value)

    def save_mention(self, value: _Mention, _: object) -> _Steps:
        """Write the identifier of a storage, outside the pickle."""
        saved = value.saved
        location = sys.intern(saved.record.location)
        yield (
            ("storage", GlobalRecord(value.kind), saved.key, location, _Late(lambda: saved.count), *self._view),
            _INNER,
        )
        self._emit(b"Q")  # BINPERSID

    def _saved(self, record: StorageRecord, dtype: str) -> SavedStorage:
        """Give a storage its place in the file, the first time it is met."""
        if id(record) not in self._storages:
            self._storages[id(record)] = SavedStorage(record, str(len(self._storages)), dtype)
        return self._storages[id(record)]


# How each type is written. Exactly these types: a subclass may carry what its base does not.
_SAVERS: Final[dict[type, Callable[[_PickleWriter, Any, object], _Steps | None]]] = {
    type(None): _PickleWriter.save_constant,
    bool: _PickleWriter.save_constant,
    int: _PickleWriter.save_integer,
    float: _PickleWriter.save_float,
    complex: _PickleWriter.save_complex,
    str: _PickleWriter.save_text,
    bytes: _PickleWriter.save_bytes,
    bytearray: _PickleWriter.save_bytearray,
    tuple: _PickleWriter.save_tuple,
    list: _PickleWriter.save_list,
    dict: _PickleWriter.save_dict,
    set: _PickleWriter.save_set,
    OrderedDict: _PickleWriter.save_ordered_dict,
    Counter: _PickleWriter.save_counter,
    SizeRecord: _PickleWriter.save_size,
    DeviceRecord: _PickleWriter.save_device,
    DtypeRecord: _PickleWriter.save_dtype,
    LayoutRecord: _PickleWriter.save_layout,
    GlobalRecord: _PickleWriter.save_global,
    ObjectRecord: _PickleWriter.save_object,
    CallRecord: _PickleWriter.save_object,
    TensorRecord: _PickleWriter.save_tensor,
    StorageRecord: _PickleWriter.save_storage,
    StorageView: _PickleWriter.save_storage,
    _Late: _PickleWriter.save_late,
    _Mention: _PickleWriter.save_mention,
}

# Types of a module that people save by mistake, and what they can save instead.
_REMEDIES: Final[dict[str, str]] = {
    "numpy": "PyTorch does not load NumPy values by default; save `value.item()`, `array.tolist()` or a tensor",
    "builtins": "save a list, tuple, set or dict of plain values instead",
}


def _no_hooks() -> "OrderedDict[object, object]":
    """Give the empty dictionary that stands for a tensor's hooks, which are never saved."""
    return OrderedDict()


def _complaint(value: object) -> str:
    """Say why a value cannot be saved, and what can."""
    kind = type(value)
    remedy = _REMEDIES.get(kind.__module__, "save its plain values, for a module its state_dict()")
    return (
        f"it is of type {kind.__module__}.{kind.__qualname__}, which a checkpoint cannot hold without code. It holds "
        f"None, bool, int, float, complex, str, bytes, lists, tuples, sets, dictionaries and tensors: {remedy}"
    )
