"""A call of a model that computes nothing: what each layer was given and returned, and which operations it recorded.

Recording needs shapes only. What is pending when a layer is entered and when it is left tells what is the layer's own.
"""

import sys
from collections import OrderedDict
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Self, TypeAlias, cast

from flambeau.base.config import config
from flambeau.differentiation.modes import no_grad
from flambeau.graph.node import Operation
from flambeau.graph.record import PENDING
from flambeau.nn.modules.module import Module
from flambeau.runtime.force import WATCHERS
from flambeau.tensors.generator import fork_rng
from flambeau.tensors.snapshot import Snapshot
from flambeau.tensors.tensor import Tensor

__all__ = ["Call", "Shapes", "recorded_calls", "unchanged"]

Shapes: TypeAlias = "tuple[int, ...] | list[Shapes] | dict[Any, Shapes] | None"
"""Shape of a tensor; a list or dictionary of them for a structure; None where there is no tensor."""


@dataclass(slots=True, eq=False)
class Call:
    """One call of a module.

    Attributes:
        module: what was called.
        parent: index of the call it was called from, among all of them; None for the model's own.
        depth: in how many calls it lies.
        inputs, outputs: shapes of what it was given and of what it returned.
        operations: what was recorded in it, but not in a call inside it.
    """

    module: Module
    parent: int | None
    depth: int
    inputs: Shapes
    outputs: Shapes = None
    operations: list[Operation] = field(default_factory=list[Operation])


def recorded_calls(model: Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Call]:
    """Call a model without computing anything; returns the calls inside, its own first, in their order.

    Raises:
        Exception: what ``forward`` raises, with a note that names the layer.
    """
    recorder = _Recorder()
    with ExitStack() as stack:
        stack.enter_context(no_grad())
        stack.enter_context(_nothing_computed())
        stack.enter_context(recorder)
        for module in model.modules():
            before = module.register_forward_pre_hook(recorder.enter, prepend=True, with_kwargs=True)
            stack.enter_context(before)
            stack.enter_context(module.register_forward_hook(recorder.leave, always_call=True))
        try:
            model(*args, **kwargs)
        except Exception as error:
            recorder.explain(error, model)
            raise
    return recorder.calls


class _Recorder:
    """Watches the pending graph while a model is called; its methods are hooks of all modules inside."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._open: list[int] = []
        self._seen = 0
        self._start: int | None = None
        self._failed: tuple[BaseException, Call] | None = None

    def __enter__(self) -> Self:
        self._start = self._seen = len(PENDING)
        WATCHERS.append(self._watch)
        return self

    def __exit__(self, *error: object) -> None:
        WATCHERS.remove(self._watch)
        if self._start is not None:
            del PENDING[self._start :]

    def enter(self, module: Module, args: Any, kwargs: Any) -> None:
        """A module is about to be called."""
        self._collect()
        parent = self._open[-1] if self._open else None
        self._open.append(len(self.calls))
        given = [*args, *kwargs.values()]
        self.calls.append(Call(module, parent, len(self._open) - 1, shapes_of(given)))

    def leave(self, module: Module, args: Any, output: Any) -> None:
        """A module has been called, or has raised an error."""
        self._collect()
        if not self._open or self.calls[self._open[-1]].module is not module:
            return  # a hook of all modules has raised before the call began
        call = self.calls[self._open.pop()]
        call.outputs = shapes_of(output)
        error = sys.exception()
        if error is not None and (self._failed is None or self._failed[0] is not error):
            self._failed = error, call

    def _collect(self) -> None:
        """What was recorded since the last look belongs to the innermost call."""
        self._add([node.operation for node in PENDING[self._seen :]])
        self._seen = len(PENDING)

    def _watch(self, operations: list[Operation | None], left: int) -> None:
        """The model has asked for a value, so something is run after all."""
        self._add(operations[self._seen :])
        self._seen, self._start = left, None

    def _add(self, operations: Sequence[Operation | None]) -> None:
        if self._open:
            self.calls[self._open[-1]].operations.extend([item for item in operations if item is not None])

    def explain(self, error: Exception, model: Module) -> None:
        """Say in which layer an error was raised."""
        if self._failed is not None and self._failed[0] is error:
            call = self._failed[1]
            path = next((path for path, module in model.named_modules() if module is call.module), "")
            where = f"layer '{path}' ({type(call.module).__name__})" if path else "the model's own forward"
            error.add_note(f"This was raised in {where}, which was given {call.inputs}.")


def shapes_of(value: Any) -> Shapes:
    """Shapes of the tensors in a structure; a single one is not put in a list."""
    if isinstance(value, Tensor):
        return tuple(value.shape)
    found: list[Shapes] = []
    if isinstance(value, Mapping):
        named = {key: shapes_of(item) for key, item in cast("Mapping[Any, Any]", value).items()}
        return {key: item for key, item in named.items() if item is not None} or None
    if isinstance(value, (list, tuple)):
        found.extend(item for item in map(shapes_of, cast("Sequence[Any]", value)) if item is not None)
    return found[0] if len(found) == 1 else found or None


@contextmanager
def _nothing_computed() -> Generator[None]:
    """Let the pending graph grow as long as it gets, even where every operation should be run at once."""
    before = config.eager, config.pending_limit
    config.eager, config.pending_limit = False, 1 << 62
    try:
        yield
    finally:
        config.eager, config.pending_limit = before


_CONTAINERS: tuple[Any, ...] = (dict, OrderedDict, list, set)


@contextmanager
def unchanged(model: Module) -> Generator[None]:
    """Put a model back, at the end of the ``with`` block, to what it was at its beginning.

    That is: the attributes of every module, the content of dictionaries, lists and sets among them (hooks are in
    such), values and gradients of every tensor they hold, and the default generator.
    """
    modules = [(module, type(module), dict(vars(module))) for module in model.modules()]
    values = [value for _, _, fields in modules for value in fields.values()]
    containers = [(item, item.copy()) for item in values if type(item) in _CONTAINERS]
    inside = [cast("Any", held.values() if isinstance(held, dict) else held) for _, held in containers]
    tensors = Snapshot(item for item in chain(values, *inside) if isinstance(item, Tensor))
    try:
        with fork_rng():
            yield
    finally:
        for module, kind, fields in modules:
            if type(module) is not kind:
                module.__class__ = kind
            vars(module).clear()
            vars(module).update(fields)
        for container, held in containers:
            container.clear()
            container.extend(held) if isinstance(held, list) else container.update(held)
        tensors.restore()
