"""``Transaction``: the writes of one ``load_state_dict``, done only when all is known to fit, and undone if not.

What is ordinary is planned first and written at the end, so a report of errors finds the module untouched. Code of the
user's (hooks, overridden methods) may look at the module, or write into it, while it is being loaded: before it is
called, the module is noted down and what is planned is written.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from flambeau.__future__ import get_swap_module_params_on_conversion
from flambeau.base.shapes import Size
from flambeau.differentiation.modes import no_grad
from flambeau.differentiation.tape import Tracked
from flambeau.graph.node import Node
from flambeau.nn.parameter import Parameter, is_lazy
from flambeau.tensors.tensor import Tensor

__all__ = ["Transaction", "assigned", "copied", "failed_copy"]


class Transaction:
    """Planned writes, and the module as it was before the first of them.

    Args:
        root: the module that takes a state.
        is_ordinary: whether a module inside takes its state without code of the user's.
        given: tensors that are to become the module's own, where code of the user's may write into them.

    Attributes:
        copies: tensors of the module, each with the node it will show.
        assignments: a module, a name in it, the path of both, what is there now, and the tensor to put there.
        errors: what went wrong while writing, a line each.
    """

    def __init__(self, root: Any, is_ordinary: Callable[[Any], bool], given: Iterable[Any]) -> None:
        self.copies: list[tuple[Tensor, Node]] = []
        self.assignments: list[tuple[Any, str, str, Tensor, Tensor]] = []
        self.errors: list[str] = []
        self._root = root
        self._is_ordinary = is_ordinary
        self._given = given
        self._before: _Snapshot | None = None
        self._written: list[tuple[Tensor, Node]] = []
        self._flags: list[tuple[Tensor, bool]] = []

    def before_others(self) -> None:
        """Code of the user's is about to be called: note the whole module, and do what is planned."""
        if self._before is None:
            self._before = _Snapshot(self._root, self._is_ordinary, self._given)
        self.commit()

    def commit(self) -> None:
        """Do what is planned."""
        if self._before is None:
            if self.assignments:
                self._before = _Snapshot(self._root, self._is_ordinary, self._given)
            else:
                self._written = [(member, member.read()) for member, _ in self.copies]
        with no_grad():
            for member, node in self.copies:
                member.write(Tracked(node, None))
            for module, name, path, member, value in self.assignments:
                self._flags.append((value, value.requires_grad))
                try:
                    setattr(module, name, assigned(member, value))
                except Exception as error:  # noqa: BLE001  (whatever it is, it is reported with all others)
                    self.errors.append(failed_copy(path, member, value, error))
        self.copies.clear()
        self.assignments.clear()

    def retie(self) -> None:
        """Where one of several names of a tensor was given another, give it to all of them: they stay one."""
        if self._before is None:
            return
        replaced: dict[int, Tensor] = {}
        for members, content in self._before.members:
            for name, old in content.items():
                new = members.get(name)
                if old is not None and new is not None and new is not old:
                    replaced[id(old)] = new
        if not replaced:
            return
        for members, content in self._before.members:
            for name, old in content.items():
                if id(old) in replaced and name in members:
                    members[name] = replaced[id(old)]

    def undo(self) -> None:
        """Put the module back as it was."""
        for value, requires_grad in reversed(self._flags):
            if value.requires_grad is not requires_grad:
                value.requires_grad_(requires_grad)
        with no_grad():
            for member, node in self._written:
                member.write(Tracked(node, None))
        if self._before is not None:
            self._before.restore()


class _Snapshot:
    """A module's parameters and buffers, and their values; noting a value copies nothing, for it is a node.

    Of modules with code of their own for loading, all attributes are noted.
    """

    def __init__(self, root: Any, is_ordinary: Callable[[Any], bool], given: Iterable[Any]) -> None:
        self.members: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self._values: list[tuple[Tensor, Tensor, Node]] = []
        self._uninitialized: list[tuple[Tensor, type[Tensor], dict[str, Any]]] = []
        self._fields: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self._containers: list[tuple[Any, Any]] = []
        self._note_values(given)
        seen: set[int] = set()
        stack = [root]
        while stack:
            module = stack.pop()
            if module is None or id(module) in seen:
                continue
            seen.add(id(module))
            fields = module.__dict__
            for members in (fields.get("_parameters", {}), fields.get("_buffers", {})):
                self.members.append((members, members.copy()))
                self._note_values(members.values())
            if not is_ordinary(module):
                self._note_fields(fields)
            children = fields.get("_modules")
            if children:
                stack.extend(reversed(children.values()))

    def _note_values(self, tensors: Iterable[Any]) -> None:
        for item in tensors:
            if is_lazy(item):
                self._uninitialized.append((item, item.__class__, item.__dict__.copy()))
            elif isinstance(item, Tensor):
                self._values.append((item, item.data, item.read()))

    def _note_fields(self, fields: dict[str, Any]) -> None:
        self._fields.append((fields, fields.copy()))
        self._containers.extend(
            [(value, value.copy()) for value in fields.values() if type(value) in (dict, OrderedDict, list, set)]
        )

    def restore(self) -> None:
        """Give everything its place and its value."""
        for container, content in (*self._fields, *self._containers, *self.members):
            container.clear()
            (container.extend if isinstance(container, list) else container.update)(content)
        for member, kind, fields in self._uninitialized:
            member.__class__ = kind
            member.__dict__.clear()
            member.__dict__.update(fields)
        with no_grad():
            for member, elements, node in self._values:
                if member.data_ptr() != elements.data_ptr():
                    member.data = elements
                if member.read() is not node:
                    member.write(Tracked(node, None))


def copied(member: Tensor, value: Tensor) -> Node:
    """The node a tensor of the module shows once a checkpoint's is copied into it.

    Where type and device agree nothing is computed: both show one value, which never changes.
    """
    if value.dtype is not member.dtype or value.device != member.device:
        value = value.detach().to(device=member.device, dtype=member.dtype)
    return value.read()


def assigned(member: Any, value: Tensor) -> Tensor:
    """A checkpoint's tensor as it takes a member's place; the member itself, where it is to stay the same object."""
    if get_swap_module_params_on_conversion():
        member.data = value
        return member
    if not isinstance(member, Parameter):
        return value
    if isinstance(value, Parameter):
        value.requires_grad_(member.requires_grad)
        return value
    return Parameter(value, requires_grad=member.requires_grad)


def failed_copy(path: str, member: Tensor, value: Tensor, error: Exception) -> str:
    """The line that says that one tensor could not be taken."""
    mine, given = (Size((0,)) if is_lazy(tensor) else tensor.shape for tensor in (member, value))
    return (
        f'While copying the parameter named "{path}", whose dimensions in the model are {mine} and whose dimensions in '
        f"the checkpoint are {given}, an exception occurred : {error.args}."
    )
