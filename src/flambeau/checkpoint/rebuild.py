"""The last step of reading: what the pickle's names, calls and storages stand for, through the allowlist."""

from argparse import Namespace
from collections import ChainMap, OrderedDict, deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Final, cast
from uuid import UUID

import numpy as np

from flambeau.base.errors import BadPickle, LoadError
from flambeau.checkpoint.allowlist import (
    BLOCKED,
    CALLABLES,
    DTYPES,
    INERT,
    RECORDED,
    STORAGE_CLASSES,
    full_name,
    refusal,
)
from flambeau.checkpoint.attribute_values import build_namespace
from flambeau.checkpoint.builders import Known
from flambeau.checkpoint.collection_values import build_chain_map, build_configuration
from flambeau.checkpoint.context import Context
from flambeau.checkpoint.exact_values import build_uuid
from flambeau.checkpoint.numpy_values import build_array, build_dtype
from flambeau.checkpoint.plain_values import build_ordered_dict
from flambeau.checkpoint.records import CallRecord, GlobalRecord, ObjectRecord

__all__ = ["Rebuilder"]

_OBJECT, _ITEM = 500, 64  # estimated bytes of Python objects, for the budget

# Types whose objects get a state after they were made.
_BUILDERS: Final[tuple[tuple[type, Callable[[Context, object, object], None]], ...]] = (
    (OrderedDict, build_ordered_dict),
    (Namespace, build_namespace),
    (SimpleNamespace, build_namespace),
    (ChainMap, build_chain_map),
    (UUID, build_uuid),
    (np.ndarray, build_array),
    (np.dtype, build_dtype),
)


class Rebuilder:
    """Gives a pickle's names their meaning.

    Args:
        context: what the functions behind the names may use.
        find_outside: gives what lies outside the pickle under an identifier.
    """

    def __init__(self, context: Context, find_outside: Callable[[object], object]) -> None:
        self._context = context
        self._find_outside = find_outside
        # Classes and functions of the rooms above that the file named, and the objects made of them, by identity.
        self._known: dict[int, Known] = {}
        self._made: dict[int, tuple[object, Known]] = {}

    def find(self, module: str, name: str) -> object:
        """Give what a name stands for: an element type, or the inert name of what may be called or mentioned."""
        full = full_name(module, name)
        if full in DTYPES:
            return self._dtype(DTYPES[full])
        self._context.budget.charge(64)
        if full in CALLABLES or full in STORAGE_CLASSES or full in INERT or full in RECORDED:
            return GlobalRecord(full)
        known = self._context.builders.known.get(full) if module not in BLOCKED else None
        if known is not None:
            self._known[id(known.value)] = known
            return known.value
        if self._context.as_records:
            return GlobalRecord(full)
        raise refusal(self._context.name, full)

    def call(self, function: object, arguments: tuple[object, ...]) -> object:
        """Call our function behind a permitted name; make a record of any other call."""
        if isinstance(function, GlobalRecord):
            if function.name in CALLABLES:
                return CALLABLES[function.name].call(self._context, function.name, arguments)
            if self._is_recorded(function.name):
                self._context.budget.charge(_OBJECT)
                return CallRecord(function.name, arguments)
        known = self._known.get(id(function))
        if known is not None and known.call is not None:
            with self._named():
                return self._keep(known.call(arguments), known)
        raise self._context.error(BadPickle, f"Trying to call reduce for unrecognized function {_shown(function)}")

    def new(self, kind: object, arguments: tuple[object, ...], keywords: dict[object, object]) -> object:
        """Make an object of a class that is known to be harmless; make a record of any other."""
        known = self._known.get(id(kind))
        if known is not None and known.new is not None:
            with self._named():
                return self._keep(known.new(arguments, keywords), known)
        if isinstance(kind, GlobalRecord) and self._is_recorded(kind.name):
            self._context.budget.charge(_OBJECT)
            return ObjectRecord(kind.name, (*arguments, keywords) if keywords else arguments)
        if keywords:
            raise self._context.error(BadPickle, "a call has keyword arguments")
        return self.call(kind, arguments)

    def _is_recorded(self, name: str) -> bool:
        """Tell whether objects of a class that is not rebuilt become records."""
        return name in RECORDED or (
            self._context.as_records and not (name in CALLABLES or name in STORAGE_CLASSES or name in INERT)
        )

    @contextmanager
    def _named(self) -> Generator[None]:
        """Name the file in the errors of the rooms above."""
        try:
            yield
        except LoadError as error:
            raise self._context.error(type(error), str(error)) from error.__cause__

    def _keep(self, made: object, known: Known) -> object:
        """Remember which class an object was made of, so that its state can be given to it."""
        self._context.budget.charge(_OBJECT)
        self._made[id(made)] = made, known
        return made

    def build(self, target: object, state: object) -> None:
        """Give an object its state, where it is of a type that has one."""
        _, known = self._made.get(id(target), (None, None))
        if known is not None and known.build is not None:
            with self._named():
                known.build(target, state)
            return
        if id(target) in self._context.configurations:
            build_configuration(self._context, target, state)
            return
        if isinstance(target, ObjectRecord):
            if target.state is not None:
                raise self._context.error(BadPickle, f"an object of the class {target.name} is given a second state")
            target.state = state
            return
        for kind, build in _BUILDERS:
            if issubclass(type(target), kind):
                build(self._context, target, state)
                return
        raise self._context.error(BadPickle, f"Can only build OrderedDict, but got {_shown(target)}")

    def extend(self, target: object, items: list[object]) -> bool:
        """Append to a record, a queue, or a list of a class that is known."""
        self._context.budget.charge(_ITEM * len(items))
        if isinstance(target, ObjectRecord):
            target.items.extend(items)
        elif type(target) is deque or (id(target) in self._made and isinstance(target, list | deque)):
            cast("list[object]", target).extend(items)
        else:
            return False
        return True

    def set_pairs(self, target: object, pairs: list[tuple[object, object]]) -> bool:
        """Set keys of a record, or of a dictionary of a class that is known."""
        if isinstance(target, ObjectRecord):
            self._context.budget.charge(_ITEM * len(pairs))
            target.pairs.extend(pairs)
        elif id(target) in self._made and isinstance(target, dict):
            for key, value in pairs:
                target[key] = value
        else:
            return False
        return True

    def persistent(self, identifier: object) -> object:
        """Give what lies outside the pickle under an identifier."""
        return self._find_outside(identifier)

    def _dtype(self, name: str) -> object:
        """Give what an element type becomes, the same each time."""
        if name not in self._context.dtypes:
            self._context.dtypes[name] = self._context.builders.dtype(name)
        return self._context.dtypes[name]


def _shown(value: object) -> str:
    """Name a value in an error."""
    if isinstance(value, GlobalRecord):
        return value.name if value.name.isprintable() else ascii(value.name)
    return f"an object of type {type(value).__name__!r}"
