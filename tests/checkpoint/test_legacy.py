"""The stream that PyTorch wrote before version 1.6: what is read, and every way in which a stream can be wrong."""

import gzip
import io
import struct
import time
from typing import Any, BinaryIO, cast

import numpy as np
import pytest

from flambeau.base.errors import (
    AmbiguousContainer,
    BadCall,
    BadPickle,
    BadStream,
    BadTensor,
    DisallowedGlobal,
    DuplicateRecord,
    HiddenBytes,
    LimitExceeded,
    LoadError,
    MissingRecord,
    StorageDisagreement,
    StorageSizeMismatch,
    TrailingBytes,
    TruncatedFile,
    TruncatedPickle,
    UndecodableText,
    UnsupportedContainer,
    ViewOutOfStorage,
)
from flambeau.checkpoint import StorageRecord, TensorRecord, read, write
from tests.checkpoint.crafting import (
    MAGIC,
    PROTOCOL,
    SIX,
    SYSTEM,
    block,
    call,
    keys_of,
    name,
    number,
    old_storage,
    pickled,
    sequence,
    stream,
    tensor,
    text,
    view,
)

# {"a": tensor([0, 1, 2]), "b": tensor([1]).untyped_storage()}, by PyTorch 2.13 with the keys it happened to choose.
GOLDEN = (
    b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}q\x00(X\x10\x00\x00\x00protocol_versionq\x01M"
    b"\xe9\x03X\r\x00\x00\x00little_endianq\x02\x88X\n\x00\x00\x00type_sizesq\x03}q\x04(X\x05\x00\x00\x00shortq\x05K"
    b"\x02X\x03\x00\x00\x00intq\x06K\x04X\x04\x00\x00\x00longq\x07K\x04uu.\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01ctorch"
    b"._utils\n_rebuild_tensor_v2\nq\x02((X\x07\x00\x00\x00storageq\x03ctorch\nFloatStorage\nq\x04X\x0e\x00\x00\x009478"
    b"7605349632q\x05X\x03\x00\x00\x00cpuq\x06K\x03Ntq\x07QK\x00K\x03\x85q\x08K\x01\x85q\t\x89ccollections\nOrderedDict"
    b"\nq\n)Rq\x0btq\x0cRq\rX\x01\x00\x00\x00bq\x0e(h\x03ctorch.storage\nUntypedStorage\nq\x0fX\x0e\x00\x00\x0094787518"
    b"560416q\x10h\x06K\x04Ntq\x11Qu.\x80\x02]q\x00(X\x0e\x00\x00\x0094787518560416q\x01X\x0e\x00\x00\x0094787605349632"
    b"q\x02e.\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80?\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80?"
    b"\x00\x00\x00@"
)

# OrderedDict(weight=tensor([0, 1])), epoch=3 as Python 2 wrote it: byte strings, and pairs that are lists.
PYTHON2 = (
    MAGIC
    + PROTOCOL
    + b"\x80\x02}q\x01(U\x10protocol_versionq\x02M\xe9\x03U\rlittle_endianq\x03\x88u."
    + b"\x80\x02ccollections\nOrderedDict\nq\x01]q\x02(]q\x03(U\x06weightq\x04"
    + b"ctorch._utils\n_rebuild_tensor\nq\x05((U\x07storageq\x06"
    + b"ctorch\nFloatStorage\nq\x07U\x0894203984q\x08U\x03cpuq\tK\x02NtQK\x00K\x02\x85q\nK\x01\x85q\x0b"
    + b"tq\x0cRq\re]q\x0e(U\x05epochq\x0fK\x03ee\x85q\x10Rq\x11."
    + b"\x80\x02]q\x01U\x0894203984q\x02a."
    + b"\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80?"
)

SIX_BLOCK = block(SIX, 6)
ONE = stream(tensor(old_storage()), keys_of("0"), SIX_BLOCK)


def values(obj: Any) -> Any:
    return obj.array().tolist()


# What is read ---------------------------------------------------------------------------------------------------------


def test_a_file_of_pytorch():
    loaded = read(GOLDEN)
    assert loaded.container == "PyTorch file from before version 1.6"
    assert (loaded.byteorder, loaded.checksums) == ("little", False)
    assert values(loaded.obj["a"]) == [0, 1, 2]
    assert loaded.obj["b"].load().tolist() == [0, 0, 0x80, 0x3F]
    assert sorted(loaded.storages) == ["94787518560416", "94787605349632"]
    loaded.verify()


def test_a_file_of_python_2():
    loaded = read(PYTHON2).obj
    assert list(loaded) == ["weight", "epoch"]
    assert values(loaded["weight"]) == [0, 1]
    assert loaded["epoch"] == 3


def test_the_encoding_bytes_keeps_what_is_text_to_us_as_bytes():
    loaded = read(PYTHON2, encoding="bytes").obj
    assert list(loaded) == [b"weight", b"epoch"]
    assert values(loaded[b"weight"]) == [0, 1]


@pytest.mark.parametrize("mmap", [True, False])
def test_a_path(tmp_path, mmap):
    path = tmp_path / "a.pt"
    path.write_bytes(GOLDEN)
    loaded = read(path, mmap=mmap).obj["a"]
    assert values(loaded) == [0, 1, 2]
    mapped = loaded.storage.load().base.obj
    assert isinstance(mapped, bytes) != mmap


def test_a_file_at_an_offset():
    file = io.BytesIO(b"before" + GOLDEN)
    file.seek(6)
    assert values(read(file).obj["a"]) == [0, 1, 2]


def test_a_file_that_cannot_seek_from_its_end(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(GOLDEN))
    with gzip.GzipFile(tmp_path / "a.gz") as file:
        assert values(read(cast("BinaryIO", file)).obj["a"]) == [0, 1, 2]


class Reading:
    """A file that can only be read on."""

    def __init__(self) -> None:
        self._file = io.BytesIO(GOLDEN)

    def read(self, length: int = -1) -> bytes:
        return self._file.read(length)


def test_a_file_that_can_only_be_read_on():
    assert values(read(cast("BinaryIO", Reading())).obj["a"]) == [0, 1, 2]


def test_a_pickle_longer_than_what_is_read_at_once():
    long = [f"name {index}" for index in range(3_000)] + ["x" * 100_000]
    file = io.BytesIO()
    write([long, TensorRecord.from_array(np.arange(4_000))], file, legacy=True)
    loaded = read(file.getvalue()).obj
    assert loaded[0] == long
    assert values(loaded[1]) == list(range(4_000))


MAGICS = [
    (0, b"L119547037146038801333356L\n.", b"I1001\n.", b"(dp0\n."),
    (2, MAGIC, PROTOCOL, SYSTEM),
    (3, b"\x80\x03" + MAGIC[2:], b"\x80\x03M\xe9\x03.", b"\x80\x03}."),
    (4, b"\x80\x04\x95\x0d\0\0\0\0\0\0\0" + MAGIC[2:], b"\x80\x04\x95\x04\0\0\0\0\0\0\0M\xe9\x03.", b"\x80\x04}."),
    (5, b"\x80\x05\x95\x0d\0\0\0\0\0\0\0" + MAGIC[2:], b"\x80\x05\x95\x04\0\0\0\0\0\0\0M\xe9\x03.", b"\x80\x05}."),
]


@pytest.mark.parametrize(("protocol", "magic", "version", "system"), MAGICS)
def test_every_protocol(protocol, magic, version, system):
    assert read(magic + version + system + ONE.removeprefix(MAGIC + PROTOCOL + SYSTEM)).container


def test_storages_on_another_device_and_of_cuda_classes():
    body = tensor(old_storage("torch.cuda.FloatStorage", location="cuda:1"))
    loaded = read(stream(body, keys_of("0"), SIX_BLOCK)).obj
    assert (loaded.storage.location, loaded.dtype) == ("cuda:1", "float32")
    assert values(loaded) == [0, 1, 2, 3, 4, 5]


def part(key: str, offset: int, count: int) -> bytes:
    """View metadata: a storage that is a part of another."""
    return sequence(text(key), number(offset), number(count))


def test_a_part_of_a_storage_shares_the_bytes():
    whole, some = old_storage(), old_storage(view=part("9", 2, 3))
    body = sequence(tensor(whole), tensor(some, view(1, (2,))), some, some)
    tensor_of_all, tensor_of_some, one, other = read(stream(body, keys_of("0"), SIX_BLOCK)).obj
    assert values(tensor_of_some) == [3, 4]
    assert tensor_of_some.storage is tensor_of_all.storage
    assert tensor_of_some.storage_offset == 3
    assert one is other
    assert isinstance(one, StorageRecord)
    assert one.load().tobytes() == SIX[8:20]


def test_a_class_with_its_source_text_is_the_class():
    wrapped = sequence(text("module"), name("collections.OrderedDict"), text("a.py"), text("exit()")) + b"Q"
    assert read(stream(wrapped + b")R")).obj == {}
    with pytest.raises(DisallowedGlobal, match=r"unsupported GLOBAL os\.system whose module os is blocked"):
        read(stream(sequence(text("module"), name("os.system"), text("a.py"), text("exit()")) + b"Q)R"))


@pytest.mark.parametrize("legacy", [True, False])
def test_an_empty_storage_may_have_any_type(legacy):
    nothing = np.zeros(0, np.float32)
    file = io.BytesIO()
    write([TensorRecord.from_array(nothing)], file, legacy=legacy)
    empty = [old_storage(kind, count=0) for kind in ("torch.FloatStorage", "torch.IntStorage")]
    body = sequence(*(tensor(stored, view(0, (0,))) for stored in empty))
    loaded = read(stream(body, keys_of("0"), block(b"", 0))).obj
    assert [record.dtype for record in loaded] == ["float32", "int32"]


def test_a_stream_inside_the_object():
    """A storage that was pickled without `torch.save` holds a whole stream of its own."""

    def around(content: bytes) -> bytes:
        return stream(call("torch.storage._load_from_bytes", b"B" + struct.pack("<I", len(content)) + content))

    content = around(stream(old_storage(), keys_of("0"), SIX_BLOCK))
    assert read(content).obj.load().tobytes() == SIX
    with pytest.raises(BadCall, match="or inside itself"):
        read(around(content))


# Text of Python 2 -----------------------------------------------------------------------------------------------------

UMLAUT = b"U\x03M\xfcl"  # "Mül" in Latin-1


def test_text_that_is_not_utf8_is_taken_for_latin1():
    assert read(stream(b"](" + UMLAUT + b"U\x02\xc3\xa4e")).obj == ["Mül", "ä"]


@pytest.mark.parametrize(
    "body",
    [
        b"}" + UMLAUT + b"K\1s",
        b"}" + UMLAUT + b"K\1\x86K\1s",
        b"}(" + UMLAUT + b"K\1u",
        b"(" + UMLAUT + b"K\1d",
        call("collections.OrderedDict", b"](](" + UMLAUT + b"K\1ee"),
        call("builtins.set", b"]" + UMLAUT + b"a"),
        b"\x8f(" + UMLAUT + b"\x90",
    ],
    ids=["item", "in a tuple", "items", "dictionary", "ordered", "set", "set items"],
)
def test_but_not_where_it_is_a_key(body):
    with pytest.raises(UndecodableText, match=r"object: a key is text of Python 2 that is not UTF-8: 'Mül'"):
        read(stream(body))
    assert "Mül" in str(read(stream(body), encoding="latin1").obj)
    assert r"M\xfcl" in str(read(stream(body), encoding="bytes").obj)


@pytest.mark.parametrize("encoding", ["ascii", "utf-8", "UTF8"])
def test_an_encoding_that_is_asked_for_is_no_guess(encoding):
    with pytest.raises(UndecodableText, match=r"object: byte .*not in the encoding"):
        read(stream(UMLAUT), encoding=encoding)


def test_an_encoding_that_is_none():
    with pytest.raises(ValueError, match=r"encoding: expected 'utf-8', 'ascii', 'latin1' or 'bytes', but got 'rot13'"):
        read(ONE, encoding="rot13")


NUMPY = b"cnumpy\ndtype\n(U\x02f8K\0K\1tR(K\3U\1<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
DATA = [bytes(8), struct.pack("<d", 0.5), struct.pack("<d", -0.1), "ä€123".encode(), b"\xc3\xa4" * 4]


@pytest.mark.parametrize("encoding", [None, "utf-8", "latin1", "bytes"])
@pytest.mark.parametrize("data", DATA)
def test_numbers_of_numpy_as_python_2_wrote_them(data, encoding):
    """Their bytes are written as text, so they come back through the encoding that the text was read with."""
    text_of_data = b"U\x08" + data
    scalar = call("numpy.core.multiarray.scalar", NUMPY, text_of_data)
    empty = call("numpy.core.multiarray._reconstruct", name("numpy.ndarray"), b"K\0\x85", b"U\1b")
    array = empty + sequence(number(1), b"K\1\x85", NUMPY, b"\x89", text_of_data) + b"b"
    content = stream(sequence(scalar, array))
    if encoding == "utf-8" and not is_utf8(data):
        with pytest.raises(UndecodableText, match="not in the encoding 'utf-8'"):
            read(content, encoding=encoding)
        return
    one, many = read(content, encoding=encoding).obj
    assert (type(one), one.tobytes(), many.tobytes(), many.shape) == (np.float64, data, data, (1,))


def is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


# What is wrong --------------------------------------------------------------------------------------------------------

HUGE = (1 << 62) - 1
WIDE = view(0, (HUGE // 4,))

ATTACKS = {
    "another protocol version": (
        UnsupportedContainer,
        "Invalid protocol version: 1002",
        MAGIC + pickled(number(1002)) + SYSTEM + pickled(b"N") + keys_of(),
    ),
    "a protocol version of a million digits": (
        UnsupportedContainer,
        "Invalid protocol version: a value of type 'int'",
        MAGIC + b"\x80\x02\x8b" + struct.pack("<i", 500_000) + b"\x7f" * 500_000 + b"." + SYSTEM,
    ),
    "a call in the system information": (
        DisallowedGlobal,
        "unsupported GLOBAL os.system",
        stream(b"N", system=pickled(call("os.system", text("x")))),
    ),
    "a permitted call in the system information": (
        DisallowedGlobal,
        "OrderedDict was not an allowed",
        stream(b"N", system=pickled(call("collections.OrderedDict"))),
    ),
    "a call of a number in the system information": (
        BadCall,
        "calls something",
        stream(b"N", system=pickled(b"K\1)R")),
    ),
    "a state in the system information": (BadPickle, "a state", stream(b"N", system=pickled(b"}}b"))),
    "a storage in the system information": (
        BadPickle,
        "mentions a storage",
        stream(b"N", system=pickled(b"K\1Q")),
    ),
    "a bomb in the system information": (
        LimitExceeded,
        "far more memory",
        stream(b"N", system=pickled(b"X\0\0\1\0" + b"x" * 65_536 + b"(" + b"]" * 3_000_000 + b"t")),
    ),
    "a storage of five": (
        BadTensor,
        "not a tuple of six",
        stream(tensor(sequence(text("storage"), name("torch.FloatStorage"), text("0"), text("cpu"), number(6)) + b"Q")),
    ),
    "a storage of something else": (BadTensor, "Only persistent_load of storage", stream(sequence(text("x")) + b"Q")),
    "no tuple": (BadTensor, "Only persistent_load of storage", stream(b"K\1Q")),
    "a module of five": (
        BadTensor,
        "Only persistent_load of storage",
        stream(sequence(text("module"), b"N", b"N", b"N", b"N") + b"Q"),
    ),
    "a class that is no storage": (
        BadTensor,
        "Only persistent_load of storage",
        stream(tensor(old_storage("collections.OrderedDict"))),
    ),
    "a location that is no text": (
        BadTensor,
        "identifier is malformed",
        stream(sequence(text("storage"), name("torch.FloatStorage"), text("0"), b"N", number(1), b"N") + b"Q"),
    ),
    "a negative number in the object": (BadTensor, "identifier is malformed", stream(tensor(old_storage(count=-1)))),
    "a number of 80 bits in the object": (
        BadTensor,
        "identifier is malformed",
        stream(tensor(old_storage(count=1 << 80))),
    ),
    "a smaller number in the file": (
        StorageSizeMismatch,
        "storage '0' should have 6 elements of 4 bytes, but at byte .* the file says 5",
        stream(tensor(old_storage()), keys_of("0"), block(SIX, 5)),
    ),
    "a larger number in the file": (
        StorageSizeMismatch,
        "the file says 7",
        stream(tensor(old_storage()), keys_of("0"), block(SIX + bytes(4), 7)),
    ),
    "a negative number in the file": (
        StorageSizeMismatch,
        "the file says -6",
        stream(tensor(old_storage()), keys_of("0"), block(SIX, -6)),
    ),
    "a huge number in the file": (
        StorageSizeMismatch,
        "the file says 4611686018427387903",
        stream(tensor(old_storage()), keys_of("0"), block(SIX, HUGE)),
    ),
    "a huge number on both sides": (
        TruncatedFile,
        r"storage '0' should have \d+ bytes at byte \d+, but only 24 are left",
        stream(tensor(old_storage(count=HUGE // 4), WIDE), keys_of("0"), block(SIX, HUGE // 4)),
    ),
    "no length": (TruncatedFile, "the length of storage '0'", stream(tensor(old_storage()), keys_of("0"), b"\6")),
    "no storages": (TruncatedFile, "the length of storage '0'", stream(tensor(old_storage()), keys_of("0"))),
    "a view beyond its storage": (
        ViewOutOfStorage,
        "reaches element 6",
        stream(tensor(old_storage(), view(0, (7,))), keys_of("0"), SIX_BLOCK),
    ),
    "a storage missing from the list": (
        MissingRecord,
        "storage '0', which a tensor needs, is not in the file",
        stream(tensor(old_storage()), keys_of()),
    ),
    "a storage twice in the list": (
        DuplicateRecord,
        "storage '0' is twice in the list",
        stream(tensor(old_storage()), keys_of("0", "0"), SIX_BLOCK, SIX_BLOCK),
    ),
    "a storage that nobody views": (
        HiddenBytes,
        "storage '1' is in the list of storages, but no tensor views it",
        stream(tensor(old_storage()), keys_of("0", "1"), SIX_BLOCK, SIX_BLOCK),
    ),
    "a list that is none": (BadStream, "not a list of strings", stream(b"N", pickled(b"K\1"))),
    "a list of numbers": (BadStream, "not a list of strings", stream(b"N", pickled(b"]K\1a"))),
    "bytes behind the end": (TrailingBytes, r"1 bytes follow the last storage, at byte 231", ONE + b"\0"),
    "a second file behind the end": (TrailingBytes, "bytes follow the last storage", ONE + ONE),
    "one storage described twice": (
        StorageDisagreement,
        "in two different ways",
        stream(sequence(tensor(old_storage()), tensor(old_storage(count=5)))),
    ),
    "a part beyond its storage": (
        ViewOutOfStorage,
        "the view '9' reaches element 7 of storage '0', which has 6",
        stream(tensor(old_storage(view=part("9", 4, 3)))),
    ),
    "a part with a negative offset": (
        BadTensor,
        "not described by two natural numbers",
        stream(tensor(old_storage(view=part("9", -1, 3)))),
    ),
    "a part of a million digits": (
        BadTensor,
        "not described by two natural numbers",
        stream(tensor(old_storage(view=sequence(text("9"), b"\x8b\0\0\2\0" + b"\x7f" * 131_072, number(1))))),
    ),
    "a part that is no part": (BadTensor, "a key and two numbers", stream(tensor(old_storage(view=b"K\1")))),
    "parts that overlap under one name": (
        StorageDisagreement,
        "the view '9' is described in two different ways",
        stream(sequence(tensor(old_storage(view=part("9", 0, 6))), tensor(old_storage(view=part("9", 1, 5))))),
    ),
    "a tensor beyond its part": (
        ViewOutOfStorage,
        "reaches element 3",
        stream(tensor(old_storage(view=part("9", 0, 3)), view(0, (4,))), keys_of("0"), SIX_BLOCK),
    ),
    "a tar archive as well": (
        AmbiguousContainer,
        "could be read as a tar file, .* and as a PyTorch file from before",
        MAGIC + bytes(257 - len(MAGIC)) + b"ustar\x0000" + bytes(512),
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack(attack):
    error, match, content = ATTACKS[attack]
    started = time.process_time()
    with pytest.raises(error, match=match) as caught:
        read(content)
    assert str(caught.value).removeprefix("Weights only load failed. ").startswith("<bytes>")
    assert len(str(caught.value)) < 600
    assert time.process_time() - started < 5


@pytest.mark.parametrize("content", [GOLDEN, PYTHON2, ONE], ids=["of PyTorch", "of Python 2", "crafted"])
def test_every_truncation_is_found(content):
    for length in range(len(content)):
        with pytest.raises(LoadError, match="<bytes>"):
            read(content[:length])


def test_a_truncated_pickle_says_where_in_the_file():
    with pytest.raises(TruncatedPickle, match="<bytes>: object: byte 324: "):
        read(GOLDEN[:330])


def test_a_flipped_bit_is_found_or_changes_only_what_no_checksum_keeps():
    silent = 0
    for position in range(len(GOLDEN)):
        flipped = bytearray(GOLDEN)
        flipped[position] ^= 1 << position % 8
        try:
            loaded = read(bytes(flipped))
            for record in loaded.storages.values():
                record.load()
        except LoadError:
            continue
        silent += 1
    assert silent < len(GOLDEN) // 2


def test_a_line_that_never_ends_costs_what_the_file_has():
    with pytest.raises(TruncatedPickle, match="a line does not end"):
        read(MAGIC + PROTOCOL + SYSTEM + b"\x80\x02c" + b"a" * 3_000_000)


# What is written ------------------------------------------------------------------------------------------------------


def test_what_is_written():
    array = np.arange(3, dtype=np.float32)
    file = io.BytesIO()
    write({"a": TensorRecord.from_array(array)}, file, legacy=True)
    expected = GOLDEN[: GOLDEN.index(b"X\x01\x00\x00\x00bq\x0e")]
    expected = expected.replace(b"}q\x00(X\x01\x00\x00\x00a", b"}q\x00X\x01\x00\x00\x00a")
    expected = expected.replace(b"X\x0e\x00\x00\x0094787605349632", b"X\x01\x00\x00\x000")
    expected += b"s.\x80\x02]q\x00X\x01\x00\x00\x000q\x01a." + block(array.tobytes(), 3)
    assert file.getvalue() == expected
    loaded = read(file.getvalue())
    assert values(loaded.obj["a"]) == [0, 1, 2]


def test_what_is_written_keeps_sharing_and_saves_no_more_than_is_shown(tmp_path):
    shared = StorageRecord.from_array(np.arange(12.0))
    both = [TensorRecord("float64", (3, 4), (4, 1), 0, shared), TensorRecord("float64", (4,), (1,), 4, shared)]
    alone = TensorRecord("float64", (2,), (1,), 5, StorageRecord.from_array(np.arange(1_000.0)))
    write([*both, alone], tmp_path / "a.pt", legacy=True)
    whole, row, some = read(tmp_path / "a.pt").obj
    assert whole.storage is row.storage
    assert (values(row), values(some)) == ([4, 5, 6, 7], [5, 6])
    assert (tmp_path / "a.pt").stat().st_size < 1_000


def test_a_part_of_a_storage_is_written_as_a_storage():
    some = read(stream(old_storage(view=part("9", 2, 3)), keys_of("0"), SIX_BLOCK)).obj
    for legacy in (True, False):
        file = io.BytesIO()
        write(some, file, legacy=legacy)
        assert read(file.getvalue()).obj.load().tobytes() == SIX[8:20]
