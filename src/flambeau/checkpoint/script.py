"""TorchScript archives: their weights, as a tree of inert records. The code in them is not read at all.

TorchScript writes a module as an object of a class under ``__torch__`` whose state holds its parameters, buffers,
attributes and submodules by name.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from flambeau.base.errors import BadCall, BadPickle, LimitExceeded, UnsupportedContainer
from flambeau.checkpoint.context import Context, Permitted
from flambeau.checkpoint.limits import SCRIPT_MODULES, SCRIPT_NAME_LENGTH
from flambeau.checkpoint.narrowing import as_dict
from flambeau.checkpoint.rebuild import Rebuilder
from flambeau.checkpoint.records import GlobalRecord, ObjectRecord

__all__ = ["ScriptRebuilder", "ScriptRecord", "script_refusal"]

_CLASSES: Final = "__torch__."
_OBJECT: Final = 300  # estimated bytes of Python objects, for the budget


@dataclass(eq=False)
class ScriptRecord(ObjectRecord):
    """An object of a TorchScript archive, most often a module: its attributes and submodules are its ``state``.

    Attributes:
        tensors: names of those attributes that are tensors: parameters, buffers and others alike, for only the code
            tells them apart.
    """

    tensors: tuple[str, ...] = ()

    def state_dict(self) -> "OrderedDict[str, object]":
        """Give the tensors of this module and of all modules in it, by their names, as a module's ``state_dict``.

        It holds every attribute that is a tensor. (That of ``torch.jit.load`` leaves out those that are neither a
        parameter nor a buffer, which a module rarely has.)

        Raises:
            LimitExceeded: a module is inside itself, or in very many places.
        """
        found: OrderedDict[str, object] = OrderedDict()
        pending: list[tuple[str, ScriptRecord]] = [("", self)]
        for _ in range(SCRIPT_MODULES):
            if not pending:
                return found
            prefix, record = pending.pop()
            if len(prefix) > SCRIPT_NAME_LENGTH:
                raise LimitExceeded(f"module {prefix[:80]!r}... has a name of {len(prefix)} characters")
            state = as_dict(record.state) or {}
            found.update((prefix + name, state[name]) for name in record.tensors)
            inner = [(f"{prefix}{name}.", part) for name, part in state.items() if isinstance(part, ScriptRecord)]
            pending.extend(reversed(inner))
        raise LimitExceeded(f"the module has submodules in more than {SCRIPT_MODULES} places")


class ScriptRebuilder(Rebuilder):
    """Gives the names of a TorchScript archive their meaning: every class of its own becomes an inert record."""

    def find(self, module: str, name: str) -> object:
        """Give what a name stands for."""
        full = f"{module}.{name}"
        if full.startswith(_CLASSES) or full in _FUNCTIONS:
            self._context.budget.charge(64)
            return GlobalRecord(full)
        return super().find(module, name)

    def call(self, function: object, arguments: tuple[object, ...]) -> object:
        """Make a record of an object, or call our function behind a permitted name."""
        name = function.name if isinstance(function, GlobalRecord) else ""
        if name.startswith(_CLASSES):
            self._context.budget.charge(_OBJECT)
            return ScriptRecord(name, arguments)
        if name in _FUNCTIONS:
            return _FUNCTIONS[name].call(self._context, name, arguments)
        return super().call(function, arguments)

    def build(self, target: object, state: object) -> None:
        """Give an object its state."""
        if not isinstance(target, ScriptRecord):
            super().build(target, state)
            return
        if target.state is not None:
            raise self._context.error(BadPickle, f"an object of class {target.name} is given a state twice")
        attributes = as_dict(state) or {}
        self._context.budget.charge(8 * len(attributes))
        target.state = state
        target.tensors = tuple(
            name for name, value in attributes.items() if isinstance(name, str) and id(value) in self._context.tensors
        )


def script_refusal(file: str) -> UnsupportedContainer:
    """Make the error for a TorchScript archive whose records nobody asked for, in the words people search for."""
    return UnsupportedContainer(
        f"{file}: Cannot use ``weights_only=True`` with TorchScript archives passed to ``torch.load``. To read its "
        "weights as data, without its code, pass unknown='record' and take the state_dict() of the result"
    )


def _make_list(context: Context, values: object) -> object:
    """Give a list, whose element type TorchScript writes as the name of a function."""
    if not isinstance(values, list):
        raise context.error(BadCall, "a list of TorchScript is made of something other than a list")
    return values  # pyright: ignore[reportUnknownVariableType]  # a list of whatever the file holds


def _make_tagged(context: Context, value: object, tag: object) -> object:
    """Give a value without the name of its type in TorchScript."""
    if not isinstance(tag, str):
        raise context.error(BadCall, "the type of a TorchScript value is not a string")
    return value


# Functions that TorchScript's pickles call, beside those on the allowlist.
_FUNCTIONS: Final[dict[str, Permitted]] = {
    "torch.jit._pickle.build_boollist": Permitted(_make_list, 1, 1),
    "torch.jit._pickle.build_doublelist": Permitted(_make_list, 1, 1),
    "torch.jit._pickle.build_intlist": Permitted(_make_list, 1, 1),
    "torch.jit._pickle.build_tensorlist": Permitted(_make_list, 1, 1),
    "torch.jit._pickle.restore_type_tag": Permitted(_make_tagged, 2, 2),
}
