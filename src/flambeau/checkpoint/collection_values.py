"""Collections beside Python's own: those of `collections`, and what OmegaConf's become."""

from collections import ChainMap, Counter, OrderedDict, defaultdict, deque
from collections.abc import MutableMapping
from typing import Final, cast

from flambeau.base.errors import BadCall, BadPickle
from flambeau.checkpoint.context import Context
from flambeau.checkpoint.narrowing import as_dict, as_sequence
from flambeau.checkpoint.records import CallRecord, GlobalRecord, ObjectRecord

__all__ = [
    "CONFIG_NODES",
    "FACTORIES",
    "build_chain_map",
    "build_configuration",
    "make_chain_map",
    "make_config_dict",
    "make_config_list",
    "make_default_dict",
    "make_deque",
]

# What a defaultdict may make missing values with, by its name in files.
FACTORIES: Final[dict[str, type]] = {
    f"builtins.{kind.__name__}": kind for kind in (bool, dict, float, int, list, set, str, tuple)
} | {"collections.Counter": Counter, "collections.OrderedDict": OrderedDict}
_MAPPINGS: Final = (dict, OrderedDict, Counter, defaultdict)
_COLLECTION, _ITEM = 300, 32  # estimated bytes of Python objects, for the budget


def make_default_dict(context: Context, factory: object = None, items: object = None) -> object:
    """Make a dictionary with a factory for missing values; one with an unknown factory stays a record."""
    context.budget.charge(_COLLECTION)
    if items is not None:
        raise context.error(BadCall, "collections.defaultdict is called with something other than a factory")
    if factory is None:
        return defaultdict[object, object](None)
    if isinstance(factory, GlobalRecord) and factory.name in FACTORIES:
        return defaultdict[object, object](FACTORIES[factory.name])
    if isinstance(factory, GlobalRecord | ObjectRecord):
        return CallRecord("collections.defaultdict", (factory,))
    raise context.error(BadCall, "collections.defaultdict is called with something other than a factory")


def make_deque(context: Context, items: object = (), length: object = None) -> object:
    """Make a queue, perhaps with a largest length."""
    values = as_sequence(items)
    if values is None or not (length is None or (type(length) is int and 0 <= length < 1 << 62)):
        raise context.error(BadCall, "collections.deque is called with something other than a list and a length")
    context.budget.charge(2 * _COLLECTION + _ITEM * len(values))
    return deque(values, length)


def make_chain_map(context: Context) -> object:
    """Make a chain of dictionaries, which come later as its state."""
    context.budget.charge(_COLLECTION)
    return ChainMap[object, object]()


def build_chain_map(context: Context, target: object, state: object) -> None:
    """Give a chain its dictionaries."""
    maps = as_sequence((as_dict(state) or {}).get("maps"))
    if not maps or not all(type(part) in _MAPPINGS for part in maps):
        raise context.error(BadPickle, "the state of a ChainMap is not a list of dictionaries")
    chain = cast("ChainMap[object, object]", target)
    chain.maps = cast("list[MutableMapping[object, object]]", [*maps])


# OmegaConf ----------------------------------------------------------------------------------------------------------

# The classes of OmegaConf's leaves, whose value is in their state.
CONFIG_NODES: Final = frozenset(
    f"omegaconf.nodes.{kind}Node"
    for kind in ("Any", "Boolean", "Bytes", "Enum", "Float", "Integer", "Interpolation", "Path", "String")
) | {"omegaconf.nodes.ValueNode"}


def make_config_dict(context: Context) -> object:
    """Make a dictionary, whose content comes later as its state."""
    return _config(context, {})


def make_config_list(context: Context) -> object:
    """Make a list, whose content comes later as its state."""
    return _config(context, [])


def _config(context: Context, empty: object) -> object:
    """Remember that a plain collection stands for a configuration."""
    context.budget.charge(_COLLECTION)
    context.configurations[id(empty)] = empty
    return empty


def build_configuration(context: Context, target: object, state: object) -> None:
    """Give a configuration its content, which is None where it is missing and a text where it refers to another."""
    del context.configurations[id(target)]
    content = _content(context, state)
    if type(target) is dict:
        for key, value in (as_dict(content) or {}).items():
            context.budget.check_key(key)
            cast("dict[object, object]", target)[key] = _plain(value)
    else:
        cast("list[object]", target).extend(_plain(value) for value in as_sequence(content) or ())


def _content(context: Context, state: object) -> object:
    """Find the content of a configuration in its state."""
    fields = as_dict(state)
    if fields is None or "_content" not in fields:
        raise context.error(BadPickle, "the state of an OmegaConf configuration holds no content")
    content = fields["_content"]
    context.budget.charge(_ITEM * len(as_sequence(content) or as_dict(content) or ()))
    return content


def _plain(value: object) -> object:
    """Give the value of a leaf instead of the leaf."""
    if isinstance(value, ObjectRecord) and value.name in CONFIG_NODES:
        return (as_dict(value.state) or {}).get("_val")
    return value
