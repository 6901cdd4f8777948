"""Who watches the tape while anomalies are looked for; nobody otherwise."""

from collections.abc import Callable
from typing import Any, Final, Protocol

__all__ = ["WATCHES", "Watch"]


class Watch(Protocol):
    """What is told of every entry of the tape."""

    def recorded(self, function: Any) -> None:
        """An entry was made."""
        ...

    def pulled(self, function: Any, pull: Callable[[], list[Any]]) -> list[Any]:
        """An entry's gradients are due: what ``pull()`` gives."""
        ...


WATCHES: Final[list[Watch]] = []
