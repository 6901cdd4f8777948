"""``FunctionCtx``: what the forward of a custom function keeps for its backward."""

import warnings
import weakref
from collections.abc import Sequence
from typing import Any, NamedTuple

from flambeau.differentiation.tape import GradFn, Guard, check_unchanged, freed, labeled
from flambeau.tensors.core import Core
from flambeau.tensors.tensor import Tensor

__all__ = ["FunctionCtx", "forget", "keep"]


class Saved(NamedTuple):
    """A tensor kept for backward.

    Attributes:
        tensor: the tensor itself; of a result of the function its value off the tape, since the tape holds this.
        place: which result of the function it is; None for any other tensor.
        guard: what must not have been written by the time of backward.
    """

    tensor: Tensor
    place: int | None
    guard: Guard


class FunctionCtx:
    """One call of a custom function; the function may keep anything else as attributes of its own.

    Attributes:
        needs_input_grad: for each argument of ``apply`` whether it is a tensor that requires a gradient.
        materialize_grads: whether gradients that did not come are given to ``backward`` as zeros.
        to_save: what ``save_for_backward`` was given, while ``forward`` runs.
        dirty_tensors, non_differentiable: what ``mark_dirty`` and ``mark_non_differentiable`` were given.

    Source: https://docs.pytorch.org/docs/stable/autograd.html#context-method-mixins
    """

    needs_input_grad: tuple[bool, ...] = ()
    materialize_grads: bool = True
    to_save: tuple[Any, ...] = ()
    saved_for_forward: tuple[Any, ...] = ()
    dirty_tensors: tuple[Tensor, ...] = ()
    non_differentiable: tuple[Tensor, ...] = ()
    _saved: tuple[Saved | None, ...] | None = ()
    _function: "weakref.ref[GradFn] | None" = None  # the call's own place on the tape

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors for backward, where they are ``ctx.saved_tensors``; call it at most once, in ``forward``.

        They are guarded against changes in place, and forgotten after backward. What is no tensor is kept as an
        attribute of the context.

        Raises:
            TypeError: something is no tensor.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.function.FunctionCtx.save_for_backward.html
        """
        for index, item in enumerate(tensors):
            if item is not None and not isinstance(item, Core):  # pyright: ignore[reportUnnecessaryIsInstance]  # users pass anything
                kind = type(item).__name__
                raise TypeError(f"save_for_backward can only save variables, but argument {index} is of type {kind}")
        self.to_save = tensors

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """Accepted: forward-mode derivatives are taken of the function's backward, so ``jvp`` is not called.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.function.FunctionCtx.save_for_forward.html
        """
        self.saved_for_forward = tensors

    def mark_dirty(self, *args: Tensor) -> None:
        """Name the arguments that ``forward`` writes in place, all of which it must return.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.function.FunctionCtx.mark_dirty.html
        """
        self.dirty_tensors = _tensors(args, "mark_dirty can only accept variables, but argument {0} is of type {1}")

    def mark_non_differentiable(self, *args: Tensor) -> None:
        """Name the results that have no gradient; backward is given zeros for them.

        Source:
        https://docs.pytorch.org/docs/stable/generated/torch.autograd.function.FunctionCtx.mark_non_differentiable.html
        """
        self.non_differentiable = _tensors(args, "mark_non_differentiable only accepts variable arguments, but got {1}")

    def mark_shared_storage(self, *pairs: Any) -> None:
        """Accepted, as in PyTorch: what shares a storage is known.

        Warns:
            FutureWarning: always.
        """
        warnings.warn(
            "mark_shared_storage is deprecated. Tensors with shared storages are automatically tracked. Note that "
            "calls to `set_()` are not tracked",
            FutureWarning,
            stacklevel=2,
        )

    def set_materialize_grads(self, value: bool) -> None:
        """Say whether gradients that did not come are given to ``backward`` as zeros (the default) or as None.

        Source:
        https://docs.pytorch.org/docs/stable/generated/torch.autograd.function.FunctionCtx.set_materialize_grads.html
        """
        self.materialize_grads = bool(value)

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What ``save_for_backward`` was given.

        Raises:
            RuntimeError: it was forgotten after a backward pass, or a tensor was changed in place since.
        """
        if self._saved is None:
            raise freed()
        return tuple([None if item is None else self._checked(item) for item in self._saved])

    saved_variables = saved_tensors

    def _checked(self, saved: Saved) -> Tensor:
        check_unchanged(*saved.guard)
        if saved.place is None:
            return saved.tensor
        function = self._function() if self._function is not None else None
        return saved.tensor if function is None else saved.tensor.alias().tape_at((function, saved.place))


def keep(context: FunctionCtx, outputs: Sequence[Any], results: Sequence[Any], function: GradFn | None) -> None:
    """Keep what forward asked to save, for the backward of a place on the tape; nothing if there is none.

    Args:
        context: the call's.
        outputs: what forward returned.
        results: the same as the caller gets it.
        function: the place on the tape.
    """
    wanted, context.to_save = context.to_save, ()
    if function is None:
        return
    places = {id(item): index for index, item in enumerate(outputs)}
    saved: list[Saved | None] = []
    for item in wanted:
        if item is None:
            saved.append(None)
            continue
        place = places.get(id(item))
        tensor: Tensor = item if place is None else results[place]
        guard = tensor.guard()
        if place is not None:
            edge = tensor.edge()
            guard = (*guard[:3], None if edge is None else labeled(edge))  # the function is not to hold itself
            place = None if edge is None else place
            tensor = tensor.alias()
        saved.append(Saved(tensor, place, guard))
    vars(context).update(_function=weakref.ref(function), _saved=tuple(saved))


def forget(context: FunctionCtx) -> None:
    """Forget what was saved."""
    vars(context)["_saved"] = None


def _tensors(args: tuple[Any, ...], text: str) -> tuple[Tensor, ...]:
    """Arguments that must be tensors; raises RuntimeError."""
    for index, item in enumerate(args):
        if not isinstance(item, Core):
            raise RuntimeError(text.format(index, type(item).__name__))
    return args
