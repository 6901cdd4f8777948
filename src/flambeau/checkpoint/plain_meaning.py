"""What names stand for in a pickle that only describes its file: nothing, but for classes that are mentioned."""

from collections.abc import Set as AbstractSet

from flambeau.base.errors import BadCall, BadPickle
from flambeau.checkpoint.allowlist import full_name, refusal
from flambeau.checkpoint.context import Context
from flambeau.checkpoint.records import GlobalRecord

__all__ = ["PlainMeaning"]


class PlainMeaning:
    """Gives the names of a pickle of plain values their meaning: nothing is called, nothing lies outside.

    Args:
        context: what the file may ask for.
        names: classes that may be mentioned, by their full names.
    """

    def __init__(self, context: Context, names: AbstractSet[str] = frozenset()) -> None:
        self._context = context
        self._names = names

    def find(self, module: str, name: str) -> object:
        """Give the inert name of a class that may be mentioned."""
        full = full_name(module, name)
        if full not in self._names:
            raise refusal(self._context.name, full)
        self._context.budget.charge(64)
        return GlobalRecord(full)

    def call(self, function: object, arguments: tuple[object, ...]) -> object:
        """Refuse a call."""
        raise self._context.error(BadCall, "a pickle that only describes the file calls something")

    def new(self, kind: object, arguments: tuple[object, ...], keywords: dict[object, object]) -> object:
        """Refuse an object."""
        return self.call(kind, arguments)

    def extend(self, target: object, items: list[object]) -> bool:
        """Refuse items of what is no list."""
        return False

    def set_pairs(self, target: object, pairs: list[tuple[object, object]]) -> bool:
        """Refuse keys of what is no dictionary."""
        return False

    def build(self, target: object, state: object) -> None:
        """Refuse a state."""
        raise self._context.error(BadPickle, "a pickle that only describes the file gives an object a state")

    def persistent(self, identifier: object) -> object:
        """Refuse a mention of a storage."""
        raise self._context.error(BadPickle, "a pickle that only describes the file mentions a storage")
