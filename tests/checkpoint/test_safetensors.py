"""safetensors files: bytes as they are, every way in which one can be bad, and tensors that share memory."""

import io
import json
import struct
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from flambeau.base import errors
from flambeau.checkpoint import StorageRecord, TensorRecord, read, read_safetensors, write_safetensors
from flambeau.checkpoint.elements import ELEMENTS
from flambeau.checkpoint.safetensors_header import TYPES

# A file as the format's description has it: little-endian length, JSON, buffer.
GOOD = (
    b"\x8a\x00\x00\x00\x00\x00\x00\x00"
    b'{"__metadata__":{"format":"pt"},'
    b'"w":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},'
    b'"b":{"dtype":"U8","shape":[],"data_offsets":[8,9]}}'
    b"\x00\x00\x80\x3f\x00\x00\x00\x40\x07"
)
# What we write for it: the buffer begins at a multiple of 64.
WRITTEN = (
    b"\xb8\x00\x00\x00\x00\x00\x00\x00"
    b'{"__metadata__":{"format":"pt"},'
    b'"w":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},'
    b'"b":{"dtype":"U8","shape":[],"data_offsets":[8,9]}}'
    b"                                              "
    b"\x00\x00\x80\x3f\x00\x00\x00\x40\x07"
)


def safetensors(header: str | bytes, buffer: bytes = b"", length: int | None = None) -> bytes:
    data = header.encode() if isinstance(header, str) else header
    return struct.pack("<Q", len(data) if length is None else length) + data + buffer


def entry(dtype: str = "U8", shape: Any = (2,), offsets: Any = (0, 2)) -> str:
    return json.dumps({"dtype": dtype, "shape": shape, "data_offsets": offsets})


def tensor(values: Any, dtype: Any = np.float32) -> TensorRecord:
    return TensorRecord.from_array(np.asarray(values, dtype))


def written(tensors: dict[str, TensorRecord], **options: Any) -> bytes:
    file = io.BytesIO()
    write_safetensors(tensors, file, **options)
    return file.getvalue()


def values(found: Any) -> dict[str, Any]:
    return {name: record.array().tolist() for name, record in found.obj.items()}


def test_a_file_is_read():
    found = read(GOOD)
    assert values(found) == {"w": [[1.0], [2.0]], "b": 7}
    assert (found.container, found.byteorder, found.checksums) == ("safetensors file", "little", False)
    assert found.metadata == {"format": "pt"}
    assert list(found.storages) == ["w", "b"]


def test_a_file_is_written():
    assert written({"w": tensor([[1], [2]]), "b": tensor(7, np.uint8)}) == WRITTEN
    assert values(read(WRITTEN)) == {"w": [[1.0], [2.0]], "b": 7}


A = f'{{"a":{entry()}}}'
DEEP = b'{"a":' + b"[" * 100_000

# Error, what its text says, the file.
ATTACKS = [
    ("TruncatedHeader", "7 bytes is too short", b"\x02\0\0\0\0\0\0"),
    ("TruncatedHeader", "should have 3 bytes, but 2 bytes follow", safetensors("{}", length=3)),
    ("HeaderTooLarge", "100000001 bytes, the limit is 100000000", safetensors("{}", length=100_000_001)),
    ("HeaderTooLarge", "18446744073709551615 bytes", safetensors("{}", length=(1 << 64) - 1)),
    ("BadHeaderStart", r"begins with b' \{\}' instead", safetensors(" {}")),
    ("BadHeaderStart", r"begins with b'\[\]' instead", safetensors("[]")),
    ("BadHeaderStart", "begins with b'' instead", safetensors("")),
    ("BadHeaderText", "not UTF-8: invalid start byte at byte 2", safetensors(b'{"\xff":1}')),
    ("BadHeaderText", "character 1: .* a string is expected", safetensors("{a:1}")),
    ("BadHeaderText", "a string is expected", safetensors("{")),
    ("BadHeaderText", "a string is expected", safetensors(f'{{"a":{entry()},}}', b"xy")),
    ("BadHeaderText", "':' is expected", safetensors('{"a"}')),
    ("BadHeaderText", "',' is expected", safetensors(f'{{"a":{entry()} "b":{entry()}}}', b"xy")),
    ("BadHeaderText", "something follows the object", safetensors("{}{}")),
    ("BadHeaderText", "something follows the object", safetensors(b"{}\0")),
    ("BadHeaderText", "half a surrogate pair", safetensors(f'{{"\\ud800":{entry()}}}', b"xy")),
    ("BadHeaderText", "invalid control character", safetensors(f'{{"a\n":{entry()}}}', b"xy")),
    ("DuplicateName", "'a' is named twice", safetensors(f'{{"a":{entry()},"a":{entry()}}}', b"xy")),
    ("DuplicateName", "'dtype' is named twice", safetensors('{"a":{"dtype":"U8","dtype":"I8"}}')),
    ("DuplicateName", "'k' is named twice", safetensors('{"__metadata__":{"k":"1","k":"2"}}')),
    ("BadMetadata", "'k' is .* instead of a string", safetensors('{"__metadata__":{"k":1}}')),
    ("BadMetadata", "instead of an object", safetensors('{"__metadata__":[]}')),
    ("BadEntry", "tensor 'a': its entry is no object", safetensors('{"a":[1,2]}')),
    ("BadEntry", "its entry is no object", safetensors(DEEP)),
    ("BadEntry", "its entry is no object", safetensors(A.replace("2]", "2" * 5000 + "]"))),
    ("BadEntry", r"\['dtype', 'shape'\] instead of", safetensors('{"a":{"dtype":"U8","shape":[2]}}')),
    ("BadEntry", "'more'", safetensors(A.replace('"dtype"', '"more":1,"dtype"'), b"xy")),
    ("BadEntry", "instead of natural numbers", safetensors(f'{{"a":{entry(shape=[-2])}}}', b"xy")),
    ("BadEntry", "instead of natural numbers", safetensors(f'{{"a":{entry(shape=[2.0])}}}', b"xy")),
    ("BadEntry", "instead of natural numbers", safetensors(f'{{"a":{entry(shape=[True, 2])}}}', b"xy")),
    ("BadEntry", "instead of natural numbers", safetensors(f'{{"a":{entry(shape=2)}}}', b"xy")),
    ("BadEntry", "instead of natural numbers", safetensors(f'{{"a":{entry(offsets=[2, 0])}}}', b"xy")),
    ("BadEntry", "instead of natural numbers", safetensors(f'{{"a":{entry(offsets=[0, 1, 2])}}}', b"xy")),
    ("UnknownElementType", "tensor 'a': its type 'U9' is not one", safetensors(f'{{"a":{entry("U9")}}}', b"xy")),
    ("UnsupportedTensor", "F6_E2M3, which PyTorch", safetensors(f'{{"a":{entry("F6_E2M3")}}}', b"xy")),
    ("TooManyElements", "more bytes than can be", safetensors(f'{{"a":{entry(shape=[1 << 62, 4])}}}', b"xy")),
    ("TooManyElements", "more bytes than can be", safetensors(f'{{"a":{entry(shape=[1 << 63, 0])}}}', b"xy")),
    ("LimitExceeded", "65 dimensions, the limit is 64", safetensors(f'{{"a":{entry(shape=[1] * 65)}}}', b"xy")),
    ("TensorSizeMismatch", r"needs 3 bytes, .* give it 2", safetensors(f'{{"a":{entry(shape=[3])}}}', b"xy")),
    ("TensorSizeMismatch", "do not fill whole bytes", safetensors(f'{{"a":{entry("F4", [3])}}}', b"xy")),
    ("TensorOutOfFile", "'a' should end at byte 2 .* has 1", safetensors(A, b"x")),
    ("TensorOutOfFile", "should end at byte 2", safetensors(A)),
    (
        "OverlappingTensors",
        "'a' and 'b' overlap",
        safetensors(f'{{"b":{entry(offsets=[1, 3])},"a":{entry()}}}', b"xyz"),
    ),
    ("OverlappingTensors", "'a' and 'b' overlap", safetensors(f'{{"a":{entry()},"b":{entry()}}}', b"xy")),
    ("OverlappingTensors", "overlap", safetensors(f'{{"a":{entry()},"b":{entry(shape=[0], offsets=[1, 1])}}}', b"xy")),
    ("UncoveredBytes", "1 bytes before tensor 'a'", safetensors(f'{{"a":{entry(offsets=[1, 3])}}}', b"xyz")),
    ("UncoveredBytes", "1 bytes at the end", safetensors(A, b"xyz")),
    ("UncoveredBytes", "3 bytes at the end", safetensors("{}", b"PK\3")),
]


@pytest.mark.parametrize(("error", "match", "file"), ATTACKS, ids=[f"{row[0]}-{i}" for i, row in enumerate(ATTACKS)])
def test_attack(error, match, file, tmp_path):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(file)
    with pytest.raises(getattr(errors, error), match=match) as caught:
        read_safetensors(path)
    assert "bad.safetensors" in str(caught.value)
    assert type(caught.value).__name__ == error


def test_every_error_of_the_format_is_attacked():
    family = {name for name in errors.__all__ if errors.BadSafetensors in getattr(errors, name).__bases__}
    assert {row[0] for row in ATTACKS} >= family - {"BadSharing"}


def test_a_large_header_that_is_malformed_is_refused_before_it_is_built():
    import tracemalloc

    file = safetensors('{"a":[' + "[],[]," * 2_000_000 + "[]]}")
    tracemalloc.start()
    with pytest.raises(errors.BadEntry, match="its entry is no object"):
        read(file)
    assert tracemalloc.get_traced_memory()[1] < 3 * len(file)
    tracemalloc.stop()


def test_more_names_than_any_checkpoint_has():
    names = ",".join(f'"{number:x}":""' for number in range(500_001))
    with pytest.raises(errors.LimitExceeded, match="more than 500000 names in one object"):
        read(safetensors('{"__metadata__":{' + names + "}}"))


def test_nothing_but_what_follows_the_format_is_taken_for_it():
    for file in (safetensors("[]"), safetensors("{}", length=1 << 40), b"x"):
        with pytest.raises(errors.NotACheckpoint, match="this is not a checkpoint"):
            read(file)


def test_an_empty_file_of_the_format():
    assert read(safetensors("{}")).obj == {}
    assert read(written({})).obj == {}


def test_blanks_between_members():
    file = safetensors(f'{{ "a" :\n{entry()}\t,\r"b": {entry(shape=[0], offsets=[2, 2])} }}  ', b"xy")
    assert values(read(file)) == {"a": [120, 121], "b": []}


@pytest.mark.parametrize("name", TYPES)
def test_every_type_of_the_format(name):
    kind = TYPES[name]
    raw = np.arange(48, dtype=np.uint8)
    bits = raw if kind != "bool" else raw % 2
    stored = StorageRecord(kind, 48, lambda: bits)
    count = 48 // ELEMENTS[kind].size
    file = written({"x": TensorRecord(kind, (count // 2, 2), (2, 1), 0, stored)})
    described = json.loads(file[8 : 8 + int.from_bytes(file[:8], "little")])["x"]
    assert described["dtype"] == name
    assert described["shape"] == [count // 2, 4 if name == "F4" else 2]
    found = read(file).obj["x"]
    assert (found.dtype, found.shape) == (kind, (count // 2, 2))
    assert found.array().tobytes() == bits.tobytes()


@pytest.mark.parametrize("kind", ["complex128", "complex32", "bits8"])
def test_types_that_the_format_does_not_have(kind):
    record = TensorRecord(kind, (1,), (1,), 0, StorageRecord(kind, 16, lambda: np.zeros(16, np.uint8)))
    with pytest.raises(errors.CannotSave, match=rf"tensor 'x' .* no type for torch\.{kind}"):
        written({"x": record})


def test_names_and_metadata_that_cannot_be_written():
    for name in ("__metadata__", "\ud800", 3):
        with pytest.raises(errors.CannotSave, match="cannot save a tensor under the name"):
            written({name: tensor(1)})  # pyright: ignore[reportArgumentType]  # it is wrong on purpose
    with pytest.raises(errors.CannotSave, match="metadata of a safetensors file are text by name"):
        written({}, metadata={"a": 1})


def test_elements_lie_at_multiples_of_their_size_and_names_keep_their_order():
    tensors = {"a": tensor([1, 2, 3], np.int8), "b": tensor([1], np.float64), "c": tensor([1, 2], np.float16)}
    file = written(tensors)
    length = int.from_bytes(file[:8], "little")
    header = json.loads(file[8 : 8 + length])
    assert (8 + length) % 64 == 0
    assert list(header) == ["__metadata__", "a", "b", "c"]
    assert {name: header[name]["data_offsets"][0] for name in "abc"} == {"b": 0, "c": 8, "a": 12}
    assert list(read(file).obj) == ["a", "b", "c"]
    assert written(tensors) == file


def test_misaligned_elements_are_moved():
    header = f'{{"a":{entry(shape=[1], offsets=[0, 1])},"b":{entry("F32", [2], [1, 9])}}}'
    found = read(safetensors(header, b"\1" + struct.pack("<2f", 1.5, -2))).obj["b"].array()
    assert found.tolist() == [1.5, -2.0]
    assert found.flags.aligned
    assert not found.flags.writeable


def test_a_path_is_mapped_and_a_file_is_read(tmp_path):
    path = tmp_path / "a.safetensors"
    write_safetensors({"a": tensor(np.arange(1000))}, path)
    record = read(path).obj["a"]
    assert not record.array().flags.owndata
    assert not record.array().flags.writeable
    with path.open("rb") as file:
        later = read(file)
    assert later.obj["a"].array().tolist() == record.array().tolist()
    assert read(path, mmap=False).obj["a"].array()[999] == 999


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.safetensors"
    write_safetensors({"a": tensor(1)}, path)
    before = path.read_bytes()

    def fail() -> Any:
        raise OSError(5, "Input/output error")

    broken = TensorRecord("float32", (1,), (1,), 0, StorageRecord("float32", 4, fail))
    with pytest.raises(errors.WriteFailed, match="Input/output error"):
        write_safetensors({"b": tensor(2), "a": broken}, path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.safetensors"]


def test_strides_and_bits_are_written_as_values():
    base = np.arange(6, dtype=np.complex64).reshape(2, 3) * (1 + 1j)
    stored = StorageRecord.from_array(base)
    tensors = {
        "turned": TensorRecord("complex64", (3, 2), (1, 3), 0, stored, metadata={"conj": True}),
        "spread": TensorRecord("float32", (2, 3), (0, 1), 0, tensor([1, 2, 3]).storage),
        "large": TensorRecord("float32", (600, 700), (1, 600), 0, tensor(np.arange(420_000)).storage),
    }
    found = read(written(tensors)).obj
    assert np.array_equal(found["turned"].array(), base.T.conj())
    assert found["spread"].array().tolist() == [[1, 2, 3], [1, 2, 3]]
    assert np.array_equal(found["large"].array(), np.arange(420_000, dtype=np.float32).reshape(700, 600).T)


# Sharing ------------------------------------------------------------------------------------------------------------


def view(record: TensorRecord, shape: tuple[int, ...], stride: tuple[int, ...], offset: int = 0) -> TensorRecord:
    return TensorRecord(record.dtype, shape, stride, offset, record.storage)


def test_ties_are_written_once_and_restored_in_their_places():
    weight = tensor(np.arange(6).reshape(2, 3))
    tensors = {"x": tensor(1), "a": weight, "b": view(weight, (2, 3), (3, 1)), "y": tensor(2), "c": weight}
    file = written(tensors)
    assert len(file) - 8 - int.from_bytes(file[:8], "little") == 24 + 4 + 4
    found = read(file)
    assert list(found.obj) == ["x", "a", "b", "y", "c"]
    assert found.obj["a"].storage is found.obj["b"].storage is found.obj["c"].storage
    assert found.metadata == {"format": "pt"}
    assert list(found.storages) == ["x", "a", "y"]
    assert written(found.obj) == file


VIEWS = {
    "with the whole": lambda base: {
        "whole": view(base, (4, 3), (3, 1)),
        "row": view(base, (3,), (1,), 3),
        "turned": view(base, (3, 4), (1, 3)),
    },
    "overlapping parts": lambda base: {"low": view(base, (7,), (1,), 1), "high": view(base, (6,), (1,), 5)},
    "interleaved": lambda base: {"even": view(base, (6,), (2,)), "odd": view(base, (6,), (2,), 1)},
}


@pytest.mark.parametrize("case", VIEWS)
def test_views_of_one_storage_share_it_again(case):
    base = tensor(np.arange(12))
    tensors = VIEWS[case](base)
    file = written(tensors)
    stored = json.loads(file[8 : 8 + int.from_bytes(file[:8], "little")])
    assert {name for name in stored if name != "__metadata__"} == set(tensors), "others find every name"
    found = read(file).obj
    assert len({id(record.storage) for record in found.values()}) == 1
    for name, record in tensors.items():
        assert (found[name].shape, found[name].stride) == (record.shape, record.stride)
        assert np.array_equal(found[name].array(), record.array())
    assert written(found) == file


def test_parts_that_do_not_overlap_are_apart():
    base = tensor(np.arange(12))
    tensors = {"low": view(base, (6,), (1,)), "high": view(base, (6,), (1,), 6)}
    file = written(tensors)
    assert b"flambeau" not in file
    assert values(read(file)) == {"low": [0, 1, 2, 3, 4, 5], "high": [6, 7, 8, 9, 10, 11]}


def test_a_storage_of_which_little_is_shown_is_not_shared():
    base = tensor(np.zeros(1_000_000))
    tensors = {"ends": view(base, (2,), (999_999,)), "start": view(base, (2,), (1,))}
    assert len(written(tensors)) < 1000


def test_views_of_different_types_share():
    raw = StorageRecord.from_array(np.arange(8, dtype=np.uint8))
    tensors = {
        "bytes": TensorRecord("uint8", (8,), (1,), 0, raw),
        "words": TensorRecord("int16", (3,), (1,), 1, raw),
    }
    found = read(written(tensors)).obj
    assert found["bytes"].storage is found["words"].storage
    assert found["words"].array().tolist() == tensors["words"].array().tolist()


def with_metadata(file: bytes, change: Any) -> bytes:
    length = int.from_bytes(file[:8], "little")
    header = json.loads(file[8 : 8 + length])
    header["__metadata__"] = change(header["__metadata__"])
    return safetensors(json.dumps(header), file[8 + length :])


def test_metadata_that_no_longer_fit_are_passed_over():
    file = written({"a": tensor([1, 2, 3])})
    for sharing in (
        '{"ties":{"b":["gone",0]}}',
        '{"ties":{"a":["a",0]}}',
        '{"storages":[{"nbytes":12,"views":{"a":[0,[1]],"gone":[0,[1]]}}]}',
    ):
        changed = with_metadata(file, lambda metadata, text=sharing: {"flambeau.sharing": text})
        assert values(read(changed)) == {"a": [1, 2, 3]}


OVERSIZED = '{"storages":[{"nbytes":4000000000,"views":{"a":[0,[1]],"b":[0,[1]]}}]}'
OUTSIDE = '{"storages":[{"nbytes":12,"views":{"a":[1,[1]],"b":[0,[1]]}}]}'
TWICE = '{"storages":[{"nbytes":12,"views":{"a":[0,[1]],"b":[0,[1]]}},{"nbytes":12,"views":{"a":[0,[1]],"b":[0,[1]]}}]}'


@pytest.mark.parametrize("sharing", [OVERSIZED, OUTSIDE], ids=["oversized", "outside"])
def test_a_storage_that_asks_for_too_much_is_passed_over(sharing):
    file = written({"a": tensor([1, 2, 3]), "b": tensor([4, 5, 6])})
    found = read(with_metadata(file, lambda _: {"flambeau.sharing": sharing}))
    assert values(found) == {"a": [1, 2, 3], "b": [4, 5, 6]}


def test_tensors_that_disagree_about_their_storage():
    file = written({"a": tensor([1, 2, 3]), "b": tensor([4, 5, 6])})
    found = read(with_metadata(file, lambda _: {"flambeau.sharing": TWICE}))
    with pytest.raises(errors.StorageDisagreement, match=r"tensor 'b' shares its storage .* edit --unshare"):
        found.obj["a"].array()


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        '{"ties":[]}',
        '{"more":{}}',
        '{"ties":{"b":"a"}}',
        '{"ties":{"b":["a",-1]}}',
        '{"ties":{"b":["a",1.5]}}',
        '{"storages":[1]}',
        '{"storages":[{"nbytes":-1,"views":{}}]}',
        '{"storages":[{"nbytes":1,"views":{},"more":1}]}',
        '{"storages":[{"nbytes":1,"views":{"a":[0]}}]}',
        '{"storages":[{"nbytes":1,"views":{"a":[0,[-1]]}}]}',
        '{"ties":{"b":["a",0],"b":["a",0]}}',
    ],
)
def test_malformed_sharing(text):
    file = written({"a": tensor([1, 2, 3])})
    with pytest.raises(errors.BadSharing, match=r"metadata 'flambeau\.sharing'"):
        read(with_metadata(file, lambda _: {"flambeau.sharing": text}))


def test_ties_that_save_model_notes_are_restored():
    file = with_metadata(written({"embed.weight": tensor([1, 2])}), lambda _: {"head.weight": "embed.weight", "k": "v"})
    found = read(file)
    assert list(found.obj) == ["embed.weight", "head.weight"]
    assert found.obj["head.weight"].storage is found.obj["embed.weight"].storage
    assert found.metadata == {"k": "v"}


def test_our_own_metadata_are_never_taken_for_ties():
    found = read(written({"weight": tensor(1)}, metadata={"best": "weight"}))
    assert list(found.obj) == ["weight"]
    assert found.metadata == {"best": "weight"}


def test_bfloat16_is_that_of_ml_dtypes():
    found = read(written({"x": tensor([1.5, -2], ml_dtypes.bfloat16)})).obj["x"].array()
    assert found.dtype == ml_dtypes.bfloat16
    assert found.tolist() == [1.5, -2.0]
