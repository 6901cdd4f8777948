"""``Copying``: ``copy.deepcopy`` of modules, without the detour over pickling where a class has no pickling of its own.

``copy.deepcopy`` would ask a module for its state and copy that, value by value; most of a module's state are empty
dictionaries, numbers and text. What is made here is the same: tensors and modules that are one stay one, hooks come
along, and the handles of hooks that are copied with them belong to the copy.
"""

import copyreg
from collections import OrderedDict
from collections.abc import Callable
from copy import deepcopy
from typing import Any, Final, cast

from flambeau.nn.modules.members import Members
from flambeau.nn.parameter import Parameter

__all__ = ["Copying"]

_ATOMS: Final = frozenset({int, float, bool, complex, str, bytes, type(None)})
_DICTIONARIES: Final = frozenset({dict, OrderedDict})
_OWN_PICKLING: Final = ("__getnewargs__", "__getnewargs_ex__")


class _DeepCopy:
    """``__deepcopy__`` of a module; absent where its class pickles in a way of its own, which ``copy`` then follows.

    It is absent on classes, too: in PyTorch they have none, and people ask.
    """

    def __get__(self, module: Any, kind: Any) -> Callable[[dict[int, Any]], Any]:
        if module is None or not _pickles_plainly(kind):
            raise AttributeError("__deepcopy__")
        return lambda memo: _copy_of(module, memo)


class Copying(Members):
    """How modules are copied and pickled."""

    __deepcopy__ = _DeepCopy()

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        state.pop("_compiled_call_impl", None)  # a copy has recordings of its own
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        fields = self.__dict__
        fields.update(state)
        missing = _LATER_FIELDS - fields.keys()
        if missing:
            fresh = Members().__dict__
            fields.update({name: fresh[name] for name in missing})


_FIELDS: Final = Members().__dict__  # what every module has
# Of these, what modules pickled by older versions of PyTorch lack.
_LATER_FIELDS: Final = frozenset(
    {
        "_forward_pre_hooks",
        "_forward_pre_hooks_with_kwargs",
        "_forward_hooks_with_kwargs",
        "_forward_hooks_always_called",
        "_state_dict_hooks",
        "_state_dict_pre_hooks",
        "_load_state_dict_pre_hooks",
        "_load_state_dict_post_hooks",
        "_non_persistent_buffers_set",
        "_is_full_backward_hook",
        "_backward_pre_hooks",
    }
)


def _pickles_plainly(kind: type[Any]) -> bool:
    """Whether a class of modules leaves pickling to ``Module``; what is done with the state is its own affair."""
    return (
        kind.__getstate__ is Copying.__getstate__
        and kind.__reduce_ex__ is object.__reduce_ex__
        and kind.__reduce__ is object.__reduce__
        and kind not in copyreg.dispatch_table
        and not any(hasattr(kind, name) for name in _OWN_PICKLING)
    )


def _copy_of(module: Any, memo: dict[int, Any]) -> Any:
    """A copy of a module whose class pickles plainly."""
    kind: Any = module.__class__
    result = memo[id(module)] = kind.__new__(kind)
    state: dict[str, Any] = {}
    fields: dict[str, object] = module.__dict__
    for name, value in fields.items():
        of = type(value)
        if name == "_compiled_call_impl":
            continue  # a copy has recordings of its own
        if of in _ATOMS:
            state[name] = value
        elif name in _FIELDS and of in _DICTIONARIES:
            state[name] = _copy_of_members(value, memo) if value else memo.setdefault(id(value), of())
        elif of is tuple and _ATOMS.issuperset(map(type, cast("tuple[object, ...]", value))):
            state[name] = value
        else:
            state[name] = deepcopy(value, memo)
    if kind.__setstate__ is Copying.__setstate__ and _LATER_FIELDS <= state.keys():
        result.__dict__.update(state)
    else:
        result.__setstate__(state)
    return result


def _copy_of_members(members: Any, memo: dict[int, Any]) -> Any:
    """A copy of one of a module's dictionaries."""
    found = memo.get(id(members))
    if found is not None:
        return found
    result = memo[id(members)] = type(members)()
    for name, member in members.items():
        if type(member) is Parameter:
            result[name] = member.__deepcopy__(memo)
        elif member is None:
            result[name] = None
        else:
            result[name] = deepcopy(member, memo)
    return result
