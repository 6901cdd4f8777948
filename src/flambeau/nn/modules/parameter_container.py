"""Containers of parameters: ``ParameterList``, ``ParameterDict``."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, KeysView, Mapping, Sized
from operator import index as as_index
from typing import Any, Self, cast

from flambeau.nn.modules.module import Module
from flambeau.nn.parameter import Parameter
from flambeau.tensors.tensor import Tensor

__all__ = ["ParameterDict", "ParameterList", "check_pair"]


def check_pair(container: str, position: int, pair: Any) -> None:
    """Raise TypeError or ValueError, in PyTorch's words, unless this is a pair."""
    label = f"{container} update sequence element #{position}"
    if not isinstance(pair, Iterable):
        raise TypeError(f"{label} should be Iterable; is{type(pair).__name__}")
    length = len(cast("Sized", pair))
    if length != 2:
        raise ValueError(f"{label} has length {length}; 2 is required")


def _as_member(value: Any) -> Any:
    """Plain tensors become parameters; anything else stays."""
    return Parameter(value) if isinstance(value, Tensor) and not isinstance(value, Parameter) else value


def _described(value: Any, kind: str, size: str) -> str:
    """One line of the container's text."""
    if not isinstance(value, Tensor):
        return f"Object of type: {type(value).__name__}"
    place = f" ({value.device})" if value.is_cuda else ""
    label = "Parameter" if isinstance(value, Parameter) else "Tensor"
    return f"{label} containing: [{kind} of size {size}{place}]"


class ParameterList(Module):
    """A list of parameters; tensors become parameters, and anything else may be kept beside them.

    Args:
        values: what it holds.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.ParameterList([torch.ones(2), torch.ones(2, 3)])
        ParameterList(
            (0): Parameter containing: [torch.float32 of size 2]
            (1): Parameter containing: [torch.float32 of size 2x3]
        )

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ParameterList.html
    """

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self._size = 0
        if values is not None:
            self += values

    def _get_abs_string_index(self, idx: Any) -> str:
        """Name of the value at a position."""
        place = as_index(idx)
        if not -self._size <= place < self._size:
            raise IndexError(f"index {place} is out of range")
        return str(place % self._size)

    def __getitem__(self, idx: Any) -> Any:
        if isinstance(idx, slice):
            return self.__class__([self[position] for position in range(self._size)[idx]])
        return getattr(self, self._get_abs_string_index(idx))

    def __setitem__(self, idx: int, param: Any) -> None:
        setattr(self, self._get_abs_string_index(idx), _as_member(param))

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        return (self[position] for position in range(self._size))

    def __iadd__(self, parameters: Iterable[Any]) -> Self:
        return self.extend(parameters)

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name.isdigit()]

    def append(self, value: Any) -> Self:
        """Add a value at the end; returns the container."""
        position = self._size
        self._size += 1
        self[position] = value
        return self

    def extend(self, values: Iterable[Any]) -> Self:
        """Add values at the end; returns the container.

        Raises:
            TypeError: ``values`` is not iterable, or a tensor.
        """
        if not isinstance(values, Iterable) or isinstance(values, Tensor):
            name = type(values).__name__  # pyright: ignore[reportUnknownArgumentType]
            raise TypeError(f"ParameterList.extend should be called with an iterable, but got {name}")
        for value in values:
            self.append(value)
        return self

    def extra_repr(self) -> str:
        """One line for each value."""
        lines: list[str] = []
        for position, value in enumerate(self):
            tensor = isinstance(value, Tensor)
            size = "x".join(map(str, value.shape)) if tensor else ""
            lines.append(f"  ({position}): {_described(value, str(value.dtype) if tensor else '', size)}")
        return "\n".join(lines)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Raise RuntimeError: it computes nothing."""
        raise RuntimeError("ParameterList should not be called.")


class ParameterDict(Module):
    """A dictionary of parameters; tensors become parameters, and anything else may be kept beside them.

    Args:
        parameters: what it holds, by name: a mapping, or pairs. Plain mappings are taken in sorted order.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.ParameterDict({"scale": torch.ones(2)})
        ParameterDict(  (scale): Parameter containing: [torch.FloatTensor of size 2])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ParameterDict.html
    """

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        self._keys: dict[str, None] = {}
        if parameters is not None:
            self.update(parameters)

    def _key_to_attr(self, key: Any) -> str:
        if not isinstance(key, str):
            raise TypeError(
                "Index given to ParameterDict cannot be used as a key as it is not a string (type is "
                f"'{type(key).__name__}'). Open an issue on github if you need non-string keys."
            )
        return key

    def __getitem__(self, key: str) -> Any:
        return getattr(self, self._key_to_attr(key))

    def __setitem__(self, key: str, value: Any) -> None:
        setattr(self, self._key_to_attr(key), _as_member(value))
        self._keys[key] = None

    def __delitem__(self, key: str) -> None:
        del self._keys[key]
        delattr(self, self._key_to_attr(key))

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._keys)

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def copy(self) -> "ParameterDict":
        """Another container of the same values."""
        return ParameterDict(OrderedDict((key, self[key]) for key in self._keys))

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The value of a key, set to ``default`` first if there is none."""
        if key not in self:
            self[key] = default
        return self[key]

    def clear(self) -> None:
        """Remove all values."""
        for key in list(self._keys):
            del self[key]

    def pop(self, key: str) -> Any:
        """Remove and return the value of a key."""
        value = self[key]
        del self[key]
        return value

    def popitem(self) -> tuple[str, Any]:
        """Remove and return the pair (key, value) added last; raises KeyError if there is none."""
        key, _ = self._keys.popitem()
        self._keys[key] = None
        return key, self.pop(key)

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key, or ``default``."""
        return self[key] if key in self else default

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> "ParameterDict":
        """A new container with one value for all keys."""
        return ParameterDict((key, default) for key in keys)

    def keys(self) -> KeysView[str]:
        """The keys."""
        return self._keys.keys()

    def items(self) -> Iterable[tuple[str, Any]]:
        """The pairs (key, value)."""
        return ((key, self[key]) for key in self._keys)

    def values(self) -> Iterable[Any]:
        """The values."""
        return (self[key] for key in self._keys)

    def update(self, parameters: Any) -> None:
        """Add values, or replace those of the same keys.

        Args:
            parameters: a mapping, another ``ParameterDict``, or pairs.

        Raises:
            TypeError, ValueError: it is neither.
        """
        if not isinstance(parameters, Iterable):
            raise TypeError(
                "ParametersDict.update should be called with an iterable of key/value pairs, but got "
                f"{type(parameters).__name__}"
            )
        ordered = isinstance(parameters, (OrderedDict, ParameterDict))
        given = cast("Any", parameters)
        if ordered or isinstance(parameters, Mapping):
            for key in given if ordered else sorted(given):
                self[key] = given[key]
            return
        for position, pair in enumerate(given):
            check_pair("ParameterDict", position, pair)
            self[pair[0]] = pair[1]

    def extra_repr(self) -> str:
        """One line for each value."""
        lines: list[str] = []
        for key, value in self.items():
            tensor = isinstance(value, Tensor)
            size = "x".join(map(str, value.shape)) if tensor else ""
            lines.append(f"  ({key}): {_described(value, value.type() if tensor else '', size)}")
        return "\n".join(lines)

    def __call__(self, input: Any) -> Any:
        """Raise RuntimeError: it computes nothing."""
        raise RuntimeError("ParameterDict should not be called.")

    def __or__(self, other: "Mapping[str, Any] | ParameterDict") -> "ParameterDict":
        result = self.copy()
        result.update(other)
        return result

    def __ror__(self, other: "Mapping[str, Any] | ParameterDict") -> Any:
        result: Any = cast("Any", other).copy()
        result.update(self)
        return result

    def __ior__(self, other: "Mapping[str, Any] | ParameterDict") -> Self:
        self.update(other)
        return self
