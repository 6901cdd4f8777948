"""``summary``: a model's layers as a table: shapes, parameters, memory, and what a call costs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, cast

from flambeau.base.shapes import Size
from flambeau.devices.device import CPU, device
from flambeau.dtypes.kinds import dtype as Dtype
from flambeau.dtypes.kinds import get_default_dtype
from flambeau.inspection.recording import Call, Shapes, recorded_calls, unchanged
from flambeau.inspection.tables import as_html, as_text
from flambeau.nn.modules.module import Module
from flambeau.runtime.cost import flops
from flambeau.tensors.core import made
from flambeau.tensors.creation import zeros
from flambeau.tensors.tensor import Tensor

__all__ = ["Row", "Summary", "summary"]


@dataclass(frozen=True, slots=True)
class Row:
    """One call of a module, or a module that was not called.

    Attributes:
        path: where the module is in the model, such as ``"encoder.0"``; empty for the model itself.
        name: its class.
        depth: in how many other calls the call lies.
        input, output: shapes: a tuple for one tensor, a list or dictionary for several; None for none.
        parameters, trainable: number of elements of its parameters, with those of the modules inside it, and of those
            among them that require a gradient.
        bytes: memory of its parameters and buffers.
        flops: floating-point operations of the call, with those of the calls inside it; None if it was not called.
        again: whether the module has been called before, so that its parameters are in an earlier row.
    """

    path: str
    name: str
    depth: int
    input: Shapes
    output: Shapes
    parameters: int
    trainable: int
    bytes: int
    flops: int | None
    again: bool


@dataclass(frozen=True, slots=True)
class Summary:
    """What ``summary`` returns: a table when printed, and in a notebook.

    Attributes:
        rows: one for each call, in the order of the calls; then one for each module with parameters or buffers of its
            own that was not called.
        parameters, trainable, bytes: the model's; what is shared counts once.
        flops: those of one call of the model, with every call of a shared layer; None if it was not called.
        depth: down to which depth rows are shown; None for all.
    """

    rows: tuple[Row, ...]
    parameters: int
    trainable: int
    bytes: int
    flops: int | None
    depth: int | None = None

    def __str__(self) -> str:
        return as_text(_HEADS, self._lines(), _NUMBERS, self._notes())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return as_html(_HEADS, self._lines(), _NUMBERS, self._notes())

    def _lines(self) -> list[list[str]]:
        return [_cells(row) for row in self.rows if self.depth is None or row.depth <= self.depth]

    def _notes(self) -> list[str]:
        frozen = self.parameters - self.trainable
        notes = [f"Parameters: {self.parameters:,} ({self.trainable:,} trainable, {frozen:,} frozen)"]
        notes.append(f"Parameters and buffers: {self.bytes:,} bytes")
        return notes if self.flops is None else [*notes, f"FLOPs of one call: {self.flops:,}"]


_HEADS = ("Layer", "Class", "Input", "Output", "Parameters", "Trainable", "Bytes", "FLOPs")
_NUMBERS = 4


def _cells(row: Row) -> list[str]:
    """A row as texts."""
    counts = ["again", "", ""] if row.again else [f"{n:,}" for n in (row.parameters, row.trainable, row.bytes)]
    last = "not called" if row.flops is None else f"{row.flops:,}"
    shapes = ["" if item is None else str(item) for item in (row.input, row.output)]
    return ["  " * row.depth + (row.path or "(model)"), row.name, *shapes, *counts, last]


def summary(
    model: Module,
    *inputs: Any,
    kwargs: Mapping[str, Any] | None = None,
    dtype: Dtype | None = None,
    training: bool = False,
    depth: int | None = None,
) -> Summary:
    """A table of a model's layers: shapes, parameters, memory and floating-point operations.

    The model is called once, without computing anything: its operations are recorded, and each layer's own are counted
    as XLA counts them before it fuses or simplifies anything. A multiplication and an addition are two; functions
    such as ``exp`` are not counted. Only a model that asks for a value on its way (``item``, ``if tensor``) computes
    that value. Afterwards the model, its mode, hooks, buffers and gradients, and the generator are as before, also if
    ``forward`` raises.

    Args:
        model: the model; its own hooks run.
        inputs: what to call it with: tensors, shapes, structures of them, or anything else ``forward`` takes. Tuples
            and lists of whole numbers are shapes of tensors of zeros on the model's device. Without any inputs the
            model is not called, and its modules are listed.
        kwargs: arguments by name, likewise.
        dtype: data type of the tensors made from shapes; by default that of the model's parameters.
        training: whether it is called in training mode.
        depth: down to which depth layers are shown; the model is at 0.

    Returns:
        A ``Summary``: ``print`` it, or read its ``rows`` and totals.

    Raises:
        TypeError: ``model`` is no module.
        Exception: what ``forward`` raises; a note says in which layer.

    Example:
        >>> import flambeau as torch
        >>> model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 1))
        >>> print(torch.summary(model, (2, 3)))
        Layer    Class       Input   Output  Parameters  Trainable  Bytes  FLOPs
        ------------------------------------------------------------------------
        (model)  Sequential  (2, 3)  (2, 1)          21         21     84     74
          0      Linear      (2, 3)  (2, 4)          16         16     64     56
          1      Linear      (2, 4)  (2, 1)           5          5     20     18
        ------------------------------------------------------------------------
        Parameters: 21 (21 trainable, 0 frozen)
        Parameters and buffers: 84 bytes
        FLOPs of one call: 74
    """
    if not isinstance(model, Module):
        raise TypeError(f"summary() takes a module, but got {type(model).__name__}")
    calls: list[Call] = []
    with unchanged(model):
        if inputs or kwargs:
            given = _Inputs(model, dtype)
            model.train(training)
            calls = recorded_calls(model, [given.made(item) for item in inputs], given.made(kwargs or {}))
        rows = _rows(model, calls)
        return Summary(tuple(rows), *_sizes(model), rows[0].flops, depth)


class _Inputs:
    """Makes tensors for a model to be called with."""

    def __init__(self, model: Module, kind: Dtype | None) -> None:
        held = [item for item in chain(model.parameters(), model.buffers()) if item.is_floating_point()]
        self.place: device = held[0].device if held else CPU
        self.kind = kind or (held[0].dtype if held else get_default_dtype())

    def made(self, item: Any) -> Any:
        """What to call the model with in place of an input."""
        if isinstance(item, Tensor):
            if item.device.type == "meta" and self.place.type != "meta":
                return zeros(item.shape, dtype=item.dtype, device=self.place)
            return made(item.read())  # a cell of its own: the model may write into it
        if isinstance(item, Mapping):
            return {key: self.made(value) for key, value in cast("Mapping[Any, Any]", item).items()}
        if not isinstance(item, (tuple, list)):
            return item
        items = cast("Sequence[Any]", item)
        if isinstance(item, Size) or (items and all(type(size) is int for size in items)):  # a shape
            return zeros(tuple(items), dtype=self.kind, device=self.place)
        return type(items)([self.made(value) for value in items])  # pyright: ignore[reportCallIssue]  # of list or tuple


def _rows(model: Module, calls: Sequence[Call]) -> list[Row]:
    """Rows of all calls, then of the modules that were not called; of all modules if there was no call."""
    paths = {module: path for path, module in model.named_modules()}
    costs = [sum(map(flops, call.operations)) for call in calls]
    for index in reversed(range(len(calls))):
        parent = calls[index].parent
        if parent is not None:
            costs[parent] += costs[index]
    seen: set[Module] = set()
    rows: list[Row] = []
    for call, cost in zip(calls, costs, strict=True):
        path = paths.get(call.module, "?")
        rows.append(_row(path, call.module, call.depth, call.inputs, call.outputs, cost, call.module in seen))
        seen.add(call.module)
    for path, module in model.named_modules():
        if module not in seen and (not calls or _holds_own(module)):
            rows.append(_row(path, module, path.count(".") + bool(path), None, None, None, False))
    return rows


def _row(path: str, module: Module, depth: int, inputs: Shapes, outputs: Shapes, cost: int | None, again: bool) -> Row:
    return Row(path, type(module).__name__, depth, inputs, outputs, *_sizes(module), cost, again)


def _holds_own(module: Module) -> bool:
    """Whether a module has parameters or buffers itself, not only in its children."""
    own = chain(module.parameters(recurse=False), module.buffers(recurse=False))
    return next(own, None) is not None


def _sizes(module: Module) -> tuple[int, int, int]:
    """Number of elements of a module's parameters, and of the trainable ones; bytes of its parameters and buffers."""
    parameters = list(module.parameters())
    trained = sum(_numel(item) for item in parameters if item.requires_grad)
    held: Iterable[Tensor] = chain(parameters, module.buffers())
    return sum(map(_numel, parameters)), trained, sum(_numel(item) * item.itemsize for item in held)


def _numel(tensor: Tensor) -> int:
    """Number of elements; none where a lazy layer's shape is still unknown."""
    try:
        return tensor.numel()
    except RuntimeError:
        return 0
