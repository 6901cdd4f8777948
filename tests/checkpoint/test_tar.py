"""The tar archive that PyTorch wrote in 2016: what is read, and every way in which one can be wrong."""

import io
import struct
import tarfile
import time
from collections.abc import Callable
from typing import Any

import pytest

from flambeau.base.errors import (
    BadTar,
    BadTensor,
    DisallowedGlobal,
    DuplicateRecord,
    HiddenBytes,
    LimitExceeded,
    LoadError,
    MissingRecord,
    StorageDisagreement,
    TrailingBytes,
    TruncatedFile,
    UnsafeMember,
    ViewOutOfStorage,
)
from flambeau.checkpoint import StorageRecord, read
from tests.checkpoint.crafting import (
    SIX,
    Member,
    call,
    name,
    number,
    outside,
    pax,
    pickled,
    sequence,
    tar,
    tar_bytes,
    tar_members,
    tar_storage,
    tar_tensor,
    text,
)

STORAGE = tar_storage(10, SIX, 6)
TENSOR = tar_tensor(20, 10, 1, (2, 2), (2, 1))
BODY = call("collections.OrderedDict", b"]](" + text("weight") + outside(20) + b"ea")
MEMBERS = tar_members(BODY, [STORAGE], [TENSOR])
GOOD = tar_bytes(MEMBERS)


def values(obj: Any) -> Any:
    return obj.array().tolist()


# What is read ---------------------------------------------------------------------------------------------------------


def test_a_state_dict():
    loaded = read(GOOD)
    assert loaded.container == "tar file, PyTorch's format of 2016"
    assert (loaded.byteorder, loaded.checksums) == ("little", False)
    assert list(loaded.obj) == ["weight"]
    assert values(loaded.obj["weight"]) == [[1, 2], [3, 4]]
    assert list(loaded.storages) == ["10"]
    loaded.verify()


def test_with_the_extended_headers_that_python_writes():
    facts = {"mtime": "1475000000.123456", "uid": "3000000", "uname": "jürgen"}
    members = [part for member in MEMBERS for part in (pax(**facts), member)]
    assert values(read(tar_bytes(members)).obj["weight"]) == [[1, 2], [3, 4]]


def test_with_a_size_in_an_extended_header():
    members = [*MEMBERS[:3], pax(size=str(len(MEMBERS[3].data)), mtime="1.5"), MEMBERS[3]]
    members[-1].header = {**MEMBERS[3].header, "size": b"0" * 11}
    try:
        assert values(read(tar_bytes(members)).obj["weight"]) == [[1, 2], [3, 4]]
    finally:
        members[-1].header = {}


def test_as_the_tarfile_module_writes_it():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:", format=tarfile.PAX_FORMAT) as archive:
        for member in MEMBERS:
            facts = tarfile.TarInfo(member.name)
            facts.size, facts.mtime = len(member.data), 1475000000.25
            archive.addfile(facts, io.BytesIO(member.data))
    assert values(read(file.getvalue()).obj["weight"]) == [[1, 2], [3, 4]]


@pytest.mark.parametrize("mmap", [True, False])
def test_a_path(tmp_path, mmap):
    path = tmp_path / "a.tar"
    path.write_bytes(GOOD)
    assert values(read(path, mmap=mmap).obj["weight"]) == [[1, 2], [3, 4]]
    assert sorted(tmp_path.iterdir()) == [path]


def test_shared_storages_parts_and_other_devices():
    storages = [tar_storage(10, SIX, 6), tar_storage(11, b"\1\2", 2, "torch.cuda.ByteStorage", "cuda:0")]
    tensors = [
        tar_tensor(20, 10, 0, (6,), (1,)),
        tar_tensor(21, 12, 1, (2,), (1,)),
        tar_tensor(22, 11, 0, (2,), (1,), "torch.cuda.ByteTensor"),
    ]
    body = sequence(*map(outside, (20, 21, 22, 10, 12)), number(20) + b"Q")
    views = b"]" + sequence(number(12), number(10), number(2), number(4)) + b"a"
    whole, some, bytes_, storage, part, again = read(tar(body, storages, tensors, views)).obj
    assert whole is again
    assert values(whole) == [0, 1, 2, 3, 4, 5]
    assert values(some) == [3, 4]
    assert some.storage is whole.storage is storage
    assert isinstance(part, StorageRecord)
    assert part.load().tobytes() == SIX[8:]
    assert (values(bytes_), bytes_.storage.location) == ([1, 2], "cuda:0")


def test_ids_given_as_text_of_protocol_0():
    members = tar_members(BODY, [STORAGE], [TENSOR])
    members[1] = Member("pickle", b"(P20\nI3\nl.")
    weight, three = read(tar_bytes(members)).obj
    assert (values(weight), three) == ([[1, 2], [3, 4]], 3)


def test_a_class_with_its_source_text_is_the_class():
    wrapped = sequence(name("collections.OrderedDict"), text("a.py"), text("exit()")) + b"Q)R"
    assert read(tar(wrapped)).obj == {}


# What is wrong --------------------------------------------------------------------------------------------------------


def with_member(position: int, member: Member) -> bytes:
    members = list(MEMBERS)
    members[position : position + 1] = [member]
    return tar_bytes(members)


def with_type(kind: bytes, **header: bytes) -> bytes:
    return with_member(1, Member("pickle", b"", {"type": kind, **header}))


def with_storages(*storages: bytes, views: bytes = b"]", rest: bytes = b"") -> bytes:
    members = tar_members(BODY, storages, [TENSOR], views)
    members[3].data += rest
    return tar_bytes(members)


def with_tensors(*tensors: bytes) -> bytes:
    return tar(BODY, [STORAGE], tensors)


def member(name: str, data: bytes) -> bytes:
    return tar_bytes([Member(name, data) if part.name == name else part for part in MEMBERS])


PATHS = ["../pickle", "/pickle", "./pickle", "pickle/", "a/pickle", "..", "pickle\n", "x"]

ATTACKS: dict[str, tuple[type[LoadError], str, bytes]] = {
    **{
        f"a member named {path!r}": (UnsafeMember, "is none of the records", tar_bytes([*MEMBERS, Member(path)]))
        for path in PATHS
    },
    "a member without a name": (UnsafeMember, "member '' at byte 0 is none of", tar_bytes([Member(""), *MEMBERS])),
    "a name with a prefix": (
        UnsafeMember,
        "member 'pickle' at byte .* is none of the records",
        with_member(1, Member("pickle", MEMBERS[1].data, {"prefix": b".."})),
    ),
    "a hard link": (UnsafeMember, "is a hard link", with_type(b"1", link=b"/etc/passwd")),
    "a symbolic link": (UnsafeMember, "is a symbolic link", with_type(b"2", link=b"/etc/passwd")),
    "a character device": (UnsafeMember, "is a character device", with_type(b"3")),
    "a block device": (UnsafeMember, "is a block device", with_type(b"4")),
    "a folder": (UnsafeMember, "is a folder", with_type(b"5")),
    "a pipe": (UnsafeMember, "is a pipe", with_type(b"6")),
    "a global header": (UnsafeMember, "is a header for all that follow", with_type(b"g")),
    "a long name of GNU": (UnsafeMember, "of type b'L'", with_type(b"L")),
    "a sparse file of GNU": (UnsafeMember, "of type b'S'", with_type(b"S")),
    "a path in an extended header": (BadTar, "gives a member the 'path'", tar_bytes([pax(path="../x"), *MEMBERS])),
    "a link in an extended header": (
        BadTar,
        "gives a member the 'linkpath'",
        tar_bytes([pax(linkpath="/etc"), *MEMBERS]),
    ),
    "two sizes in an extended header": (
        BadTar,
        "gives a member the 'size'",
        tar_bytes([Member("x", b"9 size=1\n9 size=2\n", {"type": b"x"}), *MEMBERS]),
    ),
    "a negative size in an extended header": (BadTar, "the 'size'", tar_bytes([pax(size="-1"), *MEMBERS])),
    "a huge size in an extended header": (
        TruncatedFile,
        "9223372036854775808 bytes should follow byte",
        tar_bytes([pax(size=str(1 << 63)), *MEMBERS]),
    ),
    "a size of many digits in an extended header": (BadTar, "the 'size'", tar_bytes([pax(size="9" * 5_000), *MEMBERS])),
    "a malformed extended header": (BadTar, "is malformed", tar_bytes([Member("x", b"12 mtime", {"type": b"x"})])),
    "an extended header without lengths": (BadTar, "is malformed", tar_bytes([Member("x", b"a=b\n", {"type": b"x"})])),
    "an extended header of length zero": (BadTar, "is malformed", tar_bytes([Member("x", b"0 a=b\n", {"type": b"x"})])),
    "an extended header of the wrong length": (
        BadTar,
        "is malformed",
        tar_bytes([Member("x", b"5 mtime=1\n", {"type": b"x"})]),
    ),
    "a large extended header": (LimitExceeded, "the limit is 65536", tar_bytes([pax(comment="x" * 70_000), *MEMBERS])),
    "two extended headers": (BadTar, "follows another", tar_bytes([pax(mtime="1"), pax(mtime="1"), *MEMBERS])),
    "an extended header at the end": (BadTar, "the last of the archive", tar_bytes([*MEMBERS, pax(mtime="1")])),
    "an extended header beyond the end": (
        TruncatedFile,
        "is cut short",
        tar_bytes([*MEMBERS, Member("x", b"", {"type": b"x", "size": b"%011o\0" % 60_000})]),
    ),
    "a member twice": (DuplicateRecord, "two members have the name 'pickle'", tar_bytes([*MEMBERS, MEMBERS[1]])),
    **{
        f"no {MEMBERS[index].name}": (
            MissingRecord,
            f"no member '{MEMBERS[index].name}'",
            tar_bytes(MEMBERS[:index] + MEMBERS[index + 1 :]),
        )
        for index in range(4)
    },
    "a wrong sum": (BadTar, "header at byte 0 is damaged", GOOD.replace(b"0000600", b"0000601", 1)),
    "a sum that is no number": (
        BadTar,
        "where a number should be",
        tar_bytes([Member("sys_info", b"", {"checksum": b"xyz"})]),
    ),
    "a size that is no number": (
        BadTar,
        "holds b'00000000089.*' where a number should be",
        with_member(1, Member("pickle", b"", {"size": b"00000000089"})),
    ),
    "a size in GNU's binary form": (
        BadTar,
        "where a number should be",
        with_member(1, Member("pickle", b"", {"size": b"\x80" + bytes(10) + b"\1"})),
    ),
    "a size beyond the file": (
        TruncatedFile,
        "8589934591 bytes should follow byte",
        with_member(1, Member("pickle", b"", {"size": b"7" * 11})),
    ),
    "another kind of tar": (
        BadTar,
        "not of the kind 'ustar'",
        with_member(0, Member("sys_info", MEMBERS[0].data, {"magic": b"ustar  \0"})),
    ),
    "padding that is not empty": (
        HiddenBytes,
        "the padding at byte .* is not empty",
        tar_bytes([Member("sys_info", MEMBERS[0].data, padding=b"x"), *MEMBERS[1:]]),
    ),
    "something behind the end": (
        TrailingBytes,
        "follows the end of the tar archive",
        tar_bytes(MEMBERS, end=bytes(1024) + b"x"),
    ),
    "a member behind the end": (TrailingBytes, "follows the end", tar_bytes(MEMBERS) + tar_bytes(MEMBERS)),
    "more padding than there is": (TrailingBytes, "follows the end", tar_bytes(MEMBERS) + bytes(10_240)),
    "one empty block": (TruncatedFile, "padding is cut short", tar_bytes(MEMBERS, end=bytes(512), record=1)),
    "no end": (TruncatedFile, "has no end", tar_bytes(MEMBERS, end=b"", record=1)),
    "padding cut short": (TruncatedFile, "the file should have 10240 bytes, but has 9728", GOOD[:-512]),
    # Records
    "a bomb in sys_info": (
        LimitExceeded,
        "far more memory",
        member("sys_info", b"\x80\2(" + b"]" * 3_000_000 + b"t."),
    ),
    "code in sys_info": (DisallowedGlobal, "os.system", member("sys_info", pickled(call("os.system", text("x"))))),
    "code in the pickle": (DisallowedGlobal, "os.system", member("pickle", pickled(call("os.system", text("x"))))),
    "code in the tensors": (DisallowedGlobal, "os.system", member("tensors", pickled(call("os.system", text("x"))))),
    "code in the storages": (DisallowedGlobal, "os.system", member("storages", pickled(call("os.system", text("x"))))),
    "a tensor class among the storages": (
        DisallowedGlobal,
        "torch.FloatTensor",
        with_storages(tar_storage(10, SIX, 6, "torch.FloatTensor")),
    ),
    "bytes behind sys_info": (TrailingBytes, "sys_info: 1 bytes follow", member("sys_info", pickled(b"}") + b"x")),
    "bytes behind the pickle": (TrailingBytes, "pickle: 1 bytes follow", member("pickle", MEMBERS[1].data + b"x")),
    "bytes behind the tensors": (TrailingBytes, "tensors: 1 bytes follow", member("tensors", MEMBERS[2].data + b"x")),
    "bytes behind the storages": (TrailingBytes, "storages: 2 bytes follow", with_storages(STORAGE, rest=b"xx")),
    "a negative number of storages": (BadTar, "the number of records is -1", member("storages", pickled(number(-1)))),
    "a huge number of storages": (
        BadTar,
        "the record at byte .* does not begin with an id",
        member("storages", pickled(number(1 << 70)) + STORAGE + pickled(b"]")),
    ),
    "a number of tensors that is none": (BadTar, "the number of records is 'x'", member("tensors", pickled(text("x")))),
    "a storage without facts": (BadTar, "an id and two facts", with_storages(pickled(number(10)))),
    "a storage with a negative id": (BadTar, "an id and two facts", with_storages(tar_storage(-1, SIX, 6))),
    "a storage with an id of many digits": (
        BadTar,
        "an id and two facts",
        with_storages(tar_storage(1 << 900, SIX, 6)),
    ),
    "a storage with a negative length": (BadTar, "storage 10 has -6 elements", with_storages(tar_storage(10, SIX, -6))),
    "a storage with a huge length": (
        TruncatedFile,
        "storage 10 should have",
        with_storages(tar_storage(10, SIX, (1 << 62) - 1)),
    ),
    "a storage that goes on behind its member": (
        TruncatedFile,
        "storage 10 should have 800 bytes at byte .*, but only .* are left",
        with_storages(tar_storage(10, SIX, 200)),
    ),
    "a storage without a length": (TruncatedFile, "the length of storage 10", with_storages(STORAGE[:-30])),
    "a storage twice": (DuplicateRecord, "the id 10 at byte .* was used before", with_storages(STORAGE, STORAGE)),
    "a part of a storage that is not there": (
        MissingRecord,
        "12 is a part of 13",
        with_storages(STORAGE, views=b"]" + sequence(number(12), number(13), number(0), number(1)) + b"a"),
    ),
    "a part of a storage with its own id": (
        DuplicateRecord,
        "the id 10 of a view",
        with_storages(STORAGE, views=b"]" + sequence(number(10), number(10), number(0), number(1)) + b"a"),
    ),
    "a part beyond its storage": (
        ViewOutOfStorage,
        "reaches element 7",
        with_storages(STORAGE, views=b"]" + sequence(number(12), number(10), number(4), number(3)) + b"a"),
    ),
    "a part that is none": (BadTar, "two ids and two numbers", with_storages(STORAGE, views=b"]K\1a")),
    "parts that are no list": (BadTar, "list of views is not a list", with_storages(STORAGE, views=b"K\1")),
    "a tensor of no storage": (
        MissingRecord,
        "tensor 20 views storage 11, which is not in the file",
        with_tensors(tar_tensor(20, 11, 0, (1,), (1,))),
    ),
    "a tensor of None": (
        MissingRecord,
        "tensor 20 views storage None",
        with_tensors(pickled(number(20) + b"N" + name("torch.FloatTensor") + b"\x87") + bytes(16)),
    ),
    "a tensor of a tensor": (
        MissingRecord,
        "tensor 21 views storage 20",
        with_tensors(TENSOR, tar_tensor(21, 20, 0, (1,), (1,))),
    ),
    "a tensor of another type": (
        StorageDisagreement,
        "different element types",
        with_tensors(tar_tensor(20, 10, 0, (1,), (1,), "torch.DoubleTensor")),
    ),
    "a tensor with the id of a storage": (
        DuplicateRecord,
        "the id 10 at byte",
        with_tensors(tar_tensor(10, 10, 0, (1,), (1,))),
    ),
    "a tensor beyond its storage": (
        ViewOutOfStorage,
        "reaches element 6",
        with_tensors(tar_tensor(20, 10, 1, (6,), (1,))),
    ),
    "a tensor of a huge shape": (
        BadTensor,
        "more bytes than can be addressed",
        with_tensors(tar_tensor(20, 10, 0, (1 << 40, 1 << 40), (0, 0))),
    ),
    "a negative stride": (
        BadTensor,
        "the stride of a tensor holds something other than natural numbers",
        with_tensors(tar_tensor(20, 10, 5, (6,), (-1,))),
    ),
    "a negative offset": (BadTensor, "storage offset", with_tensors(tar_tensor(20, 10, -1, (6,), (1,)))),
    "a negative number of dimensions": (
        LimitExceeded,
        "has -1 dimensions",
        with_tensors(TENSOR.replace(struct.pack("<i", 2) + b"\xc5", struct.pack("<i", -1) + b"\xc5")),
    ),
    "a huge number of dimensions": (
        LimitExceeded,
        "has 2147483647 dimensions",
        with_tensors(TENSOR.replace(struct.pack("<i", 2) + b"\xc5", struct.pack("<i", 0x7FFFFFFF) + b"\xc5")),
    ),
    "a tensor cut short": (TruncatedFile, "the sizes of tensor 20", with_tensors(TENSOR[:-1])),
    "an object that is not there": (MissingRecord, "no tensor or storage with the id '21'", tar(outside(21))),
    "an id that is none": (BadTensor, "is not a number", tar(b"NQ")),
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


def test_every_truncation_is_found():
    for length in [*range(0, len(GOOD), 7), len(GOOD) - 1]:
        with pytest.raises(LoadError, match="<bytes>"):
            read(GOOD[:length])


def shifted(change: Callable[[bytearray, int], None]) -> int:
    """Change each byte of the archive, and count how often it then still reads as something."""
    silent = 0
    for position in range(5_120):
        changed = bytearray(GOOD)
        change(changed, position)
        try:
            loaded = read(bytes(changed))
        except LoadError:
            continue
        silent += 1
        for record in loaded.storages.values():
            record.load()
    return silent


def test_a_flipped_bit_is_found_or_changes_only_what_no_checksum_keeps():
    def flip(content: bytearray, position: int) -> None:
        content[position] ^= 1 << position % 8

    content = sum(len(member.data) for member in MEMBERS)
    assert shifted(flip) < content / 2
