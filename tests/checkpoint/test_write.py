"""Writing: the bytes on disk, what they hold when they are read back, and what cannot be written."""

import enum
import io
import pickle
import pickletools
import sys
import zipfile
from collections import Counter, OrderedDict, namedtuple
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from flambeau.base.errors import CannotSave, CircularReference, SaveError, StorageTypeConflict
from flambeau.checkpoint import (
    DeviceRecord,
    DtypeRecord,
    GlobalRecord,
    LayoutRecord,
    ObjectRecord,
    SizeRecord,
    StorageRecord,
    TensorRecord,
    read,
    write,
    zip_directory,
    zip_reader,
    zip_writer,
)
from flambeau.checkpoint.elements import ELEMENTS


def written(obj: object, **options) -> bytes:
    file = io.BytesIO()
    write(obj, file, **options)
    return file.getvalue()


def again(obj: object, **options) -> Any:
    return read(written(obj, **options)).obj


def records(content: bytes) -> dict[str, bytes]:
    """Read the records with another reader, which compares their checksums."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


# Bytes ---------------------------------------------------------------------------------------------------------------

# What torch.save of PyTorch 2.13 writes for OrderedDict(w=torch.tensor([1.0, 2.0])), with _metadata = {"": 1}.
STATE_DICT = (
    b"\x80\x02ccollections\nOrderedDict\nq\x00)Rq\x01X\x01\x00\x00\x00wq\x02ctorch._utils\n_rebuild_tensor_v2\nq\x03"
    b"((X\x07\x00\x00\x00storageq\x04ctorch\nFloatStorage\nq\x05X\x01\x00\x00\x000q\x06X\x03\x00\x00\x00cpuq\x07K\x02"
    b"tq\x08QK\x00K\x02\x85q\tK\x01\x85q\n\x89h\x00)Rq\x0btq\x0cRq\rs}q\x0eX\t\x00\x00\x00_metadataq\x0f}q\x10"
    b"X\x00\x00\x00\x00q\x11K\x01ssb."
)


def state_dict() -> OrderedDict:
    state = OrderedDict(w=TensorRecord.from_array(np.array([1, 2], np.float32)))
    vars(state)["_metadata"] = {"": 1}
    return state


def test_records_of_a_file():
    found = records(written(state_dict()))
    identifier = found.pop("archive/.data/serialization_id")
    assert len(identifier) == 40
    assert identifier.isdigit()
    assert found == {
        "archive/data.pkl": STATE_DICT,
        "archive/.format_version": b"1",
        "archive/.storage_alignment": b"64",
        "archive/byteorder": sys.byteorder.encode(),
        "archive/data/0": np.array([1, 2], np.float32).tobytes(),
        "archive/version": b"3\n",
    }


def test_layout_of_a_file():
    content = written({"a": TensorRecord.from_array(np.arange(3)), "b": TensorRecord.from_array(np.zeros(0))})
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        infos = archive.infolist()
    assert {info.compress_type for info in infos} == {zipfile.ZIP_STORED}
    assert [info.filename for info in infos if "/data/" in info.filename] == ["archive/data/0", "archive/data/1"]
    for info in infos:
        name_length, extra_length = np.frombuffer(content, "<u2", 2, info.header_offset + 26)
        assert (info.header_offset + 30 + int(name_length) + int(extra_length)) % 64 == 0
        assert info.flag_bits == (0x808 if info.file_size else 0x800)


def test_equal_content_gives_equal_files():
    assert written(state_dict()) == written(state_dict())


@pytest.mark.parametrize(
    ("name", "folder"),
    [("m.pt", "m"), ("m", "m"), ("m.tar.gz", "m.tar"), ("a b.pth", "a b"), (".pt", "pt"), ("ü.pt", "archive")],
)
def test_folder_inside_the_file_is_named_after_it(tmp_path, name, folder):
    write(1, tmp_path / name)
    assert all(record.startswith(f"{folder}/") for record in records((tmp_path / name).read_bytes()))


INTEGERS = [
    sign * (1 << bits) + offset
    for bits in (0, 7, 8, 15, 16, 31, 32, 63, 64, 127, 2_040)
    for sign in (1, -1)
    for offset in (-1, 0, 1)
]


@pytest.mark.parametrize(
    "value",
    [
        *([value] for value in INTEGERS),
        None,
        [True, False, None],
        [1.5, float("inf"), -0.0],
        ["", "a\nb", "ü€😀", "\ud800", "x" * 300],
        [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
        [list(range(count)) for count in (0, 1, 2, 999, 1_000)],
        {str(index): index for index in range(2_002)},
        [b"\0\xff", bytearray(), bytearray(b"\xff"), 1 + 2j],
        [{1, 2.5}, set(), OrderedDict([(1, 2)]), Counter("aab")],
        {1: {2.5: {None: {(1, "x"): {True: "deep"}}}}},
    ],
    ids=lambda value: repr(value)[:40],
)
def test_plain_values(value):
    data = records(written(value))["archive/data.pkl"]
    pickletools.dis(data, io.StringIO())
    assert pickle.loads(data) == value
    loaded = again(value)
    assert repr(loaded) == repr(value)


@pytest.mark.parametrize("value", [[1, 2], {"a": 1}, "text", (1, (2, 3)), OrderedDict(a=1), b"bytes"], ids=repr)
def test_pickle_is_that_of_python(value):
    """Byte for byte, where both describe the value in the same way."""
    assert records(written([value, value]))["archive/data.pkl"] == pickle.dumps([value, value], 2)


def test_integers_have_the_bytes_of_python():
    for value in INTEGERS:
        assert records(written(value))["archive/data.pkl"] == pickle.dumps(value, 2)


def test_empty_bytes_are_written_as_pytorch_reads_them():
    assert b"bytes" not in records(written(b""))["archive/data.pkl"]
    assert again([b""]) == [b""]


def test_a_thousand_objects_in_the_memo():
    value = [f"text {index}" for index in range(1_000)]
    assert again([value, value]) == [value, value]


def test_records_come_back_as_they_were():
    value = [
        SizeRecord((2, 3)),
        SizeRecord(),
        DeviceRecord("cpu"),
        DeviceRecord("cuda", 1),
        LayoutRecord("strided"),
        GlobalRecord("torch.FloatStorage"),
        GlobalRecord("builtins.set"),
        *map(DtypeRecord, ELEMENTS),
    ]
    loaded = again(value)
    assert loaded == value
    assert type(loaded[0]) is SizeRecord


def test_deep_nesting_needs_no_recursion():
    value: list = []
    for _ in range(50_000):
        value = [value]
    content = written(value)
    for _ in range(50_000):
        (value,) = value
    loaded = read(content).obj
    for _ in range(50_000):
        (loaded,) = loaded
    assert loaded == value == []


# Tensors -------------------------------------------------------------------------------------------------------------


BASE = np.arange(10_000, dtype=np.float32)
VIEWS = {
    "all": ((0, (10_000,), (1,)), 40_000, (1,)),
    "a stretch": ((100, (10,), (1,)), 40, (1,)),
    "every third": ((7, (31,), (3,)), 124, (1,)),
    "one element": ((5, (), ()), 4, ()),
    "rows": ((200, (3, 100), (100, 1)), 1_200, (100, 1)),
    "rows with gaps": ((1, (90, 99), (100, 1)), 35_640, (99, 1)),
    "a column": ((3, (100,), (100,)), 400, (1,)),
    "a transposed corner": ((9, (5, 4), (1, 100)), 80, (1, 5)),
    "transposed": ((9, (5, 4), (1, 5)), 80, (1, 5)),
    "expanded": ((9, (5, 4), (0, 1)), 16, (0, 1)),
    "an expanded column": ((9, (5, 4), (0, 100)), 16, (0, 1)),
    "windows": ((9, (5, 4), (1, 1)), 32, (1, 1)),
    "nothing": ((20, (0, 3), (3, 1)), 0, (3, 1)),
}


def view_of(storage: StorageRecord, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]) -> TensorRecord:
    return TensorRecord(storage.dtype, shape, stride, offset, storage)


@pytest.mark.parametrize("name", VIEWS)
def test_a_lone_view_saves_only_what_it_shows(name):
    layout, size, stride = VIEWS[name]
    record = view_of(StorageRecord.from_array(BASE), *layout)
    content = written(record)
    assert len(records(content)["archive/data/0"]) == size
    loaded = read(content).obj
    assert (loaded.shape, loaded.stride) == (record.shape, stride)
    np.testing.assert_array_equal(loaded.array(), record.array(), strict=True)


def test_views_that_share_a_storage_share_it_in_the_file():
    storage = StorageRecord.from_array(BASE)
    first, second = again([view_of(storage, 100, (10,), (1,)), view_of(storage, 7, (31,), (3,))])
    assert first.storage is second.storage
    assert first.storage.nbytes == BASE.nbytes
    assert (first.storage_offset, second.storage_offset, second.stride) == (100, 7, (3,))
    np.testing.assert_array_equal(second.array(), BASE[7:100:3])


def test_the_same_tensor_twice_is_one_tensor():
    record = view_of(StorageRecord.from_array(BASE), 100, (10,), (1,))
    first, second = again([record, record])
    assert first is second
    assert first.storage.nbytes == 40


def test_a_storage_saved_for_itself_is_saved_whole():
    storage = StorageRecord.from_array(BASE)
    bare, tensor = again([storage, view_of(storage, 100, (10,), (1,))])
    assert bare is tensor.storage
    assert (bare.nbytes, bare.dtype) == (BASE.nbytes, "float32")


def test_large_gapped_view_is_gathered_piece_by_piece():
    table = np.arange(3 * 700_000, dtype=np.int64).reshape(3, 700_000)
    loaded = again(view_of(StorageRecord.from_array(table), 1, (3, 350_000), (700_000, 2)))
    assert loaded.storage.nbytes == 8 * 3 * 350_000
    np.testing.assert_array_equal(loaded.array(), table[:, 1::2])


@pytest.mark.parametrize("dtype", ELEMENTS)
@pytest.mark.parametrize("shape", [(), (0,), (2, 3)], ids=str)
def test_every_element_type(dtype, shape):
    element = ELEMENTS[dtype]
    data = np.arange(int(np.prod(shape)) * element.size, dtype=np.uint8)
    storage = StorageRecord(dtype if element.storage else "uint8", data.size, lambda: data)
    stride = (3, 1)[-len(shape) :] if shape else ()
    loaded = again(TensorRecord(dtype, shape, stride, 0, storage))
    assert (loaded.dtype, loaded.shape, loaded.stride) == (dtype, shape, stride)
    assert loaded.array().tobytes() == data.tobytes()


def test_parameter_buffer_attributes_and_bits():
    plain = TensorRecord.from_array(np.ones(2, np.complex64))
    storage = plain.storage
    value = [
        TensorRecord("complex64", (2,), (1,), 0, storage, requires_grad=True, is_parameter=True),
        TensorRecord("complex64", (2,), (1,), 0, storage, is_parameter=True, attributes={"tag": [1]}),
        TensorRecord("complex64", (2,), (1,), 0, storage, attributes={"_is_buffer": True, "persistent": True}),
        TensorRecord("complex64", (2,), (1,), 0, storage, requires_grad=True, metadata={"conj": True}),
    ]
    kept = ("shape", "stride", "requires_grad", "is_parameter", "is_buffer", "metadata", "attributes")
    for before, after in zip(value, again(value), strict=True):
        assert [getattr(after, name) for name in kept] == [getattr(before, name) for name in kept]


def test_location_is_kept():
    record = TensorRecord.from_array(np.ones(2))
    record.storage.location = "cuda:1"
    assert again(record).storage.location == "cuda:1"


def test_what_was_read_can_be_written(tmp_path):
    path, other = tmp_path / "a.pt", tmp_path / "b.pt"
    write({"net": state_dict(), "opt": [1.5, SizeRecord((2,))]}, path)
    loaded = read(path)
    write(loaded.obj, other)
    assert records(other.read_bytes())["b/data.pkl"] == records(path.read_bytes())["a/data.pkl"]
    write(loaded.obj, path)  # over its own mapping
    assert read(path).obj["net"]["w"].array().tolist() == [1, 2]
    assert loaded.obj["net"]["w"].array().tolist() == [1, 2]


def test_damage_is_not_copied(tmp_path):
    path = tmp_path / "a.pt"
    write(state_dict(), path)
    data = np.array([1, 2], np.float32).tobytes()
    path.write_bytes(path.read_bytes().replace(data, data[:-1] + b"\x41"))
    before = path.read_bytes()
    with pytest.raises(RuntimeError, match="record 'a/data/0' is damaged"):
        write(read(path).obj, path)
    assert path.read_bytes() == before


def test_records_above_4_gib(monkeypatch):
    """The 64-bit fields, with the limits lowered so that a small file needs them."""
    monkeypatch.setattr(zip_writer, "_WIDE", 300)
    monkeypatch.setattr(zip_directory, "WIDE", 300)
    monkeypatch.setattr(zip_reader, "WIDE", 300)
    value = [TensorRecord.from_array(np.arange(count)) for count in (1, 100, 2)]
    loaded = again(value)
    assert [record.array().size for record in loaded] == [1, 100, 2]


# Hooks ---------------------------------------------------------------------------------------------------------------


class Tensor:
    def __init__(self, *values):
        self.array = np.array(values, np.float32)


def describe(value):
    if isinstance(value, Tensor):
        return TensorRecord.from_array(value.array)
    return SizeRecord(value) if isinstance(value, Size) else value


class Size(tuple):
    __slots__ = ()


def test_other_objects_are_described_by_a_hook():
    tensor, size = Tensor(1, 2), Size((3, 4))
    first, second, third = again([tensor, size, tensor], describe=describe)
    assert first is third
    assert first.array().tolist() == [1, 2]
    assert (second, type(second)) == ((3, 4), SizeRecord)


# What cannot be written ----------------------------------------------------------------------------------------------

Point = namedtuple("Point", "x y")


class Color(enum.IntEnum):
    RED = 1


@pytest.mark.parametrize(
    ("value", "match"),
    [
        (lambda: 1, r"cannot save the object: it is of type builtins\.function"),
        ([1, {"model": [object()]}], r"cannot save the object\[1\]\['model'\]\[0\]: it is of type builtins\.object"),
        ({"loss": np.float64(1)}, r"\['loss'\]: it is of type numpy\.float64.*save `value\.item\(\)`"),
        (np.zeros(2), r"numpy\.ndarray, .*or a tensor"),
        ({"p": Point(1, 2)}, r"\['p'\]: it is of type .*Point"),
        (Color.RED, "Color"),
        (frozenset((1,)), "frozenset.*save a list, tuple, set or dict"),
        (slice(1), "slice"),
        ({(1, range(3)): 1}, r"\[\(1, range\(0, 3\)\)\]\[1\]: it is of type builtins\.range"),
        (ml_dtypes.bfloat16(1), "bfloat16"),
    ],
)
def test_what_a_checkpoint_cannot_hold(value, match):
    file = io.BytesIO()
    with pytest.raises(CannotSave, match=match):
        write(value, file)
    assert file.getvalue() == b""
    with pytest.raises(TypeError, match=match):
        write(value, file)


def test_what_the_hook_does_not_know():
    with pytest.raises(CannotSave, match=r"\['x'\]: it is of type builtins\.object"):
        written({"x": object()}, describe=describe)


def test_what_can_contain_itself():
    items: list = [1]
    items.append({"again": items})
    mapping: dict = {"x": (1, [])}
    mapping["x"][1].append(mapping)
    ordered: OrderedDict = OrderedDict()
    vars(ordered)["_metadata"] = ordered
    record = ObjectRecord("__main__.Node")
    record.state = {"parent": record}
    found = read(written([items, mapping, ordered, record]), unknown="record").obj
    assert found[0][1]["again"] is found[0]
    assert found[1]["x"][1][0] is found[1]
    assert vars(found[2])["_metadata"] is found[2]
    assert found[3].state["parent"] is found[3]


def cycles():
    inner: list = []
    pair = (1, inner)
    inner.append(pair)
    yield pair, r"the object\[1\]\[0\]: it contains itself"
    attributes: dict[str, object] = {}
    record = TensorRecord("float32", (), (), 0, StorageRecord.from_array(np.ones(1, np.float32)), attributes=attributes)
    attributes["me"] = record
    yield [record], r"the object\[0\].*: it contains itself"


@pytest.mark.parametrize(("value", "match"), list(cycles()))
def test_an_object_that_contains_itself(value, match):
    with pytest.raises(CircularReference, match=match):
        written(value)


def test_a_storage_viewed_as_two_types():
    storage = StorageRecord.from_array(np.zeros(4, np.float32))
    records = [TensorRecord(dtype, (1,), (1,), 0, storage) for dtype in ("float32", "int32")]
    match = "Cannot save multiple tensors or storages that view the same data as different types: float32 and int32"
    with pytest.raises(StorageTypeConflict, match=match):
        written(records)
    with pytest.raises(StorageTypeConflict, match="float32 and uint8"):
        written([records[0], StorageRecord("uint8", 16, storage.load), TensorRecord("uint16", (), (), 0, storage)])


def test_a_tensor_that_reaches_beyond_its_storage():
    storage = StorageRecord.from_array(np.zeros(4, np.float32))
    with pytest.raises(SaveError, match=r"shape \(5,\) reaches beyond its storage of 16 bytes"):
        written(TensorRecord("float32", (5,), (1,), 0, storage))


def test_a_storage_whose_bytes_are_not_as_many_as_it_says():
    storage = StorageRecord("float32", 16, lambda: np.zeros(12, np.uint8))
    with pytest.raises(SaveError, match="record 'data/0' has 12 bytes instead of 16"):
        written([storage])
