"""``own_constructor``: a class that inherits its ``__init__`` is named by the errors about its arguments."""

from types import FunctionType
from typing import Any, TypeVar, cast

__all__ = ["own_constructor"]

_Class = TypeVar("_Class", bound=type[Any])


def own_constructor(cls: _Class) -> _Class:
    """Give a class its own copy of the ``__init__`` it inherits.

    Python names a function's home when an argument is missing: ``Conv2d.__init__() missing 1 required positional
    argument`` helps, the name of a base class that nobody knows does not.
    """
    inherited = cast("FunctionType", cls.__init__)
    own = FunctionType(
        inherited.__code__, inherited.__globals__, "__init__", inherited.__defaults__, inherited.__closure__
    )
    own.__kwdefaults__ = inherited.__kwdefaults__
    own.__annotations__ = inherited.__annotations__
    own.__doc__ = inherited.__doc__
    own.__module__ = cls.__module__
    own.__qualname__ = f"{cls.__qualname__}.__init__"
    cast("Any", cls).__init__ = own
    return cls
