"""The names of `torch.serialization`: all there, each with its effect, or with a refusal that a list knows."""

import io
import mmap
import os
import types
from collections.abc import Callable
from typing import Any

import pytest

import flambeau as torch
from flambeau.serialization.options import UNSUPPORTED

serialization = torch.serialization

NAMES = """
LoadEndianness SourceChangeWarning StorageType add_safe_globals check_module_version_greater_or_equal clear_safe_globals
default_restore_location get_crc32_options get_default_load_endianness get_default_mmap_options get_safe_globals
get_unsafe_globals_in_checkpoint load location_tag mkdtemp normalize_storage_type register_package safe_globals save
set_crc32_options set_default_load_endianness set_default_mmap_options skip_data storage_to_tensor_type
validate_cuda_device validate_hpu_device
""".split()


OURS = ("BackgroundSave", "load_safetensors", "save_safetensors", "save_shards", "scan")


def test_names_are_pytorchs_and_ours() -> None:
    assert set(serialization.__all__) == {*NAMES, *OURS}
    assert len(NAMES) == 26


CALLS: dict[str, Callable[[], Any]] = {
    "set_crc32_options(False)": lambda: serialization.set_crc32_options(False),
    "set_default_mmap_options(mmap.MAP_SHARED)": lambda: serialization.set_default_mmap_options(mmap.MAP_SHARED),
    "set_default_load_endianness(LoadEndianness.BIG)": lambda: serialization.set_default_load_endianness(
        serialization.LoadEndianness.BIG
    ),
}


@pytest.mark.parametrize("call", UNSUPPORTED)
def test_what_is_unsupported_says_so(call: str) -> None:
    with pytest.raises(NotImplementedError) as caught:  # noqa: PT011  (the text is compared whole)
        CALLS[call]()
    assert str(caught.value) == f"{call} is not supported: {UNSUPPORTED[call]}"


def test_options_that_are_supported() -> None:
    serialization.set_crc32_options(True)
    assert serialization.get_crc32_options() is True
    with serialization.set_default_mmap_options(mmap.MAP_PRIVATE):
        assert serialization.get_default_mmap_options() == mmap.MAP_PRIVATE
    assert serialization.get_default_load_endianness() is None
    serialization.set_default_load_endianness(serialization.LoadEndianness.LITTLE)
    assert serialization.get_default_load_endianness() is serialization.LoadEndianness.LITTLE
    serialization.set_default_load_endianness(None)


def test_wrong_options() -> None:
    with pytest.raises(ValueError, match=r"expected mmap\.MAP_PRIVATE or mmap\.MAP_SHARED, but got 7"):
        serialization.set_default_mmap_options(7)
    with pytest.raises(TypeError, match="Invalid argument type in function set_default_load_endianness"):
        serialization.set_default_load_endianness("little")


def test_skipping_data_writes_and_reads_zeros() -> None:
    x = torch.arange(4.0)
    plain, skipped = io.BytesIO(), io.BytesIO()
    torch.save([x, x[1:]], plain)
    with serialization.skip_data():
        torch.save([x, x[1:]], skipped)
        plain.seek(0)
        found = torch.load(plain)
    assert [value.tolist() for value in found] == [[0] * 4, [0] * 3]
    assert len(skipped.getvalue()) == len(plain.getvalue())
    skipped.seek(0)
    assert [value.tolist() for value in torch.load(skipped)] == [[0] * 4, [0] * 3]
    plain.seek(0)
    assert torch.load(plain)[0].tolist() == [0, 1, 2, 3]


def test_storage_types() -> None:
    kind = serialization.StorageType("FloatStorage")
    assert (kind.dtype, str(kind)) == (torch.float32, "StorageType(dtype=torch.float32)")
    assert serialization.normalize_storage_type(serialization.StorageType("HalfStorage")).dtype is torch.float16
    assert serialization.storage_to_tensor_type(kind) is torch.FloatTensor
    with pytest.raises(AttributeError, match="module 'torch' has no attribute 'int'"):
        serialization.normalize_storage_type(int)
    with pytest.raises(AttributeError, match="module 'torch' has no attribute 'object'"):
        serialization.storage_to_tensor_type(object())
    with pytest.raises(KeyError, match="FloatTensor"):
        serialization.StorageType("FloatTensor")


def module(version: str) -> Any:
    made = types.ModuleType("tool")
    made.__version__ = version  # pyright: ignore[reportAttributeAccessIssue]
    return made


def test_versions_of_modules() -> None:
    assert serialization.check_module_version_greater_or_equal(module("1.10.2"), (1, 9))
    assert not serialization.check_module_version_greater_or_equal(module("1.10.2"), (1, 11, 0))
    words = r"'tool' module version string is malformed 'dev' and cannot be compared with tuple \(1, 0\)"
    with pytest.raises(RuntimeError, match=words):
        serialization.check_module_version_greater_or_equal(module("dev"), (1, 0))
    with pytest.warns(UserWarning, match=words + ", but continuing"):
        assert serialization.check_module_version_greater_or_equal(module("dev"), (1, 0), error_if_malformed=False)


def test_a_folder_for_a_while() -> None:
    with serialization.mkdtemp() as path:
        assert os.path.isdir(path)
    assert not os.path.exists(path)


def test_unsafe_globals() -> None:
    file = io.BytesIO()
    torch.save({"a": torch.nn.Linear(1, 1), "f": os.getcwd, "g": print}, file)
    file.seek(0)
    assert serialization.get_unsafe_globals_in_checkpoint(file) == ["posix.getcwd", "builtins.print"]
    with serialization.safe_globals([print]):
        file.seek(0)
        assert serialization.get_unsafe_globals_in_checkpoint(file) == ["posix.getcwd"]
    with pytest.raises(ValueError, match=r"Expected input to be a checkpoint returned by torch\.save"):
        serialization.get_unsafe_globals_in_checkpoint(io.BytesIO(b"\x80\x02N."))


def test_source_change_is_a_warning() -> None:
    assert issubclass(serialization.SourceChangeWarning, Warning)
