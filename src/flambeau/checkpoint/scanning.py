"""``scan``: which classes and functions a file names, whatever its container, without calling or looking up any.

The pickles are run by the reader's own interpreter, with a meaning that makes a record of everything: so a scan sees
what the reader sees, and nothing can be hidden from the one that the other would find.
"""

from collections.abc import Callable, Container
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from flambeau.base.errors import BadPickle, LoadError
from flambeau.checkpoint.allowlist import CALLABLES, DTYPES, INERT, RECORDED, STORAGE_CLASSES, full_name
from flambeau.checkpoint.budget import Budget
from flambeau.checkpoint.limits import NESTED_FILES
from flambeau.checkpoint.machine import Machine
from flambeau.checkpoint.narrowing import as_tuple
from flambeau.checkpoint.opcodes import execute
from flambeau.checkpoint.pickles import Part, parts_of
from flambeau.checkpoint.records import CallRecord, GlobalRecord, ObjectRecord
from flambeau.checkpoint.source import ReadableFrom, open_source
from flambeau.checkpoint.suspects import suspicion

__all__ = ["NamedGlobal", "Scan", "Verdict", "scan"]

Verdict: TypeAlias = Literal["allowed", "unknown", "suspicious"]

_NESTED: Final = "torch.storage._load_from_bytes"
_OBJECT: Final = 400  # estimated bytes of Python objects, for the budget


@dataclass(frozen=True, slots=True)
class NamedGlobal:
    """A class or function that a file names.

    Attributes:
        name: its full name.
        verdict: ``"allowed"``: `load` knows it; ``"suspicious"``: no checkpoint has a use for it; else ``"unknown"``.
        reason: what harm it can do, if it is suspicious.
        called: whether the file would have it called, or an object of it made.
        where: the part of the file that names it first.
    """

    name: str
    verdict: Verdict
    reason: str
    called: bool
    where: str


@dataclass(frozen=True, slots=True)
class Scan:
    """What a file names.

    Attributes:
        container: kind of file.
        globals: every class and function that it names, in the order of the file.
        opcodes: opcodes that `load` does not execute, each with its place.
        problems: what kept a part of the file from being scanned to its end; `load` refuses such a file.
    """

    container: str
    globals: list[NamedGlobal] = field(default_factory=list[NamedGlobal])
    opcodes: list[str] = field(default_factory=list[str])
    problems: list[str] = field(default_factory=list[str])

    def names(self, verdict: Verdict) -> list[str]:
        """Give the names with a verdict."""
        return [entry.name for entry in self.globals if entry.verdict == verdict]

    @property
    def safe(self) -> bool:
        """Whether the file was scanned to its end and names nothing suspicious."""
        return not (self.problems or self.opcodes or self.names("suspicious"))


def scan(source: ReadableFrom, *, allowed: Container[str] = ()) -> Scan:
    r"""List the classes and functions that a file names, and tell those that are suspicious.

    Args:
        source: a path, the bytes themselves, or a file opened in binary mode; any of PyTorch's containers, a bare
            pickle, or a safetensors file.
        allowed: names that are allowed beside those that `read` knows.

    Raises:
        LoadError: the container is malformed.
        OSError: the file cannot be opened.

    Example:
        >>> scan(b"cos\nsystem\n(S'echo'\\ntR.").names("suspicious")
        ['os.system']
    """
    with open_source(source, mapped=True) as opened:
        container, parts = parts_of(opened)
        report = Scan(container)
        collector = _Collector()
        for part in parts:
            _scan_part(part, collector, report)
        _scan_nested(collector, report)
    report.problems.extend(collector.problems)
    report.globals.extend(_judged(name, where, collector, allowed) for name, where in collector.names.items())
    return report


def _scan_part(part: Part, collector: "_Collector", report: Scan) -> None:
    """Run the pickles of one part."""
    collector.where = part.name
    try:
        data, position = part.read(), 0
        while position is not None:
            machine = Machine(part.name, data, collector, Budget(part.name, len(data)))
            machine.position = position
            described = execute(machine, refused=_noting(report))
            position = part.follow(data, machine.position, described)
    except LoadError as error:
        report.problems.append(str(error))


def _scan_nested(collector: "_Collector", report: Scan) -> None:
    """Scan the files inside the file, and those inside them."""
    for count, (where, data) in enumerate(collector.nested):
        if count == NESTED_FILES:
            report.problems.append(f"it holds more than {NESTED_FILES} files inside the file")
            return
        with open_source(data or b"\0", mapped=False) as opened:
            try:
                _, parts = parts_of(opened)
                for part in parts:
                    _scan_part(Part(f"{where}: file inside: {part.name}", part.read, part.follow), collector, report)
            except LoadError as error:
                report.problems.append(f"{where}: file inside: {error}")


def _judged(name: str, where: str, collector: "_Collector", allowed: Container[str]) -> NamedGlobal:
    """Tell what to think of a name."""
    called = name in collector.called
    known = any(name in names for names in (CALLABLES, DTYPES, INERT, RECORDED, STORAGE_CLASSES, allowed))
    harm = suspicion(name)
    if harm is not None:
        return NamedGlobal(name, "suspicious", harm, called, where)
    return NamedGlobal(name, "allowed" if known else "unknown", "", called, where)


class _Collector:
    """A meaning for pickles that makes records of everything and notes every name.

    Attributes:
        where: the part that is being run.
        names: full name -> the part that named it first.
        called: names that are called.
        nested: the files inside the file, each with the part that holds it.
        problems: what `load` would refuse, beside names and opcodes.
    """

    def __init__(self) -> None:
        self.where = ""
        self.names: dict[str, str] = {}
        self.called: set[str] = set()
        self.nested: list[tuple[str, bytes]] = []
        self.problems: dict[str, None] = {}  # a set that keeps its order

    def find(self, module: str, name: str) -> object:
        """Note a name."""
        full = full_name(module, name)
        self.names.setdefault(full, self.where)
        return GlobalRecord(full)

    def call(self, function: object, arguments: tuple[object, ...]) -> object:
        """Note a call."""
        name = function.name if isinstance(function, GlobalRecord) else ""
        if not name:
            self.problems[f"{self.where}: it calls what is no class or function by name"] = None
        self.called.add(name)
        if name == _NESTED and arguments and isinstance(arguments[0], bytes):
            self.nested.append((self.where, arguments[0]))
        return CallRecord(name, arguments)

    def new(self, kind: object, arguments: tuple[object, ...], keywords: dict[object, object]) -> object:
        """Note an object."""
        return self.call(kind, (*arguments, keywords))

    def build(self, target: object, state: object) -> None:
        """Keep a state, in which more files may be."""
        if isinstance(target, ObjectRecord):
            target.state = state

    def extend(self, target: object, items: list[object]) -> bool:
        """Take any item."""
        return True

    def set_pairs(self, target: object, pairs: list[tuple[object, object]]) -> bool:
        """Take any pair."""
        return True

    def persistent(self, identifier: object) -> object:
        """Stand for a storage; or give the class that the old stream wraps with its source."""
        parts = as_tuple(identifier) or ()
        if len(parts) > 1 and isinstance(parts[0], str) and parts[0] == "module":
            return parts[1]
        if as_tuple(identifier) is None and type(identifier) is not int:
            self.problems[f"{self.where}: an object outside the pickle is no storage"] = None
        return ObjectRecord("storage", (identifier,))


# Opcodes that the reader refuses -------------------------------------------------------------------------------------


def _noting(report: Scan) -> Callable[[Machine, int], None]:
    """Note refused opcodes in a report, and go on behind them."""

    def act(machine: Machine, opcode: int) -> None:
        name, action = _REFUSED[opcode]
        report.opcodes.append(f"{name} at byte {machine.position - 1}")
        machine.budget.charge(_OBJECT)
        action(machine)

    return act


def _instance(machine: Machine) -> None:
    """INST: an object of a class that is named here, made of everything since the mark."""
    module, name = (machine.take_line().decode("utf-8", "replace") for _ in range(2))
    made = machine.meaning.call(machine.meaning.find(module, name), ())
    machine.pop_mark()
    machine.stack.append(made)


def _object(machine: Machine) -> None:
    """OBJ: the same with the class on the stack."""
    items = machine.pop_mark()
    if not items:
        raise machine.error(BadPickle, "an object is made of no class")
    machine.stack.append(machine.meaning.call(items[0], tuple(items[1:])))


def _outside(length: int) -> Callable[[Machine], None]:
    """Push what stands for something outside the file, which is named by so many bytes."""

    def action(machine: Machine) -> None:
        machine.stack.append(ObjectRecord("outside", (machine.take(length),)))

    return action


def _nothing(_: Machine) -> None:
    """Change nothing."""


_REFUSED: Final[dict[int, tuple[str, Callable[[Machine], None]]]] = {
    ord("i"): ("INST", _instance),
    ord("o"): ("OBJ", _object),
    ord("\x82"): ("EXT1", _outside(1)),
    ord("\x83"): ("EXT2", _outside(2)),
    ord("\x84"): ("EXT4", _outside(4)),
    ord("\x97"): ("NEXT_BUFFER", _outside(0)),
    ord("\x98"): ("READONLY_BUFFER", _nothing),
}
