"""Writing a safetensors file: the header, padded so that the buffer is aligned, and the tensors in row order.

Equal tensors give equal bytes. The header lists the tensors in the order they come in; in the buffer those of wide
elements lie first, so that each begins at a multiple of its element's size.

Source: https://github.com/huggingface/safetensors#format
"""

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Final

from flambeau.base.errors import CannotSave
from flambeau.checkpoint.elements import ELEMENTS
from flambeau.checkpoint.limits import HEADER_BYTES
from flambeau.checkpoint.records import TensorRecord
from flambeau.checkpoint.row_order import row_bytes, row_chunks
from flambeau.checkpoint.safetensors_header import LENGTH_BYTES, METADATA, TYPE_NAMES
from flambeau.checkpoint.sharing import KEY, find_sharing
from flambeau.checkpoint.sink import WritableTo, writing_to
from flambeau.checkpoint.zip_writer import ByteSink

__all__ = ["PYTORCH", "write_safetensors"]

PYTORCH: Final = {"format": "pt"}  # by which other programs know that names and layouts are PyTorch's
_ALIGNMENT: Final = 64
_PAIRS: Final = "float4_e2m1fn_x2"


def write_safetensors(
    tensors: Mapping[str, TensorRecord], target: WritableTo, *, metadata: Mapping[str, str] | None = None
) -> None:
    """Write tensors as a safetensors file, which replaces an old one in one step.

    Every tensor is written in full and in row order, except those that show exactly what an earlier one shows: their
    bytes are written once, and the metadata say so. `read` gives them back, and lets tensors share a storage that
    shared one before.

    Args:
        tensors: the tensors by name.
        target: a path, or a file opened for writing in binary mode.
        metadata: text by name, for the file's header; by default ``{"format": "pt"}``.

    Raises:
        CannotSave: a name is no text, or a tensor has a type that the format does not have.
        SaveError: another of its subclasses, by the reason.

    Example:
        >>> import io
        >>> import numpy as np
        >>> from flambeau.checkpoint import TensorRecord, read
        >>> file = io.BytesIO()
        >>> write_safetensors({"weight": TensorRecord.from_array(np.ones(2))}, file)
        >>> read(file.getvalue()).obj["weight"].array()
        array([1., 1.])

    Source: https://github.com/huggingface/safetensors#format
    """
    for name, record in tensors.items():
        _check(name, record)
    sharing = find_sharing(tensors)
    noted = _checked_metadata(PYTORCH if metadata is None else metadata)
    # An entry of the metadata from any name to a tensor's would be taken for a tie, if ours did not say otherwise.
    if sharing.ties or sharing.storages or any(text in tensors for text in noted.values()):
        noted[KEY] = sharing.text()
    kept = {name: record for name, record in tensors.items() if name not in sharing.ties}
    ordered = sorted(kept.values(), key=lambda record: -ELEMENTS[record.dtype].size)
    header = _header(kept, ordered, noted)
    with writing_to(target) as sink:
        sink.write(header)
        _write_tensors(sink, ordered)


def _check(name: object, record: TensorRecord) -> None:
    """Refuse names and types that the format does not have."""
    if not isinstance(name, str) or name == METADATA or not _is_text(name):
        raise CannotSave(f"cannot save a tensor under the name {str(name)[:80]!r} in a safetensors file")
    if record.dtype not in TYPE_NAMES:
        raise CannotSave(
            f"cannot save tensor {name!r} in a safetensors file: the format has no type for torch.{record.dtype}; it "
            f"has {', '.join(TYPE_NAMES)}"
        )


def _checked_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """Refuse metadata that are not text by name."""
    for name, text in metadata.items():
        if not isinstance(name, str) or not isinstance(text, str) or not _is_text(name + text):
            raise CannotSave(f"metadata of a safetensors file are text by name, but {name!r} is {text!r}")
    return dict(metadata)


def _is_text(text: str) -> bool:
    """Tell whether a string can be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _header(kept: Mapping[str, TensorRecord], ordered: Iterable[TensorRecord], metadata: dict[str, str]) -> bytes:
    """Write the header, and its length before it."""
    starts: dict[int, int] = {}
    position = 0
    for record in ordered:
        starts[id(record)] = position
        position += row_bytes(record)
    members: dict[str, object] = {METADATA: metadata} if metadata else {}
    for name, record in kept.items():
        start = starts[id(record)]
        members[name] = {
            "dtype": TYPE_NAMES[record.dtype],
            "shape": _shape(record),
            "data_offsets": [start, start + row_bytes(record)],
        }
    data = json.dumps(members, separators=(",", ":"), ensure_ascii=False).encode()
    data += b" " * (-(LENGTH_BYTES + len(data)) % _ALIGNMENT)
    if len(data) > HEADER_BYTES:
        raise CannotSave(
            f"the names of {len(kept)} tensors make a header of {len(data)} bytes; the safetensors format allows "
            f"{HEADER_BYTES}"
        )
    return len(data).to_bytes(LENGTH_BYTES, "little") + data


def _shape(record: TensorRecord) -> list[int]:
    """Shape in the format's count: pairs of four-bit numbers are counted as two."""
    shape = list(record.shape)
    if record.dtype == _PAIRS:
        shape = [*shape[:-1], shape[-1] * 2] if shape else [2]
    return shape


def _write_tensors(sink: ByteSink, ordered: Iterable[TensorRecord]) -> None:
    """Write the buffer, in the format's byte order."""
    for record in ordered:
        unit = ELEMENTS[record.dtype].swap
        for chunk in row_chunks(record):
            if sys.byteorder != "little" and unit > 1:
                sink.write(chunk.view(f"u{unit}").byteswap().view("u1").data)
            else:
                sink.write(chunk.view("u1").data)
