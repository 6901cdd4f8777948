"""Writing NumPy's files: an array (.npy), or a zip archive of arrays (.npz) with checksums and aligned data.

Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

import io
from collections.abc import Iterator, Mapping

from numpy.lib import format as npy

from flambeau.base.errors import CannotSave
from flambeau.checkpoint.elements import ELEMENTS, Element
from flambeau.checkpoint.records import TensorRecord
from flambeau.checkpoint.row_order import row_bytes, row_chunks
from flambeau.checkpoint.sink import WritableTo, writing_to
from flambeau.checkpoint.zip_writer import ZipWriter

__all__ = ["is_numpy", "write_npy", "write_npz"]


def is_numpy(dtype: str) -> bool:
    """Tell whether NumPy's files can hold an element type: bfloat16 and the 8-bit floats are none of NumPy's own.

    Example:
        >>> is_numpy("float16"), is_numpy("bfloat16")
        (True, False)
    """
    element = ELEMENTS[dtype]
    return element.numpy.kind in "biufc" and element.numpy.isbuiltin == 1 and not _is_packed(element)


def _is_packed(element: Element) -> bool:
    """Tell whether an element type is only given as the bytes it is."""
    return element.name != element.numpy.name and element.numpy.kind == "u"


def write_npy(record: TensorRecord, target: WritableTo) -> None:
    """Write one tensor as a file of one array, which replaces an old one in one step.

    Args:
        record: the tensor.
        target: a path, or a file opened for writing in binary mode.

    Raises:
        CannotSave: the tensor has a type that NumPy does not have.
        SaveError: another of its subclasses, by the reason.

    Example:
        >>> import io
        >>> import numpy as np
        >>> file = io.BytesIO()
        >>> write_npy(TensorRecord.from_array(np.ones(2)), file)
        >>> np.load(io.BytesIO(file.getvalue()))
        array([1., 1.])
    """
    _check("array", record)
    with writing_to(target) as sink:
        sink.write(_header(record))
        for chunk in _data(record):
            sink.write(chunk)


def write_npz(tensors: Mapping[str, TensorRecord], target: WritableTo) -> None:
    """Write tensors as an archive of arrays, which replaces an old one in one step. Tied tensors are written twice.

    Args:
        tensors: the tensors by name.
        target: a path, or a file opened for writing in binary mode.

    Raises:
        CannotSave: a tensor has a type that NumPy does not have, or a name that a zip archive cannot have.
        SaveError: another of its subclasses, by the reason.

    Example:
        >>> import io
        >>> import numpy as np
        >>> file = io.BytesIO()
        >>> write_npz({"weight": TensorRecord.from_array(np.ones(2))}, file)
        >>> np.load(io.BytesIO(file.getvalue()))["weight"]
        array([1., 1.])
    """
    for name, record in tensors.items():
        _check(name, record)
    with writing_to(target) as sink:
        archive = ZipWriter(sink, "")
        for name, record in tensors.items():
            header = _header(record)
            archive.add(f"{name}.npy", len(header) + row_bytes(record), _pieces(header, record))
        archive.finish()


def _check(name: object, record: TensorRecord) -> None:
    """Refuse names and types that the format does not have."""
    if (
        not isinstance(name, str)
        or "\0" in name
        or name.startswith("/")
        or len(name.encode("utf-8", "replace")) > 60_000
    ):
        raise CannotSave(f"cannot save a tensor under the name {str(name)[:80]!r} in an archive of arrays")
    if not is_numpy(record.dtype):
        raise CannotSave(
            f"cannot save tensor {name!r} for NumPy, which has no type for torch.{record.dtype}; cast it to float32"
        )


def _header(record: TensorRecord) -> bytes:
    """Write an array's header."""
    file = io.BytesIO()
    fields = {
        "descr": npy.dtype_to_descr(ELEMENTS[record.dtype].numpy),
        "fortran_order": False,
        "shape": record.shape,
    }
    npy.write_array_header_1_0(file, fields)
    return file.getvalue()


def _pieces(header: bytes, record: TensorRecord) -> Iterator[bytes | memoryview]:
    """Yield an array with its header, piece by piece."""
    yield header
    yield from _data(record)


def _data(record: TensorRecord) -> Iterator[memoryview]:
    """Yield an array's elements, piece by piece."""
    for chunk in row_chunks(record):
        yield chunk.view("u1").data
