"""``jacrev``, ``jacfwd`` and ``hessian``: all partial derivatives, by ``vmap`` over unit vectors."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from flambeau.base.tree import flatten, mapped, unflatten
from flambeau.tensors.joining import cat
from flambeau.tensors.ranges import arange
from flambeau.tensors.tensor import Tensor
from flambeau.transforms.arguments import Argnums, check_real, selected
from flambeau.transforms.forward import pushed
from flambeau.transforms.reverse import pullback_of
from flambeau.transforms.vmap import vmap

__all__ = ["hessian", "jacfwd", "jacrev"]


def jacrev(
    func: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Callable[..., Any]:
    """The function that computes a Jacobian, a row at a time: best where there are fewer outputs than inputs.

    Args:
        func: returns a tensor or a structure of tensors, or with ``has_aux`` a pair of that and other tensors.
        argnums: which positional arguments to differentiate by: a number, or a tuple of them.
        has_aux: whether ``func`` also returns tensors that are passed on.
        chunk_size: how many rows to compute at once; None for all.

    Returns:
        A function of the same arguments. Where ``func`` returns a tensor of shape (*out) and the argument is one of
        shape (*in), it returns (*out, *in); structures of outputs hold structures of inputs. With ``has_aux`` a pair of
        that and the other tensors.

    Raises:
        ValueError: ``chunk_size`` is not positive.
        RuntimeError: an input or output is complex.

    Example:
        >>> import flambeau as torch
        >>> torch.func.jacrev(lambda x: x * x)(torch.tensor([1.0, 2.0]))
        tensor([[2., 0.],
                [0., 4.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.func.jacrev.html
    """
    if not (chunk_size is None or chunk_size > 0):
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    @functools.wraps(func, updated=())
    def wrapper(*args: Any) -> Any:
        check_real("jacrev", args, "inputs")
        positions = selected(args, argnums)
        value, pull, aux = pullback_of(func, args, positions, has_aux)
        outputs, spec = flatten(value)
        check_real("jacrev", outputs, "outputs")

        def row(*units: Tensor) -> list[Any]:
            return list(pull(unflatten(units, spec)))

        rows = _stacked([_rows(row, units) for units in _units(outputs, chunk_size)])
        found = [_per_input(rows, output, start) for output, start in zip(outputs, _starts(outputs), strict=True)]
        jacobian = unflatten([item[0] if isinstance(argnums, int) else tuple(item) for item in found], spec)
        return (jacobian, aux) if has_aux else jacobian

    return wrapper


def _rows(row: Callable[..., Any], units: Sequence[Tensor]) -> Any:
    """The gradients of some unit vectors; of a single one without ``vmap``, as PyTorch promises."""
    if units[0].shape[0] == 1:
        return mapped(lambda item: item.unsqueeze(0), row(*[item.squeeze(0) for item in units]))
    return vmap(row)(*units)


def _stacked(chunks: list[Any]) -> Any:
    """Rows computed in chunks, one under the other."""
    if len(chunks) == 1:
        return chunks[0]
    columns, spec = zip(*[flatten(chunk) for chunk in chunks], strict=True)
    return unflatten([cat(list(parts)) for parts in zip(*columns, strict=True)], spec[0])


def _per_input(rows: list[Any], output: Tensor, start: int) -> list[Any]:
    """The rows of one output, in its shape, for each input."""
    count = output.numel()
    return [
        mapped(lambda item: item.narrow(0, start, count).reshape((*output.shape, *item.shape[1:])), part)
        for part in rows
    ]


def _starts(tensors: Sequence[Tensor]) -> list[int]:
    """Where each tensor's elements begin in the row of all elements."""
    starts = [0]
    for tensor in tensors[:-1]:
        starts.append(starts[-1] + tensor.numel())
    return starts


def _units(tensors: Sequence[Tensor], chunk_size: int | None = None) -> Iterator[list[Tensor]]:
    """Unit vectors in the space of all elements of some tensors, some at a time; those of a chunk in front."""
    total = sum([tensor.numel() for tensor in tensors])
    chunk = total if chunk_size is None else min(chunk_size, total)
    for first in range(0, total, max(chunk, 1)):
        count = min(chunk, total - first)
        own = arange(first, first + count, device=tensors[0].device).unsqueeze(1)
        yield [
            (own == arange(start, start + tensor.numel(), device=tensor.device))
            .to(tensor.dtype)
            .reshape((count, *tensor.shape))
            for tensor, start in zip(tensors, _starts(tensors), strict=True)
        ]


def jacfwd(
    func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False, *, randomness: str = "error"
) -> Callable[..., Any]:
    """The function that computes a Jacobian, a column at a time: best where there are fewer inputs than outputs.

    Args:
        func: returns a tensor or a structure of tensors, or with ``has_aux`` a pair of that and other tensors.
        argnums: which positional arguments to differentiate by: a number, or a tuple of them.
        has_aux: whether ``func`` also returns tensors that are passed on.
        randomness: what random operations in ``func`` do; see ``vmap``.

    Returns:
        What ``jacrev`` returns.

    Raises:
        RuntimeError: an input or output is complex.

    Example:
        >>> import flambeau as torch
        >>> torch.func.jacfwd(lambda x: x * x)(torch.tensor([1.0, 2.0]))
        tensor([[2., 0.],
                [0., 4.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.func.jacfwd.html
    """

    @functools.wraps(func, updated=())
    def wrapper(*args: Any) -> Any:
        check_real("jacfwd", args, "inputs")
        positions = selected(args, argnums)
        inputs, spec = flatten(tuple([args[position] for position in positions]))

        def column(*units: Tensor) -> tuple[Any, Any]:
            value, derivative, aux = pushed(func, args, positions, unflatten(units, spec), has_aux=has_aux)
            check_real("jacfwd", value, "outputs")
            return derivative, aux if has_aux else ()

        columns, aux = vmap(column, randomness=randomness)(*next(_units(inputs)))
        starts = _starts(inputs)

        def of_output(stacked: Tensor) -> Any:
            """The derivatives of one output by every input."""
            last = stacked.movedim(0, -1)
            parts = [
                last.narrow(-1, start, item.numel()).reshape((*last.shape[:-1], *item.shape))
                for item, start in zip(inputs, starts, strict=True)
            ]
            found = unflatten(parts, spec)
            return found[0] if isinstance(argnums, int) else found

        jacobian = mapped(of_output, columns)
        return (jacobian, mapped(lambda item: item[0], aux)) if has_aux else jacobian

    return wrapper


def hessian(func: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """The function that computes all second derivatives of a function: ``jacfwd(jacrev(func))``.

    Args:
        func: returns a tensor or a structure of tensors.
        argnums: which positional arguments to differentiate by: a number, or a tuple of them.

    Returns:
        A function of the same arguments; see ``jacrev`` for the structure of what it returns.

    Example:
        >>> import flambeau as torch
        >>> torch.func.hessian(lambda x: (x**3).sum())(torch.tensor([1.0, 2.0]))
        tensor([[ 6.,  0.],
                [ 0., 12.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.func.hessian.html
    """
    return jacfwd(jacrev(func, argnums), argnums)
