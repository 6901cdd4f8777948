"""Checkpoints built by hand, field by field, so that each can be wrong in exactly one way."""

import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

LOCAL = struct.Struct("<4s5H3L2H")
CENTRAL = struct.Struct("<4s6H3L5H2L")
END = struct.Struct("<4s4H2LH")
LOCAL_FIELDS = ("signature", "needed", "flags", "method", "time", "date", "crc", "stored", "size", "name", "extra")
CENTRAL_FIELDS = (
    *("signature", "made", "needed", "flags", "method", "time", "date", "crc", "stored", "size"),
    *("name", "extra", "comment", "disk", "internal", "external", "offset"),
)
END_FIELDS = ("signature", "disk", "directory_disk", "disk_count", "count", "size", "start", "comment")


@dataclass
class Part:
    """One record; `local` and `central` replace fields of its two headers."""

    name: str
    data: bytes = b""
    deflated: bool = False
    flags: int = 0x0800
    local: Mapping[str, int] = field(default_factory=dict)
    central: Mapping[str, int] = field(default_factory=dict)
    local_name: str | None = None
    extra: bytes = b""
    central_extra: bytes = b""
    gap: bytes = b""
    after: bytes = b""
    signature: bytes = b"PK\x03\x04"


def deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def zip_bytes(parts: Iterable[Part], *, end: Mapping[str, int] | None = None, before_end=b"", comment=b"") -> bytes:
    body, directory, count = b"", b"", 0
    for part in parts:
        body += part.gap
        stored = deflate(part.data) if part.deflated else part.data
        name, local_name = part.name.encode(), (part.local_name or part.name).encode()
        common = {
            "flags": part.flags,
            "method": 8 if part.deflated else 0,
            "crc": zlib.crc32(part.data),
            "stored": len(stored),
            "size": len(part.data),
        }
        local = {"name": len(local_name), "extra": len(part.extra), **common, **part.local}
        central = {
            "name": len(name),
            "extra": len(part.central_extra),
            "offset": len(body),
            **common,
            **part.central,
        }
        body += LOCAL.pack(part.signature, *(local.get(key, 0) for key in LOCAL_FIELDS[1:])) + local_name + part.extra
        body += stored + part.after
        directory += CENTRAL.pack(b"PK\x01\x02", *(central.get(key, 0) for key in CENTRAL_FIELDS[1:]))
        directory += name + part.central_extra
        count += 1
    last = {
        "disk_count": count,
        "count": count,
        "size": len(directory),
        "start": len(body),
        "comment": len(comment),
        **(end or {}),
    }
    ending = END.pack(b"PK\x05\x06", *(last.get(key, 0) for key in END_FIELDS[1:]))
    return body + directory + before_end + ending + comment


def parts_of(pickle: bytes, storages: Mapping[str, bytes] | None = None, byteorder: bytes = b"little") -> list[Part]:
    return [
        Part("t/data.pkl", pickle),
        Part("t/byteorder", byteorder),
        *(Part(f"t/data/{key}", data) for key, data in (storages or {}).items()),
        Part("t/version", b"3\n"),
    ]


def checkpoint(pickle: bytes, storages: Mapping[str, bytes] | None = None, byteorder: bytes = b"little") -> bytes:
    return zip_bytes(parts_of(pickle, storages, byteorder))


# Pickle, opcode by opcode --------------------------------------------------------------------------------------------


def text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def number(value: int) -> bytes:
    if -(1 << 31) <= value < 1 << 31:
        return b"J" + struct.pack("<i", value)
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes((len(data),)) + data


def sequence(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def numbers(values: Iterable[int]) -> bytes:
    return sequence(*map(number, values))


def name(full: str) -> bytes:
    module, _, last = full.rpartition(".")
    return f"c{module}\n{last}\n".encode()


def call(full: str, *arguments: bytes) -> bytes:
    return name(full) + sequence(*arguments) + b"R"


def pickled(body: bytes) -> bytes:
    return b"\x80\x02" + body + b"."


def storage(kind: str = "torch.FloatStorage", key: str = "0", location: str = "cpu", count: int = 6) -> bytes:
    return sequence(text("storage"), name(kind), text(key), text(location), number(count)) + b"Q"


def view(offset: int = 0, shape: Iterable[int] = (6,), stride: Iterable[int] = (1,)) -> tuple[bytes, bytes, bytes]:
    return number(offset), numbers(shape), numbers(stride)


HOOKS = call("collections.OrderedDict")


def tensor(stored: bytes | None = None, layout: tuple[bytes, bytes, bytes] | None = None, *more: bytes) -> bytes:
    arguments = (storage() if stored is None else stored, *(layout or view()), b"\x89", HOOKS, *more)
    return call("torch._utils._rebuild_tensor_v2", *arguments)


def typed_tensor(dtype: str, stored: bytes, layout: tuple[bytes, bytes, bytes], *more: bytes) -> bytes:
    return call("torch._utils._rebuild_tensor_v3", stored, *layout, b"\x89", HOOKS, name(f"torch.{dtype}"), *more)


SIX = struct.pack("<6f", 0, 1, 2, 3, 4, 5)


# The stream from before PyTorch 1.6 ----------------------------------------------------------------------------------

MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
PROTOCOL = b"\x80\x02M\xe9\x03."
SYSTEM = pickled(b"}" + text("little_endian") + b"\x88s")


def old_storage(
    kind: str = "torch.FloatStorage", key: str = "0", location: str = "cpu", count: int = 6, view: bytes = b"N"
) -> bytes:
    return sequence(text("storage"), name(kind), text(key), text(location), number(count), view) + b"Q"


def block(data: bytes, count: int) -> bytes:
    """A storage in the stream: its number of elements, and its bytes."""
    return struct.pack("<q", count) + data


def keys_of(*keys: str) -> bytes:
    return pickled(b"](" + b"".join(map(text, keys)) + b"e")


def stream(body: bytes, keys: bytes | None = None, *blocks: bytes, system: bytes = SYSTEM) -> bytes:
    return MAGIC + PROTOCOL + system + pickled(body) + (keys_of() if keys is None else keys) + b"".join(blocks)


# The tar archive of 2016 ---------------------------------------------------------------------------------------------


@dataclass
class Member:
    """One member of a tar archive; `header` replaces fields of its header."""

    name: str
    data: bytes = b""
    header: Mapping[str, bytes] = field(default_factory=dict)
    padding: bytes = b"\0"


TAR_FIELDS = {
    "name": (0, 100),
    "mode": (100, 8),
    "uid": (108, 8),
    "gid": (116, 8),
    "size": (124, 12),
    "mtime": (136, 12),
    "checksum": (148, 8),
    "type": (156, 1),
    "link": (157, 100),
    "magic": (257, 8),
    "prefix": (345, 155),
}


def tar_header(member: Member) -> bytes:
    values = {
        "name": member.name.encode(),
        "mode": b"0000600\0",
        "uid": b"0001750\0",
        "gid": b"0001750\0",
        "size": b"%011o\0" % len(member.data),
        "mtime": b"13000000000\0",
        "checksum": b" " * 8,
        "type": b"0",
        "magic": b"ustar\x0000",
        **member.header,
    }
    header = bytearray(512)
    for key, value in values.items():
        start, length = TAR_FIELDS[key]
        header[start : start + length] = value.ljust(length, b"\0")
    if "checksum" not in member.header:
        header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def tar_bytes(members: Iterable[Member], end: bytes = bytes(1024), record: int = 10240) -> bytes:
    body = b"".join(tar_header(member) + member.data + member.padding * (-len(member.data) % 512) for member in members)
    body += end
    return body + bytes(-len(body) % record)


def pax(**facts: str) -> Member:
    """An extended header, as Python's tarfile writes one before each member because of its fractional time."""
    lines = b""
    for key, value in facts.items():
        rest = f" {key}={value}\n".encode()
        length = len(rest) + 1
        while len(str(length)) + len(rest) != length:
            length += 1
        lines += str(length).encode() + rest
    return Member("././@PaxHeader", lines, {"type": b"x"})


def tar_storage(key: int, data: bytes, count: int, kind: str = "torch.FloatStorage", location: str = "cpu") -> bytes:
    return pickled(number(key) + text(location) + name(kind) + b"\x87") + struct.pack("<q", count) + data


def tar_tensor(
    key: int,
    storage_key: int,
    offset: int,
    shape: Iterable[int],
    stride: Iterable[int],
    kind: str = "torch.FloatTensor",
) -> bytes:
    sizes, strides = list(shape), list(stride)
    # The number of dimensions is followed by whatever lay behind it in the memory of the writer.
    layout = struct.pack(f"<i4s{2 * len(sizes) + 1}q", len(sizes), b"\xc5\x7f\0\0", *sizes, *strides, offset)
    return pickled(number(key) + number(storage_key) + name(kind) + b"\x87") + layout


def outside(key: int) -> bytes:
    """The mention of a tensor or storage in a tar archive."""
    return text(str(key)) + b"Q"


def tar_members(
    body: bytes, storages: Iterable[bytes] = (), tensors: Iterable[bytes] = (), views: bytes = b"]"
) -> list[Member]:
    storages, tensors = list(storages), list(tensors)
    system = pickled(b"}" + text("protocol_version") + number(1000) + b"s")
    return [
        Member("sys_info", system),
        Member("pickle", pickled(body)),
        Member("tensors", pickled(number(len(tensors))) + b"".join(tensors)),
        Member("storages", pickled(number(len(storages))) + b"".join(storages) + pickled(views)),
    ]


def tar(body: bytes, storages: Iterable[bytes] = (), tensors: Iterable[bytes] = (), views: bytes = b"]") -> bytes:
    return tar_bytes(tar_members(body, storages, tensors, views))
