"""Places on the tape of custom functions: they call the user's backward, and check what it returns."""

from collections.abc import Callable, Sequence
from typing import Any, NoReturn, cast

from flambeau.autograd.context import FunctionCtx, forget
from flambeau.differentiation.tape import Edge, GradFn, Tracked
from flambeau.graph.node import Aval
from flambeau.graph.record import record
from flambeau.primitives.creation import full
from flambeau.tensors.core import made
from flambeau.tensors.tensor import Tensor

__all__ = ["CustomGradFn", "OnceGradFn"]


class CustomGradFn(GradFn):
    """The place on the tape of one call of a custom function.

    Attributes:
        backward: gives the function's backward; raises RuntimeError if it has two.
        context: the call's context, whose attributes this shows as its own.
        arguments: for each argument its ``Aval``; None for what is no tensor.
        results: for each result its ``Aval``; None for what is no tensor.
    """

    __slots__ = ("arguments", "backward", "context", "count", "results")

    def __init__(
        self,
        backward: Callable[[], Callable[..., Any]],
        context: FunctionCtx,
        arguments: Sequence[Aval | None],
        edges: Sequence[Edge | None],
        count: int,
    ) -> None:
        super().__init__(None, (), (), edges)
        self.backward = backward
        self.context = context
        self.arguments = arguments
        self.count = count
        self.results: list[Aval | None] = [None] * count

    def __repr__(self) -> str:
        return f"<torch.autograd.function.{self.name()} object at {hex(id(self))}>"

    def __getattr__(self, name: str) -> Any:
        if name != "context" and hasattr(self.context, name):
            return getattr(self.context, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def pull(self, cotangents: Sequence[Tracked | None], wanted: Sequence[bool], create: bool) -> list[Tracked | None]:
        """Call backward, and check what it returns."""
        given = [
            made(*item) if item is not None else self._missing(aval)
            for item, aval in zip(cotangents, self.results, strict=True)
        ]
        returned = self.backward()(self.context, *given)
        found = self._checked(cast("tuple[Any, ...]", returned) if isinstance(returned, tuple) else (returned,))
        return [None if item is None else Tracked(item.read(), item.edge() if create else None) for item in found]

    def _missing(self, aval: Aval | None) -> Tensor | None:
        """What backward is given for a gradient that did not come."""
        if aval is None or not self.context.materialize_grads:
            return None
        return made(record(full, (0.0,), (aval.shape, aval.dtype, aval.device)))

    def _checked(self, returned: tuple[Any, ...]) -> list[Tensor | None]:
        """For each tensor among the arguments its gradient; raises RuntimeError in PyTorch's words."""
        count = len(self.arguments)
        if len(returned) < count or any(item is not None for item in returned[count:]):
            raise RuntimeError(
                f"function {self.name()} returned an incorrect number of gradients (expected {count}, got "
                f"{len(returned)})"
            )
        found: list[Tensor | None] = []
        for index, (aval, item) in enumerate(zip(self.arguments, returned, strict=False)):
            if aval is not None:
                found.append(self._fitted(item, aval, len(found)))
            elif item is not None:
                raise RuntimeError(
                    f"function {self.name()} returned a gradient different than None at position {index + 1}, but the "
                    "corresponding forward input was not a Variable"
                )
        return found

    def _fitted(self, item: Any, aval: Aval, index: int) -> Tensor | None:
        """A gradient in its argument's shape and type."""
        if item is None:
            return None
        if not isinstance(item, Tensor):
            raise RuntimeError(f"expected Variable or None (got {type(item).__name__})")
        if item.shape != aval.shape:
            try:
                item = item.sum_to_size(aval.shape)
            except RuntimeError:
                raise RuntimeError(
                    f"Function {self.name()} returned an invalid gradient at index {index} - got {list(item.shape)} "
                    f"but expected shape compatible with {list(aval.shape)}"
                ) from None
        return item if item.dtype is aval.dtype else item.to(aval.dtype)

    def release(self) -> None:  # noqa: D102  (as in the base class)
        super().release()
        forget(self.context)


class OnceGradFn(GradFn):
    """The place on the tape of the gradients of a function that can be differentiated once."""

    __slots__ = ()

    def pull(self, cotangents: Sequence[Tracked | None], wanted: Sequence[bool], create: bool) -> NoReturn:
        """There is no gradient of it."""
        raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")
