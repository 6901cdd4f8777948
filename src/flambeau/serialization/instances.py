"""Layers, optimizers and schedules of PyTorch's in a file become ours: made without constructors, then checked."""

import dataclasses
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any, Final, cast

from flambeau.base.errors import BadPickle, LoadError
from flambeau.checkpoint import Known, ObjectRecord
from flambeau.checkpoint.narrowing import shown
from flambeau.checkpoint.records import GlobalRecord
from flambeau.devices.device import device
from flambeau.nn.modules.linear_cross_entropy_options import LinearCrossEntropyOptions
from flambeau.nn.modules.module import Module
from flambeau.optim.optimizer import Optimizer
from flambeau.serialization.classes import CLASSES, FUNCTIONS, GENERATOR
from flambeau.tensors.core import Core
from flambeau.tensors.generator import Generator

__all__ = ["instances"]

_MEMBERS: Final = ("_parameters", "_buffers", "_modules")
_RECORDS: Final = (ObjectRecord, GlobalRecord)


def instances(flush: Callable[[], None]) -> dict[str, Known]:
    """What files may name of PyTorch's, as the checkpoint room needs it.

    Args:
        flush: gives the tensors made so far their values; called before our own code looks at them.
    """

    def build_settled(target: object, state: object) -> None:
        flush()
        _build_attributes(target, state)

    def build_generator(target: object, state: object) -> None:
        flush()
        _build_generator(target, state)

    known: dict[str, Known] = {name: Known(value=value) for name, value in FUNCTIONS.items()}
    kind: type[Any]
    for name, kind in CLASSES.items():
        build = _build_module if issubclass(kind, Module) else build_settled
        build = _build_options if kind is LinearCrossEntropyOptions else build
        known[name] = Known(value=kind, new=_maker(name, kind), build=build)
    known[GENERATOR] = Known(value=Generator, call=_make_generator, build=build_generator)
    return known


def _maker(name: str, kind: type[Any]) -> Callable[[tuple[object, ...], dict[object, object]], object]:
    """Make empty objects of a class."""

    def make(arguments: tuple[object, ...], keywords: dict[object, object]) -> object:
        if arguments or keywords:
            raise BadPickle(f"an object of the class {name} is made of arguments, of which it takes none")
        return cast("object", object.__new__(kind))

    return make


def _build_module(target: object, state: object) -> None:
    """Give a module its fields, which are those of PyTorch's."""
    fields = _fields(target, state)
    kind = type(target).__name__
    for name in _MEMBERS:
        members = fields.setdefault(name, {})
        if not isinstance(members, dict) or not all(isinstance(key, str) for key in cast("dict[Any, Any]", members)):
            raise BadPickle(f"the field {name} of a {kind} is not a dictionary of names")
    for name in ("_parameters", "_buffers"):
        for value in fields[name].values():
            if not isinstance(value, (Core, type(None), *_RECORDS)) and not hasattr(
                cast("type[Any]", type(value)), "requires_grad"
            ):
                raise BadPickle(f"the field {name} of a {kind} holds something other than tensors")
    for value in fields["_modules"].values():
        if not isinstance(value, (Module, type(None), *_RECORDS)):
            raise BadPickle(f"the field _modules of a {kind} holds something other than modules")
    for name in [name for name in fields if name.endswith("_hooks")]:
        fields[name] = _checked_hooks(kind, name, fields[name])
    _set(target, fields)


def _build_options(target: object, state: object) -> None:
    """Give the options of a loss their fields, once a constructor has accepted them."""
    values = cast("list[Any]", state) if isinstance(state, list) else []
    try:
        made = LinearCrossEntropyOptions(*values)
    except (AttributeError, TypeError, ValueError) as error:
        raise BadPickle(f"the state of a {type(target).__name__} is malformed: {error}") from error
    for field in dataclasses.fields(made):
        object.__setattr__(target, field.name, getattr(made, field.name))


def _checked_hooks(kind: str, name: str, hooks: Any) -> Any:
    """Hooks of a module: functions that were registered; those that became records are left out, with a warning."""
    if not isinstance(hooks, dict):
        raise BadPickle(f"the field {name} of a {kind} is not a dictionary")
    found = cast("dict[Any, Any]", hooks)
    unknown = [key for key, hook in found.items() if isinstance(hook, _RECORDS)]
    for key in unknown:
        warnings.warn(f"a hook of a {kind} is left out: {found.pop(key).name} is not registered", stacklevel=2)
    if not all(callable(hook) or isinstance(hook, bool) for hook in found.values()):
        raise BadPickle(f"the field {name} of a {kind} holds something other than functions")
    return found


def _build_attributes(target: object, state: object) -> None:
    """Give an optimizer or a schedule its attributes, which are those of PyTorch's."""
    fields = _fields(target, state)
    if isinstance(target, Optimizer):
        groups = fields.get("param_groups")
        if not isinstance(groups, list) or not isinstance(fields.get("defaults"), dict):
            raise BadPickle(f"the state of a {type(target).__name__} has no parameter groups and defaults")
        for group in cast("list[Any]", groups):
            tensors = cast("dict[Any, Any]", group).get("params") if isinstance(group, dict) else None
            if not isinstance(tensors, list) or not all(
                isinstance(tensor, (Core, ObjectRecord)) for tensor in cast("list[Any]", tensors)
            ):
                raise BadPickle(f"a parameter group of a {type(target).__name__} holds something other than tensors")
    elif not isinstance(fields.get("optimizer"), (Optimizer, ObjectRecord)):
        raise BadPickle(f"the state of a {type(target).__name__} has no optimizer")
    _set(target, fields)


def _fields(target: object, state: object) -> dict[str, Any]:
    """The attributes in a state; none may hide a method."""
    if not isinstance(state, dict):
        raise BadPickle(f"the state of a {type(target).__name__} is not a dictionary")
    for name in cast("dict[object, object]", state):
        if not isinstance(name, str) or name in _methods(type(target)) or name.startswith("__"):
            raise BadPickle(f"a {type(target).__name__} cannot have the attribute {shown(name)}")
    return cast("dict[str, Any]", state)


@cache
def _methods(kind: type[Any]) -> frozenset[str]:
    """Names of what a class can do, which no attribute may hide."""
    return frozenset(name for name in dir(kind) if callable(getattr(kind, name, None)))


def _set(target: Any, fields: dict[str, Any]) -> None:
    """Have an object take its attributes; it may complete what an older version of PyTorch left out."""
    try:
        if hasattr(target, "__setstate__"):
            target.__setstate__(fields)
        else:
            target.__dict__.update(fields)
    except LoadError:
        raise
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise BadPickle(f"the state of a {type(target).__name__} is malformed: {error}") from error


def _make_generator(arguments: tuple[object, ...]) -> object:
    """Make a generator for a device."""
    if len(arguments) == 1 and isinstance(arguments[0], device) and arguments[0].type != "meta":
        return Generator(arguments[0])
    raise BadPickle(f"{GENERATOR} is called with something other than a device")


def _build_generator(target: object, state: object) -> None:
    """Give a generator its state: the seed, the offset (of other devices), and the bytes."""
    parts = cast("tuple[object, ...]", state) if isinstance(state, tuple) else ()
    if len(parts) != 3 or not isinstance(parts[2], Core):
        raise BadPickle("the state of a generator is something other than a seed, an offset and a tensor")
    try:
        cast("Generator", target).set_state(cast("Any", parts[2]))
    except (RuntimeError, TypeError) as error:
        raise BadPickle(f"the state of a generator is malformed: {error}") from error
