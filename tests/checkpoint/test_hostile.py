"""Damaged and hostile files: found, or without effect; never another exception than ours, never other values."""

import io
import random
import struct
import time
import tracemalloc
import zipfile
import zlib
from collections import OrderedDict

import numpy as np
import pytest

from flambeau.base.errors import LoadError
from flambeau.checkpoint import (
    CallRecord,
    DeviceRecord,
    DtypeRecord,
    GlobalRecord,
    ObjectRecord,
    StorageRecord,
    TensorRecord,
    read,
    scan,
    write,
)
from tests.checkpoint.crafting import checkpoint, pickled


def saved() -> bytes:
    """A checkpoint with a bit of everything."""
    shared = StorageRecord.from_array(np.arange(12, dtype=np.float32))
    state = OrderedDict(
        weight=TensorRecord("float32", (3, 4), (4, 1), 0, shared, requires_grad=True, is_parameter=True),
        row=TensorRecord("float32", (4,), (1,), 4, shared),
        steps=TensorRecord.from_array(np.array(7)),
    )
    vars(state)["_metadata"] = {"": {"version": 1}}
    file = io.BytesIO()
    write({"net": state, "epoch": 20, "names": ["a", b"b", (1.5, None, {2})], "device": DeviceRecord("cpu")}, file)
    return file.getvalue()


CONTENT = saved()


def values(data: bytes) -> str:
    """Everything a checkpoint holds, as text."""
    loaded = read(data)
    state = loaded.obj["net"]
    arrays = [record.array().tolist() for record in state.values()]
    return f"{loaded.obj} {vars(state)} {arrays} {loaded.byteorder} {sorted(loaded.storages)}"


EXPECTED = values(CONTENT)


def record_ranges() -> dict[str, range]:
    """Where each record's bytes lie."""
    ranges = {}
    position = 0
    while CONTENT[position : position + 4] == b"PK\x03\x04":
        name_length, extra_length = struct.unpack_from("<2H", CONTENT, position + 26)
        name = CONTENT[position + 30 : position + 30 + name_length].decode()
        start = position + 30 + name_length + extra_length
        end = CONTENT.index(b"PK", start)
        ranges[name] = range(start, end)
        position = CONTENT.index(b"PK\x03\x04", end) if b"PK\x03\x04" in CONTENT[end:] else len(CONTENT)
    return ranges


def test_every_flipped_bit_of_every_record_is_found():
    ranges = record_ranges()
    assert {"archive/data.pkl", "archive/data/0", "archive/data/1", "archive/version"} <= set(ranges)
    for name, where in ranges.items():
        for position in where:
            flipped = bytearray(CONTENT)
            flipped[position] ^= 1 << position % 8
            with pytest.raises(LoadError, match=f"record '{name}' is damaged"):
                values(bytes(flipped))


def test_a_flipped_bit_anywhere_is_found_or_changes_nothing():
    silent = 0
    for position in range(len(CONTENT)):
        flipped = bytearray(CONTENT)
        flipped[position] ^= 1 << position * 5 % 8
        try:
            found = values(bytes(flipped))
        except LoadError:
            continue
        assert found == EXPECTED
        silent += 1
    # Padding, versions of the writer, attributes: bytes that mean nothing.
    assert silent < len(CONTENT) // 3


def test_every_truncation_is_found():
    for length in range(0, len(CONTENT), 97):
        with pytest.raises(LoadError, match="<bytes>: "):
            read(CONTENT[:length])
        with pytest.raises(LoadError, match="<file>: "):
            read(io.BytesIO(CONTENT[:length]))


def test_zeroed_stretches_are_found():
    for start in range(0, len(CONTENT), 64):
        zeroed = CONTENT[:start] + bytes(64) + CONTENT[start + 64 :]
        try:
            assert values(zeroed) == EXPECTED
        except LoadError:
            continue


def mutated(data: bytes, generator: random.Random) -> bytes:
    """Change, drop, double or move a few bytes."""
    result = bytearray(data)
    for _ in range(generator.randint(1, 4)):
        at, length = generator.randrange(len(result)), generator.randint(1, 8)
        piece = result[at : at + length]
        match generator.randrange(5):
            case 0:
                result[at] = generator.randrange(256)
            case 1:
                del result[at : at + length]
            case 2:
                result[at:at] = piece
            case 3:
                result[at : at + length] = generator.randbytes(length)
            case _:
                other = generator.randrange(len(result))
                result[other : other + length] = piece
    return bytes(result)


def test_random_mutations_of_the_file():
    generator = random.Random(20)
    for _ in range(200):
        try:
            assert values(mutated(CONTENT, generator)) == EXPECTED
        except LoadError:
            continue


def test_random_mutations_of_the_pickle_under_a_right_checksum():
    generator = random.Random(21)
    where = record_ranges()["archive/data.pkl"]
    storages = {"0": np.arange(12, dtype=np.float32).tobytes(), "1": np.array(7).tobytes()}
    original = CONTENT[where.start : where.stop]
    assert values(checkpoint(original, storages)) == EXPECTED
    refused = 0
    for _ in range(1_000):
        try:
            loaded = read(checkpoint(mutated(original, generator), storages))
            for record in loaded.storages.values():
                record.load()
        except LoadError:
            refused += 1
    assert refused > 500


def plain_objects() -> bytes:
    """The description of objects of many classes, known and unknown."""
    known = [
        ("argparse.Namespace", (), {"lr": 0.1}),
        ("uuid.UUID", (), {"int": 5}),
        ("collections.ChainMap", (), {"maps": [{}]}),
        ("my.Model", (1, "a"), {"_modules": {"fc": ObjectRecord("my.Layer", (), {"_parameters": {}})}}),
        ("omegaconf.dictconfig.DictConfig", (), {"_content": {"a": ObjectRecord("omegaconf.nodes.AnyNode")}}),
    ]
    called = [
        ("pathlib.PosixPath", ("a", "b")),
        ("datetime.timedelta", (1, 2, 3)),
        ("datetime.date", (b"\x07\xe8\x02\x1d",)),
        ("decimal.Decimal", ("1.5",)),
        ("fractions.Fraction", ("3/4",)),
        ("collections.deque", ([1], 3)),
        ("collections.defaultdict", (GlobalRecord("builtins.list"),)),
        ("functools.partial", (GlobalRecord("builtins.dict"),)),
        ("torch._utils._rebuild_meta_tensor_no_storage", (DtypeRecord("float32"), (2, 3), (3, 1), False)),
    ]
    file = io.BytesIO()
    write([*(ObjectRecord(*row) for row in known), *(CallRecord(*row) for row in called)], file)
    with zipfile.ZipFile(file) as archive:
        return archive.read("archive/data.pkl")


@pytest.mark.parametrize("unknown", ["error", "record"])
def test_random_mutations_of_objects(unknown):
    generator = random.Random(23)
    original = plain_objects()
    read(checkpoint(original), unknown="record")
    outcomes = set()
    for _ in range(1_500):
        content = checkpoint(mutated(original, generator))
        try:
            found = read(content, unknown=unknown).obj
        except LoadError as error:
            outcomes.add(type(error))
        else:
            outcomes.add(type(found))
            if isinstance(found, ObjectRecord):
                found.tensors()
        scan(content)
    assert len(outcomes) > 4


def test_damage_is_found_through_a_map_and_through_a_file(tmp_path):
    path = tmp_path / "damaged.pt"
    where = record_ranges()["archive/data/0"]
    damaged = bytearray(CONTENT)
    damaged[where.start] ^= 1
    path.write_bytes(damaged)
    loaded = read(path)
    with pytest.raises(LoadError, match=r"damaged\.pt: record 'archive/data/0' is damaged"):
        loaded.obj["net"]["weight"].array()
    with pytest.raises(LoadError, match=r"damaged\.pt: record 'archive/data/0' is damaged"):
        read(path, mmap=False)


# Bombs: small files that would cost much --------------------------------------------------------------------------

MANY = 300_000
KEYED = b"".join(b"J" + struct.pack("<i", index) + b"N" for index in range(100_000))
NAMED = b"".join(b"X\6\0\0\0" + b"%06d" % index + b"N" for index in range(30_000))
BOMBS = {
    "empty lists": b"]" * MANY,
    "empty dictionaries": b"(" + b"}" * MANY + b"l.",
    "marks": b"(" * MANY,
    "nested tuples": b")" + b"\x85" * MANY + b".",
    "nested lists": b"]" + b"q\0]h\0a" * 200_000 + b"q\0.",
    "memo": b"N" + b"\x94" * MANY + b".",
    "ordered dictionaries": b"ccollections\nOrderedDict\nq\0(" + b"h\0)R" * 250_000 + b"l.",
    "sets of one list": b"](" + b"K\1" * 50_000 + b"eq\0(" + b"cbuiltins\nset\nh\0\x85R" * 20_000 + b"l.",
    "attributes of one dictionary": b"}(" + NAMED + b"uq\0" + b"0ccollections\nOrderedDict\n)Rh\0b" * 5_000,
    "names": b"ctorch\nfloat32\n" * 60_000,
    "a long line": b"I" + b"1" * MANY,
    "a long name": b"c" + b"(" * MANY + b"\n" + b"(" * MANY + b"\n.",
    "a large number": b"\x8b" + struct.pack("<i", MANY) + b"\x7f" * MANY + b".",
    "large numbers as keys": b"\x8b" + struct.pack("<i", MANY) + b"\x7f" * MANY + b"q\x000}" + b"h\0Ns" * 20_000 + b".",
    "keys": b"}(" + KEYED + b"u.",
    "records": b"cx\ny\nq\0(" + b"h\0)\x81" * 100_000 + b"l.",
    "records of records": b"cx\ny\nq\0" + b"h\0" + b")" + b"\x85h\0\x850h\0h\0\x85R" * 25_000 + b"l.",
    "records as keys": b"cx\ny\nq\0}(" + b"h\0)RN" * 60_000 + b"u.",
    "nested records": b"cx\ny\nq\0)" + b"q\1h\0h\1R\x85" * 60_000 + b".",
    "factories": b"ccollections\ndefaultdict\nq\0(" + b"h\0)R" * 250_000 + b"l.",
    "paths": b"X\xff\xff\0\0" + b"a" * 0xFFFF + b"q\0cpathlib\nPosixPath\nq\1(" + b"h\1h\0\x85R" * 20_000 + b"l.",
    "strings of one astral character each": b"X\xff\xff\x0f\0" + b"a" * 0xFFFFB + "\U0001f600".encode() + b".",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_bomb(bomb):
    started = time.process_time()
    try:
        read(checkpoint(BOMBS[bomb]), unknown="record")  # which goes on where the other mode stops
    except LoadError:
        pass
    assert time.process_time() - started < 10


@pytest.mark.parametrize("bomb", ["ordered dictionaries", "sets of one list", "memo", "records", "records of records"])
def test_bomb_takes_memory_in_proportion(bomb):
    content = checkpoint(BOMBS[bomb])
    tracemalloc.start()
    try:
        read(content, unknown="record")
    except LoadError:
        pass
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < (64 << 20) + 64 * len(content)


def test_checksum_of_the_whole_is_that_of_zlib():
    where = record_ranges()["archive/data.pkl"]
    stored = zlib.crc32(CONTENT[where.start : where.stop])
    assert struct.pack("<4sL", b"PK\x07\x08", stored) in CONTENT


def test_an_error_is_short_even_when_the_name_is_long():
    with pytest.raises(LoadError, match="the limit is 1024") as caught:
        read(checkpoint(pickled(b"c" + b"a" * 100_000 + b"\nb\n")))
    assert len(str(caught.value)) < 500
