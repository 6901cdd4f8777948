"""``Core``: what every tensor is made of: a storage cell, a chain of views of it, and a place on the tape.

A storage cell points at the node of its present value; writing in place points it at another node. A view is the same
cell and a chain of steps; it is read by replaying the steps and written by putting the new elements back through them.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from flambeau.base.config import config
from flambeau.base.shapes import Size, contiguous_strides
from flambeau.devices.device import device
from flambeau.differentiation.batching import note_made, refuse_shared
from flambeau.differentiation.modes import MODE
from flambeau.differentiation.tape import (
    REGENERATED,
    Edge,
    GradFn,
    Guard,
    Tracked,
    labeled,
    tape,
    tape_with_residuals,
    taped,
)
from flambeau.dtypes.kinds import dtype
from flambeau.dtypes.promotion import can_cast
from flambeau.graph.node import Aval, Node, leaf
from flambeau.graph.record import MAPPING, PENDING, record, record_on, settle
from flambeau.primitives import pointwise
from flambeau.primitives.movement import View, basic_subscript, chained, write_view
from flambeau.primitives.primitive import Primitive, picks

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = [
    "CASTING",
    "Core",
    "Storage",
    "call",
    "call_in_place",
    "call_view",
    "kind_name",
    "made",
    "operand",
    "operands",
    "wrap_array",
]

# What autocast does to the inputs of an operation; empty while no thread is inside ``autocast``.
CASTING: list[Callable[[str, Sequence[Any], tuple[Any, ...]], Sequence[Any]]] = []


class Storage:
    """A cell that holds the present value of a tensor and of every view of it.

    Attributes:
        node: the present value.
        version: number of writes so far.
        writer: name of the last function on the tape that wrote it, and which of its results that was; if any did.
    """

    __slots__ = ("__weakref__", "node", "version", "writer")

    writer: tuple[str, int] | None

    def __init__(self, node: Node) -> None:
        self.node = node
        self.version = 0


class Core:
    """State and plumbing of ``Tensor``; the methods people call are in the families beside this file."""

    # Defaults stand on the class, so that making a tensor sets one attribute only.
    _storage: Storage
    _steps: tuple[View, ...] | None = None  # from the storage's whole value to this tensor; None: all of it
    _node: Node | None = None  # a view's own value as of version _seen
    _seen: int = 0
    _base: "Core | None" = None  # the tensor that this one is a differentiable view of
    _own_steps: tuple[View, ...] = ()  # from _base to this tensor
    _requires_grad: bool = False
    _grad: "Tensor | None" = None
    _grad_dtype: tuple[Any] | None = None  # the type of _grad, (None,) for any; None: the tensor's own
    _grad_fn: GradFn | None = None
    _output_nr: int = 0
    _leaf_hooks: dict[int, Callable[..., Any]] | None = None
    _post_accumulate_hooks: dict[int, Callable[..., Any]] | None = None
    _inference: bool = False
    _fixed: str | None = None  # why the tensor may not be written in place

    kind: ClassVar[type[Any]]  # the class of results: Tensor

    # -- reading -------------------------------------------------------------------------------------------------

    def read(self) -> Node:
        """The node of the tensor's present value."""
        return self._storage.node if self._steps is None else self._current()

    def _current(self) -> Node:
        """A view's node, replayed if the storage was written since."""
        storage = self._storage
        if self._seen != storage.version or self._node is None:
            base, steps = self._origin(), self._steps
            if base is not None:
                steps = self._own_steps
                tracked = Tracked(base.read(), base.edge())
            else:
                tracked = Tracked(storage.node, None)
            assert steps is not None
            for view, static, numbers in steps:
                tracked = taped(view, (tracked, *numbers), static)[0]
            self._node = tracked.node
            self._seen = storage.version
            if tracked.edge is not None:
                self._grad_fn, self._output_nr = tracked.edge
                self._requires_grad = True
        return self._node

    def _origin(self) -> "Core | None":
        """The tensor this one is a view of; what it was before, if ``unsqueeze_`` or the like has turned it since."""
        base = self._base
        return base if base is None or base._base is None else base._base

    def turn(self, look: "Callable[[Any], Tensor]") -> "Tensor":
        """Become a view of what the tensor was so far: ``unsqueeze_``, ``t_`` and the like."""
        self.check_writable()
        before = cast("Tensor", object.__new__(type(self)))
        before.__dict__.update(self.__dict__)
        self.__dict__.update(look(before).__dict__)
        return cast("Tensor", self)

    def edge(self) -> Edge | None:
        """Where the tensor's gradient goes, or None."""
        if not self._requires_grad:
            return None
        if self._steps is not None and self._seen != self._storage.version:
            self._current()
        return (self, 0) if self._grad_fn is None else (self._grad_fn, self._output_nr)

    @property
    def aval(self) -> Aval:
        """Shape, data type and device."""
        return self._storage.node.aval if self._steps is None else self._current().aval

    @property
    def shape(self) -> Size:
        """Size of every dimension."""
        return self.aval.shape

    @property
    def dtype(self) -> dtype:
        """Data type of the elements."""
        return self.aval.dtype

    @property
    def device(self) -> device:
        """Device the values are on."""
        return self.aval.device

    # -- writing -------------------------------------------------------------------------------------------------

    def write(self, tracked: Tracked) -> None:
        """Replace the tensor's elements, and those of everything that shares them; same shape and type."""
        storage = self._storage
        if tracked.node.aval.mapped and not storage.node.aval.mapped:
            refuse_shared(storage.node)
        base = self._origin()
        if not self._steps:
            storage.node = tracked.node
            storage.version += 1
        elif base is not None:
            place = base.edge() if MODE.grad else None
            chain, numbers = chained(self._own_steps)
            base.write(taped(write_view, (Tracked(base.read(), place), tracked, *numbers), (chain,))[0])
            if MODE.grad and base._grad_fn is not None:
                self._requires_grad = True
            return
        else:
            chain, numbers = chained(self._steps)
            storage.node = record(write_view, (storage.node, tracked.node, *numbers), (chain,))
            storage.version += 1
            self._node, self._seen = tracked.node, storage.version
        if MODE.grad:
            if tracked.edge is not None:
                self._grad_fn, self._output_nr = tracked.edge
                self._requires_grad = True
                storage.writer = labeled(tracked.edge)
            elif not (self._requires_grad and self._grad_fn is None):
                self._grad_fn = None
                self._requires_grad = False

    def check_writable(self) -> None:
        """Raise RuntimeError, in PyTorch's words, where writing in place would break the tape."""
        if not MODE.grad:
            return
        if self._inference and not MODE.inference:
            raise RuntimeError(
                "Inplace update to inference tensor outside InferenceMode is not allowed.You can make a clone to get a "
                "normal tensor before doing inplace update."
            )
        if self._fixed is not None:
            raise RuntimeError(self._fixed)
        if self._requires_grad and (self._grad_fn is None or self._grad_fn.is_leaf):
            raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
        base = self._origin()
        if base is not None and base._requires_grad and base._grad_fn is None:
            raise RuntimeError("a view of a leaf Variable that requires grad is being used in an in-place operation.")

    def alias(self) -> "Tensor":
        """The same elements, off the tape."""
        result: Tensor = object.__new__(self.kind)
        result._storage = self._storage
        if self._steps is not None:
            result._steps = self._steps
            result._node = self._current()
            result._seen = self._seen
        if self._inference:
            result._inference = True
        return result

    def take_storage(self, other: "Core") -> None:
        """Show another tensor's elements from now on (what assigning ``.data`` does)."""
        self._storage = other._storage
        self._steps, self._node, self._seen = other._steps, other._node, other._seen
        self._base, self._own_steps = None, ()

    # -- geometry ------------------------------------------------------------------------------------------------

    def geometry(self) -> tuple[int, tuple[int, ...]]:
        """Offset and strides, in elements, with which PyTorch would show this tensor's storage."""
        steps = self._steps
        if not steps:
            return 0, contiguous_strides(self.shape)
        return strided(self._storage.node.aval.shape, steps)


def strided(shape: tuple[int, ...], steps: Sequence[View]) -> tuple[int, tuple[int, ...]]:
    """Offset and strides of a chain of views of a row-major tensor.

    Found by showing the views where each element lies: one probe along every axis.
    """
    numel = int(np.prod(shape))
    positions = np.lib.stride_tricks.as_strided(np.zeros(1, np.int8), shape, contiguous_strides(shape))
    view: Any = positions
    for primitive, static, numbers in steps:
        view = _NUMPY_VIEWS[primitive.name](view, *numbers, *static)
    start = positions.__array_interface__["data"][0]
    offset = view.__array_interface__["data"][0] - start if numel else 0
    return offset, tuple(view.strides)


def _numpy_index(x: Any, *arguments: Any) -> Any:
    return x[(*basic_subscript(arguments[-1], arguments[:-1]), Ellipsis)]


def _numpy_unfold(x: Any, axis: int, size: int, step: int) -> Any:
    windows = np.lib.stride_tricks.sliding_window_view(x, size, axis)
    return windows[(slice(None),) * axis + (slice(None, None, step),)]


def _numpy_as_strided(x: Any, shape: tuple[int, ...], strides: tuple[int, ...], offset: int) -> Any:
    storage = np.lib.stride_tricks.as_strided(x, (offset + 1,), (1,))
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, strides)


# The views once more, in NumPy, which keeps strides.
_NUMPY_VIEWS: dict[str, Callable[..., Any]] = {
    "alias": lambda x: x,
    "reshape": lambda x, shape: x.reshape(shape),
    "permute": lambda x, axes: x.transpose(axes),
    "expand": np.broadcast_to,
    "basic_index": _numpy_index,
    "diagonal": np.diagonal,
    "unfold": _numpy_unfold,
    "as_strided": _numpy_as_strided,
}


# -- making tensors ------------------------------------------------------------------------------------------------


def made(node: Node, edge: Edge | None = None) -> "Tensor":
    """A new tensor that shows a node."""
    result: Tensor = object.__new__(Core.kind)
    result._storage = Storage(node)
    if edge is not None:
        result._grad_fn, result._output_nr = edge
        result._requires_grad = True
    if MODE.inference:
        result._inference = True
    return result


def wrap_array(array: Any, kind: dtype, place: device) -> "Tensor":
    """A new tensor of values known from the start: an array nobody else writes to."""
    node = leaf(array, Aval.of(tuple(array.shape), kind, place))
    if MAPPING:
        note_made(node)
    return made(node)


class OperandError(TypeError):
    """A value that is neither a tensor nor a number; an operator leaves it to the other side."""

    def __init__(self, value: Any) -> None:
        super().__init__(f"unsupported operand: expected a Tensor or a number, but got {type(value).__name__}")
        self.value = value


def operand(value: Any) -> Any:
    """An argument as ``call`` takes it: tensors and Python numbers stay, NumPy's scalars become Python's."""
    if isinstance(value, Core):
        return value
    if isinstance(value, np.generic):  # before numbers: NumPy's float64 is a float, too
        return cast("Any", value.item())
    if isinstance(value, (float, int, complex)):
        return value
    raise OperandError(value)


def kind_name(value: Any) -> str:
    """The name of a value's class, as PyTorch's messages have it."""
    kind = cast("type[Any]", type(value))
    return f"numpy.{kind.__name__}" if kind.__module__ == "numpy" else kind.__name__


def operands(name: str, *inputs: Any) -> Sequence[Any]:
    """The inputs of a function of several primitives, in the types in which autocast runs it; see ``amp.lists``."""
    return CASTING[0](name, inputs, ()) if CASTING else inputs


# -- calling primitives --------------------------------------------------------------------------------------------


def call(primitive: Primitive, inputs: Sequence[Any], static: tuple[Any, ...] = (), *, casting: bool = True) -> Any:
    """Record a primitive on tensors and Python numbers; returns a new tensor, or a tuple of them.

    Args:
        primitive: what to compute.
        inputs: tensors, and Python numbers (which are inputs of the program, not part of it).
        static: arguments that are part of the formula.
        casting: whether autocast may change the inputs' types.
    """
    if config.eager or len(PENDING) >= config.pending_limit:
        settle()
    if CASTING and casting:
        inputs = CASTING[0](primitive.name, inputs, static)
    if len(inputs) == 2:  # as most operations have: the loop below, written out, for a tenth of the time
        one, other = inputs
        if isinstance(one, Core):
            first = one._storage.node if one._steps is None else one._current()
            aval, grad = first.aval, one._requires_grad
        else:
            first, aval, grad = one, one.__class__, False
        if isinstance(other, Core):
            second = other._storage.node if other._steps is None else other._current()
            avals = (aval, second.aval)
            grad = grad or other._requires_grad
        else:
            second, avals = other, (aval, other.__class__)
        values: tuple[Any, ...] = (first, second)
    else:
        nodes: list[Any] = []
        kinds: list[Any] = []
        grad = False
        for item in inputs:
            if isinstance(item, Core):
                node = item._storage.node if item._steps is None else item._current()
                nodes.append(node)
                kinds.append(node.aval)
                if item._requires_grad:
                    grad = True
            else:
                nodes.append(item)
                kinds.append(type(item))
        values, avals = (*nodes,), (*kinds,)
    node = record_on(primitive, values, static, avals)
    if grad and MODE.grad and primitive.differentiable:
        return _tracked(primitive, inputs, values, node)
    if type(node.aval) is tuple:
        return _several(picks(node), None)
    result: Tensor = object.__new__(Core.kind)
    result._storage = Storage(node)
    if MODE.inference:
        result._inference = True
    return result


def _tracked(primitive: Primitive, inputs: Sequence[Any], values: tuple[Any, ...], node: Node) -> Any:
    """Results, with their place on the tape, of an operation just recorded."""
    if primitive.residuals:
        return _with_residuals(node, inputs, values)
    function = _on_tape(primitive, inputs, values, node)
    aval = node.aval
    if type(aval) is tuple:
        results = _several(picks(node), function)
        if primitive.checks == "output":
            name = primitive.grad_name
            function.guards = tuple([(item._storage, 0, item.aval, (name, at)) for at, item in enumerate(results)])
        return results
    result: Tensor = object.__new__(Core.kind)
    result._storage = Storage(node)
    if _carries(aval):
        result._grad_fn = function
        result._requires_grad = True
        if primitive.checks == "output":
            function.guards = ((result._storage, 0, aval, (primitive.grad_name, 0)),)
    if MODE.inference:
        result._inference = True
    return result


def _several(parts: Sequence[Node], function: GradFn | None) -> "tuple[Tensor, ...]":
    """Tensors of an operation's results."""
    return tuple(
        [
            made(part, None if function is None or not _carries(part.aval) else (function, index))
            for index, part in enumerate(parts)
        ]
    )


def _with_residuals(node: Node, inputs: Sequence[Any], values: tuple[Any, ...]) -> Any:
    """Results of an operation just recorded, recorded anew so that it leaves residuals for its gradient."""
    assert node.operation is not None
    edges = [item.edge() if isinstance(item, Core) else None for item in inputs]
    function, parts = tape_with_residuals(node.operation, values, edges)
    results = _several(parts, function)
    return results if isinstance(node.aval, tuple) else results[0]


def _carries(aval: Aval) -> bool:
    """Whether values of this type can have gradients."""
    return aval.dtype.is_floating_point or aval.dtype.is_complex


_INFERRED = (
    "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode in "
    "computation tracked by autograd. To work around this, you can make a clone to get a normal tensor and use it in "
    "autograd, or use `torch.no_grad()` instead of `torch.inference_mode()`."
)


def _on_tape(primitive: Primitive, inputs: Sequence[Any], values: tuple[Any, ...], node: Node) -> GradFn:
    """Tape a recorded operation, with guards on the tensors PyTorch would keep for backward."""
    edges = [item.edge() if isinstance(item, Core) else None for item in inputs]
    operation = node.operation
    assert operation is not None
    function = tape(operation, values, edges)
    checks = primitive.checks
    saves = primitive.saves
    if checks != "output" and saves != ():
        tracked = len(edges) - edges.count(None)
        if checks == "others" and saves is not None:
            tracked = sum([edges[at] is not None for at in saves])
        guards: list[Guard] = []
        for index, item in enumerate(inputs):
            if (
                isinstance(item, Core)
                and (saves is None or index in saves)
                and (checks != "others" or tracked > (edges[index] is not None))
            ):
                if item._inference:
                    raise RuntimeError(_INFERRED)
                storage, edge = item._storage, edges[index]
                source = edge if item._steps is None or edge is None else REGENERATED
                guards.append((storage, storage.version, values[index].aval, source))
        function.guards = guards
    return function


def call_view(view: Primitive, tensor: Core, static: tuple[Any, ...], numbers: tuple[int, ...] = ()) -> "Tensor":
    """A view of a tensor: the same storage, one more step; ``numbers`` (positions) are inputs of the program."""
    if config.eager or len(PENDING) >= config.pending_limit:
        settle()
    source = tensor.read()
    node = record(view, (source, *numbers), static)
    result = cast("Tensor", object.__new__(Core.kind))
    step = ((view, static, numbers),)
    result._storage = tensor._storage
    result._steps = step if tensor._steps is None else tensor._steps + step
    result._node = node
    result._seen = tensor._storage.version
    base = tensor._base
    if base is None:
        result._base, result._own_steps = tensor, step
    else:
        result._base, result._own_steps = base, tensor._own_steps + step
    if tensor._requires_grad and MODE.grad:
        assert node.operation is not None
        result._grad_fn = tape(node.operation, (source, *numbers), (tensor.edge(), *[None] * len(numbers)))
        result._requires_grad = True
    if tensor._inference:
        result._inference = True
    return result


def call_in_place(tensor: Core, primitive: Primitive, inputs: Sequence[Any], static: tuple[Any, ...] = ()) -> "Tensor":
    """Record a primitive and write its result into ``tensor``, which keeps its shape and type.

    Raises:
        RuntimeError: the result does not fit (shape or type), or the tensor may not be written (see the tape).
    """
    tensor.check_writable()
    result = call(primitive, inputs, static, casting=False)
    own = tensor.aval
    new = result.aval
    if new.shape != own.shape:
        message = f"output with shape {list(own.shape)} doesn't match the broadcast shape {list(new.shape)}"
        raise RuntimeError(message)
    if new.dtype is not own.dtype:
        if not can_cast(new.dtype, own.dtype):
            names = [kind.tensor_type.removesuffix("Tensor") for kind in (new.dtype, own.dtype)]
            raise RuntimeError(f"result type {names[0]} can't be cast to the desired output type {names[1]}")
        result = call(pointwise.cast, (result,), (own.dtype,))
    tensor.write(Tracked(result.read(), result.edge()))
    if result._grad_fn is not None:
        _guard_written(result._grad_fn, tensor._storage, result._storage)
    return cast("Tensor", tensor)


def _guard_written(function: GradFn, storage: Storage, result: Storage) -> None:
    """Guards of an operation in place: what it read of its target is kept by the tape, what it wrote is watched."""
    function.guards = [
        (storage, storage.version, aval, source) if held is result else (held, version, aval, source)
        for held, version, aval, source in function.guards
        if held is not storage
    ]
