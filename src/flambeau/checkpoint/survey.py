"""A first look at a pickle: which storages it mentions. Its calls are passed over, so that nothing is made of them.

In the stream from before PyTorch 1.6 the place of a storage depends on the element types of all storages before it,
which only the object's pickle tells. So the pickle is run twice: to learn them, and to rebuild the object, whose
tensors then have their bytes from the beginning.
"""

from flambeau.checkpoint.allowlist import full_name
from flambeau.checkpoint.container import Outside
from flambeau.checkpoint.context import Context
from flambeau.checkpoint.records import GlobalRecord

__all__ = ["Survey"]

_THING = 64  # estimated bytes of Python objects, for the budget


class _Thing:
    """Stands for whatever a call would have made."""

    __slots__ = ()


class Survey:
    """Gives the names of a pickle no meaning but for its storages.

    Args:
        context: what the file may ask for.
        outside: takes note of the storages.
    """

    def __init__(self, context: Context, outside: Outside) -> None:
        self._context = context
        self._outside = outside

    def find(self, module: str, name: str) -> object:
        """Give the inert name of anything: no allowlist is needed where nothing is called."""
        self._context.budget.charge(_THING)
        return GlobalRecord(full_name(module, name))

    def call(self, function: object, arguments: tuple[object, ...]) -> object:
        """Pass over a call."""
        self._context.budget.charge(_THING)
        return _Thing()

    def new(self, kind: object, arguments: tuple[object, ...], keywords: dict[object, object]) -> object:
        """Pass over an object."""
        return self.call(kind, arguments)

    def extend(self, target: object, items: list[object]) -> bool:
        """Pass over items."""
        return True

    def set_pairs(self, target: object, pairs: list[tuple[object, object]]) -> bool:
        """Pass over keys and values."""
        return True

    def build(self, target: object, state: object) -> None:
        """Pass over a state."""

    def persistent(self, identifier: object) -> object:
        """Take note of a storage."""
        return self._outside.persistent(identifier)
