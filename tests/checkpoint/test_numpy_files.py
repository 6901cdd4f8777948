""".npy and .npz files: NumPy's read by us, ours by NumPy, and the bad ones refused."""

import io
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from flambeau.base import errors
from flambeau.checkpoint import StorageRecord, TensorRecord, read, write_npy, write_npz
from tests.checkpoint.crafting import Part, zip_bytes

ARRAYS = {
    "weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "turned": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "other/order": np.arange(4, dtype=">f8"),
    "half": np.array([1.5, -2], np.float16),
    "scalar": np.array(3, np.int8),
    "flags": np.array([True, False]),
    "none": np.zeros((0, 3), np.complex64),
}


def saved(save: Any, *arguments: Any, **named: Any) -> bytes:
    file = io.BytesIO()
    save(file, *arguments, **named)
    return file.getvalue()


def npz(tensors: dict[str, TensorRecord]) -> bytes:
    file = io.BytesIO()
    write_npz(tensors, file)
    return file.getvalue()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_numpys_archives_are_read(save):
    found = read(saved(save, **ARRAYS))
    assert (found.container, found.checksums) == ("NumPy archive", True)
    assert list(found.obj) == list(ARRAYS)
    for name, array in ARRAYS.items():
        record = found.obj[name]
        assert (record.shape, record.dtype) == (array.shape, array.dtype.newbyteorder("=").name)
        assert record.array().tolist() == array.tolist()
    found.verify()


def test_an_array_is_read(tmp_path):
    path = tmp_path / "a.npy"
    for array in ARRAYS.values():
        np.save(path, array)
        found = read(path)
        assert found.container == "NumPy array"
        assert found.obj.array().tolist() == array.tolist()
    with path.open("rb") as file:
        assert read(file).obj.shape == (0, 3)


def test_ours_are_read_by_numpy():
    tensors = {name: TensorRecord.from_array(array) for name, array in ARRAYS.items() if name != "other/order"}
    file = npz(tensors)
    loaded = np.load(io.BytesIO(file))
    assert list(loaded) == list(tensors)
    for name, record in tensors.items():
        assert loaded[name].dtype == record.array().dtype
        assert np.array_equal(loaded[name], record.array())
    assert npz(read(file).obj) == file
    alone = io.BytesIO()
    write_npy(tensors["turned"], alone)
    assert np.array_equal(np.load(io.BytesIO(alone.getvalue())), ARRAYS["turned"])


def test_types_and_names_that_numpy_does_not_have():
    with pytest.raises(errors.CannotSave, match=r"no type for torch\.bfloat16; cast it to float32"):
        npz({"x": TensorRecord.from_array(np.ones(1, ml_dtypes.bfloat16))})
    packed = TensorRecord("float4_e2m1fn_x2", (1,), (1,), 0, StorageRecord("uint8", 1, lambda: np.zeros(1, np.uint8)))
    with pytest.raises(errors.CannotSave, match=r"no type for torch\.float4"):
        npz({"x": packed})
    for name in ("/x", "a\0b", 3):
        with pytest.raises(errors.CannotSave, match="under the name"):
            npz({name: TensorRecord.from_array(np.ones(1))})  # pyright: ignore[reportArgumentType]


WHOLE = saved(np.save, np.arange(3, dtype=np.int32))

MALFORMED = [
    ("BadArrayHeader", "a.npy.*malformed", WHOLE[:20]),
    ("BadArrayHeader", "malformed", WHOLE.replace(b"\x93NUMPY\x01", b"\x93NUMPY\x09")),
    ("BadArrayHeader", "malformed", WHOLE.replace(b"(3,)", b"(3.)")),
    ("BadArrayHeader", "malformed|shape is", WHOLE.replace(b"(3,), ", b"(-3,),")),
    ("ArraySizeMismatch", "needs 12 bytes, but 11 follow", WHOLE[:-1]),
    ("ArraySizeMismatch", "needs 12 bytes, but 13 follow", WHOLE + b"x"),
    ("ArraySizeMismatch", "needs 36 bytes, but 12 follow", WHOLE.replace(b"(3,)", b"(9,)")),
    ("UnsupportedTensor", "NumPy's type <U2", saved(np.save, np.array(["ab"]))),
    ("UnsupportedTensor", r"type \[\('a'", saved(np.save, np.zeros(1, [("a", "i4")]))),
]


@pytest.mark.parametrize(("error", "match", "file"), MALFORMED, ids=range(len(MALFORMED)))
def test_malformed(error, match, file, tmp_path):
    path = tmp_path / "a.npy"
    path.write_bytes(file)
    with pytest.raises(getattr(errors, error), match=match):
        read(path)
    with pytest.raises(getattr(errors, error), match=r"record 'a\.npy'"):
        read(zip_bytes([Part("a.npy", file)]))


def test_an_array_of_objects_is_refused_without_a_look_at_its_pickle():
    with pytest.raises(errors.UnsupportedTensor, match="NumPy's type object"):
        read(saved(np.save, np.array([{}], object), allow_pickle=True))


def test_an_archive_with_something_else():
    with pytest.raises(errors.BadArrayFile, match=r"record 'b\.txt' of this archive of arrays"):
        read(zip_bytes([Part("a.npy", WHOLE), Part("b.txt", b"x")]))


def test_damage_is_found():
    file = bytearray(npz({"x": TensorRecord.from_array(np.arange(100, dtype=np.uint8))}))
    file[file.index(bytes(range(50, 60)))] ^= 1
    found = read(bytes(file))
    with pytest.raises(errors.ChecksumMismatch, match=r"record 'x\.npy' is damaged"):
        found.obj["x"].array()
    with pytest.raises(errors.ChecksumMismatch, match=r"record 'x\.npy' is damaged"):
        found.verify()
