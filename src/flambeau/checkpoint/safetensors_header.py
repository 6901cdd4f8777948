"""A safetensors file's header: what it says, checked so that every byte of the file belongs to exactly one tensor.

The file is 8 bytes with the header's length (unsigned, little-endian), the header (a JSON object), and the buffer. The
header gives for each tensor its type, shape and place in the buffer; ``__metadata__`` holds text by name.

Source: https://github.com/huggingface/safetensors#format
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from flambeau.base.errors import (
    BadEntry,
    BadHeaderStart,
    BadHeaderText,
    BadMetadata,
    DuplicateName,
    HeaderTooLarge,
    LimitExceeded,
    OverlappingTensors,
    TensorOutOfFile,
    TensorSizeMismatch,
    TooManyElements,
    TruncatedHeader,
    UncoveredBytes,
    UnknownElementType,
    UnsupportedTensor,
)
from flambeau.checkpoint.elements import ELEMENTS
from flambeau.checkpoint.json_text import JsonText
from flambeau.checkpoint.limits import DIMENSIONS, HEADER_BYTES, HEADER_ENTRY
from flambeau.checkpoint.source import ByteSource

__all__ = ["LENGTH_BYTES", "METADATA", "TYPES", "TYPE_NAMES", "Header", "StoredTensor", "read_header"]

LENGTH_BYTES: Final = 8
METADATA: Final = "__metadata__"
_FIELDS: Final[frozenset[str]] = frozenset(("dtype", "shape", "data_offsets"))
_END: Final = 1 << 63

# The format's name of an element type -> ours. F4 counts halves of our elements, which are pairs.
TYPES: Final[dict[str, str]] = {
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2": "float8_e5m2",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "F8_E8M0": "float8_e8m0fnu",
    "F4": "float4_e2m1fn_x2",
    "I16": "int16",
    "U16": "uint16",
    "F16": "float16",
    "BF16": "bfloat16",
    "I32": "int32",
    "U32": "uint32",
    "F32": "float32",
    "I64": "int64",
    "U64": "uint64",
    "F64": "float64",
    "C64": "complex64",
}
TYPE_NAMES: Final[dict[str, str]] = {ours: name for name, ours in TYPES.items()}
# Types of the format for which PyTorch has none.
_FOREIGN: Final = frozenset(("F6_E2M3", "F6_E3M2"))
_PAIRS: Final = "F4"


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """One tensor of the file: its type and shape, and where its bytes lie in the buffer."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(slots=True)
class Header:
    """What a header says.

    Attributes:
        start: where the buffer begins in the file.
        tensors: the tensors by name, in the header's order.
        metadata: text by name.
    """

    start: int
    tensors: dict[str, StoredTensor] = field(default_factory=dict[str, StoredTensor])
    metadata: dict[str, str] = field(default_factory=dict[str, str])


def read_header(source: ByteSource) -> Header:
    """Read and check a header.

    Args:
        source: the file's bytes.

    Raises:
        BadSafetensors: one of its subclasses, by the reason.
        UnsupportedTensor: a tensor has a type that PyTorch does not have.
        LimitExceeded: a tensor has too many dimensions.
    """
    reader = _HeaderReader(source)
    reader.text.walk(reader.member)
    _check_coverage(source.name, reader.header.tensors, source.size - reader.header.start)
    return reader.header


class _HeaderReader:
    """Collects what a header's members say."""

    def __init__(self, source: ByteSource) -> None:
        self._file = source.name
        data = _header_bytes(source)
        self.header = Header(LENGTH_BYTES + len(data))
        self.text = JsonText(f"{source.name}: header", data, BadHeaderText, DuplicateName)

    def member(self, name: str, at: int) -> int:
        """Read one member of the header."""
        if name == METADATA:
            return self._metadata(at)
        entry, end = self.text.flat(at, HEADER_ENTRY)
        self.header.tensors[name] = self._tensor(name, entry, at)
        return end

    def _metadata(self, at: int) -> int:
        """Read the metadata, which are text by name."""

        def member(name: str, at: int) -> int:
            if not self.text.shown(at).startswith("'\""):
                raise BadMetadata(f"{self._file}: metadata {name[:80]!r} is {self.text.shown(at)} instead of a string")
            self.header.metadata[name], end = self.text.string(at)
            return end

        if not self.text.shown(at).startswith("'{"):
            raise BadMetadata(f"{self._file}: the metadata are {self.text.shown(at)} instead of an object")
        return self.text.walk_object(at, member)

    def _tensor(self, name: str, entry: object, at: int) -> StoredTensor:
        """Check what the header says of one tensor."""
        where = f"{self._file}: tensor {name[:200]!r}"
        if not isinstance(entry, dict):
            raise BadEntry(f"{where}: its entry is no object of dtype, shape and data_offsets: {self.text.shown(at)}")
        fields = cast("Mapping[str, object]", entry)
        if len(fields) != len(_FIELDS) or not _FIELDS.issuperset(fields):
            raise BadEntry(f"{where}: its entry has {sorted(fields)} instead of dtype, shape and data_offsets")
        kind, shape, offsets = fields["dtype"], _naturals(fields["shape"]), _naturals(fields["data_offsets"])
        if shape is None or offsets is None or len(offsets) != 2 or offsets[0] > offsets[1]:
            raise BadEntry(
                f"{where}: its shape and data_offsets are {str(fields['shape'])[:80]} and "
                f"{str(fields['data_offsets'])[:80]} instead of natural numbers, the latter a beginning and an end"
            )
        if kind in _FOREIGN:
            raise UnsupportedTensor(f"{where}: its type is {kind}, which PyTorch does not have")
        if not isinstance(kind, str) or kind not in TYPES:
            raise UnknownElementType(f"{where}: its type {str(kind)[:80]!r} is not one of {', '.join(TYPES)}")
        if len(shape) > DIMENSIONS:
            raise LimitExceeded(f"{where}: it has {len(shape)} dimensions, the limit is {DIMENSIONS}")
        if kind == _PAIRS:
            shape = _paired(where, shape)
        _check_size(where, TYPES[kind], shape, offsets)
        return StoredTensor(name, TYPES[kind], shape, *offsets)


def _header_bytes(source: ByteSource) -> bytes:
    """Cut the header out of the file."""
    if source.size < LENGTH_BYTES:
        raise TruncatedHeader(f"{source.name}: a file of {source.size} bytes is too short for a safetensors header")
    length = int.from_bytes(source.view(0, LENGTH_BYTES), "little")
    if length > HEADER_BYTES:
        raise HeaderTooLarge(f"{source.name}: the header should have {length} bytes, the limit is {HEADER_BYTES}")
    if length > source.size - LENGTH_BYTES:
        raise TruncatedHeader(
            f"{source.name}: the header should have {length} bytes, but {source.size - LENGTH_BYTES} bytes follow; an "
            "interrupted download leaves such files"
        )
    data = bytes(source.view(LENGTH_BYTES, length))
    if not data.startswith(b"{"):
        raise BadHeaderStart(f"{source.name}: the header begins with {data[:8]!r} instead of '{{'")
    return data


def _naturals(value: object) -> tuple[int, ...] | None:
    """Give a list of natural numbers, or None."""
    if not isinstance(value, list):
        return None
    items = cast("list[object]", value)
    if not all(type(item) is int and item >= 0 for item in items):
        return None
    return tuple(cast("list[int]", items))


def _paired(where: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Count pairs of four-bit numbers, of which PyTorch makes one element."""
    if not shape or shape[-1] % 2:
        raise TensorSizeMismatch(f"{where}: four-bit numbers of shape {list(shape)} do not fill whole bytes")
    return (*shape[:-1], shape[-1] // 2)


def _check_size(where: str, dtype: str, shape: tuple[int, ...], offsets: tuple[int, ...]) -> None:
    """Check that a tensor's bytes are as many as its shape needs."""
    size = ELEMENTS[dtype].size
    count, all_counted = size, size
    for length in shape:
        count *= length
        all_counted *= max(length, 1)
        if all_counted >= _END:
            raise TooManyElements(f"{where}: shape {list(shape)} of {dtype} has more bytes than can be addressed")
    if count != offsets[1] - offsets[0]:
        raise TensorSizeMismatch(
            f"{where}: shape {list(shape)} of {dtype} needs {count} bytes, but data_offsets {list(offsets)} give it "
            f"{offsets[1] - offsets[0]}"
        )


def _check_coverage(file: str, tensors: Mapping[str, StoredTensor], size: int) -> None:
    """Check that the tensors cover the buffer without gap or overlap."""
    position, before = 0, ""
    for tensor in sorted(tensors.values(), key=lambda tensor: (tensor.start, tensor.end)):
        if tensor.end > size:
            raise TensorOutOfFile(
                f"{file}: tensor {tensor.name[:200]!r} should end at byte {tensor.end} of the buffer, which has "
                f"{size}; an interrupted download leaves such files"
            )
        if tensor.start < position:
            raise OverlappingTensors(f"{file}: tensors {before[:200]!r} and {tensor.name[:200]!r} overlap")
        if tensor.start > position:
            raise UncoveredBytes(
                f"{file}: {tensor.start - position} bytes before tensor {tensor.name[:200]!r} belong to no tensor"
            )
        position, before = tensor.end, tensor.name
    if position != size:
        raise UncoveredBytes(f"{file}: {size - position} bytes at the end of the file belong to no tensor")
