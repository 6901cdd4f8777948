"""``find_unregistered``: layers and parameters that a model holds, but does not know of.

A module registers what is assigned as its attribute, and nothing else: a layer in a plain list is used by ``forward``
and never trained, saved or moved, without a word.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from types import SimpleNamespace
from typing import Any, Final, cast

from flambeau.nn.modules.module import Module
from flambeau.nn.parameter import Buffer, Parameter
from flambeau.tensors.tensor import Tensor

__all__ = ["Unregistered", "find_unregistered"]


@dataclass(frozen=True, slots=True, repr=False)
class Unregistered:
    """Something that a module holds without having registered it.

    Attributes:
        path: where it is, such as ``"encoder.layers[0]"``.
        kind: ``"Module"``, ``"Parameter"``, ``"Buffer"``, or ``"Tensor"`` for a plain one that requires a gradient.
        holder: what holds it: ``"list"``, ``"tuple"``, ``"set"``, ``"dict"``, ``"attribute"`` or ``"class"``.
        found: the thing itself.
    """

    path: str
    kind: str
    holder: str
    found: Any = field(compare=False)

    @property
    def advice(self) -> str:
        """What to do about it."""
        if self.holder == "class":
            return "make it in __init__, after super().__init__()"
        if self.kind == "Buffer":
            return "use register_buffer"
        if self.kind == "Tensor":
            return "make it an nn.Parameter, and assign that as an attribute of the module"
        container = _CONTAINERS.get(self.holder)
        return "assign it as an attribute of the module" if container is None else f"use nn.{self.kind}{container}"

    def __repr__(self) -> str:
        what = type(self.found).__name__ if self.kind == "Module" else self.kind
        where = {"attribute": "a plain attribute", "class": "the class body"}.get(self.holder, f"a {self.holder}")
        return f"{self.path}: {what} in {where} is not registered; {self.advice}"


_CONTAINERS: Final = {"list": "List", "tuple": "List", "set": "List", "dict": "Dict"}
_OWN_FIELDS: Final = frozenset(vars(Module()))


def find_unregistered(model: Module) -> list[Unregistered]:
    """Find modules, parameters and buffers that a model holds in plain containers, attributes or class bodies.

    These are missing from ``parameters()`` and ``state_dict()``, so they are neither trained nor saved nor moved.
    Lists, tuples, sets, dictionaries, data classes and ``SimpleNamespace``s are looked into, however nested. What is
    registered somewhere in the model as well is not reported, and neither are tensors that need no gradient.

    Args:
        model: the model.

    Returns:
        One record for each thing found, in the order of the model; its text says what to do.

    Example:
        >>> import flambeau as torch
        >>> class Net(torch.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.layers = [torch.nn.Linear(2, 2)]
        >>> torch.nn.utils.find_unregistered(Net())
        [layers[0]: Linear in a list is not registered; use nn.ModuleList]
    """
    seen = _ids_inside(model)
    found: list[Unregistered] = []
    for path, module in model.named_modules():
        waiting = deque(_fields_of(module, path + "." if path else ""))
        while waiting:
            where, holder, value = waiting.popleft()
            if id(value) in seen:
                continue
            seen.add(id(value))
            kind = _kind_of(value)
            if kind is None:
                waiting.extendleft(reversed(_items_of(where, holder, value)))
                continue
            found.append(Unregistered(where, kind, holder, value))
            if kind == "Module":
                seen |= _ids_inside(value)
    return found


Place = tuple[str, str, Any]
"""A path, what kind of thing holds the value there, and the value."""


def _ids_inside(module: Module) -> set[int]:
    """Identities of a module, of all modules inside it, and of their parameters and buffers."""
    return {id(item) for part in (module.modules(), module.parameters(), module.buffers()) for item in part}


def _fields_of(module: Module, before: str) -> Iterator[Place]:
    """A module's plain attributes, then those of its class that nothing of its own hides."""
    own = vars(module)
    yield from ((before + name, "attribute", value) for name, value in own.items() if name not in _OWN_FIELDS)
    hidden = {*own, *module._parameters, *module._buffers, *module._modules}  # pyright: ignore[reportPrivateUsage]  # PyTorch's names
    for kind in type(module).__mro__:
        if kind in Module.__mro__:
            continue
        for name, value in vars(kind).items():
            if name not in hidden and not name.startswith("__"):
                hidden.add(name)
                yield before + name, "class", value


def _kind_of(value: Any) -> str | None:
    """What kind of thing a module should have registered; None for all others."""
    if issubclass(type(value), Module):
        return "Module"
    if not issubclass(type(value), Tensor):
        return None
    if isinstance(value, Parameter):
        return "Parameter"
    if isinstance(value, Buffer):
        return "Buffer"
    return "Tensor" if value.requires_grad and value.is_leaf else None


def _items_of(path: str, holder: str, value: Any) -> list[Place]:
    """What a container holds; nothing for all else, and for containers that cannot be looked into."""
    inside = _container_of(cast("type[Any]", type(value)))
    if inside is None:
        return []
    kind = "class" if holder == "class" else inside
    try:
        if inside == "dict":
            return [(f"{path}[{key!r}]", kind, item) for key, item in cast("dict[Any, Any]", value).items()]
        if inside == "attribute":
            return [(f"{path}.{name}", kind, item) for name, item in _named_inside(value)]
        return [(f"{path}[{index}]", kind, item) for index, item in enumerate(value)]
    except Exception:  # noqa: BLE001  (a container of the user's may do anything)
        return []


def _named_inside(value: Any) -> list[tuple[str, Any]]:
    """Names and values of a data class or namespace."""
    if isinstance(value, SimpleNamespace):
        return list(vars(value).items())
    return [(item.name, getattr(value, item.name)) for item in fields(value)]


def _container_of(kind: type[Any]) -> str | None:
    """Which kind of container a class is, or None."""
    for name, kinds in _KINDS.items():
        if issubclass(kind, kinds):
            return name
    return "attribute" if is_dataclass(kind) or issubclass(kind, SimpleNamespace) else None


_KINDS: Final[dict[str, Any]] = {"list": (list, deque), "tuple": tuple, "set": (set, frozenset), "dict": dict}
