"""``RemovableHandle``: what registering a hook returns."""

import weakref
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any, Self, cast

__all__ = ["RemovableHandle"]


class RemovableHandle:
    """Removes a hook, by ``remove()`` or at the end of a ``with`` block.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.utils.hooks.RemovableHandle.html
    """

    next_id: int = 0

    def __init__(self, hooks_dict: MutableMapping[int, Any], *, extra_dict: Any = None) -> None:
        self._hooks = _Reference(hooks_dict)
        extra = cast("list[Any]", extra_dict) if isinstance(extra_dict, list) else [extra_dict]
        self._extra = [_Reference(item) for item in extra if item is not None]
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1

    def remove(self) -> None:
        """Remove the hook; doing so twice is no error."""
        for reference in (self._hooks, *self._extra):
            hooks = reference.get()
            if hooks is not None:
                hooks.pop(self.id, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def __getstate__(self) -> tuple[Any, int]:
        return self._hooks.get(), self.id

    def __setstate__(self, state: tuple[Any, int]) -> None:
        hooks, self.id = state
        self._hooks = _Reference({} if hooks is None else hooks)
        self._extra = []
        RemovableHandle.next_id = max(RemovableHandle.next_id, self.id + 1)


class _Reference:
    """A reference to a dictionary, weak where the dictionary allows it, so that a handle keeps no module alive."""

    def __init__(self, hooks: Any) -> None:
        try:
            self._weak = weakref.ref(hooks)
            self._strong = None
        except TypeError:
            self._weak = None
            self._strong = hooks

    def get(self) -> Any:
        """The dictionary, or None once it is gone."""
        return self._strong if self._weak is None else self._weak()
