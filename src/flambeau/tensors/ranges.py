"""Ranges: tensors whose numbers follow from their positions."""

import warnings
from collections.abc import Sequence
from math import ceil, isfinite
from typing import TYPE_CHECKING, Any, Unpack

from flambeau.dtypes.fitting import check_fits
from flambeau.dtypes.kinds import DTYPES, dtype, get_default_dtype
from flambeau.graph.record import record
from flambeau.primitives import creation as p
from flambeau.tensors.arguments import whole
from flambeau.tensors.core import Core, made
from flambeau.tensors.options import Options, Settings, as_dtype, hollow, settings

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["arange", "eye", "linspace", "logspace", "range"]


def _number(name: str, argument: str, value: Any) -> Any:
    """An argument as a Python number; raises TypeError in PyTorch's words."""
    value = value.item() if hasattr(value, "item") else value
    if not isinstance(value, (bool, int, float, complex)):
        raise TypeError(f"{name}(): argument '{argument}' must be Number, not {type(value).__name__}")
    return value


def _made(primitive: Any, numbers: Sequence[Any], shape: tuple[int, ...], chosen: Settings, *more: Any) -> "Tensor":
    """A range as the caller asked for it."""
    if chosen.device.type == "meta":
        return chosen.deliver(hollow(shape, chosen.dtype, chosen.device))
    return chosen.deliver(made(record(primitive, tuple(numbers), (shape, chosen.dtype, chosen.device, *more))))


def _bounds(name: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> list[Any]:
    """``start``, ``end`` and ``step``, however they were given."""
    keys = ["start", "end", "step"] if len(arguments) > 1 or named.keys() & {"start", "end"} else ["end"]
    keys = [key for key in keys if key not in named]
    found = {"start": 0, "step": 1, **named, **dict(zip(keys, arguments, strict=False))}
    if len(arguments) > len(keys) or "end" not in found:
        given = ", ".join(type(item).__name__ for item in arguments)
        raise TypeError(
            f"{name}() received an invalid combination of arguments - got ({given}), but expected (Number end) or "
            "(Number start, Number end, Number step = 1)"
        )
    return [_number(name, key, found[key]) for key in ("start", "end", "step")]


def _count(start: Any, end: Any, step: Any, kind: dtype) -> int:
    """How many numbers ``arange`` gives; raises in PyTorch's words where there is no such range."""
    for value in (start, end):
        if not isfinite(value):
            raise RuntimeError(f"unsupported range: {start} -> {end}")
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    if kind.name == "int64":
        if int(step) == 0:
            raise ValueError("step must be nonzero")
        return -((int(start) - int(end)) // int(step))
    return ceil((end - start) / step)


def arange(*arguments: Any, **options: Any) -> "Tensor":
    """Numbers from ``start`` (0) in steps of ``step`` (1) up to, but without, ``end``.

    ``ceil((end - start) / step)`` numbers: ``start + step * position``.

    Args:
        arguments: ``end``, or ``start, end``, or ``start, end, step`` (also by name).
        options: ``dtype`` (int64 for whole numbers, else the default floating type), ``device``, ``requires_grad``...

    Raises:
        RuntimeError: the step is zero or leads away from the end; a bound is not finite.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.tensors.ranges import arange
        >>> arange(1, 2.5, 0.5)
        tensor([1.0000, 1.5000, 2.0000])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.arange.html
    """
    named = {key: options.pop(key) for key in ("start", "end", "step") if key in options}
    start, end, step = _bounds("arange", arguments, named)
    whole = all(isinstance(value, int) for value in (start, end, step))
    chosen = settings("arange", options, DTYPES["int64"] if whole else get_default_dtype())
    kind = chosen.dtype
    if kind.name == "bool" or kind.is_complex:
        name = kind.tensor_type.removesuffix("Tensor")
        raise NotImplementedError(f"\"arange_cpu\" not implemented for '{name}'")
    if any(isinstance(value, complex) for value in (start, end, step)):
        raise RuntimeError("value cannot be converted to type double without overflow")
    shape = (_count(start, end, step, kind),)
    convert = float if kind.is_floating_point else int
    return _made(p.arange, (convert(start), convert(step)), shape, chosen)


def range(*arguments: Any, **options: Any) -> "Tensor":
    """Numbers from ``start`` (0) in steps of ``step`` (1) up to ``end``, which is included; ``arange`` is preferred.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.range.html
    """
    warnings.warn(
        "torch.range is deprecated and will be removed in a future release because its behavior is inconsistent with "
        "Python's range builtin. Instead, use torch.arange, which produces values in [start, end).",
        stacklevel=2,
    )
    named = {key: options.pop(key) for key in ("start", "end", "step") if key in options}
    start, end, step = _bounds("range", arguments, named)
    chosen = settings("range", options)
    _count(start, end, step, chosen.dtype)
    convert = float if chosen.dtype.is_floating_point else int
    return _made(p.arange, (convert(start), convert(step)), (int((end - start) / step) + 1,), chosen)


def _spaced(name: str, bounds: Sequence[Any], steps: int, options: Any) -> tuple[list[Any], Settings]:
    """Checked bounds, and the options with the data type filled in."""
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    ends = {"start": bounds[0], "end": bounds[1]}
    ranks = {key: len(value.shape) for key, value in ends.items() if isinstance(value, Core)}
    wrong = [f"{key} with {rank} dimension(s)" for key, rank in ranks.items() if rank]
    if wrong:
        raise RuntimeError(f"{name} only supports 0-dimensional start and end tensors, but got {' and '.join(wrong)}.")
    numbers = [_number(name, key, value) for key, value in zip(("start", "end", "base"), bounds, strict=False)]
    given = as_dtype(name, options.get("dtype"))
    default = get_default_dtype()
    if any(isinstance(value, complex) for value in numbers):
        default = default.to_complex()
        if given is not None and not given.is_complex:
            message = f"torch.{name}(): inferred dtype {default!r} can't be safely cast to passed dtype {given!r}"
            raise RuntimeError(message)
    chosen = settings(name, options, default)
    for value in numbers[:2]:
        check_fits(value, chosen.dtype)
    kind = complex if chosen.dtype.is_complex else float
    return [kind(value) for value in numbers], chosen


def linspace(start: Any, end: Any, steps: int, **options: Unpack[Options]) -> "Tensor":
    """``steps`` numbers at equal distances from ``start`` to ``end``, both included.

    Args:
        start: the first number; a 0-d tensor is one, too.
        end: the last number, likewise.
        steps: how many.
        options: ``dtype``, ``device``, ``requires_grad``, ``out`` and their like.

    Raises:
        RuntimeError: ``steps`` is negative; a bound is a tensor with dimensions.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.tensors.ranges import linspace
        >>> linspace(0, 1, 5)
        tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linspace.html
    """
    steps = whole("linspace", "steps", steps, None)
    numbers, chosen = _spaced("linspace", (start, end), steps, options)
    return _made(p.linspace, numbers, (steps,), chosen)


def logspace(start: Any, end: Any, steps: int, base: float = 10.0, **options: Unpack[Options]) -> "Tensor":
    """``steps`` powers of ``base``, whose exponents lie at equal distances from ``start`` to ``end``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.logspace.html
    """
    steps = whole("logspace", "steps", steps, None)
    numbers, chosen = _spaced("logspace", (start, end, base), steps, options)
    return _made(p.logspace, numbers, (steps,), chosen)


def eye(n: int, m: int | None = None, **options: Unpack[Options]) -> "Tensor":
    """``n`` rows and ``m`` columns (``n`` if None) of zeros, with ones on the diagonal.

    Raises:
        RuntimeError: a size is negative.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.tensors.ranges import eye
        >>> eye(2)
        tensor([[1., 0.],
                [0., 1.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.eye.html
    """
    rows = whole("eye", "n", n)
    columns = rows if m is None else whole("eye", "m", m, 2)
    for name, size in (("n", rows), ("m", columns)):
        if size < 0:
            raise RuntimeError(f"{name} must be greater or equal to 0, got {size}")
    return _made(p.eye, (), (rows, columns), settings("eye", options))
