"""Gradients: what ``Tensor`` knows of the tape."""

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from flambeau.base.hooks import RemovableHandle
from flambeau.differentiation.modes import MODE
from flambeau.differentiation.tape import REGENERATED, Edge, GradFn, Guard, Tracked, taped
from flambeau.dtypes.kinds import dtype
from flambeau.graph.record import record
from flambeau.primitives.pointwise import add
from flambeau.primitives.pointwise import cast as cast_to
from flambeau.tensors.core import Core, made
from flambeau.tensors.walks import backward

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["Gradients"]

_OTHER_TYPE = (
    "attempting to assign a gradient with dtype '{}' to a tensor with grad_dtype '{}'. The gradient must match the "
    "tensor's grad_dtype (defaults to the tensor's dtype). You can set the tensor's grad_dtype attribute with a "
    "specific dtype, or None to allow any dtype. Set grad_dtype with caution. Diverging the dtypes of a tensor and its "
    "gradient may break downstream systems that assume they match."
)


_NO_LEAF = (
    "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute won't be "
    "populated during autograd.backward(). If you indeed want the .grad field to be populated for a non-leaf Tensor, "
    "use .retain_grad() on the non-leaf Tensor. If you access the non-leaf Tensor by mistake, make sure you access the "
    "leaf Tensor instead. See github.com/pytorch/pytorch/pull/30531 for more information."
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
            TypeError: ``requires_grad`` is no boolean.
            RuntimeError: whole numbers cannot have gradients; a result of a taped operation cannot stop having one.
        """
        if not isinstance(requires_grad, bool):  # pyright: ignore[reportUnnecessaryIsInstance]  # users pass anything
            name = type(requires_grad).__name__
            raise TypeError(f"requires_grad_(): argument 'requires_grad' (position 1) must be bool, not {name}")
        if requires_grad and not (self.dtype.is_floating_point or self.dtype.is_complex):
            raise RuntimeError("only Tensors of floating point dtype can require gradients")
        if not requires_grad and self._grad_fn is not None:
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in "
                "a subgraph that doesn't require differentiation use var_no_grad = var.detach()."
            )
        if requires_grad and self._inference and not MODE.inference:
            raise RuntimeError("Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.")
        self._requires_grad = requires_grad
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
        """Gradient gathered by ``backward``; None before, and for what is no leaf, with a warning."""
        if self._grad is None and not (self.is_leaf or self.retains_grad):
            warnings.warn(_NO_LEAF, stacklevel=2)
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
            (wanted,) = self._grad_dtype or (self.dtype,)
            if wanted is not None and value.dtype is not wanted:
                raise RuntimeError(_OTHER_TYPE.format(value.dtype.cpp_name, wanted.tensor_type[:-6]))
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    @property
    def grad_dtype(self) -> "dtype | None":
        """The data type of ``grad``, by default the tensor's own: gradients are converted to it. None takes any.

        Raises:
            RuntimeError: the tensor is no leaf, what is assigned is no data type, or ``grad`` is of another one.

        Example:
            >>> import flambeau as torch
            >>> x = torch.ones(2, requires_grad=True)
            >>> x.grad_dtype = torch.float64
            >>> (x * 3).sum().backward()
            >>> x.grad
            tensor([3., 3.], dtype=torch.float64)

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.grad_dtype.html
        """
        if not self.is_leaf:
            raise RuntimeError("grad_dtype can only be accessed on leaf tensors.")
        return (self._grad_dtype or (self.dtype,))[0]

    @grad_dtype.setter
    def grad_dtype(self, value: "dtype | None") -> None:
        if not self.is_leaf:
            raise RuntimeError("grad_dtype can only be set on leaf tensors.")
        if value is not None and not isinstance(value, dtype):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise RuntimeError(f"grad_dtype must be a torch.dtype or None, but got {type(value).__name__}")
        if self._grad is not None and value is not None and self._grad.dtype is not value:
            raise RuntimeError(
                f"Cannot set grad_dtype to '{value.tensor_type[:-6]}' because there is already a gradient with dtype "
                f"'{self._grad.dtype.cpp_name}'. Please clear the gradient (.grad = None) before changing grad_dtype, "
                "or ensure the new grad_dtype matches the existing gradient's dtype."
            )
        self._grad_dtype = (value,)

    @property
    def data(self) -> "Tensor":
        """The same elements off the tape; assigning makes the tensor show another's elements."""
        return self.alias()

    @data.setter
    def data(self, value: "Tensor") -> None:
        if self._requires_grad and not (value.dtype.is_floating_point or value.dtype.is_complex):
            raise RuntimeError("data set to a tensor that requires gradients must be floating point or complex dtype")
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

    def guard(self) -> Guard:
        """What must not be written if the tensor's present value is to be read later."""
        edge = self.edge()
        source = edge if self._steps is None or edge is None else REGENERATED
        return self._storage, self._storage.version, self.aval, source

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
        backward(
            (cast("Tensor", self),),
            None if gradient is None else (gradient,),
            retain_graph,
            create_graph,
            inputs=inputs,
        )

    def accumulate(self, gradient: Tracked) -> None:
        """Add a gradient to ``.grad``, after the tensor's own hooks."""
        if self._leaf_hooks or self._grad_dtype:
            gradient = self.hooked(gradient)
        held = self._grad
        if held is None:
            self._grad = made(gradient.node, gradient.edge)
        elif gradient.edge is None and not held._requires_grad:
            held.write(Tracked(record(add, (held.read(), gradient.node)), None))
        else:
            self._grad = made(*taped(add, (Tracked(held.read(), held.edge()), gradient))[0])
        if self._post_accumulate_hooks:
            for hook in list(self._post_accumulate_hooks.values()):
                hook(self)

    def hooked(self, gradient: Tracked) -> Tracked:
        """A gradient in the type it is to have, after the tensor's hooks."""
        (wanted,) = self._grad_dtype or (None,)
        if wanted is not None and gradient.node.aval.dtype is not wanted:
            (gradient,) = taped(cast_to, (gradient,), (wanted,))
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
        hooks = self._post_accumulate_hooks
        if hooks is None:
            hooks = self._post_accumulate_hooks = {}
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
