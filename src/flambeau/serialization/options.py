"""Options of ``torch.serialization``, and its small helpers.

Source: https://docs.pytorch.org/docs/stable/notes/serialization.html
"""

import shutil
import sys
import tempfile
import threading
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from enum import Enum
from mmap import MAP_PRIVATE, MAP_SHARED
from types import TracebackType
from typing import Any, Final

from flambeau.checkpoint.elements import STORAGES
from flambeau.dtypes.kinds import DTYPES, dtype
from flambeau.tensors import legacy

__all__ = [
    "UNSUPPORTED",
    "LoadEndianness",
    "SourceChangeWarning",
    "StorageType",
    "check_module_version_greater_or_equal",
    "get_crc32_options",
    "get_default_load_endianness",
    "get_default_mmap_options",
    "mkdtemp",
    "normalize_storage_type",
    "set_crc32_options",
    "set_default_load_endianness",
    "set_default_mmap_options",
    "skip_data",
    "skipping_data",
    "storage_to_tensor_type",
]

# What raises NotImplementedError, and why.
UNSUPPORTED: Final[dict[str, str]] = {
    "set_crc32_options(False)": "checksums are what finds a damaged file, and are always written",
    "set_default_mmap_options(mmap.MAP_SHARED)": "a mapped file is never written to by its tensors",
    "set_default_load_endianness(LoadEndianness.BIG)": "files without a byte order are read as little-endian",
}


def _refused(call: str) -> NotImplementedError:
    return NotImplementedError(f"{call} is not supported: {UNSUPPORTED[call]}")


class SourceChangeWarning(Warning):
    """The source of a class in a file is not that of today; never given, since files' classes are not imported.

    Source: https://docs.pytorch.org/docs/stable/notes/serialization.html
    """


# -- byte order ----------------------------------------------------------------------------------------------------


class LoadEndianness(Enum):
    """Byte order of files that do not name theirs.

    Source: https://docs.pytorch.org/docs/stable/notes/serialization.html#torch.serialization.LoadEndianness
    """

    NATIVE = 1
    LITTLE = 2
    BIG = 3


_endianness: LoadEndianness | None = None


def get_default_load_endianness() -> LoadEndianness | None:
    """Byte order that was set for files that do not name theirs, or None for little-endian.

    Source: https://docs.pytorch.org/docs/stable/notes/serialization.html#torch.serialization.get_default_load_endianness
    """
    return _endianness


def set_default_load_endianness(endianness: LoadEndianness | None) -> None:
    """Set the byte order of files that do not name theirs: only little-endian.

    Raises:
        TypeError: it is no ``LoadEndianness``.
        NotImplementedError: it is another order.

    Source: https://docs.pytorch.org/docs/stable/notes/serialization.html#torch.serialization.set_default_load_endianness
    """
    global _endianness  # noqa: PLW0603  (PyTorch keeps one default a process)
    if not isinstance(endianness, LoadEndianness) and endianness is not None:
        raise TypeError("Invalid argument type in function set_default_load_endianness")
    native_is_big = endianness is LoadEndianness.NATIVE and sys.byteorder == "big"
    if endianness is LoadEndianness.BIG or native_is_big:
        raise _refused("set_default_load_endianness(LoadEndianness.BIG)")
    _endianness = endianness


# -- mapping and checksums -----------------------------------------------------------------------------------------


def get_default_mmap_options() -> int:
    """Flags with which files are mapped.

    Source: https://docs.pytorch.org/docs/stable/notes/serialization.html#torch.serialization.get_default_mmap_options
    """
    return MAP_PRIVATE


class set_default_mmap_options:  # noqa: N801  (PyTorch's name)
    """Set the flags with which files are mapped: only ``mmap.MAP_PRIVATE``. A function, or a ``with`` block.

    Raises:
        ValueError: they are neither ``mmap.MAP_PRIVATE`` nor ``mmap.MAP_SHARED``.
        NotImplementedError: they are ``mmap.MAP_SHARED``.

    Source: https://docs.pytorch.org/docs/stable/notes/serialization.html#torch.serialization.set_default_mmap_options
    """

    def __init__(self, flags: int) -> None:
        if flags not in (MAP_PRIVATE, MAP_SHARED):
            raise ValueError(
                "Invalid argument in function set_default_mmap_options, expected mmap.MAP_PRIVATE or mmap.MAP_SHARED, "
                f"but got {flags}"
            )
        if flags == MAP_SHARED:
            raise _refused("set_default_mmap_options(mmap.MAP_SHARED)")

    def __enter__(self) -> None:
        pass

    def __exit__(self, type: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        pass


def get_crc32_options() -> bool:
    """Whether ``save`` writes checksums: always.

    Source: https://docs.pytorch.org/docs/stable/notes/serialization.html#torch.serialization.get_crc32_options
    """
    return True


def set_crc32_options(compute_crc32: bool) -> None:
    """Set whether ``save`` writes checksums: only True.

    Raises:
        NotImplementedError: it is False.

    Source: https://docs.pytorch.org/docs/stable/notes/serialization.html#torch.serialization.set_crc32_options
    """
    if not compute_crc32:
        raise _refused("set_crc32_options(False)")


# -- skipping data -------------------------------------------------------------------------------------------------


class _Skipping(threading.local):
    depth = 0


_skipping = _Skipping()


class skip_data:  # noqa: N801  (PyTorch's name)
    """Inside the ``with`` block ``save`` writes zeros for the tensors' elements, and ``load`` makes tensors of zeros.

    Nothing is computed and nothing is read for them: the result is a file, or an object, of the right structure.

    Args:
        materialize_fake_tensors: accepted; there are no fake tensors.

    Example:
        >>> import io
        >>> import flambeau as torch
        >>> file = io.BytesIO()
        >>> with torch.serialization.skip_data():
        ...     torch.save(torch.ones(2), file)
        >>> _ = file.seek(0)
        >>> torch.load(file)
        tensor([0., 0.])

    Source: https://docs.pytorch.org/docs/stable/notes/serialization.html#torch.serialization.skip_data
    """

    def __init__(self, materialize_fake_tensors: bool = False) -> None:
        self.materialize_fake_tensors = materialize_fake_tensors

    def __enter__(self) -> None:
        _skipping.depth += 1

    def __exit__(self, type: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        _skipping.depth -= 1


def skipping_data() -> bool:
    """Whether this is inside a ``with skip_data():``."""
    return _skipping.depth > 0


# -- helpers -------------------------------------------------------------------------------------------------------


class StorageType:
    """A class of storages that a file names, such as ``"FloatStorage"``.

    Args:
        name: its name without the module.

    Raises:
        KeyError: there is none of this name.
    """

    def __init__(self, name: str) -> None:
        self.__name__ = name
        self._dtype = DTYPES[STORAGES[name]]

    @property
    def dtype(self) -> dtype:
        """Type of the elements."""
        return self._dtype

    def __str__(self) -> str:
        return f"StorageType(dtype={self.dtype})"


def normalize_storage_type(storage_type: Any) -> StorageType:
    """The class of storages with the name of another, such as one of another device.

    Raises:
        AttributeError: there is none.
    """
    name = storage_type.__name__
    if name not in STORAGES or STORAGES[name] not in DTYPES:
        raise AttributeError(f"module 'torch' has no attribute '{name}'")
    return StorageType(name)


def storage_to_tensor_type(storage: Any) -> Any:
    """The class of tensors whose storages are of a class, such as ``FloatTensor``.

    Raises:
        AttributeError: there is none.
    """
    called = storage.__name__ if isinstance(storage, StorageType) else type(storage).__name__
    name = called.replace("Storage", "Tensor")
    if name not in legacy.__all__:
        raise AttributeError(f"module 'torch' has no attribute '{name}'")
    return vars(legacy)[name]


def check_module_version_greater_or_equal(
    module: Any, req_version_tuple: tuple[Any, ...], error_if_malformed: bool = True
) -> bool:
    """Whether a module's version is at least another.

    Args:
        module: has a ``__version__`` such as ``"1.2.3"``.
        req_version_tuple: the other version, each field of the type to compare as: ``(1, 2)``.
        error_if_malformed: whether a version that does not have these fields is an error.

    Raises:
        RuntimeError: the version does not have these fields.

    Warns:
        UserWarning: it does not, and that is no error; True is returned.
    """
    try:
        fields = module.__version__.split(".")
        return tuple(type(field)(fields[at]) for at, field in enumerate(req_version_tuple)) >= req_version_tuple
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        text = (
            f"'{module.__name__}' module version string is malformed '{module.__version__}' and cannot be compared "
            f"with tuple {req_version_tuple}"
        )
        if error_if_malformed:
            raise RuntimeError(text) from error
        warnings.warn(f"{text}, but continuing assuming that requirement is met", UserWarning, stacklevel=2)
        return True


@contextmanager
def mkdtemp() -> Generator[str]:
    """A new folder, which is removed at the end of the ``with`` block."""
    path = tempfile.mkdtemp()
    try:
        yield path
    finally:
        shutil.rmtree(path)
