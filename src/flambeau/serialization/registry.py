"""The user's own classes and functions that files may name: registered, or refused.

Source: https://docs.pytorch.org/docs/stable/notes/serialization.html#weights-only
"""

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, cast

from flambeau.checkpoint import Known

__all__ = ["add_safe_globals", "clear_safe_globals", "get_safe_globals", "registered", "safe_globals"]

Global = Callable[..., Any] | tuple[Callable[..., Any], str]

_registered: dict[Any, None] = {}  # a set that keeps its order


def add_safe_globals(safe_globals: list[Global]) -> None:
    """Let files that are loaded name these classes and functions, and have them called.

    A registered class is made as the file says: through its ``__new__`` and ``__setstate__`` (or its ``__dict__`` and
    slots), or by calling it with arguments of the file's. A registered function is called with arguments of the file's.
    So register only what does no harm, whatever it is called with.

    Args:
        safe_globals: classes and functions, or pairs of one with the full name that files have for it.

    Raises:
        TypeError: it is no list.

    Example:
        >>> import flambeau as torch
        >>> class Settings:
        ...     pass
        >>> torch.serialization.add_safe_globals([(Settings, "my_project.Settings")])
        >>> [name for _, name in torch.serialization.get_safe_globals()]
        ['my_project.Settings']
        >>> torch.serialization.clear_safe_globals()

    Source: https://docs.pytorch.org/docs/stable/notes/serialization.html#torch.serialization.add_safe_globals
    """
    _registered.update(dict.fromkeys(safe_globals))


def get_safe_globals() -> list[Global]:
    """Give what was registered, in order.

    Source: https://docs.pytorch.org/docs/stable/notes/serialization.html#torch.serialization.get_safe_globals
    """
    return list(_registered)


def clear_safe_globals() -> None:
    """Forget everything that was registered.

    Source: https://docs.pytorch.org/docs/stable/notes/serialization.html#torch.serialization.clear_safe_globals
    """
    _registered.clear()


class safe_globals:  # noqa: N801  (PyTorch's name)
    """Register classes and functions for the time of a ``with`` block; see ``add_safe_globals``.

    Args:
        safe_globals: classes and functions, or pairs of one with the full name that files have for it.

    Source: https://docs.pytorch.org/docs/stable/notes/serialization.html#torch.serialization.safe_globals
    """

    def __init__(self, safe_globals: list[Global]) -> None:
        self.safe_globals = safe_globals

    def __enter__(self) -> None:
        add_safe_globals(self.safe_globals)

    def __exit__(self, type: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        for entry in self.safe_globals:
            _registered.pop(entry, None)


def _named(entries: Iterable[Any]) -> dict[str, Any]:
    """What is registered, by full name.

    Raises:
        ValueError, TypeError: an entry is neither a class or function nor a pair of one with a name.
    """
    found: dict[str, Any] = {}
    for entry in entries:
        if not isinstance(entry, tuple):
            found[f"{entry.__module__}.{entry.__qualname__}"] = entry
            continue
        pair = cast("tuple[Any, ...]", entry)
        if len(pair) != 2:
            raise ValueError(
                f"Expected tuple of length 2 (global, str of callable full path), but got tuple of length: {len(pair)}"
            )
        if type(pair[1]) is not str:
            raise TypeError(f"Expected second item in tuple to be str of callable full path, but got: {type(pair[1])}")
        found[pair[1]] = pair[0]
    return found


def registered(flush: Callable[[], None]) -> dict[str, Known]:
    """What is registered, as the checkpoint room needs it.

    Args:
        flush: gives the tensors made so far their values; called before any code of the user's sees them.
    """
    return {name: _known(value, flush) for name, value in _named(_registered).items()}


def _known(value: Any, flush: Callable[[], None]) -> Known:
    """How a class or function of the user's is called, and given its state."""

    def call(arguments: tuple[object, ...]) -> object:
        flush()
        return value(*arguments)

    def new(arguments: tuple[object, ...], keywords: dict[object, object]) -> object:
        flush()
        return value.__new__(value, *arguments, **cast("dict[str, object]", keywords))

    def build(target: object, state: object) -> None:
        flush()
        _set_state(target, state)

    return Known(value=value, call=call, new=new if isinstance(value, type) else None, build=build)


def _set_state(target: Any, state: Any) -> None:
    """Give an object its state, by its own method or into its ``__dict__`` and slots, as pickle does."""
    if hasattr(target, "__setstate__"):
        target.__setstate__(state)
        return
    slots: dict[str, Any] | None = None
    if isinstance(state, tuple) and len(cast("tuple[Any, ...]", state)) == 2:
        state, slots = cast("tuple[Any, dict[str, Any] | None]", state)
    if state:
        target.__dict__.update(state)
    for name, value in (slots or dict[str, Any]()).items():
        setattr(target, name, value)
