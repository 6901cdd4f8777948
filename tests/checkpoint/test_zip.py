"""Archives: every legal variant is read, every malformation has its own error."""

import io
import struct
import zipfile
import zlib

import numpy as np
import pytest

from flambeau.base.errors import (
    BadDeflate,
    BadZip,
    ChecksumMismatch,
    DuplicateRecord,
    HeaderDisagreement,
    HiddenBytes,
    LimitExceeded,
    LoadError,
    MissingRecord,
    MultipleEndRecords,
    NotACheckpoint,
    OverlappingRecords,
    TruncatedFile,
    UnsupportedCompression,
    UnsupportedContainer,
)
from flambeau.checkpoint import read
from tests.checkpoint.crafting import SIX, Part, checkpoint, deflate, parts_of, pickled, tensor, zip_bytes

ONE = pickled(b"K\x01")
TENSOR = pickled(tensor())


def changed(index: int = 0, **fields) -> bytes:
    """Build an archive with one record changed."""
    parts = parts_of(ONE, {"0": SIX})
    for name, value in fields.items():
        setattr(parts[index], name, value)
    return zip_bytes(parts)


# Legal variants ------------------------------------------------------------------------------------------------------


def described(data: bytes, layout: str, signature: bytes = b"PK\x07\x08") -> bytes:
    """A data descriptor."""
    return signature + struct.pack(layout, zlib.crc32(data), len(data), len(data))


ZERO = {"crc": 0, "stored": 0, "size": 0}
WIDE = {"stored": 0xFFFFFFFF, "size": 0xFFFFFFFF}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"deflated": True},
        {"flags": 0x0000},
        {"flags": 0x0808, "local": ZERO, "after": described(ONE, "<3L")},
        {"flags": 0x0808, "local": ZERO, "after": described(ONE, "<L2Q")},
        {"flags": 0x0808, "local": ZERO, "after": described(ONE, "<3L", b"")},
        {"flags": 0x0808, "local": ZERO, "after": described(ONE, "<L2Q", b"")},
        {"flags": 0x0808, "after": described(ONE, "<3L")},
        {"extra": b"FB\x03\x00ZZZ"},
        {"extra": b"UT\x01\x00\x00", "central_extra": b"ux\x00\x00"},
        {"local": {"time": 3, "date": 4, "needed": 20}, "central": {"made": 3, "external": 0o644 << 16}},
        {"local": WIDE, "extra": struct.pack("<2H2Q", 1, 16, len(ONE), len(ONE))},
        {"central": WIDE, "central_extra": struct.pack("<2H2Q", 1, 16, len(ONE), len(ONE))},
        {"central": {"offset": 0xFFFFFFFF}, "central_extra": struct.pack("<2HQ", 1, 8, 0)},
    ],
    ids=repr,
)
def test_legal_variant(fields):
    assert read(changed(**fields)).obj == 1


def test_record_of_an_archive_larger_than_4_gib_starts_with_zero_wide_sizes():
    """PyTorch writes a zip64 field into the header although the 32-bit sizes there are zero."""
    after = described(ONE, "<L2Q")
    extra = struct.pack("<2H2Q", 1, 16, len(ONE), 0)
    assert read(changed(flags=0x0808, local=ZERO, extra=extra, after=after)).obj == 1


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("mmap", [True, False])
def test_archive_packed_again_by_another_tool(tmp_path, compression, mmap):
    path = tmp_path / "again.zip"
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.mkdir("model")
        archive.writestr("model/data.pkl", TENSOR)
        archive.writestr("model/data/0", SIX)
    loaded = read(path, mmap=mmap)
    loaded.verify()
    np.testing.assert_array_equal(loaded.obj.array(), np.arange(6, dtype=np.float32))


def test_archive_with_a_comment():
    assert read(zip_bytes(parts_of(ONE), comment=b"a comment")).obj == 1


def test_no_checksums_at_all_means_that_none_were_computed():
    parts = parts_of(TENSOR, {"0": SIX})
    for part in parts:
        part.local = part.central = {"crc": 0}
    loaded = read(zip_bytes(parts))
    assert not loaded.checksums
    loaded.verify()
    assert loaded.obj.array()[5] == 5


def test_old_files_have_neither_byte_order_nor_version():
    assert read(zip_bytes([Part("archive/data.pkl", ONE)])).byteorder == "little"


# Malformations -------------------------------------------------------------------------------------------------------

CRAFTED: list[tuple[type[LoadError], str, bytes]] = [
    (TruncatedFile, "failed finding central directory", checkpoint(ONE)[:-1]),
    (TruncatedFile, "failed finding central directory", checkpoint(ONE) + b"\0"),
    (TruncatedFile, "the directory should have", zip_bytes(parts_of(ONE), end={"size": 9_999})),
    (TruncatedFile, "shorter than the entries", zip_bytes(parts_of(ONE), end={"count": 4, "disk_count": 4})),
    (HiddenBytes, "follow the last entry", zip_bytes(parts_of(ONE), end={"count": 2, "disk_count": 2})),
    (HiddenBytes, "between the directory and the end", zip_bytes(parts_of(ONE), before_end=b"hidden")),
    (MultipleEndRecords, "more than one end record", checkpoint(ONE) + zip_bytes([])),
    (MultipleEndRecords, "more than one end record", zip_bytes(parts_of(ONE), comment=zip_bytes([]))),
    (MultipleEndRecords, "more than one end record", zip_bytes(parts_of(ONE), comment=b"PK\x05\x06...")),
    (BadZip, "one part of several", zip_bytes(parts_of(ONE), end={"disk": 1})),
    (BadZip, "one part of several", zip_bytes(parts_of(ONE), end={"count": 4})),
    (DuplicateRecord, "two records have the name 't/data.pkl'", zip_bytes([*parts_of(ONE), Part("t/data.pkl", ONE)])),
    (
        OverlappingRecords,
        "record 't/data.pkl' overlap",
        changed(central={"stored": 99, "size": 99}, local={"stored": 99, "size": 99}),
    ),
    (OverlappingRecords, "overlaps what follows", changed(1, central={"offset": 0})),
    (OverlappingRecords, "overlaps what follows", changed(local={"extra": 60_000})),
    (HiddenBytes, "6 bytes follow record 't/data.pkl'", changed(1, gap=b"hidden")),
    (
        HiddenBytes,
        "6 bytes before record 't/data.pkl'",
        b"PK\x03\x04.." + zip_bytes([Part("t/data.pkl", ONE, gap=b"PK\x03\x04..")])[6:],
    ),
    (HiddenBytes, "which is no data descriptor", changed(flags=0x0808, after=b"12345")),
    (HiddenBytes, "which are no data descriptor", changed(flags=0x0808, after=b"1234567890123456")),
    (HeaderDisagreement, "data descriptor", changed(flags=0x0808, after=described(b"other", "<3L"))),
    (HeaderDisagreement, "another name", changed(local_name="t/data.pkk")),
    (HeaderDisagreement, "another name", changed(local_name="t/data.pkl.x")),
    (HeaderDisagreement, "no header at byte", changed(1, signature=b"PK\x03\x03")),
    (HeaderDisagreement, "the method of record 't/data.pkl' is 8", changed(local={"method": 8})),
    (HeaderDisagreement, "the flags of record", changed(local={"flags": 0})),
    (HeaderDisagreement, "the size of record 't/data.pkl' is 4", changed(local={"size": 4})),
    (HeaderDisagreement, "the stored size of record", changed(local={"stored": 0})),
    (HeaderDisagreement, "the checksum of record", changed(local={"crc": 7})),
    (HeaderDisagreement, "its two sizes differ", changed(central={"size": 4})),
    (UnsupportedCompression, "is encrypted", changed(flags=0x0801)),
    (UnsupportedCompression, "compressed by method 12", changed(central={"method": 12}, local={"method": 12})),
    (BadZip, "not UTF-8", checkpoint(ONE).replace(b"t/version", b"t/v\xff\xfe\xfd\xfc\xfb\xfa")),
    (BadZip, "is not a record's name", checkpoint(ONE).replace(b"t/version", b"t/v\0rsion")),
    (BadZip, "malformed extra field", changed(extra=b"FB\x09\x00Z")),
    (BadZip, "malformed extra field", changed(central_extra=b"FB")),
    (BadZip, "lacks its 64-bit sizes", changed(central={"size": 0xFFFFFFFF})),
    (BadZip, "lies in another part", changed(central={"disk": 1})),
    (BadZip, "entry at its byte 0 is malformed", checkpoint(ONE).replace(b"PK\x01\x02", b"PK\x01\x03", 1)),
    (BadZip, "expected little or big", checkpoint(ONE, byteorder=b"middle")),
    (ChecksumMismatch, "record 't/data.pkl' is damaged", checkpoint(ONE).replace(ONE, pickled(b"K\x02"))),
    (ChecksumMismatch, "record 't/version' is damaged", checkpoint(ONE).replace(b"3\n", b"2\n")),
    (MissingRecord, "no record 'data/0'", checkpoint(TENSOR)),
    (NotACheckpoint, "no record 'data.pkl'", zip_bytes([Part("t/arr.txt", b"x")])),
    (NotACheckpoint, "not in the folder 't/'", zip_bytes([*parts_of(ONE), Part("other/x", b"x")])),
    (NotACheckpoint, "not in the folder", zip_bytes([Part("data.pkl", ONE)])),
    (UnsupportedContainer, "TorchScript archive", zip_bytes([*parts_of(ONE), Part("t/constants.pkl", ONE)])),
    (UnsupportedContainer, "version '11'", zip_bytes([Part("t/data.pkl", ONE), Part("t/version", b"11\n")])),
    (UnsupportedContainer, "version 'x'", zip_bytes([Part("t/data.pkl", ONE), Part("t/version", b"x")])),
]


@pytest.mark.parametrize(
    ("error", "match", "content"), CRAFTED, ids=[f"{row[0].__name__}: {row[1]}" for row in CRAFTED]
)
@pytest.mark.parametrize("opened", [bytes, io.BytesIO], ids=["bytes", "file"])
def test_malformed(error, match, content, opened):
    with pytest.raises(error, match=match) as caught:
        read(opened(content))
    assert type(caught.value) is error


def test_a_locator_that_points_elsewhere():
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, 3, 1)
    with pytest.raises(BadZip, match="not where its locator says"):
        read(zip_bytes(parts_of(ONE), before_end=bytes(56) + locator))


def with_wide_end(**fields: int) -> bytes:
    """Build an archive with a 64-bit end record, whose fields can be wrong."""
    content = checkpoint(ONE)
    *_, size, start, _ = struct.unpack("<4s4H2LH", content[-22:])
    values = {"length": 44, "disk": 0, "count": 3, "size": size, "start": start, **fields}
    end = struct.pack("<4sQ2H2L", b"PK\x06\x06", values["length"], 45, 45, values["disk"], 0)
    end += struct.pack("<4Q", 3, values["count"], values["size"], values["start"])
    return content[:-22] + end + struct.pack("<4sLQL", b"PK\x06\x07", 0, len(content) - 22, 1) + content[-22:]


def test_a_64_bit_end_record():
    assert read(with_wide_end()).obj == 1


@pytest.mark.parametrize(
    ("error", "match", "fields"),
    [
        (HeaderDisagreement, "directory's size", {"size": 1}),
        (HeaderDisagreement, "directory's offset", {"start": 1}),
        (BadZip, "one part of several", {"count": 2}),
        (BadZip, "one part of several", {"disk": 1}),
        (BadZip, "64-bit end record is malformed", {"length": 45}),
    ],
)
def test_a_64_bit_end_record_that_is_wrong(error, match, fields):
    with pytest.raises(error, match=match):
        read(with_wide_end(**fields))


def test_storage_is_checked_when_it_is_touched():
    damaged = checkpoint(TENSOR, {"0": SIX}).replace(SIX, SIX[:-1] + b"\x41")
    loaded = read(damaged)
    with pytest.raises(ChecksumMismatch, match="record 't/data/0' is damaged: its checksum should be"):
        loaded.obj.array()
    with pytest.raises(ChecksumMismatch, match="record 't/data/0'"):
        loaded.verify()
    with pytest.raises(ChecksumMismatch, match="record 't/data/0'"):
        read(io.BytesIO(damaged))


def test_storages_can_be_taken_unchecked_and_verified_later():
    damaged = checkpoint(TENSOR, {"0": SIX}).replace(SIX, SIX[:-1] + b"\x41")
    loaded = read(damaged, check=False)
    assert loaded.obj.array()[5] != 5
    with pytest.raises(ChecksumMismatch, match="record 't/data/0'"):
        loaded.verify()
    with pytest.raises(ChecksumMismatch, match=r"record 't/data\.pkl'"):
        read(checkpoint(ONE).replace(ONE, pickled(b"K\x02")), check=False)


# Deflated records ----------------------------------------------------------------------------------------------------


def deflated(data: bytes, **central: int) -> bytes:
    parts = parts_of(pickled(tensor()), {"0": data})
    parts[2].deflated = True
    parts[2].central = parts[2].local = central
    return zip_bytes(parts)


def test_deflated_storage():
    loaded = read(deflated(SIX))
    np.testing.assert_array_equal(loaded.obj.array(), np.arange(6, dtype=np.float32))
    assert not loaded.obj.array().flags.writeable


@pytest.mark.parametrize("content", [SIX + b"\0", SIX[:-1]], ids=["more", "less"])
def test_deflated_storage_of_another_size(content):
    loaded = read(deflated(content, size=24))
    with pytest.raises(BadDeflate, match="record 't/data/0' inflates to"):
        loaded.obj.array()


@pytest.mark.parametrize(
    ("stream", "match"),
    [
        (b"\xff" * 99, "cannot be inflated: .*invalid"),
        (b"\x01\x18\x00\xe7\xff" + SIX, "cannot be inflated: the compressed bytes end too early"),
        (deflate(SIX[:8]).ljust(99, b"\0"), "cannot be inflated: bytes follow the compressed ones"),
    ],
    ids=["nonsense", "cut off", "something behind it"],
)
def test_deflated_storage_that_is_garbled(stream, match):
    parts = parts_of(pickled(tensor()), {"0": SIX})
    good = deflate(SIX)
    stream = stream[: len(good)]
    parts[2].deflated = True
    with pytest.raises(BadDeflate, match=match):
        read(zip_bytes(parts).replace(good, stream)).obj.array()


def test_deflate_bomb_is_refused_before_it_is_inflated():
    bomb = zip_bytes([Part("t/data.pkl", bytes(4 << 20), deflated=True)])
    assert len(bomb) < 5_000
    with pytest.raises(LimitExceeded, match=r"would inflate from \d+ to 4194304 bytes, the limit is 200 to 1"):
        read(bomb)


def test_deflate_bomb_that_declares_little_stops_there():
    content = deflated(bytes(4 << 20), size=24)
    with pytest.raises(BadDeflate, match="inflates to more than 24 bytes"):
        read(content).obj.array()
