"""Clipping gradients, by norm and by value: recorded like any operation, so that a training step stays one program."""

import math
import warnings
from collections.abc import Iterable, Sequence
from types import GeneratorType
from typing import Any, TypeAlias

from flambeau.devices.device import device
from flambeau.differentiation.modes import no_grad
from flambeau.differentiation.tape import Tracked
from flambeau.primitives import clipping as p
from flambeau.primitives.primitive import Primitive
from flambeau.tensors.core import call
from flambeau.tensors.creation import tensor
from flambeau.tensors.joining import cat
from flambeau.tensors.tensor import Tensor

__all__ = ["clip_grad_norm", "clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]

Tensors: TypeAlias = Tensor | Iterable[Tensor]


@no_grad()
def get_total_norm(
    tensors: Tensors, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> Tensor:
    """The norm of several tensors as if they were one vector: ``(sum of |x| ** norm_type) ** (1 / norm_type)``.

    Nothing is computed: the norm is recorded, and read only where ``error_if_nonfinite`` asks for it.

    Args:
        tensors: one tensor or several, floating or complex, of any shapes.
        norm_type: which norm; ``inf`` (or ``"inf"``) for the largest absolute value.
        error_if_nonfinite: whether to wait for the norm and raise if it is infinite or NaN.
        foreach: accepted; all tensors are one operation anyway.

    Returns:
        A tensor without dimensions, on the first tensor's device; 0 if there are no tensors.

    Raises:
        RuntimeError: the norm is not finite and ``error_if_nonfinite`` is set; a tensor holds whole numbers; or it is
            empty and has no such norm.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.utils.get_total_norm([torch.tensor([3.0]), torch.tensor([[4.0]])])
        tensor(5.)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.get_total_norm.html
    """
    given = _listed(tensors)
    order = float(norm_type)
    if not given:
        return tensor(0.0)
    _check_foreach(foreach, given)
    first = given[0].device
    parts = [call(p.norms, items, (order,)).to(first) for items in _by_device(given)]
    total = call(p.total_norm, (parts[0] if len(parts) == 1 else cat(parts),), (order,))
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise RuntimeError(
            f"The total norm of order {order} for gradients from `parameters` is non-finite, so it cannot be clipped. "
            "To disable this error and scale the gradients by the non-finite norm anyway, set "
            "`error_if_nonfinite=False`"
        )
    return total


@no_grad()
def clip_grads_with_norm_(
    parameters: Tensors, max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scale gradients in place by ``max_norm / (total_norm + 1e-6)``, or leave them if that is 1 or more.

    Args:
        parameters: one tensor or several; those without a gradient are passed over.
        max_norm: the norm the gradients may have; another one needs no other program.
        total_norm: the norm they have, from ``get_total_norm``: a tensor without dimensions.
        foreach: accepted; all gradients are one operation anyway.

    Raises:
        TypeError: ``total_norm`` is no tensor.
        RuntimeError: it has dimensions.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grads_with_norm_.html
    """
    gradients = _gradients(_listed(parameters))
    limit = float(max_norm)
    if not gradients:
        return
    if not isinstance(total_norm, Tensor):
        kind = type(total_norm).__name__
        raise TypeError(f"clip_grads_with_norm_(): argument 'total_norm' must be Tensor, not {kind}")
    if total_norm.shape:
        counts = f"it has {len(total_norm.shape)} dimensions and {total_norm.shape.numel()} elements."
        raise RuntimeError(f"scalar tensor expected to be 0 dim but {counts}")
    _check_foreach(foreach, gradients)
    _rewrite(p.rescaled, gradients, limit, total_norm)


@no_grad()
def clip_grad_norm_(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale gradients in place so that their norm, as if they were one vector, is at most ``max_norm``.

    It is ``get_total_norm`` of the gradients and then ``clip_grads_with_norm_``. Three operations are recorded,
    however many parameters there are, and none is computed, so that the step stays one program.

    Args:
        parameters: one tensor or several; those without a gradient are passed over.
        max_norm: the norm the gradients may have; another one needs no other program.
        norm_type: which norm; ``inf`` (or ``"inf"``) for the largest absolute value.
        error_if_nonfinite: whether to wait for the norm and raise if it is infinite or NaN.
        foreach: accepted; all gradients are one operation anyway.

    Returns:
        The norm before, a tensor without dimensions.

    Raises:
        RuntimeError: the norm is not finite and ``error_if_nonfinite`` is set; the gradients are as before then.

    Example:
        >>> import flambeau as torch
        >>> weight = torch.zeros(2, requires_grad=True)
        >>> (weight * torch.tensor([3.0, 4.0])).sum().backward()
        >>> torch.nn.utils.clip_grad_norm_([weight], max_norm=1.0)
        tensor(5.)
        >>> weight.grad
        tensor([0.6000, 0.8000])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_norm_.html
    """
    given = _listed(parameters)
    if isinstance(parameters, GeneratorType) and not given:
        text = "`parameters` is an empty generator, no gradient clipping will occur."
        warnings.warn(text, stacklevel=3)  # past no_grad's wrapper
    total = get_total_norm(_gradients(given), norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(given, max_norm, total, foreach)
    return total


def clip_grad_norm(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The older name of ``clip_grad_norm_``, which warns.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_norm.html
    """
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of `torch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


@no_grad()
def clip_grad_value_(parameters: Tensors, clip_value: float, foreach: bool | None = None) -> None:
    """Limit every element of the gradients, in place, to [-clip_value, clip_value]; NaN stays.

    Args:
        parameters: one tensor or several; those without a gradient are passed over.
        clip_value: the limit; another one needs no other program.
        foreach: accepted; all gradients are one operation anyway.

    Raises:
        NotImplementedError: a gradient is complex.

    Example:
        >>> import flambeau as torch
        >>> weight = torch.zeros(2, requires_grad=True)
        >>> (weight * torch.tensor([3.0, -0.5])).sum().backward()
        >>> torch.nn.utils.clip_grad_value_([weight], 1.0)
        >>> weight.grad
        tensor([ 1.0000, -0.5000])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_value_.html
    """
    given = _listed(parameters)
    limit = float(clip_value)
    gradients = _gradients(given)
    _check_foreach(foreach, gradients)
    _rewrite(p.limited, gradients, limit)


def _listed(tensors: Tensors) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _gradients(parameters: Sequence[Tensor]) -> list[Tensor]:
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def _by_device(tensors: Sequence[Tensor]) -> list[list[Tensor]]:
    """Tensors that one operation can take."""
    found: dict[device, list[Tensor]] = {}
    for item in tensors:
        found.setdefault(item.device, []).append(item)
    return list(found.values())


def _rounds(tensors: Sequence[Tensor]) -> list[list[Tensor]]:
    """Tensors in lists without repeats: what is given twice is changed twice, as in PyTorch."""
    seen: dict[int, int] = {}
    found: list[list[Tensor]] = []
    for item in tensors:
        turn = seen[id(item)] = seen.get(id(item), -1) + 1
        if turn == len(found):
            found.append([])
        found[turn].append(item)
    return found


def _rewrite(primitive: Primitive, tensors: Sequence[Tensor], *leading: Any) -> None:
    """Write the results of ``primitive(*leading, *tensors)`` into the tensors."""
    for turn in _rounds(tensors):
        for items in _by_device(turn):
            place = items[0].device
            first = [item.to(place) if isinstance(item, Tensor) else item for item in leading]
            for item, result in zip(items, call(primitive, (*first, *items)), strict=True):
                item.write(Tracked(result.read(), None))


def _check_foreach(foreach: bool | None, tensors: Sequence[Tensor]) -> None:
    """Raise RuntimeError, in PyTorch's words, where tensors have no values to work on."""
    if foreach and any(item.device.type == "meta" for item in tensors):
        raise RuntimeError("foreach=True was passed, but can't use the foreach API on meta tensors")
