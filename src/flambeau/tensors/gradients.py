"""Gradients: what ``Tensor`` knows of the tape, and ``backward`` and ``grad``."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from flambeau.base.hooks import RemovableHandle
from flambeau.differentiation.batching import Batch
from flambeau.differentiation.differentiate import differentiate
from flambeau.differentiation.modes import MODE
from flambeau.differentiation.tape import Edge, GradFn, Tracked, Versioned, taped
from flambeau.graph.node import Aval
from flambeau.graph.record import record
from flambeau.primitives.creation import full
from flambeau.primitives.pointwise import add
from flambeau.tensors.core import Core, made

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["Gradients", "backward", "grad"]

_OTHER_TYPE = (
    "attempting to assign a gradient with dtype '{}' to a tensor with grad_dtype '{}'. The gradient must match the "
    "tensor's grad_dtype (defaults to the tensor's dtype). You can set the tensor's grad_dtype attribute with a "
    "specific dtype, or None to allow any dtype. Set grad_dtype with caution. Diverging the dtypes of a tensor and its "
    "gradient may break downstream systems that assume they match."
)


class Gradients(Core):
    """What a tensor has to do with the tape."""

    @property
    def requires_grad(self) -> bool:
        """Whether operations on the tensor are taped.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.requires_grad.html
        """
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> "Tensor":
        """Say whether operations on the tensor are taped; returns the tensor.

        Raises:
            RuntimeError: whole numbers cannot have gradients; a result of a taped operation cannot stop having one.
        """
        if requires_grad and not (self.dtype.is_floating_point or self.dtype.is_complex):
            raise RuntimeError("only Tensors of floating point dtype can require gradients")
        if not requires_grad and self._grad_fn is not None:
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in "
                "a subgraph that doesn't require differentiation use var_no_grad = var.detach()."
            )
        if requires_grad and self._inference and not MODE.inference:
            raise RuntimeError("Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.")
        self._requires_grad = bool(requires_grad)
        return cast("Tensor", self)

    @property
    def grad_fn(self) -> GradFn | None:
        """The taped operation that made the tensor; None for leaves."""
        if self._steps is not None and self._seen != self._storage.version:
            self._current()
        return self._grad_fn

    @property
    def is_leaf(self) -> bool:
        """Whether the tensor was made by the user, not by a taped operation."""
        return self._grad_fn is None or self._grad_fn.is_leaf

    @property
    def output_nr(self) -> int:
        """Which result of its ``grad_fn`` the tensor is."""
        return self._output_nr

    @property
    def grad(self) -> "Tensor | None":
        """Gradient gathered by ``backward``; None before."""
        return self._grad

    @grad.setter
    def grad(self, value: "Tensor | None") -> None:
        if value is not None:
            if not isinstance(value, Core):  # pyright: ignore[reportUnnecessaryIsInstance]  # users pass anything
                raise TypeError(
                    f"assigned grad expected to be a Tensor or None but got grad of type {type(value).__name__}"
                )
            if value.shape != self.shape:
                raise RuntimeError(
                    f"attempting to assign a gradient of size '{list(value.shape)}' to a tensor of size "
                    f"'{list(self.shape)}'. Please ensure that the gradient and the tensor are the same size"
                )
            if value.dtype is not self.dtype:
                raise RuntimeError(_OTHER_TYPE.format(value.dtype.cpp_name, self.dtype.tensor_type[:-6]))
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    @property
    def data(self) -> "Tensor":
        """The same elements off the tape; assigning makes the tensor show another's elements."""
        return self.alias()

    @data.setter
    def data(self, value: "Tensor") -> None:
        self.take_storage(value)

    @property
    def _version(self) -> int:
        """Number of writes to the storage so far."""
        return self._storage.version

    def is_inference(self) -> bool:
        """Whether the tensor was made in inference mode."""
        return self._inference

    def detach(self) -> "Tensor":
        """The same elements, off the tape.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.detach.html
        """
        return self.alias()

    def detach_(self) -> "Tensor":
        """Take the tensor itself off the tape."""
        if self._base is not None:
            raise RuntimeError("Can't detach views in-place. Use detach() instead.")
        self._grad_fn = None
        self._output_nr = 0
        self._requires_grad = False
        return cast("Tensor", self)

    def _is_view(self) -> bool:
        return self._base is not None

    def guard(self) -> tuple[Versioned, int, Aval]:
        """What must not be written if the tensor's present value is to be read later: a storage and its version."""
        return self._storage, self._storage.version, self.aval

    def tape_at(self, edge: Edge, fixed: str | None = None) -> "Tensor":
        """Have the tensor's gradient go to a place on the tape, whatever it was made from; returns the tensor.

        Args:
            edge: the place.
            fixed: text of the error that writing the tensor in place raises; None where it may be written.
        """
        self._grad_fn, self._output_nr = edge
        self._requires_grad = True
        self._base, self._own_steps = None, ()
        self._fixed = fixed
        return cast("Tensor", self)

    def backward(
        self,
        gradient: "Tensor | None" = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: "Sequence[Tensor] | Tensor | None" = None,
    ) -> None:
        """Add this tensor's gradient to ``.grad`` of the leaves it was made from.

        Args:
            gradient: gradient of this tensor; may be left out for a single element.
            retain_graph: keep what the tape saved, for another backward. Default: ``create_graph``.
            create_graph: tape the gradients' own computation, for higher derivatives.
            inputs: leaves whose ``.grad`` is wanted; all by default.

        Raises:
            RuntimeError: the tensor has no tape, has several elements and no ``gradient``, or the tape was freed.

        Example:
            >>> import flambeau as torch
            >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
            >>> (x * x).sum().backward()
            >>> x.grad
            tensor([2., 4.])

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.backward.html
        """
        backward((cast("Tensor", self),), None if gradient is None else (gradient,), retain_graph, create_graph, inputs)

    def accumulate(self, gradient: Tracked) -> None:
        """Add a gradient to ``.grad``, after the tensor's own hooks."""
        if self._leaf_hooks:
            gradient = self.hooked(gradient)
        held = self._grad
        if held is None:
            self._grad = made(gradient.node, gradient.edge)
        elif gradient.edge is None and not held._requires_grad:
            held.write(Tracked(record(add, (held.read(), gradient.node)), None))
        else:
            self._grad = made(*taped(add, (Tracked(held.read(), held.edge()), gradient))[0])
        if "_post_accumulate_hooks" in self.__dict__:
            for hook in list(self.__dict__["_post_accumulate_hooks"].values()):
                hook(self)

    def hooked(self, gradient: Tracked) -> Tracked:
        """A gradient after the tensor's hooks."""
        for hook in list((self._leaf_hooks or {}).values()):
            gradient = _on_tracked(hook)(gradient) or gradient
        return gradient

    def register_hook(self, hook: "Callable[[Tensor], Tensor | None]") -> RemovableHandle:
        """Call ``hook`` with the tensor's gradient whenever it is computed; what it returns takes its place.

        Raises:
            RuntimeError: the tensor does not require a gradient.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.register_hook.html
        """
        if not self._requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        function = self.grad_fn
        if function is None:
            if self._leaf_hooks is None:
                self._leaf_hooks = {}
            handle = RemovableHandle(self._leaf_hooks)
            self._leaf_hooks[handle.id] = hook
            return handle
        hooks = _hooks_of(function, self._output_nr)
        handle = RemovableHandle(hooks)
        hooks[handle.id] = _on_tracked(hook)
        for number in [number for number in hooks if number < 0]:
            hooks[number] = hooks.pop(number)  # what retains a gradient comes after all that may change it
        return handle

    def register_post_accumulate_grad_hook(self, hook: "Callable[[Tensor], None]") -> RemovableHandle:
        """Call ``hook`` with the leaf each time its ``.grad`` has been added to.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.register_post_accumulate_grad_hook.html
        """
        if not self._requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if self._grad_fn is not None:
            raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
        hooks = self.__dict__.setdefault("_post_accumulate_hooks", {})
        handle = RemovableHandle(hooks)
        hooks[handle.id] = hook
        return handle

    @property
    def _backward_hooks(self) -> "dict[int, Callable[[Tensor], Tensor | None]] | None":
        """The hooks of a leaf; None before the first."""
        return self._leaf_hooks

    def retain_grad(self) -> None:
        """Have ``backward`` fill ``.grad`` of a tensor that is no leaf.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.retain_grad.html
        """
        if not self._requires_grad:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        function = self.grad_fn
        if function is None or self.__dict__.get("_retains", False):
            return
        self.__dict__["_retains"] = True

        def keep(gradient: Tracked) -> None:
            self._grad = made(*gradient)

        _hooks_of(function, self._output_nr)[-id(self)] = keep

    @property
    def retains_grad(self) -> bool:
        """Whether ``backward`` fills ``.grad`` of this tensor, which is no leaf."""
        return bool(self.__dict__.get("_retains", False))


def _hooks_of(function: GradFn, index: int) -> dict[int, Any]:
    """The hooks on one result of a taped operation."""
    if function.hooks is None:
        function.hooks = {}
    return function.hooks.setdefault(index, {})


def _on_tracked(hook: "Callable[[Tensor], Tensor | None]") -> Callable[[Tracked], Tracked | None]:
    """A user's hook as the tape calls it."""

    def call_hook(gradient: Tracked) -> Tracked | None:
        replaced = hook(made(*gradient))
        if replaced is None:
            return None
        _check_replaced(hook, gradient.node.aval, replaced)
        return Tracked(replaced.read(), replaced.edge())

    return call_hook


def _check_replaced(hook: Any, before: Any, after: Any) -> None:
    """Raise TypeError or RuntimeError, in PyTorch's words, if a hook may not put this in a gradient's place."""
    if not isinstance(after, Core):
        raise TypeError(f"expected Variable, but hook returned '{type(after).__name__}'")
    name = getattr(hook, "__name__", "<unknown>")
    if after.dtype is not before.dtype:
        kinds = [f"torch.{kind.tensor_type}" for kind in (before.dtype, after.dtype)]
        raise RuntimeError(f"hook '{name}' has changed the type of value (was {kinds[0]} got {kinds[1]})")
    if tuple(after.shape) != before.shape:
        raise RuntimeError(f"hook '{name}' has changed the size of value")


def _root_gradients(tensors: "Sequence[Tensor]", given: "Sequence[Tensor | None] | None") -> list[tuple[Edge, Tracked]]:
    """Where to start a walk; raises RuntimeError in PyTorch's words."""
    roots: list[tuple[Edge, Tracked]] = []
    for index, tensor in enumerate(tensors):
        edge = tensor.edge()
        if edge is None:
            raise RuntimeError(f"element {index} of tensors does not require grad and does not have a grad_fn")
        gradient = given[index] if given is not None else None
        if gradient is None:
            if tensor.numel() != 1:
                raise RuntimeError("grad can be implicitly created only for scalar outputs")
            aval = tensor.aval
            roots.append((edge, Tracked(record(full, (1.0,), (aval.shape, aval.dtype, aval.device)), None)))
            continue
        if gradient.shape != tensor.shape:
            message = f"Mismatch in shape: grad_output[{index}] has a shape of {gradient.shape} and output[{index}] "
            raise RuntimeError(f"{message}has a shape of {tensor.shape}.")
        roots.append((edge, Tracked(gradient.read(), gradient.edge())))
    return roots


def backward(
    tensors: "Sequence[Tensor] | Tensor",
    grad_tensors: "Sequence[Tensor | None] | Tensor | None" = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: "Sequence[Tensor] | Tensor | None" = None,
) -> None:
    """Add the gradients of ``tensors`` to ``.grad`` of the leaves they were made from; see ``Tensor.backward``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.backward.html
    """
    roots = _root_gradients(_several(tensors), None if grad_tensors is None else _several(grad_tensors))
    targets: list[Edge] | None = None
    if inputs is not None:
        chosen = _several(inputs)
        if not chosen:
            raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
        targets = [_edge_of(tensor) for tensor in chosen]
    found = differentiate(
        roots,
        targets=targets,
        retain=create_graph if retain_graph is None else retain_graph,
        create=create_graph,
        accumulate=True,
    )
    before = MODE.grad
    MODE.grad = create_graph
    try:
        for tensor in _several(inputs) if inputs is not None else ():
            if tensor.grad_fn is not None and tensor.edge() in found:
                tensor.accumulate(found[_edge_of(tensor)])
    finally:
        MODE.grad = before


def grad(
    outputs: "Sequence[Tensor] | Tensor",
    inputs: "Sequence[Tensor] | Tensor",
    grad_outputs: "Sequence[Tensor | None] | Tensor | None" = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> "tuple[Tensor | None, ...]":
    """Gradients of ``outputs`` with respect to ``inputs``, without touching ``.grad``.

    Args:
        outputs: where to start.
        inputs: tensors whose gradients are wanted.
        grad_outputs: gradients of the outputs; may be left out for single elements.
        retain_graph, create_graph: as for ``Tensor.backward``.
        allow_unused: give None for an input that the outputs do not depend on, instead of raising.
        is_grads_batched: whether each of ``grad_outputs`` has another dimension in front, for many walks at once.
        materialize_grads: give zeros for such an input.

    Raises:
        RuntimeError: an input was not used and ``allow_unused`` is not set; the tape was freed.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.grad.html
    """
    if is_grads_batched:
        options = (retain_graph, create_graph, allow_unused, False, materialize_grads)
        return _batched_grad(grad_outputs, lambda rows: grad(outputs, inputs, rows, *options))
    roots = _root_gradients(_several(outputs), None if grad_outputs is None else _several(grad_outputs))
    chosen = _several(inputs)
    targets = [_edge_of(tensor) for tensor in chosen]
    found = differentiate(
        roots, targets=targets, retain=create_graph if retain_graph is None else retain_graph, create=create_graph
    )
    results: list[Tensor | None] = [made(*found[edge]) if edge in found else None for edge in targets]
    unused = [index for index, item in enumerate(results) if item is None]
    if unused and not (allow_unused or materialize_grads):
        raise RuntimeError(
            f"The differentiated Tensor at index {unused[0]} appears to not have been used in the graph. Set "
            "allow_unused=True if this is the desired behavior."
        )
    if materialize_grads:
        results = [_zeros_like(t) if r is None else r for t, r in zip(chosen, results, strict=True)]
    return tuple(results)


def _batched_grad(
    given: "Any", one: "Callable[[list[Tensor]], tuple[Tensor | None, ...]]"
) -> "tuple[Tensor | None, ...]":
    """Gradients for every row of the outputs' gradients, of a walk recorded for one row."""
    rows: list[Tensor | None] = [None] if given is None else list(_several(given))
    tracked = [Tracked(item.read(), item.edge()) for item in rows if item is not None]
    if len(tracked) < len(rows):
        raise RuntimeError("is_grads_batched=True needs every one of grad_outputs, with the batch in front")
    batch = Batch(tracked[0].node.aval.shape[0])
    examples = [made(*batch.example(item, 0)) for item in tracked]
    with batch.running():
        found = one(examples)
    present = [item for item in found if item is not None]
    wholes = iter(batch.whole([Tracked(item.read(), item.edge()) for item in present], [0] * len(present)))
    return tuple([None if item is None else made(*next(wholes)) for item in found])


def _zeros_like(tensor: "Tensor") -> "Tensor":
    aval = tensor.aval
    return made(record(full, (0.0,), (aval.shape, aval.dtype, aval.device)))


def _edge_of(tensor: "Tensor") -> Edge:
    """A differentiated tensor's place on the tape; raises RuntimeError if it has none."""
    edge = tensor.edge()
    if edge is None:
        raise RuntimeError("One of the differentiated Tensors does not require grad")
    return edge


def _several(tensors: Any) -> Any:
    return (tensors,) if isinstance(tensors, Core) else tuple(tensors)
