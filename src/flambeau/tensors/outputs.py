"""``out=``: a function's result written into tensors that the caller has."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

from flambeau.differentiation.modes import MODE, no_grad
from flambeau.differentiation.tape import Tracked
from flambeau.dtypes.kinds import dtype
from flambeau.dtypes.promotion import can_cast
from flambeau.primitives.pointwise import cast as converted
from flambeau.tensors.arguments import misfit
from flambeau.tensors.core import Core, call, made
from flambeau.tensors.output_rules import RESIZED_SILENTLY, UNTAPED, OutputRule, rule_of, taped_name

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["deliver", "delivered", "resize", "takes_out"]

Function = TypeVar("Function", bound=Callable[..., Any])


def takes_out(family: str = "") -> Callable[[Function], Function]:
    """Let a function be called with ``out=``; its rules are those of its name in ``output_rules``.

    An argument that had to be a tensor is named in PyTorch's words once the function has failed; see ``misfit``.

    Args:
        family: what stands before the function's name in PyTorch, such as ``"linalg."``.
    """

    def decorate(function: Function) -> Function:
        name = family + function.__name__

        @wraps(function)
        def taking(*args: Any, out: Any = None, **kwargs: Any) -> Any:
            try:
                return function(*args, **kwargs) if out is None else deliver(name, function, args, kwargs, out)
            except (AttributeError, TypeError) as error:
                raise misfit(name, function, args, kwargs, error) from error.__cause__

        return taking  # pyright: ignore[reportReturnType]  # the same function, but for ``out``

    return decorate


def deliver(name: str, function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Any:
    """Call a function and write what it returns into ``out``.

    Args:
        name: the function's name, for messages and for its rules.
        function: returns a tensor or a tuple of them.
        args, kwargs: its arguments.
        out: a tensor, or as many as there are results.

    Returns:
        The tensors of ``out``, as the function returns its own.

    Raises:
        TypeError: ``out`` is no tensor, or not as many as needed.
        RuntimeError: its type does not suit the result, or something requires grad.
    """
    several = isinstance(out, (tuple, list))
    targets = list(cast("Iterable[Any]", out)) if several else [out]
    for target in targets:
        if not isinstance(target, Core):
            raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(target).__name__}")
    if MODE.grad and name not in UNTAPED:
        _refuse_gradients(name, [*args, *kwargs.values(), *targets])
    rule = rule_of(name)
    if rule.kind == "chosen":
        kwargs.setdefault("dtype", out.dtype)
    with no_grad():
        found = function(*args, **kwargs)
        results = list(cast("Iterable[Any]", found)) if isinstance(found, (tuple, list)) else [found]
        if len(results) != len(targets) or several is isinstance(found, Core):
            wanted = "a Tensor" if isinstance(found, Core) else f"a tuple of {len(results)} Tensors"
            raise TypeError(f"{name}(): argument 'out' must be {wanted}, not {len(targets)} of them")
        for result, target in zip(results, targets, strict=True):
            _check(name, rule, result, target)
        for result, target in zip(results, targets, strict=True):
            _write(name, result, target)
    return type(cast("Any", found))(targets) if several else out


def delivered(name: str, result: "Tensor", out: Any) -> "Tensor":
    """A result that is already known; or ``out``, after it was written there as ``deliver`` does."""

    def known(*_: Any) -> Any:
        return result

    return result if out is None else deliver(name, known, (result,), {}, out)


def _refuse_gradients(name: str, values: Iterable[Any]) -> None:
    """Raise RuntimeError, in PyTorch's words, if any of these tensors requires grad."""
    if any(tensor.requires_grad for tensor in _tensors(values)):
        refusal = "functions with out=... arguments don't support automatic differentiation, but one of the arguments "
        raise RuntimeError(f"{taped_name(name)}(): {refusal}requires grad.")


def _tensors(values: Iterable[Any]) -> "Iterator[Tensor]":
    for value in values:
        if isinstance(value, Core):
            yield cast("Tensor", value)
        elif isinstance(value, (tuple, list)):
            yield from _tensors(cast("Iterable[Any]", value))


def _suits(rule: OutputRule, result: dtype, out: dtype) -> bool:
    """Whether a result of one type may be written into a tensor of another."""
    if result is out or rule.kind in ("any", "chosen"):
        return True
    if rule.kind == "same" or (rule.kind == "floating" and out.is_complex):
        return False
    return can_cast(result, out)


def _check(name: str, rule: OutputRule, result: Core, target: Core) -> None:
    """Raise, in PyTorch's words, unless a result may be written into this tensor."""
    kinds = {"result": result.dtype, "out": target.dtype}
    if not _suits(rule, result.dtype, target.dtype):
        names = {key: kind.tensor_type.removesuffix("Tensor") for key, kind in kinds.items()}
        spelled = {f"c_{key}": kind.cpp_name for key, kind in kinds.items()}
        raise rule.error(rule.message.format(name=name, last=name.rpartition(".")[2], **names, **spelled))
    if result.device != target.device:
        places = f"from device {result.device} to device {target.device}"
        raise RuntimeError(f"Attempting to copy {places}, but cross-device copies are not allowed!")
    if result.shape == target.shape:
        _check_separate(target)


def _check_separate(target: Core) -> None:
    """Raise RuntimeError, in PyTorch's words, if several elements of a tensor are the same number in memory."""
    if target._steps:
        _, strides = target.geometry()
        if any(stride == 0 and size > 1 for size, stride in zip(target.shape, strides, strict=True)):
            raise RuntimeError(
                "unsupported operation: more than one element of the written-to tensor refers to a single memory "
                "location. Please clone() the tensor before performing the operation."
            )


def _write(name: str, result: "Tensor", target: Core) -> None:
    """Write a result into a tensor, which takes its shape."""
    if result.dtype is not target.dtype:
        result = call(converted, (result,), (target.dtype,), casting=False)
    if result.shape != target.shape:
        resize(name, target, result)
    else:
        target.write(Tracked(result.read(), None))


def resize(name: str, target: Core, values: Core) -> None:
    """Give a tensor these values and their shape, in memory of its own: views of it keep what they have."""
    if target.shape.numel() and name not in RESIZED_SILENTLY:
        _warn(name, target, values)
    target.check_writable()
    target.take_storage(made(values.read()))


def _warn(name: str, target: Core, result: Core) -> None:
    """Warn, in PyTorch's words, of a tensor that gets another shape."""
    had, needs = list(target.shape), list(result.shape)
    message = (
        f"An output with one or more elements was resized since it had shape {had}, which does not match the required "
        f"output shape {needs}. This behavior is deprecated, and in a future PyTorch release outputs will not be "
        "resized unless they have zero elements. You can explicitly reuse an out tensor t by resizing it, inplace, to "
        "zero elements with t.resize_(0)."
    )
    if name == "arange":
        message = (
            f"The number of elements in the out tensor of shape {had} is {target.shape.numel()} which does not match "
            f"the computed number of elements {needs[0]}. Note that this may occur as a result of rounding error. The "
            f"out tensor will be resized to a tensor of shape ({needs[0]},)."
        )
    warnings.warn(message, UserWarning, stacklevel=6)
