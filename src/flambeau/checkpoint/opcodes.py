"""The opcodes of pickle protocols 0 to 5, as a table: how each acts on the machine.

An opcode that could create an object of a class, or call a function, does it through the machine's `meaning`, which
knows an allowlist. Opcodes for which that makes no sense in a checkpoint are refused by name.

Source: https://peps.python.org/pep-0307/, https://peps.python.org/pep-3154/, https://peps.python.org/pep-0574/
"""

import struct
from codecs import raw_unicode_escape_decode  # found by name, it would be imported when a file first needs it
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from typing import Final, TypeAlias, cast

from flambeau.base.errors import BadPickle, LimitExceeded, TruncatedPickle, UnsupportedOpcode
from flambeau.checkpoint.limits import NAME_LENGTH, TEXT_DIGITS
from flambeau.checkpoint.machine import Machine
from flambeau.checkpoint.narrowing import as_dict, as_tuple

__all__ = ["execute"]

Action: TypeAlias = Callable[[Machine], None]

_STOP: Final = ord(".")
_MAPPINGS: Final = (dict, OrderedDict, Counter, defaultdict)
# Estimated bytes of Python objects, for the machine's budget.
_LIST, _TUPLE, _DICT, _SET, _ITEM = 64, 48, 64, 216, 8


def execute(machine: Machine, refused: Callable[[Machine, int], None] | None = None) -> object:
    """Run a pickle to its end and give the object that it describes; the machine then stands behind it.

    Args:
        machine: a machine at the pickle's first byte.
        refused: acts for an opcode that is otherwise refused.

    Raises:
        BadPickle: one of its subclasses, by the reason.
        LimitExceeded: the pickle asks for more than its size justifies.
    """
    data, end = machine.data, len(machine.data)
    while machine.position < end or machine.reach(machine.position + 1):
        if machine.position >= end:
            data, end = machine.data, len(machine.data)
        opcode = data[machine.position]
        machine.position += 1
        action = _ACTIONS.get(opcode)
        if action is not None:
            action(machine)
        elif opcode == _STOP:
            return machine.finish()
        elif refused is not None and opcode in _REFUSED:
            refused(machine, opcode)
        else:
            machine.position -= 1
            reason = _REFUSED.get(opcode, "it is not a pickle opcode")
            raise machine.error(UnsupportedOpcode, f"Unsupported operand {opcode}: {reason}")
    raise machine.error(TruncatedPickle, "the pickle ends without its STOP")


# Values -------------------------------------------------------------------------------------------------------------


def _constant(value: object) -> Action:
    """Push a fixed value."""
    return lambda machine: machine.stack.append(value)


def _number(layout: str) -> Action:
    """Push a number of fixed size."""
    packed = struct.Struct(layout)

    def action(machine: Machine) -> None:
        machine.stack.append(packed.unpack(machine.take(packed.size))[0])

    return action


def _sized(length: str, make: Callable[[Machine, bytes], object]) -> Action:
    """Push a value made of bytes that follow their length."""
    packed = struct.Struct(length)

    def action(machine: Machine) -> None:
        machine.stack.append(make(machine, machine.take(packed.unpack(machine.take(packed.size))[0])))

    return action


def _text(machine: Machine, data: bytes) -> str:
    """Decode a string of Python 3."""
    return machine.decode(data, lambda raw: raw.decode("utf-8", "surrogatepass"))


def _old_text(machine: Machine, data: bytes) -> str | bytes:
    """Decode a byte string of Python 2."""
    return machine.decode_old(data)


def _raw(_: Machine, data: bytes) -> bytes:
    """Take bytes as they are."""
    return data


def _mutable(_: Machine, data: bytes) -> bytearray:
    """Take bytes as an array of bytes."""
    return bytearray(data)


def _integer(_: Machine, data: bytes) -> int:
    """Read a two's complement integer of any length."""
    return int.from_bytes(data, "little", signed=True)


def _digits(machine: Machine, line: bytes) -> int:
    """Read an integer written as text."""
    if len(line) > TEXT_DIGITS:
        raise machine.error(LimitExceeded, f"an integer has {len(line)} digits, the limit is {TEXT_DIGITS}")
    digits = line.removeprefix(b"-")
    if not digits.isdigit():
        raise machine.error(BadPickle, f"{line[:80]!r} is not an integer")
    return int(line)


def _int_line(machine: Machine) -> None:
    """INT: an integer as text, or one of protocol 0's booleans."""
    line = machine.take_line()
    machine.stack.append({b"00": False, b"01": True}[line] if line in (b"00", b"01") else _digits(machine, line))


def _long_line(machine: Machine) -> None:
    """LONG: an integer as text, with Python 2's suffix."""
    machine.stack.append(_digits(machine, machine.take_line().removesuffix(b"L")))


def _float_line(machine: Machine) -> None:
    """FLOAT: a number as text."""
    line = machine.take_line()
    if len(line) > TEXT_DIGITS:
        raise machine.error(LimitExceeded, f"a number has {len(line)} digits, the limit is {TEXT_DIGITS}")
    try:
        machine.stack.append(float(line))
    except ValueError:
        raise machine.error(BadPickle, f"{line[:80]!r} is not a number") from None


def _unicode_line(machine: Machine) -> None:
    """UNICODE: a string as text, with escapes for what is not Latin-1."""
    machine.stack.append(machine.decode(machine.take_line(), lambda line: raw_unicode_escape_decode(line)[0]))


_ESCAPES: Final = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"\\": b"\\", b"'": b"'", b'"': b'"'}


def _string_line(machine: Machine) -> None:
    """STRING: a byte string of Python 2, as its source text."""
    line = machine.take_line()
    if len(line) < 2 or line[:1] not in (b"'", b'"') or line[:1] != line[-1:]:
        raise machine.error(BadPickle, f"{line[:80]!r} is not a quoted string")
    first, *rest = line[1:-1].replace(b"\\\\", b"\\\0").split(b"\\")
    pieces = [first]
    for part in rest:
        if part[:1] == b"\0":
            pieces.append(b"\\" + part[1:])
        elif part[:1] in _ESCAPES:
            pieces.append(_ESCAPES[part[:1]] + part[1:])
        elif part[:1] == b"x" and all(digit in b"0123456789abcdefABCDEF" for digit in part[1:3]) and len(part) > 2:
            pieces.append(bytes((int(part[1:3], 16),)) + part[3:])
        else:
            raise machine.error(BadPickle, f"{line[:80]!r} holds an unknown escape")
    machine.stack.append(_old_text(machine, b"".join(pieces)))


# Containers ---------------------------------------------------------------------------------------------------------


def _empty(make: Callable[[], object], cost: int) -> Action:
    """Push a new empty container."""

    def action(machine: Machine) -> None:
        machine.budget.charge(cost)
        machine.stack.append(make())

    return action


def _tuple_of(count: int) -> Action:
    """Replace the values on top by a tuple of them."""

    def action(machine: Machine) -> None:
        machine.budget.charge(_TUPLE + _ITEM * count)
        items = [machine.pop() for _ in range(count)]
        machine.stack.append(tuple(reversed(items)))

    return action


def _tuple(machine: Machine) -> None:
    """TUPLE: make a tuple of everything since the mark."""
    items = machine.pop_mark()
    machine.budget.charge(_TUPLE + _ITEM * len(items))
    machine.stack.append(tuple(items))


def _list(machine: Machine) -> None:
    """LIST: make a list of everything since the mark."""
    items = machine.pop_mark()
    machine.budget.charge(_LIST + _ITEM * len(items))
    machine.stack.append(items)


def _dict(machine: Machine) -> None:
    """DICT: make a dictionary of everything since the mark."""
    items = machine.pop_mark()
    machine.budget.charge(_DICT)
    machine.stack.append({})
    _set_pairs(machine, items)


def _frozenset(machine: Machine) -> None:
    """FROZENSET: make a frozen set of everything since the mark."""
    items = machine.pop_mark()
    machine.budget.charge(_SET)
    machine.stack.append(frozenset(_members(machine, items)))


def _members(machine: Machine, items: list[object]) -> list[object]:
    """Check what is to be hashed."""
    for item in items:
        machine.budget.check_key(item)
    return items


def _extend_list(machine: Machine, items: list[object]) -> None:
    """Append to the list on top."""
    target = machine.top()
    if type(target) is list:
        cast("list[object]", target).extend(items)
    elif not machine.meaning.extend(target, items):
        raise machine.error(BadPickle, f"a value is appended to {type(target).__name__!r}, which is not a list")


def _set_pairs(machine: Machine, items: list[object]) -> None:
    """Put keys and values into the dictionary on top."""
    target = machine.top()
    if len(items) % 2:
        raise machine.error(BadPickle, "a key is set without a value")
    machine.budget.charge(4 * _ITEM * len(items))
    pairs = zip(_members(machine, items[::2]), items[1::2], strict=True)
    if type(target) in _MAPPINGS:
        mapping = cast("dict[object, object]", target)
        for key, value in pairs:
            mapping[key] = value
    elif not machine.meaning.set_pairs(target, list(pairs)):
        raise machine.error(BadPickle, f"a key is set in {type(target).__name__!r}, which is not a dictionary")


def _add_items(machine: Machine) -> None:
    """ADDITEMS: put everything since the mark into the set below it."""
    items = machine.pop_mark()
    target = machine.top()
    machine.budget.charge(4 * _ITEM * len(items))
    if type(target) is set:
        cast("set[object]", target).update(_members(machine, items))
    elif not machine.meaning.extend(target, items):
        raise machine.error(BadPickle, f"a value is added to {type(target).__name__!r}, which is not a set")


def _append(machine: Machine) -> None:
    """APPEND: append the value on top to the list below it."""
    _extend_list(machine, [machine.pop()])


def _appends(machine: Machine) -> None:
    """APPENDS: append everything since the mark to the list below it."""
    _extend_list(machine, machine.pop_mark())


def _set_item(machine: Machine) -> None:
    """SETITEM: put the key and value on top into the dictionary below them."""
    value = machine.pop()
    key = machine.pop()
    _set_pairs(machine, [key, value])


def _set_items(machine: Machine) -> None:
    """SETITEMS: put everything since the mark into the dictionary below it."""
    _set_pairs(machine, machine.pop_mark())


# Stack and memo -----------------------------------------------------------------------------------------------------


def _pop(machine: Machine) -> None:
    """POP: drop the value on top, or the mark."""
    if machine.stack:
        machine.stack.pop()
    else:
        machine.pop_mark()


def _pop_mark(machine: Machine) -> None:
    """POP_MARK: drop everything since the mark."""
    machine.pop_mark()


def _duplicate(machine: Machine) -> None:
    """DUP: push the value on top once more."""
    machine.stack.append(machine.top())


def _memo(act: Callable[[Machine, int], None], layout: str | None) -> Action:
    """Use the memo at an index, given in binary or (without a layout) as text."""
    if layout is None:
        return lambda machine: act(machine, _digits(machine, machine.take_line()))
    packed = struct.Struct(layout)
    return lambda machine: act(machine, packed.unpack(machine.take(packed.size))[0])


def _memoize(machine: Machine) -> None:
    """MEMOIZE: remember the value on top under the next index."""
    machine.remember(len(machine.memo))


# Names, calls, frames -----------------------------------------------------------------------------------------------


def _name(machine: Machine, value: object) -> str:
    """Check a name's length before anything is done with it."""
    if not isinstance(value, str):
        raise machine.error(BadPickle, f"a name is {type(value).__name__!r} instead of a string")
    if len(value) > NAME_LENGTH:
        raise machine.error(LimitExceeded, f"a name has {len(value)} characters, the limit is {NAME_LENGTH}")
    return value


def _global(machine: Machine) -> None:
    """GLOBAL: push what a name stands for."""
    module = _name(machine, _text(machine, machine.take_line()))
    name = _name(machine, _text(machine, machine.take_line()))
    machine.stack.append(machine.meaning.find(module, name))


def _stack_global(machine: Machine) -> None:
    """STACK_GLOBAL: push what the name on the stack stands for."""
    name = _name(machine, machine.pop())
    machine.stack.append(machine.meaning.find(_name(machine, machine.pop()), name))


def _arguments(machine: Machine) -> tuple[object, ...]:
    """Take the arguments of a call."""
    arguments = as_tuple(machine.pop())
    if arguments is None:
        raise machine.error(BadPickle, "the arguments of a call are not a tuple")
    return arguments


def _reduce(machine: Machine) -> None:
    """REDUCE: call what is below the tuple of arguments on top."""
    arguments = _arguments(machine)
    machine.stack.append(machine.meaning.call(machine.pop(), arguments))


def _new(machine: Machine) -> None:
    """NEWOBJ: make an object of the class below the tuple of arguments on top."""
    arguments = _arguments(machine)
    machine.stack.append(machine.meaning.new(machine.pop(), arguments, {}))


def _new_keywords(machine: Machine) -> None:
    """NEWOBJ_EX: the same with keyword arguments."""
    keywords = as_dict(machine.pop())
    if keywords is None:
        raise machine.error(BadPickle, "the keyword arguments of a call are not a dictionary")
    arguments = _arguments(machine)
    machine.stack.append(machine.meaning.new(machine.pop(), arguments, keywords))


def _build(machine: Machine) -> None:
    """BUILD: give the object below its state."""
    state = machine.pop()
    machine.meaning.build(machine.top(), state)


def _persistent(machine: Machine) -> None:
    """BINPERSID: push the storage with this identifier."""
    machine.stack.append(machine.meaning.persistent(machine.pop()))


def _persistent_line(machine: Machine) -> None:
    """PERSID: push the storage with this identifier, given as text, which protocol 0 knows only."""
    machine.stack.append(machine.meaning.persistent(_name(machine, _text(machine, machine.take_line()))))


def _protocol(machine: Machine) -> None:
    """PROTO: the protocol's version."""
    version = machine.take(1)[0]
    if version > 5:
        raise machine.error(BadPickle, f"pickle protocol {version} is not read; the newest known is 5")


def _frame(machine: Machine) -> None:
    """FRAME: the length of the opcodes that follow, a hint for reading from a stream."""
    (length,) = struct.unpack("<Q", machine.take(8))
    if not machine.reach(machine.position + length):
        raise machine.error(TruncatedPickle, f"a frame of {length} bytes is cut short")


_ACTIONS: Final[dict[int, Action]] = {
    ord(code): action
    for code, action in (
        # Constants and numbers
        ("N", _constant(None)),  # NONE
        ("\x88", _constant(True)),  # NEWTRUE
        ("\x89", _constant(False)),  # NEWFALSE
        ("K", _number("<B")),  # BININT1
        ("M", _number("<H")),  # BININT2
        ("J", _number("<i")),  # BININT
        ("G", _number(">d")),  # BINFLOAT
        ("\x8a", _sized("<B", _integer)),  # LONG1
        ("\x8b", _sized("<i", _integer)),  # LONG4
        ("I", _int_line),  # INT
        ("L", _long_line),  # LONG
        ("F", _float_line),  # FLOAT
        # Text and bytes
        ("X", _sized("<I", _text)),  # BINUNICODE
        ("\x8c", _sized("<B", _text)),  # SHORT_BINUNICODE
        ("\x8d", _sized("<Q", _text)),  # BINUNICODE8
        ("V", _unicode_line),  # UNICODE
        ("U", _sized("<B", _old_text)),  # SHORT_BINSTRING
        ("T", _sized("<i", _old_text)),  # BINSTRING
        ("S", _string_line),  # STRING
        ("C", _sized("<B", _raw)),  # SHORT_BINBYTES
        ("B", _sized("<I", _raw)),  # BINBYTES
        ("\x8e", _sized("<Q", _raw)),  # BINBYTES8
        ("\x96", _sized("<Q", _mutable)),  # BYTEARRAY8
        # Containers
        (")", _constant(())),  # EMPTY_TUPLE
        ("\x85", _tuple_of(1)),  # TUPLE1
        ("\x86", _tuple_of(2)),  # TUPLE2
        ("\x87", _tuple_of(3)),  # TUPLE3
        ("t", _tuple),  # TUPLE
        ("]", _empty(list[object], _LIST)),  # EMPTY_LIST
        ("l", _list),  # LIST
        ("a", _append),  # APPEND
        ("e", _appends),  # APPENDS
        ("}", _empty(dict[object, object], _DICT)),  # EMPTY_DICT
        ("d", _dict),  # DICT
        ("s", _set_item),  # SETITEM
        ("u", _set_items),  # SETITEMS
        ("\x8f", _empty(set[object], _SET)),  # EMPTY_SET
        ("\x90", _add_items),  # ADDITEMS
        ("\x91", _frozenset),  # FROZENSET
        # Stack and memo
        ("(", Machine.mark),  # MARK
        ("0", _pop),  # POP
        ("1", _pop_mark),  # POP_MARK
        ("2", _duplicate),  # DUP
        ("p", _memo(Machine.remember, None)),  # PUT
        ("q", _memo(Machine.remember, "<B")),  # BINPUT
        ("r", _memo(Machine.remember, "<I")),  # LONG_BINPUT
        ("\x94", _memoize),  # MEMOIZE
        ("g", _memo(Machine.recall, None)),  # GET
        ("h", _memo(Machine.recall, "<B")),  # BINGET
        ("j", _memo(Machine.recall, "<I")),  # LONG_BINGET
        # Names and calls
        ("c", _global),  # GLOBAL
        ("\x93", _stack_global),  # STACK_GLOBAL
        ("R", _reduce),  # REDUCE
        ("\x81", _new),  # NEWOBJ
        ("\x92", _new_keywords),  # NEWOBJ_EX
        ("b", _build),  # BUILD
        ("Q", _persistent),  # BINPERSID
        ("P", _persistent_line),  # PERSID
        # Framing
        ("\x80", _protocol),  # PROTO
        ("\x95", _frame),  # FRAME
    )
}

_REFUSED: Final[dict[int, str]] = {
    ord("i"): "INST creates an object of a class, which a checkpoint has no use for",
    ord("o"): "OBJ creates an object of a class, which a checkpoint has no use for",
    ord("\x82"): "EXT1 refers to a registry outside the file",
    ord("\x83"): "EXT2 refers to a registry outside the file",
    ord("\x84"): "EXT4 refers to a registry outside the file",
    ord("\x97"): "NEXT_BUFFER refers to a buffer outside the file",
    ord("\x98"): "READONLY_BUFFER refers to a buffer outside the file",
}
