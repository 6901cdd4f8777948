"""Which classes and functions a file's pickles name: told from the opcodes, which are followed but not executed.

A pickle is walked as a real unpickler would walk it, with a stack and a memo that hold nothing but text: of everything
else only the place on the stack is kept. So a name is found however it is put together, also behind opcodes that the
reader refuses, and up to where a damaged pickle breaks off.

Source: https://peps.python.org/pep-0307/, https://peps.python.org/pep-3154/
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, cast

from flambeau.checkpoint.allowlist import CALLABLES, DTYPES, INERT, STORAGE_CLASSES, full_name
from flambeau.checkpoint.numpy_reader import read_npy, read_npz
from flambeau.checkpoint.shards import folder_of, read_index
from flambeau.checkpoint.sniff import INDEX, NPY, NPZ, SAFETENSORS, sniff
from flambeau.checkpoint.source import ByteSource, ReadableFrom, open_source
from flambeau.checkpoint.suspects import suspicion
from flambeau.checkpoint.zip_reader import ZipReader

__all__ = ["ALLOWED", "BROKEN", "DANGEROUS", "UNKNOWN", "ScannedGlobal", "scan"]

# Verdicts
ALLOWED: Final = "allowed"  # on the reader's list
UNKNOWN: Final = "unknown"  # not on the list: the reader does not call it
DANGEROUS: Final = "dangerous"  # an ordinary unpickler would run code through it
BROKEN: Final = "broken"  # no name: what keeps the rest of the pickle from being read

_MARK: Final = object()
_NAMING: Final = frozenset(("global", "instance", "stack global", "extension"))
_ESCAPED: Final = {"escaped": "raw-unicode-escape", "quoted": "unicode-escape"}
_FIRST: Final = frozenset(bytes((code,)) for code in b"\x80(cilSVIFLN}]")  # of pickles of every protocol
_LEGACY_MAGIC: Final = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
_LEGACY_PICKLES: Final = 5  # of a file from before PyTorch 1.6; the storages follow
_MOST: Final = 1 << 22  # values on the stack, or in the memo: more is no checkpoint

# Opcode -> how its argument is read, and what it does: a number is how many values it takes from the stack before it
# pushes one; a word is an action below.
_OPCODES: Final[dict[int, tuple[str, int | str]]] = {
    ord(code): (argument, effect)
    for code, argument, effect in (
        *((code, "", 0) for code in "N\x88\x89)]}\x8f\x97"),
        *((code, argument, 0) for code, argument in (("K", "<B"), ("M", "<H"), ("J", "<i"), ("G", ">d"))),
        *((code, argument, 0) for code, argument in (("\x8a", "sized <B"), ("\x8b", "sized <i"))),
        *((code, "line", 0) for code in "ILFP"),
        *(("X", "sized <I", "text"), ("\x8c", "sized <B", "text"), ("\x8d", "sized <Q", "text")),
        *(("U", "sized <B", "text"), ("T", "sized <i", "text"), ("V", "escaped", "text"), ("S", "quoted", "text")),
        *((code, argument, 0) for code, argument in (("C", "sized <B"), ("B", "sized <I"), ("\x8e", "sized <Q"))),
        ("\x96", "sized <Q", 0),
        *((code, "", count) for code, count in (("\x85", 1), ("\x86", 2), ("\x87", 3), ("Q", 1), ("\x98", 1))),
        *((code, "", count) for code, count in (("R", 2), ("\x81", 2), ("\x92", 3), ("b", 2), ("a", 2), ("s", 3))),
        *((code, "", "collect") for code in "tld\x91"),
        *((code, "", "fill") for code in "eu\x90"),
        *(("(", "", "mark"), ("0", "", "pop"), ("1", "", "pop mark"), ("2", "", "duplicate"), ("\x94", "", "memoize")),
        *((code, argument, "put") for code, argument in (("p", "line"), ("q", "<B"), ("r", "<I"))),
        *((code, argument, "get") for code, argument in (("g", "line"), ("h", "<B"), ("j", "<I"))),
        *(("c", "lines", "global"), ("i", "lines", "instance"), ("o", "", "collect"), ("\x93", "", "stack global")),
        *((code, argument, "extension") for code, argument in (("\x82", "<B"), ("\x83", "<H"), ("\x84", "<i"))),
        *(("\x80", "<B", "nothing"), ("\x95", "<Q", "nothing"), (".", "", "stop")),
    )
}


@dataclass(frozen=True, slots=True)
class ScannedGlobal:
    """A class or function that a pickle names.

    Attributes:
        name: its full name; for the verdict ``"broken"``, what is wrong.
        position: byte of the pickle where it is named.
        verdict: ``"allowed"``, ``"unknown"``, ``"dangerous"`` or ``"broken"``.
        record: name of the pickle in the file; empty where the file has only one.
    """

    name: str
    position: int
    verdict: str
    record: str = ""


def scan(source: ReadableFrom) -> list[ScannedGlobal]:
    r"""Find every class and function that a file's pickles name, without executing anything.

    Args:
        source: a path, a file's content, or a file opened in binary mode: an archive, a file from before PyTorch 1.6,
            or a bare pickle. A file that holds no pickle, such as a safetensors file, names nothing.

    Returns:
        The names in the order in which they are met, each time they are.

    Raises:
        LoadError: the archive around the pickles is malformed.

    Example:
        >>> [found] = scan(b"cos\nsystem\n(S'ls'\ntR.")
        >>> found.name, found.position, found.verdict
        ('os.system', 0, 'dangerous')
    """
    with open_source(source, True) as opened:
        if _is_index(opened):
            return _scan_shards(opened, source)
        return [replace(found, record=record) for record, data in _pickles(opened) for found in _Walk(data).names()]


def _is_index(source: ByteSource) -> bool:
    """Tell whether a file is an index of shards."""
    return bytes(source.view(0, 1)) == b"{" and sniff(source) == INDEX


def _scan_shards(source: ByteSource, path: ReadableFrom) -> list[ScannedGlobal]:
    """Scan the files that an index names."""
    folder = folder_of(source, path)
    return [
        replace(found, record=f"{file}/{found.record}".rstrip("/"))
        for file in read_index(source).files
        for found in scan(os.path.join(folder, file))
    ]


def _pickles(source: ByteSource) -> Iterator[tuple[str, bytes]]:
    """Yield the pickles of a file, each with the name of its record."""
    head = bytes(source.view(0, min(source.size, 2)))
    if head[:1] in _FIRST and not head.startswith(b"PK"):
        yield "", bytes(source.view(0, source.size))
        return
    kind = sniff(source)
    if kind == NPZ:
        read_npz(source)  # which refuses arrays of objects: these are pickles
    elif kind == NPY:
        read_npy(source)
    elif kind != SAFETENSORS:
        for name, record in ZipReader(source).records.items():
            if name.endswith((".pkl", ".pickle")):
                yield name, record.array().tobytes()


class _Walk:
    """Follows the pickles that stand one behind another in some bytes.

    Args:
        data: the bytes.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0
        self._stack: list[object] = []
        self._memo: dict[int, object] = {}

    def names(self) -> Iterator[ScannedGlobal]:
        """Yield every name, and at the end what keeps the rest from being read, if anything does."""
        most = _LEGACY_PICKLES if self._data[2:15] == _LEGACY_MAGIC else len(self._data)
        for _ in range(most):
            self._stack, self._memo = [], {}
            try:
                yield from self._pickle()
            except (ValueError, struct.error) as error:
                yield ScannedGlobal(str(error), self._position, BROKEN)
                return
            if self._data[self._position : self._position + 1] != b"\x80":
                return

    def _pickle(self) -> Iterator[ScannedGlobal]:
        """Walk one pickle."""
        while True:
            start = self._position
            code = self._take(1)[0]
            if code not in _OPCODES:
                raise ValueError(f"there is no opcode {code}")
            reading, effect = _OPCODES[code]
            argument = self._argument(reading)
            if isinstance(effect, int):
                self._replace(effect)
            elif effect == "stop":
                return
            elif effect in _NAMING:
                yield self._named(start, effect, argument)
            else:
                self._act(effect, argument)
            if len(self._stack) > _MOST or len(self._memo) > _MOST:
                raise ValueError("it holds more values than any checkpoint")

    def _argument(self, reading: str) -> object:
        """Read an opcode's argument."""
        if not reading:
            return None
        if reading in ("line", "lines"):
            line = self._line()
            return (line, self._line()) if reading == "lines" else line
        if reading in _ESCAPED:
            return self._line().strip("'\"" if reading == "quoted" else "").encode().decode(_ESCAPED[reading])
        sized, _, layout = reading.rpartition(" ")
        (number,) = struct.unpack(layout, self._take(struct.calcsize(layout)))
        return self._take(number).decode("utf-8", "replace") if sized else number

    def _take(self, length: int) -> bytes:
        """Take bytes."""
        end = self._position + length
        if length < 0 or end > len(self._data):
            raise ValueError("the pickle ends too early")
        taken = self._data[self._position : end]
        self._position = end
        return taken

    def _line(self) -> str:
        """Take a line."""
        end = self._data.find(b"\n", self._position)
        if end < 0:
            raise ValueError("the pickle ends too early")
        return self._take(end + 1 - self._position)[:-1].decode("utf-8", "replace")

    def _pop(self) -> object:
        """Take a value; of an empty stack, nothing that is known."""
        return self._stack.pop() if self._stack else None

    def _pop_mark(self) -> None:
        """Drop everything since the last mark."""
        while self._stack and self._stack.pop() is not _MARK:
            pass

    def _replace(self, count: int) -> None:
        """Take values, and push one of which nothing is known."""
        if count:
            del self._stack[-count:]
        self._stack.append(None)

    def _act(self, effect: str, argument: object) -> None:
        """Do what an opcode without a name does."""
        top = self._stack[-1] if self._stack else None
        if effect == "text":
            self._stack.append(argument if isinstance(argument, str) else None)
        elif effect == "mark":
            self._stack.append(_MARK)
        elif effect == "pop":
            self._pop()
        elif effect == "duplicate":
            self._stack.append(top)
        elif effect == "memoize":
            self._memo[len(self._memo)] = top
        elif effect == "put":
            self._memo[int(str(argument))] = top
        elif effect == "get":
            self._stack.append(self._memo.get(int(str(argument))))
        elif effect != "nothing":
            self._pop_mark()
            if effect == "collect":
                self._stack.append(None)

    def _named(self, start: int, effect: str, argument: object) -> ScannedGlobal:
        """Tell of a name, and push what stands for it."""
        if isinstance(argument, tuple):
            found = _judged(start, *cast("tuple[str, str]", argument))
        elif effect == "stack global":
            found = self._from_stack(start)
        else:
            found = ScannedGlobal(f"copyreg extension {argument}", start, DANGEROUS)
        if effect == "instance":
            self._pop_mark()
        self._stack.append(None)
        return found

    def _from_stack(self, start: int) -> ScannedGlobal:
        """Tell of a name that lies on the stack."""
        name, module = self._pop(), self._pop()
        if isinstance(name, str) and isinstance(module, str):
            return _judged(start, module, name)
        return ScannedGlobal("a name that the pickle puts together", start, DANGEROUS)


def _judged(start: int, module: str, name: str) -> ScannedGlobal:
    """Give a name its verdict."""
    full = full_name(module, name)
    if full in CALLABLES or full in STORAGE_CLASSES or full in DTYPES or full in INERT:
        return ScannedGlobal(full, start, ALLOWED)
    return ScannedGlobal(full, start, DANGEROUS if suspicion(full) else UNKNOWN)
