"""Plain Python values that a pickle describes by a call: ordered dictionaries, sets, bytes, ..."""

from collections import Counter, OrderedDict
from typing import Final, cast

from flambeau.base.errors import BadCall, BadPickle
from flambeau.checkpoint.context import Context
from flambeau.checkpoint.narrowing import as_dict, as_sequence, shown

__all__ = [
    "build_ordered_dict",
    "make_bytearray",
    "make_bytes",
    "make_complex",
    "make_counter",
    "make_encoded",
    "make_frozenset",
    "make_ordered_dict",
    "make_range",
    "make_set",
    "make_slice",
]

_LATIN1: Final = ("latin1", "latin-1")
# Names that an attribute set by a file would hide.
_TAKEN: Final = frozenset(dir(OrderedDict))
# Estimated bytes of Python objects, for the budget.
_ORDERED_DICT, _SET, _ITEM, _HEADER = 400, 216, 32, 56


def make_ordered_dict(context: Context, pairs: object = ()) -> object:
    """Make an ordered dictionary, empty or of a list of pairs."""
    result: OrderedDict[object, object] = OrderedDict()
    items = _items(context, "OrderedDict", pairs)
    context.budget.charge(_ORDERED_DICT)
    for item in items:
        pair = as_sequence(item)
        if pair is None or len(pair) != 2:
            raise context.error(BadCall, "OrderedDict is called with something other than pairs")
        context.budget.check_key(pair[0])
        result[pair[0]] = pair[1]
    return result


def build_ordered_dict(context: Context, target: object, state: object) -> None:
    """Set attributes of an ordered dictionary, such as the `_metadata` of a state dict."""
    attributes = as_dict(state)
    if attributes is None:
        raise context.error(BadPickle, "the state of an OrderedDict is not a dictionary")
    context.budget.charge(_ITEM * len(attributes))
    for name, value in attributes.items():
        if not isinstance(name, str) or name in _TAKEN:
            raise context.error(BadPickle, f"an OrderedDict cannot have the attribute {shown(name)}")
        vars(cast("OrderedDict[object, object]", target))[name] = value


def make_counter(context: Context, counts: object = None) -> object:
    """Make a counter of a dictionary of counts."""
    result: Counter[object] = Counter()
    if counts is None:
        return result
    items = as_dict(counts)
    if items is None:
        raise context.error(BadCall, "Counter is called with something other than a dictionary")
    context.budget.charge(_ITEM * len(items))
    for key, count in items.items():
        context.budget.check_key(key)
        if type(count) is not int:
            raise context.error(BadCall, "Counter is called with something other than counts")
        result[key] = count
    return result


def make_set(context: Context, items: object = ()) -> object:
    """Make a set of a list."""
    return set(_hashed(context, "set", items))


def make_frozenset(context: Context, items: object = ()) -> object:
    """Make a frozen set of a list."""
    return frozenset(_hashed(context, "frozenset", items))


def make_encoded(context: Context, text: object, encoding: object) -> object:
    """Make bytes of a string with one character for each byte: how protocol 2 writes bytes."""
    if not isinstance(text, str) or not isinstance(encoding, str) or encoding not in _LATIN1:
        raise context.error(BadCall, "_codecs.encode is called with something other than a string and 'latin1'")
    context.budget.charge(_HEADER + len(text))
    try:
        return text.encode("latin1")
    except UnicodeEncodeError:
        raise context.error(BadCall, "_codecs.encode is called with characters that are no bytes") from None


def make_bytes(context: Context) -> object:
    """Make empty bytes; others are written in other ways."""
    return b""


def make_bytearray(context: Context, data: object = b"", encoding: object = None) -> object:
    """Make an array of bytes of bytes, or of a string with one character for each byte."""
    if encoding is not None:
        data = make_encoded(context, data, encoding)
    if not isinstance(data, bytes):
        raise context.error(BadCall, "bytearray is called with something other than bytes")
    context.budget.charge(_HEADER + len(data))
    return bytearray(data)


def make_complex(context: Context, real: object, imag: object) -> object:
    """Make a complex number of its two parts."""
    if type(real) is not float or type(imag) is not float:
        raise context.error(BadCall, "complex is called with something other than two numbers")
    return complex(real, imag)


def make_slice(context: Context, start: object, stop: object, step: object) -> object:
    """Make a slice of three integers, each of which may be missing."""
    if not all(part is None or type(part) is int for part in (start, stop, step)):
        raise context.error(BadCall, "slice is called with something other than integers")
    return slice(start, stop, step)


def make_range(context: Context, start: object, stop: object, step: object) -> object:
    """Make a range of three integers."""
    if type(start) is not int or type(stop) is not int or type(step) is not int or step == 0:
        raise context.error(BadCall, "range is called with something other than three integers, the last not zero")
    return range(start, stop, step)


def _hashed(context: Context, name: str, items: object) -> list[object] | tuple[object, ...]:
    """Check what is to become the members of a set."""
    members = _items(context, name, items)
    context.budget.charge(_SET)
    for member in members:
        context.budget.check_key(member)
    return members


def _items(context: Context, name: str, items: object) -> list[object] | tuple[object, ...]:
    """Check that items come as a list or tuple."""
    checked = as_sequence(items)
    if checked is None:
        raise context.error(BadCall, f"{name} is called with something other than a list")
    context.budget.charge(_ITEM * len(checked))
    return checked
