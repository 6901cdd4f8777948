"""``World``: everything a function can reach besides its arguments, as it was when the function was recorded.

The walk starts at the function and at the objects among its arguments. It follows closures, defaults and the globals
that the code names; modules, their hooks, parameters and buffers; containers, optimizers, and attributes of the user's
own objects that the code names. What it has found is unchanged as long as the same objects are in the same places. That
is checked before every replay, so it is written to be fast: long sequences of identities, compared by C.
"""

import argparse
import enum
import functools
import types
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate, chain
from operator import is_
from typing import Any, Final, cast

import numpy as np

from flambeau.devices.device import device
from flambeau.dtypes.kinds import dtype
from flambeau.generators.streams import Stream
from flambeau.replay.code import belongs_to_library, names_of
from flambeau.tensors.core import Core, Storage
from flambeau.tensors.generator import Generator

__all__ = ["SIMPLE", "World"]

SIMPLE: Final = (bool, int, float, complex, str, bytes, type(None), type(...), slice, range, enum.Enum, device, dtype)
"""Values that are what they are: they are compared, not looked into."""

_OPAQUE: Final = (types.CodeType, types.GetSetDescriptorType, types.MemberDescriptorType, types.FrameType, Generator,
                  Stream, Storage)  # fmt: skip
_LIMIT: Final = 20_000

# Fields of a module that every call reads, whatever its code names.
_FIELDS: Final = (
    "training _parameters _buffers _modules _backward_pre_hooks _backward_hooks _is_full_backward_hook _forward_hooks "
    "_forward_hooks_with_kwargs _forward_hooks_always_called _forward_pre_hooks _forward_pre_hooks_with_kwargs "
    "forward backward setup_context"
).split()
_OPTIMIZER: Final = ("state", "_optimizer_step_pre_hooks", "_optimizer_step_post_hooks", "step")

# Code that names one of these may read what a replay changes without running the code: settings that a schedule sets.
_UNGUARDED: Final = frozenset("param_groups get_last_lr last_epoch _last_lr base_lrs get_lr _step_count".split())
# Code that names one of these may read attributes that it does not name.
_DYNAMIC: Final = frozenset("getattr setattr vars __dict__ hasattr __getattribute__ globals locals".split())

# Objects of Python's own that hold what their user has put there.
_OPEN: Final = (types.SimpleNamespace, argparse.Namespace)

_MISSING: Final = object()


class _Found:
    """What was found in places of one kind, in one sequence, and how many in which place, and what to call it."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.counts: list[int] = []
        self.labels: list[str] = []

    def add(self, items: Sequence[Any], label: str) -> None:
        """Note what was found in one more place."""
        self.items += items
        self.counts.append(len(items))
        self.labels.append(label)

    def change(self, items: Sequence[Any]) -> str | None:
        """Where something else is found now, of the same number of items; None if all is as it was."""
        if all(map(is_, items, self.items)) or _equal(items, self.items):
            return None
        ends = list(accumulate(self.counts))
        for start, end, label in zip([0, *ends], ends, self.labels, strict=False):
            if not _equal(items[start:end], self.items[start:end]):
                return label
        return None


class World:
    """What can be reached from some objects.

    Attributes:
        tensors: the tensors found, each once.
        settings: groups of optimizers, whose Python numbers a replay follows: (group, names, values).
        doubt: why what was found cannot be guarded; None if it can.
    """

    def __init__(self, roots: Iterable[Any]) -> None:
        self.tensors: list[Core] = []
        self.settings: list[tuple[dict[str, Any], list[str], list[Any]]] = []
        self.doubt: str | None = None
        self._containers: list[Any] = []
        self._contained = _Found()
        self._getters: list[tuple[Callable[[str, Any], Any], str]] = []
        self._named = _Found()
        self._empty: list[Any] = []
        self._cells: list[tuple[Any, Any]] = []
        self._seen: dict[int, Any] = {}
        self._names: set[str] = set()
        self._classes: list[type[Any]] = []
        self._objects: list[Any] = []
        self._todo: list[tuple[Any, str]] = [(item, "an argument") for item in roots]
        self._walk()
        del self._todo, self._seen, self._names, self._classes, self._objects  # it may be kept for long

    # -- is it as it was ---------------------------------------------------------------------------------------

    def unchanged(self) -> bool:
        """Whether the same objects, or equal numbers and texts, are still in the same places."""
        return self._change() is None

    def change(self) -> str | None:
        """What is not as it was, in words; None if nothing."""
        found = self._change()
        return None if found is None else f"{found} has changed"

    def _change(self) -> str | None:
        if any(self._empty):
            return "a dictionary that was empty"
        counts = list(map(len, self._containers))
        if counts != self._contained.counts:
            pairs = zip(counts, self._contained.counts, self._contained.labels, strict=True)
            return next(label for count, before, label in pairs if count != before)
        change = self._contained.change(list(chain.from_iterable(self._containers)))
        if change is None:
            change = self._named.change([get(key, _MISSING) for get, key in self._getters])
        if change is not None:
            return change
        for cell, saved in self._cells:
            try:
                found = cell.cell_contents
            except ValueError:
                return "a variable of an enclosing function"
            if found is not saved and not _equal((found,), (saved,)):
                return "a variable of an enclosing function"
        return None

    # -- the walk ----------------------------------------------------------------------------------------------

    def _walk(self) -> None:
        done: set[tuple[int, str]] = set()
        while True:
            while self._todo and self.doubt is None:
                self._visit(*self._todo.pop())
            if self.doubt is not None or not self._follow_names(done):
                break
        unguarded = sorted(self._names & _UNGUARDED)
        if self.doubt is None and unguarded and self.settings:
            self.doubt = f"its code names {unguarded[0]!r}, which may be read where a schedule changes it"

    def _visit(self, item: Any, label: str) -> None:
        if isinstance(item, SIMPLE) or id(item) in self._seen:
            return
        self._seen[id(item)] = item
        if len(self._seen) > _LIMIT:
            self.doubt = f"more than {_LIMIT:,} objects can be reached"
        kind = cast("type[Any]", type(item))
        for known, visit in _VISITS:
            if issubclass(kind, known):
                visit(self, item, label)
                return
        self._visit_object(item)

    def _follow_names(self, done: set[tuple[int, str]]) -> bool:
        """Visit the methods and attributes that the code found so far names; returns whether there were new ones."""
        names = self._names
        dynamic = bool(names & _DYNAMIC)
        found = False
        for owner in (*self._classes, *self._objects):
            members = owner.__dict__
            for name in list(members):
                key = (id(owner), name)
                if key in done or not (name in names or (dynamic or name in _FIELDS or name == "__call__")):
                    continue
                if isinstance(owner, type) and name.startswith("__") and name not in names and name != "__call__":
                    continue
                done.add(key)
                found = True
                self._take_named(members, [name], f"{name!r} of {_called(owner)}")
        return found

    def _take_whole(self, items: Any, label: str) -> None:
        if not len(items):
            self._empty.append(items)
            return
        saved = list(items)
        self._containers.append(items)
        self._contained.add(saved, label)
        self._todo.extend([(item, label) for item in saved])

    def _take_named(self, members: Mapping[str, Any], keys: Sequence[str], label: str) -> None:
        get = members.get
        saved = [get(key, _MISSING) for key in keys]
        self._getters += [(get, key) for key in keys]
        self._named.add(saved, label)
        self._todo.extend([(item, label) for item in saved])

    # -- by kind -----------------------------------------------------------------------------------------------

    def _visit_tensor(self, tensor: Any, _: str) -> None:
        self.tensors.append(tensor)
        for hooks in (tensor._leaf_hooks, tensor._post_accumulate_hooks):
            if hooks is not None:
                self._visit(hooks, "a tensor's hooks")

    def _visit_mapping(self, items: Any, label: str) -> None:
        self._take_whole(items.values(), label)

    def _visit_sequence(self, items: Any, label: str) -> None:
        self._take_whole(items, label)

    def _visit_tuple(self, items: Any, label: str) -> None:
        self._todo.extend([(item, label) for item in items])

    def _visit_function(self, function: Any, _: str) -> None:
        for cell in function.__closure__ or ():
            try:
                self._cells.append((cell, cell.cell_contents))
            except ValueError:
                continue  # not assigned yet
            self._todo.append((cell.cell_contents, "a variable of an enclosing function"))
        defaults: Any = (function.__defaults__ or (), function.__kwdefaults__ or {})
        self._todo.append((defaults, "a default"))
        if "__wrapped__" in function.__dict__:
            self._todo.append((function.__wrapped__, "a function"))
        if belongs_to_library(function.__globals__.get("__name__")):
            return
        names = names_of(function.__code__)
        self._names |= names
        present = [name for name in names if name in function.__globals__]
        for name in present:
            value = function.__globals__[name]
            if isinstance(value, types.ModuleType) and not belongs_to_library(value.__name__):
                self._take_named(vars(value), [item for item in names if item in vars(value)], value.__name__)
        self._take_named(function.__globals__, present, f"a global of {function.__module__}")

    def _visit_method(self, method: Any, label: str) -> None:
        self._todo += [(method.__self__, label), (method.__func__, label)]

    def _visit_builtin(self, function: Any, label: str) -> None:
        if not isinstance(function.__self__, types.ModuleType):
            self._todo.append((function.__self__, label))

    def _visit_partial(self, partial: Any, label: str) -> None:
        self._todo += [(item, label) for item in (partial.func, partial.args, partial.keywords)]

    def _visit_class(self, kind: Any, _: str) -> None:
        for base in kind.__mro__:
            if not belongs_to_library(base.__module__) and base not in self._classes:
                self._classes.append(base)

    def _visit_wrapper(self, wrapper: Any, label: str) -> None:
        self._todo.append((wrapper.__func__, label))

    def _visit_property(self, found: Any, label: str) -> None:
        self._todo += [(item, label) for item in (found.fget, found.fset)]

    def _visit_array(self, array: Any, label: str) -> None:
        self.doubt = f"{label} holds an array of NumPy, whose elements nobody watches"

    def _skip(self, item: Any, label: str) -> None:
        pass

    def _visit_object(self, item: Any) -> None:
        kind = cast("type[Any]", type(item))
        role = getattr(kind, "observed_as", None)
        if role == "schedule":
            self._todo.append((item.optimizer, "a schedule"))
        elif role == "optimizer":
            self._visit_optimizer(item)
        elif role == "compiled":
            self._todo.append((item.replayed_function, "a compiled function"))
        elif hasattr(kind, "__next__"):
            self.doubt = f"it can reach an iterator ({_called(item)}), which is another one after every call"
        elif hasattr(item, "__dict__"):
            self._visit_class(kind, "")
            if _read_by_library(kind):
                fields: dict[str, Any] = item.__dict__
                self._take_named(fields, list(fields.keys() | {"forward"}), _called(item))
            elif not belongs_to_library(kind.__module__):
                self._objects.append(item)

    def _visit_optimizer(self, optimizer: Any) -> None:
        fields: dict[str, Any] = optimizer.__dict__
        self._visit_class(type(optimizer), "")
        self._take_named(fields, [name for name in _OPTIMIZER if name in fields], _called(optimizer))
        self._take_named(fields, ["param_groups"], _called(optimizer))
        for group in optimizer.param_groups:
            self._seen[id(group)] = group
            names = [name for name in group if name not in ("params", "initial_lr")]
            self.settings.append((group, names, [group[name] for name in names]))
            self._take_named(group, ["params"], "a parameter group")


def _read_by_library(kind: type[Any]) -> bool:
    """Whether our own code, whose names nobody looks for, reads the attributes of an object of this class."""
    if kind in _OPEN:
        return True
    return any(
        base.__module__.partition(".")[0] == "flambeau" and (base is kind or "forward" in vars(base))
        for base in kind.__mro__
        if base.__name__ != "Calls"
    )


def _equal(found: Sequence[Any], saved: Sequence[Any]) -> bool:
    """Whether items are the same objects, or equal numbers and texts of the same type."""
    return len(found) == len(saved) and all(
        one is other or (type(one) is type(other) and isinstance(one, SIMPLE) and one == other)
        for one, other in zip(found, saved, strict=True)
    )


def _called(item: Any) -> str:
    """What to call an object or a class."""
    return cast("Any", item if isinstance(item, type) else type(item)).__name__


_VISITS: Final[tuple[tuple[Any, Callable[[World, Any, str], None]], ...]] = (
    (Core, World._visit_tensor),
    ((dict, types.MappingProxyType), World._visit_mapping),
    ((list, set, frozenset, deque), World._visit_sequence),
    (tuple, World._visit_tuple),
    (types.FunctionType, World._visit_function),
    (types.MethodType, World._visit_method),
    (types.BuiltinFunctionType, World._visit_builtin),
    (functools.partial, World._visit_partial),
    (type, World._visit_class),
    ((staticmethod, classmethod), World._visit_wrapper),
    (property, World._visit_property),
    (np.ndarray, World._visit_array),
    ((types.ModuleType, *_OPAQUE), World._skip),
)
