"""``gradcheck`` and ``gradgradcheck``: gradients compared with differences of values.

Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.gradcheck.gradcheck.html
"""

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from flambeau.tensors import walks
from flambeau.tensors.creation import tensor
from flambeau.tensors.random import randn
from flambeau.tensors.tensor import Tensor
from flambeau.transforms.forward import jvp

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]

_Function = Callable[..., Any]


class GradcheckError(RuntimeError):
    """Gradients are wrong."""


class _Settings(NamedTuple):
    """How closely to look."""

    eps: float
    atol: float
    rtol: float
    nondet_tol: float
    check_grad_dtypes: bool
    check_batched_grad: bool
    check_forward_ad: bool
    check_backward_ad: bool


def gradcheck(
    func: _Function,
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Compare a function's gradients with central differences of its values, element by element.

    Args:
        func: takes the inputs; returns a tensor or a tuple of tensors.
        inputs: a tensor or a tuple of tensors and other things; those that require gradients are checked, and should be
            of double precision.
        eps: how far values are moved, in both directions.
        atol: absolute tolerance.
        rtol: relative tolerance.
        raise_exception: raise if they differ, instead of returning False.
        nondet_tol: how much two backward passes may differ.
        check_undefined_grad: accepted; a gradient that does not come is zero, or is the function's own business.
        check_grad_dtypes: whether gradients must have their inputs' types.
        check_batched_grad: compare with gradients taken all at once, by ``vmap``.
        check_batched_forward_grad: accepted; forward-mode derivatives are batched in the same way.
        check_forward_ad: compare forward-mode derivatives, too.
        check_backward_ad: compare gradients.
        fast_mode: accepted; every element is looked at.
        masked: accepted; there are no sparse tensors.

    Returns:
        Whether all is well.

    Raises:
        GradcheckError: the gradients are wrong.
        ValueError: no input requires a gradient.

    Warns:
        UserWarning: an input is not of double precision.

    Example:
        >>> import flambeau as torch
        >>> torch.autograd.gradcheck(torch.sin, torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True))
        True

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.gradcheck.gradcheck.html
    """
    given: tuple[Any, ...] = (inputs,) if isinstance(inputs, Tensor) else _tupled(inputs)
    settings = _Settings(
        eps, atol, rtol, nondet_tol, check_grad_dtypes, check_batched_grad, check_forward_ad, check_backward_ad
    )
    try:
        _check_inputs(given)
        _check(func, given, settings)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: _Function,
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """``gradcheck`` of a function's gradients, by its inputs and by the gradients of its outputs.

    Args:
        func: as for ``gradcheck``.
        inputs: as for ``gradcheck``.
        grad_outputs: gradients of the outputs; random ones if left out.
        eps: as for ``gradcheck``, like all that follow.
        atol: absolute tolerance.
        rtol: relative tolerance.
        gen_non_contig_grad_outputs: accepted; tensors have no strides.
        raise_exception: raise if they differ, instead of returning False.
        nondet_tol: how much two backward passes may differ.
        check_undefined_grad: accepted.
        check_grad_dtypes: whether gradients must have their inputs' types.
        check_batched_grad: compare with gradients taken all at once.
        check_fwd_over_rev: compare forward-mode derivatives of the gradients.
        check_rev_over_rev: compare gradients of the gradients.
        fast_mode: accepted.
        masked: accepted.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.gradcheck.gradgradcheck.html
    """
    given: tuple[Any, ...] = (inputs,) if isinstance(inputs, Tensor) else _tupled(inputs)
    if grad_outputs is None:
        outputs = _outputs(func, given)
        directions = tuple([randn(item.shape, dtype=item.dtype).requires_grad_() for item in outputs])
    else:
        directions = (grad_outputs,) if isinstance(grad_outputs, Tensor) else _tupled(grad_outputs)

    def slopes(*args: Any) -> tuple[Tensor, ...]:
        own, ways = args[: -len(directions)], args[-len(directions) :]
        wanted = [item for item in own if isinstance(item, Tensor) and item.requires_grad]
        found = walks.grad(_outputs(func, own), wanted, ways, create_graph=True, allow_unused=True)
        return tuple([item for item in found if item is not None])

    return gradcheck(
        slopes,
        (*given, *directions),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad,
        check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev,
    )


def _tupled(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def _check_inputs(inputs: Sequence[Any]) -> None:
    """Raise ValueError, in PyTorch's words, if nothing is to be checked; warn of single precision."""
    checked = [index for index, item in enumerate(inputs) if isinstance(item, Tensor) and item.requires_grad]
    if not checked:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True."
        )
    for index in checked:
        if inputs[index].dtype.name not in ("float64", "complex128"):
            warnings.warn(
                f"Input #{index} requires gradient and is not a double precision floating point or complex. This check "
                "will likely fail if all the inputs are not of double precision floating point or complex. ",
                stacklevel=3,
            )


def _outputs(func: _Function, inputs: Sequence[Any]) -> tuple[Tensor, ...]:
    """The results that require gradients."""
    found = func(*inputs)
    every: tuple[Any, ...] = (found,) if isinstance(found, Tensor) else _tupled(found)
    return tuple([item for item in every if item.requires_grad])


def _all_outputs(func: _Function, inputs: Sequence[Any]) -> tuple[Any, ...]:
    found = func(*inputs)
    return (found,) if isinstance(found, Tensor) else _tupled(found)


def _check(func: _Function, inputs: tuple[Any, ...], settings: _Settings) -> None:
    """Compare everything; complex results are looked at part by part."""
    which = [index for index, item in enumerate(_all_outputs(func, inputs)) if item.requires_grad]
    if not which:
        _check_no_dependence(func, inputs, settings)
        return
    outputs = _outputs(func, inputs)
    if any(item.is_complex() for item in outputs):
        for name, part in (("imaginary", "imag"), ("real", "real")):
            words = f"While considering the {name} part of complex outputs only, "
            _compare(partial(_parts, func, which, part), inputs, settings, words)
    else:
        _compare(partial(_parts, func, which, "real"), inputs, settings, "")


def _parts(func: _Function, which: Sequence[int], part: str, *inputs: Any) -> tuple[Tensor, ...]:
    """The real or imaginary parts of the results with gradients."""
    found = _all_outputs(func, inputs)
    return tuple([getattr(found[index], part) if found[index].is_complex() else found[index] for index in which])


def _check_no_dependence(func: _Function, inputs: tuple[Any, ...], settings: _Settings) -> None:
    """Where nothing requires a gradient, values must not depend on the inputs."""
    for index in _checked(inputs):
        for jacobian in _numerical(func, inputs, index, settings.eps):
            if np.any(jacobian != 0):
                raise GradcheckError("Numerical gradient for function expected to be zero")


def _checked(inputs: Sequence[Any]) -> list[int]:
    return [index for index, item in enumerate(inputs) if isinstance(item, Tensor) and item.requires_grad]


def _compare(func: _Function, inputs: tuple[Any, ...], settings: _Settings, words: str) -> None:
    """Compare gradients, and forward-mode derivatives, with differences."""
    places = _checked(inputs)
    numerical = [_numerical(func, inputs, index, settings.eps) for index in places]
    if settings.check_backward_ad:
        outputs = _all_outputs(func, inputs)
        for number, output in enumerate(outputs):
            found = _analytical(output, inputs, places, settings)
            for order, index in enumerate(places):
                _agree(found[order], numerical[order][number], number, index, settings, words)
            _check_linear(output, inputs, places)
            if settings.check_batched_grad:
                _check_batched(output, inputs, places, found)
    if settings.check_forward_ad:
        for order, index in enumerate(places):
            for number, found in enumerate(_forward(func, inputs, index)):
                _agree(found, numerical[order][number], number, index, settings, words)


def _agree(found: Any, expected: Any, output: int, index: int, settings: _Settings, words: str) -> None:
    if not np.allclose(found, expected, settings.rtol, settings.atol):
        raise GradcheckError(
            f"{words}Jacobian mismatch for output {output} with respect to input {index},\nnumerical:"
            f"{tensor(expected)}\nanalytical:{tensor(found)}\n"
        )


def _numerical(func: _Function, inputs: tuple[Any, ...], index: int, eps: float) -> list[Any]:
    """For each result its differences: a matrix of (elements of the input, elements of the result)."""
    source = inputs[index]
    value = np.array(source.detach().host())
    flat = value.reshape(-1)
    columns: list[list[Any]] = []
    for position in range(flat.size):
        slope = _difference(func, inputs, index, value, position, eps)
        if source.is_complex():
            other = _difference(func, inputs, index, value, position, eps * 1j)
            slope = [one + 1j * two for one, two in zip(slope, other, strict=True)]
        columns.append(slope)
    return [np.stack(rows) for rows in zip(*columns, strict=True)]


def _difference(func: _Function, inputs: tuple[Any, ...], index: int, value: Any, position: int, step: Any) -> Any:
    """Change of the results, for a step of one element in both directions, over the length of the way."""
    ends: list[list[Any]] = []
    for way in (step, -step):
        moved = value.copy()
        moved.reshape(-1)[position] += way
        place = tensor(moved, dtype=inputs[index].dtype, requires_grad=True)
        args = (*inputs[:index], place, *inputs[index + 1 :])
        ends.append([np.array(item.detach().host()).reshape(-1) for item in _all_outputs(func, args)])
    return [(one - two) / (2 * abs(step)) for one, two in zip(*ends, strict=True)]


def _analytical(output: Tensor, inputs: tuple[Any, ...], places: Sequence[int], settings: _Settings) -> list[Any]:
    """For each input the gradients of each element of a result, as such matrices."""
    wanted = [inputs[index] for index in places]
    rows: list[list[Any]] = [[] for _ in places]
    for direction in _directions(output):
        found, again = (walks.grad(output, wanted, direction, retain_graph=True, allow_unused=True) for _ in "ab")
        for order, (item, other) in enumerate(zip(found, again, strict=True)):
            row = _row(item, wanted[order], settings.check_grad_dtypes)
            if np.abs(row - _row(other, wanted[order], False)).max(initial=0) > settings.nondet_tol:
                raise GradcheckError(
                    "Backward is not reentrant, i.e., running backward with same input and grad_output multiple times "
                    "gives different values, although analytical gradient matches numerical gradient.The tolerance "
                    f"for nondeterminism was {settings.nondet_tol}."
                )
            rows[order].append(row)
    return [np.stack(each, 1) for each in rows]


def _row(gradient: Tensor | None, source: Tensor, check_type: bool) -> Any:
    if gradient is None:
        return np.zeros(source.numel())
    if check_type and gradient.dtype is not source.dtype:
        raise GradcheckError(f"Gradient has dtype {gradient.dtype}, but its input has {source.dtype}")
    return np.array(gradient.detach().host()).reshape(-1)


def _directions(output: Tensor) -> list[Tensor]:
    """Gradients of a result that are 1 for one of its elements."""
    count = output.numel()
    eye = np.eye(count).reshape(count, *output.shape)
    return [tensor(row, dtype=output.dtype) for row in eye]


def _check_linear(output: Tensor, inputs: tuple[Any, ...], places: Sequence[int]) -> None:
    """Gradients of nothing must be nothing."""
    wanted = [inputs[index] for index in places]
    for item in walks.grad(output, wanted, output.detach() * 0, retain_graph=True, allow_unused=True):
        if item is not None and np.any(item.detach().host() != 0):
            raise GradcheckError("backward not multiplied by grad_output")


def _check_batched(output: Tensor, inputs: tuple[Any, ...], places: Sequence[int], expected: Sequence[Any]) -> None:
    """Gradients taken all at once must be those taken one by one."""
    wanted = [inputs[index] for index in places]
    count = output.numel()
    eye = tensor(np.eye(count).reshape(count, *output.shape), dtype=output.dtype)
    found = walks.grad(output, wanted, eye, retain_graph=True, allow_unused=True, is_grads_batched=True)
    for item, other in zip(found, expected, strict=True):
        batched = 0 if item is None else np.array(item.detach().host()).reshape(count, -1).T
        if not np.allclose(batched, other):
            raise GradcheckError("While computing batched gradients, got values other than those taken one by one")


def _forward(func: _Function, inputs: tuple[Any, ...], index: int) -> list[Any]:
    """For each result its forward-mode derivatives along each element of an input."""

    def one(value: Tensor) -> Any:
        return _all_outputs(func, (*inputs[:index], value, *inputs[index + 1 :]))

    source = inputs[index].detach()
    units = (1, 1j) if source.is_complex() else (1,)
    rows: list[Any] = []
    for direction in _directions(source):
        slopes = [jvp(one, (source,), (direction * unit,))[1] for unit in units]
        parts = [[np.array(item.detach().host()).reshape(-1) * unit for item in slope] for slope, unit in
                 zip(slopes, units, strict=True)]  # fmt: skip
        rows.append([sum(each) for each in zip(*parts, strict=True)])
    return [np.stack(each) for each in zip(*rows, strict=True)]
