"""TorchScript archives: their weights, as a tree of inert records. The code in them is not read at all.

TorchScript writes a module as an object of a class under ``__torch__`` whose state holds its parameters, buffers,
attributes and submodules by name.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from flambeau.base.errors import LimitExceeded, UnsupportedContainer
from flambeau.checkpoint.limits import SCRIPT_MODULES, SCRIPT_NAME_LENGTH
from flambeau.checkpoint.narrowing import as_dict
from flambeau.checkpoint.rebuild import Rebuilder
from flambeau.checkpoint.records import GlobalRecord, ObjectRecord

__all__ = ["ScriptRebuilder", "ScriptRecord", "script_refusal"]

_CLASSES: Final = "__torch__."
_OBJECT, _NAME = 500, 8  # estimated bytes of Python objects, for the budget


@dataclass(eq=False, repr=False)
class ScriptRecord(ObjectRecord):
    """An object of a TorchScript archive, most often a module: its attributes and submodules are its ``state``.

    Attributes:
        tensor_names: names of those attributes that are tensors: parameters, buffers and others alike, for only the
            code tells them apart.
    """

    tensor_names: tuple[str, ...] = ()

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
            found.update((prefix + name, state[name]) for name in record.tensor_names)
            inner = [(f"{prefix}{name}.", part) for name, part in state.items() if isinstance(part, ScriptRecord)]
            pending.extend(reversed(inner))
        raise LimitExceeded(f"the module has submodules in more than {SCRIPT_MODULES} places")


class ScriptRebuilder(Rebuilder):
    """Gives the names of a TorchScript archive their meaning: every object of its classes becomes an inert record."""

    def new(self, kind: object, arguments: tuple[object, ...], keywords: dict[object, object]) -> object:
        """Make the record of an object."""
        if isinstance(kind, GlobalRecord) and kind.name.startswith(_CLASSES):
            self._context.budget.charge(_OBJECT)
            return ScriptRecord(kind.name, arguments)
        return super().new(kind, arguments, keywords)

    def build(self, target: object, state: object) -> None:
        """Give an object its state."""
        super().build(target, state)
        if isinstance(target, ScriptRecord):
            attributes = as_dict(state) or {}
            self._context.budget.charge(_NAME * len(attributes))
            target.tensor_names = tuple(
                name
                for name, value in attributes.items()
                if isinstance(name, str) and id(value) in self._context.tensors
            )


def script_refusal(file: str) -> UnsupportedContainer:
    """Make the error for a TorchScript archive whose records nobody asked for, in the words people search for."""
    return UnsupportedContainer(
        f"{file}: Cannot use ``weights_only=True`` with TorchScript archives passed to ``torch.load``. To read its "
        "weights as data, without its code, pass unknown='record' and take the state_dict() of the result"
    )
