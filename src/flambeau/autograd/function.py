"""``Function``: an operation with a backward of the user's own.

What its forward and its backward do is recorded like anything else, so a training step with such functions is still one
program. The tape holds one entry for a call; the operations of its forward are not taped.

Source: https://docs.pytorch.org/docs/stable/autograd.html#function
"""

import functools
import inspect
import warnings
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NoReturn, cast

from flambeau.autograd.context import FunctionCtx, keep
from flambeau.autograd.places import CustomGradFn, OnceGradFn
from flambeau.differentiation.modes import MODE, no_grad
from flambeau.differentiation.tape import Edge, Tracked
from flambeau.tensors.tensor import Tensor

__all__ = ["Function", "FunctionCtx", "InplaceFunction", "NestedIOFunction", "once_differentiable"]


class Function:
    """Base class of operations that define their own backward.

    A subclass defines the static methods ``forward`` and ``backward``, and is called by ``apply``. Either ``forward``
    takes the context first, or it takes the arguments alone and ``setup_context`` keeps what ``backward`` needs.
    Arguments and results may be anything; gradients are those of tensors. ``backward`` is recorded like any other code:
    with ``create_graph`` it is taped, so that it can be differentiated again. ``vmap`` and forward-mode derivatives go
    through ``forward`` and ``backward``; no rules of their own are needed.

    Example:
        >>> import flambeau as torch
        >>> class Square(torch.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         ctx.save_for_backward(x)
        ...         return x * x
        ...     @staticmethod
        ...     def backward(ctx, gradient):
        ...         (x,) = ctx.saved_tensors
        ...         return 2 * x * gradient
        >>> x = torch.tensor([1.0, 3.0], requires_grad=True)
        >>> Square.apply(x).sum().backward()
        >>> x.grad
        tensor([2., 6.])

    Source: https://docs.pytorch.org/docs/stable/autograd.html#torch.autograd.Function
    """

    generate_vmap_rule: ClassVar[bool] = False
    _backward_cls: ClassVar[type[CustomGradFn]]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._backward_cls = type(f"{cls.__name__}Backward", (CustomGradFn,), {"__slots__": ()})

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warnings.warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all static, so you should "
            "invoke them on the class itself. Instantiating an autograd function will raise an error in a future "
            "version of PyTorch.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:  # noqa: D102  (it only says not to)
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style autograd "
            "function with static forward method. (Example: "
            "https://pytorch.org/docs/stable/autograd.html#torch.autograd.Function)"
        )

    # -- what a subclass defines -----------------------------------------------------------------------------------

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """The operation: ``forward(ctx, *args)``, or ``forward(*args)`` beside a ``setup_context``.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.Function.forward.html
        """
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Keep what backward needs, of the arguments and the result of ``forward(*args)``.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.function.BackwardCFunction.html
        """
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Gradients of the arguments, one for each (None where there is none), from those of the results.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.Function.backward.html
        """
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with "
            "backward mode AD."
        )

    vjp = backward  # a subclass may define either

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """Not called: forward-mode derivatives are taken of ``backward``.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.Function.jvp.html
        """
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with forward mode AD."
        )

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *args: Any) -> Any:
        """Not called: ``vmap`` records ``forward`` for one example.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.Function.vmap.html
        """
        raise NotImplementedError(
            "To use autograd.Function with vmap, you must either override the vmap staticmethod or set "
            "generate_vmap_rule=True."
        )

    # -- calling it ------------------------------------------------------------------------------------------------

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Call the function.

        Returns:
            What ``forward`` returned; its tensors are on the tape if an argument requires a gradient.

        Raises:
            RuntimeError: a leaf that requires a gradient was marked as written in place, or what was marked was not
                returned.
            NotImplementedError: an argument is one example's inside ``vmap``, and the function has a vmap rule.
        """
        context = FunctionCtx()
        separate = cls.setup_context is not Function.setup_context
        if separate or kwargs:
            args = _bound(cls.forward, args if separate else (context, *args), kwargs, defaults=separate)
            args = args if separate else args[1:]
        tensors = [item for item in args if isinstance(item, Tensor)]
        _check_vmap(cls, tensors)
        edges = [item.edge() for item in tensors]
        context.needs_input_grad = tuple([isinstance(item, Tensor) and item.requires_grad for item in args])
        with no_grad():
            output = cls.forward(*args) if separate else cls.forward(context, *args)
            if separate:
                cls.setup_context(context, args, output)
        outputs = cast("tuple[Any, ...]", output) if isinstance(output, tuple) else (output,)
        function = None
        if MODE.grad and any(edges):
            avals = [item.aval if isinstance(item, Tensor) else None for item in args]
            function = cls._backward_cls(functools.partial(_backward_of, cls), context, avals, edges, len(outputs))
        results = _results(context, outputs, tensors, function)
        keep(context, outputs, results, function)
        return tuple(results) if isinstance(output, tuple) else results[0]


def _backward_of(kind: type[Function]) -> Callable[..., Any]:
    """A function's backward, under one of its two names."""
    own = [name for name in ("backward", "vjp") if getattr(kind, name) is not Function.backward]
    if len(own) == 2:
        raise RuntimeError(
            "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You should only implement "
            "one of them."
        )
    return getattr(kind, own[0] if own else "backward")


def _check_vmap(kind: type[Function], tensors: Sequence[Tensor]) -> None:
    if kind.vmap is not Function.vmap and any(item.aval.mapped for item in tensors):
        raise NotImplementedError(
            f"{kind.__name__}.vmap is not supported: vmap records the function for one example and makes of that an "
            "operation on the whole batch; take the vmap method out and set generate_vmap_rule = True"
        )


class InplaceFunction(Function):
    """A function made with a flag that says whether it works in place; kept for old code."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace


class NestedIOFunction(Function):
    """PyTorch's base class of functions of nested lists, from before ``apply``; not supported."""

    def __init_subclass__(cls, **options: Any) -> None:
        raise NotImplementedError(
            "NestedIOFunction is not supported: derive from Function, and hand nested tensors over one by one"
        )


def _bound(
    forward: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], *, defaults: bool
) -> tuple[Any, ...]:
    """Arguments in the order in which forward takes them; raises TypeError if they do not fit."""
    signature = inspect.signature(forward)
    if not any(item.kind is item.VAR_KEYWORD for item in signature.parameters.values()):
        for name in kwargs:
            if name not in signature.parameters:
                raise TypeError(f"forward() got an unexpected keyword argument '{name}'")
    found = signature.bind(*args, **kwargs)
    if defaults:
        found.apply_defaults()
    return found.args


# -- results -------------------------------------------------------------------------------------------------------


def _results(
    context: FunctionCtx, outputs: Sequence[Any], inputs: Sequence[Tensor], function: "CustomGradFn | None"
) -> list[Any]:
    """What forward returned, with its tensors at their places on the tape."""
    given = set(map(id, inputs))
    dirty = set(map(id, context.dirty_tensors))
    constant = set(map(id, context.non_differentiable))
    _check_dirty(context, outputs, given)
    results: list[Any] = []
    for index, item in enumerate(outputs):
        if not isinstance(item, Tensor):
            results.append(item)
        elif function is None or id(item) in constant or not (item.is_floating_point() or item.is_complex()):
            results.append(item.alias() if id(item) in given and id(item) not in dirty else item)
        else:
            results.append(_placed(item, (function, index), given, dirty))
        if function is not None and isinstance(item, Tensor):
            function.results[index] = item.aval
    return results


def _check_dirty(context: FunctionCtx, outputs: Sequence[Any], given: set[int]) -> None:
    returned = set(map(id, outputs))
    for item in context.dirty_tensors:
        if id(item) not in given:
            warnings.warn(
                "ctx.mark_dirty() received a tensor that was not an input. Only input Tensors that have been mutated "
                "should be passed to ctx.mark_dirty().",
                UserWarning,
                stacklevel=5,
            )
        elif id(item) not in returned:
            raise RuntimeError(
                "Some elements marked as dirty during the forward method were not returned as output. The inputs that "
                "are modified inplace must all be outputs of the Function."
            )


def _placed(item: Tensor, edge: Edge, given: set[int], dirty: set[int]) -> Tensor:
    """A result at its place on the tape: an argument written in place stays itself, another one gets a double."""
    if id(item) in dirty and id(item) in given:
        if item.requires_grad and item.is_leaf:
            raise RuntimeError("a leaf Variable that requires grad has been used in an in-place operation.")
        item.write(Tracked(item.read(), edge))
        return item
    other = id(item) in given or item.requires_grad
    result = item.alias() if other else item
    return result.tape_at(edge, _view_text(edge) if other or item._is_view() else None)  # pyright: ignore[reportPrivateUsage]  # PyTorch's name


def _view_text(edge: Edge) -> str:
    name = edge[0].name().removesuffix("Backward")
    return (
        f"Output {edge[1]} of {name} is a view and is being modified inplace. This view was created inside a custom "
        "Function (or because an input was returned as-is) and the autograd logic to handle view+inplace would "
        "override the custom backward associated with the custom Function, leading to incorrect gradients. This "
        "behavior is forbidden. You can fix this by cloning the output of the custom Function."
    )


def once_differentiable(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a ``backward`` that cannot be differentiated again: it runs off the tape.

    Returns:
        A backward whose results raise RuntimeError when somebody asks for their gradient.
    """

    @functools.wraps(fn)
    def wrapper(ctx: Any, *args: Any) -> Any:
        with no_grad():
            outputs = fn(ctx, *args)
        edges = [item.edge() for item in args if isinstance(item, Tensor)]
        if not MODE.grad or not any(edges):
            return outputs
        several = cast("tuple[Any, ...]", outputs if isinstance(outputs, tuple) else (outputs,))
        function = OnceGradFn(None, (), (), edges)
        results = tuple(
            [item.detach().tape_at((function, 0)) if isinstance(item, Tensor) else item for item in several]
        )
        return results if isinstance(outputs, tuple) else results[0]

    return wrapper
