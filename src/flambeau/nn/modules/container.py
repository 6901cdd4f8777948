"""Containers of modules: ``Sequential``, ``ModuleList``, ``ModuleDict``."""

import warnings
from collections import OrderedDict
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from itertools import chain, islice
from operator import index as as_index
from typing import Any, Self, cast

from flambeau.nn.modules.module import Module, indented
from flambeau.nn.modules.parameter_container import ParameterDict, ParameterList, check_pair

__all__ = ["Container", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]


class Container(Module):
    """Deprecated: ``Module`` holds children by itself.

    Args:
        kwargs: the children by name.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Container.html
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__()
        warnings.warn(
            "`nn.Container` is deprecated. All of its functionality is now implemented in `nn.Module`. Subclass that "
            "instead.",
            FutureWarning,
            stacklevel=2,
        )
        for name, module in kwargs.items():
            self.add_module(name, module)


def _position(index: Any, length: int) -> int:
    """A position counted from the front; raises IndexError in PyTorch's words."""
    place = as_index(index)
    if not -length <= place < length:
        raise IndexError(f"index {place} is out of range")
    return place % length


def _renumber(container: Any) -> None:
    """Name the children by their positions again."""
    children = list(container._modules.values())
    container._modules = {str(index): child for index, child in enumerate(children)}


class Sequential(Module):
    """Modules called one after another, each with what the one before returned.

    Args:
        args: the modules, named by their positions; or one ``OrderedDict`` of modules by name.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Sequential(torch.nn.Sequential(), torch.nn.Sequential())
        Sequential(
          (0): Sequential()
          (1): Sequential()
        )

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Sequential.html
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], OrderedDict):
            for name, module in cast("OrderedDict[str, Module]", args[0]).items():
                self.add_module(name, module)
        else:
            for position, module in enumerate(args):
                self.add_module(str(position), module)

    def forward(self, input: Any) -> Any:
        """``input`` through every module in order."""
        for module in self._modules.values():
            input = module(input)  # pyright: ignore[reportOptionalCall]  # None raises, as in PyTorch
        return input

    # -- as a list ---------------------------------------------------------------------------------------------

    def _get_item_by_idx(self, iterator: Iterable[Any], idx: Any) -> Any:
        """What stands at a position of something as long as the container."""
        return next(islice(iterator, _position(idx, len(self)), None))

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(cast("Any", self._modules.values()))

    def __getitem__(self, idx: Any) -> Any:
        if isinstance(idx, slice):
            return self.__class__(OrderedDict(list(self._modules.items())[idx]))
        return self._get_item_by_idx(self._modules.values(), idx)

    def __setitem__(self, idx: int, module: Module) -> None:
        setattr(self, self._get_item_by_idx(self._modules, idx), module)

    def __delitem__(self, idx: int | slice) -> None:
        names = list(self._modules)[idx] if isinstance(idx, slice) else [self._get_item_by_idx(self._modules, idx)]
        for name in names:
            delattr(self, name)
        _renumber(self)

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name.isdigit()]

    def __add__(self, other: Any) -> "Sequential":
        _check_sequential(other)
        return Sequential(*self, *other)

    def __iadd__(self, other: Any) -> Self:
        _check_sequential(other)
        return self.extend(list(other))

    def __mul__(self, other: int) -> "Sequential":
        self._check_factor(other)
        return Sequential(*chain.from_iterable([list(self)] * other))

    def __rmul__(self, other: int) -> "Sequential":
        return self * other

    def __imul__(self, other: int) -> Self:
        self._check_factor(other)
        return self.extend(list(self) * (other - 1))

    def _check_factor(self, factor: Any) -> None:
        if not isinstance(factor, int):
            raise TypeError(f"unsupported operand type(s) for *: {type(self)} and {type(factor)}")
        if factor <= 0:
            raise ValueError(f"Non-positive multiplication factor {factor} for {type(self)}")

    def pop(self, key: int | slice) -> Any:
        """Remove and return the module at a position, or a ``Sequential`` of those of a slice."""
        found = self[key]
        del self[key]
        return found

    def append(self, module: Module) -> Self:
        """Add a module at the end; returns the container."""
        self.add_module(str(len(self)), module)
        return self

    def insert(self, index: int, module: Module) -> Self:
        """Add a module before a position; returns the container.

        Raises:
            AssertionError: ``module`` is no module.
            IndexError: there is no such position.
        """
        if not isinstance(module, Module):
            raise AssertionError(f"module should be of type: {Module}")
        length = len(self)
        if not -length <= index <= length:
            raise IndexError(f"Index out of range: {index}")
        children = list(self)
        children.insert(index, module)
        self._modules.clear()
        for position, child in enumerate(children):
            self._modules[str(position)] = child
        return self

    def extend(self, sequential: Iterable[Module]) -> Self:
        """Add modules at the end; returns the container."""
        for module in sequential:
            self.append(module)
        return self


def _check_sequential(other: Any) -> None:
    if not isinstance(other, Sequential):
        raise ValueError(f"add operator supports only objects of Sequential class, but {type(other)} is given.")


class ModuleList(Module):
    """A list of modules that are registered, unlike those of a plain list.

    Args:
        modules: the modules.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.ModuleList([torch.nn.Sequential() for _ in range(3)])
        ModuleList(
          (0-2): 3 x Sequential()
        )

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ModuleList.html
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self += modules

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(cast("Any", self._modules.values()))

    def __getitem__(self, idx: Any) -> Any:
        if isinstance(idx, slice):
            return self.__class__(list(self)[idx])
        return self._modules[self._get_abs_string_index(idx)]

    def __setitem__(self, idx: int, module: Module) -> None:
        setattr(self, self._get_abs_string_index(idx), module)

    def __delitem__(self, idx: int | slice) -> None:
        places = range(len(self))[idx] if isinstance(idx, slice) else [self._get_abs_string_index(idx)]
        for place in places:
            delattr(self, str(place))
        _renumber(self)

    def _get_abs_string_index(self, idx: Any) -> str:
        """Name of the module at a position."""
        return str(_position(idx, len(self)))

    def __iadd__(self, modules: Iterable[Module]) -> Self:
        return self.extend(modules)

    def __add__(self, other: Iterable[Module]) -> "ModuleList":
        return ModuleList(chain(self, other))

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name.isdigit()]

    def __repr__(self) -> str:
        texts = [repr(module) for module in self]
        if not texts:
            return f"{self._get_name()}()"
        lines: list[str] = []
        start = 0
        for position, text in enumerate(texts, 1):
            if position < len(texts) and texts[position] == text:
                continue
            count = position - start
            label = f"({start}): " if count == 1 else f"({start}-{position - 1}): {count} x "
            lines.append(indented(label + text))
            start = position
        body = "\n  ".join(lines)
        return f"{self._get_name()}(\n  {body}\n)"

    def insert(self, index: int, module: Module) -> None:
        """Add a module before a position."""
        children = self._modules
        for position in range(len(children), index, -1):
            children[str(position)] = children[str(position - 1)]
        children[str(index)] = module

    def append(self, module: Module) -> Self:
        """Add a module at the end; returns the container."""
        self.add_module(str(len(self)), module)
        return self

    def pop(self, key: int | slice) -> Any:
        """Remove and return the module at a position, or a ``ModuleList`` of those of a slice."""
        found = self[key]
        del self[key]
        return found

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add modules at the end; returns the container.

        Raises:
            TypeError: ``modules`` is not iterable.
        """
        if not isinstance(modules, Iterable):
            raise TypeError(f"ModuleList.extend should be called with an iterable, but got {type(modules).__name__}")
        for position, module in enumerate(modules, len(self)):
            self.add_module(str(position), module)
        return self


class ModuleDict(Module):
    """A dictionary of modules that are registered, unlike those of a plain dictionary.

    Args:
        modules: the modules by name: a mapping, or pairs.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.ModuleDict({"first": torch.nn.Sequential()})
        ModuleDict(
          (first): Sequential()
        )

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ModuleDict.html
    """

    def __init__(self, modules: Any = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Any:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: object) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Remove all modules."""
        self._modules.clear()

    def pop(self, key: str) -> Any:
        """Remove and return a module; raises KeyError if there is none of this name."""
        return self._modules.pop(key)

    def keys(self) -> KeysView[str]:
        """The names."""
        return self._modules.keys()

    def items(self) -> ItemsView[str, Any]:
        """The pairs (name, module)."""
        return self._modules.items()

    def values(self) -> ValuesView[Any]:
        """The modules."""
        return self._modules.values()

    def update(self, modules: Any) -> None:
        """Add modules, or replace those of the same names.

        Args:
            modules: a mapping of modules by name, another ``ModuleDict``, or pairs.

        Raises:
            TypeError, ValueError: it is neither.
        """
        if not isinstance(modules, Iterable):
            raise TypeError(
                "ModuleDict.update should be called with an iterable of key/value pairs, but got "
                f"{type(modules).__name__}"
            )
        if isinstance(modules, (ModuleDict, Mapping)):
            for name, module in cast("Any", modules).items():
                self[name] = module
            return
        for position, pair in enumerate(cast("Iterable[Any]", modules)):
            check_pair("ModuleDict", position, pair)
            self[pair[0]] = pair[1]
