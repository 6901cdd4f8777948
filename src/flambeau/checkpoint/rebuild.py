"""The last step of reading: what the pickle's names, calls and storages stand for, through the allowlist."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import numpy as np

from flambeau.base.errors import BadPickle
from flambeau.checkpoint.allowlist import CALLABLES, DTYPES, INERT, STORAGE_CLASSES, full_name, refusal
from flambeau.checkpoint.context import Context
from flambeau.checkpoint.numpy_values import build_array, build_dtype
from flambeau.checkpoint.plain_values import build_ordered_dict
from flambeau.checkpoint.records import GlobalRecord

__all__ = ["Rebuilder"]

# Types whose objects get a state after they were made.
_BUILDERS: Final[tuple[tuple[type, Callable[[Context, object, object], None]], ...]] = (
    (OrderedDict, build_ordered_dict),
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

    def find(self, module: str, name: str) -> object:
        """Give what a name stands for: an element type, or the inert name of what may be called or mentioned."""
        full = full_name(module, name)
        if full in DTYPES:
            return self._dtype(DTYPES[full])
        if full in CALLABLES or full in STORAGE_CLASSES or full in INERT:
            self._context.budget.charge(64)
            return GlobalRecord(full)
        raise refusal(self._context.name, full)

    def call(self, function: object, arguments: tuple[object, ...]) -> object:
        """Call our function behind a permitted name."""
        name = function.name if isinstance(function, GlobalRecord) else None
        permitted = CALLABLES.get(name) if name is not None else None
        if name is None or permitted is None:
            raise self._context.error(BadPickle, f"Trying to call reduce for unrecognized function {_shown(function)}")
        return permitted.call(self._context, name, arguments)

    def build(self, target: object, state: object) -> None:
        """Give an object its state, where it is of a type that has one."""
        for kind, build in _BUILDERS:
            if issubclass(type(target), kind):
                build(self._context, target, state)
                return
        raise self._context.error(BadPickle, f"Can only build OrderedDict, but got {_shown(target)}")

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
    return value.name if isinstance(value, GlobalRecord) else f"an object of type {type(value).__name__!r}"
