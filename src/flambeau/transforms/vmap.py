"""``vmap``: a function of one example becomes a function of a batch."""

import functools
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, cast

from flambeau.base.shapes import normalize_axis
from flambeau.base.tree import TreeSpec, broadcast_to, flatten, leaves_of, unflatten
from flambeau.differentiation.batching import Batch
from flambeau.differentiation.tape import Tracked
from flambeau.runtime.force import force
from flambeau.tensors.core import made
from flambeau.tensors.generator import default_generator
from flambeau.tensors.joining import cat
from flambeau.tensors.tensor import Tensor

__all__ = ["vmap"]


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """The function that applies a function to every example of a batch, as one operation on the whole batch.

    ``func`` is called once, with tensors of one example's shape. It may use any operation whose shape does not depend
    on values, and may take derivatives; it may not look at the examples' values.

    Args:
        func: takes tensors or structures of tensors, and returns such.
        in_dims: for each argument the dimension along which its examples lie, or None for what all examples share: a
            number for all, or a tuple, whose items may themselves follow the arguments' structures.
        out_dims: where the examples go in the results: a number, or a structure like the results'. None for a result
            that is the same for all examples.
        randomness: what random operations do inside: raise (``"error"``), draw once for all examples (``"same"``), or
            for each (``"different"``).
        chunk_size: how many examples to compute at once; None for all.

    Returns:
        A function of the same arguments with an additional dimension. Keyword arguments are shared by all examples.

    Raises:
        ValueError: ``in_dims`` or ``out_dims`` do not fit the arguments or results, or the batch sizes differ.
        RuntimeError: ``func`` looks at an example's value, draws with ``"error"``, or writes an example's values to a
            tensor that all examples share.

    Example:
        >>> import flambeau as torch
        >>> x, y = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([1.0, 10.0])
        >>> torch.vmap(torch.dot, in_dims=(0, None))(x, y)
        tensor([21., 43.])
        >>> torch.vmap(torch.func.grad(lambda x: (x * x).sum()))(x)
        tensor([[2., 4.],
                [6., 8.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.func.vmap.html
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}")
    if not (chunk_size is None or chunk_size > 0):
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    @functools.wraps(func, updated=())
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        _check_out_dims(func, out_dims)
        leaves, spec = flatten(args)
        axes = _in_axes(func, in_dims, args, leaves, spec)
        size = _batch_size(leaves, axes)
        call = functools.partial(_call, func, spec, axes, out_dims, randomness, kwargs)
        if chunk_size is None:
            return call(leaves, size)
        return _in_chunks(call, leaves, axes, out_dims, size, chunk_size, restart=randomness == "same")

    return wrapper


def _name(func: Any) -> str:
    """A function as PyTorch's messages call it."""
    if hasattr(func, "__name__"):
        return func.__name__
    return f"functools.partial({_name(func.func)}, ...)" if isinstance(func, functools.partial) else repr(func)


# -- what is mapped over -------------------------------------------------------------------------------------------


def _in_axes(func: Any, in_dims: Any, args: Any, leaves: list[Any], spec: TreeSpec) -> list[int | None]:
    """For each tensor the axis of its examples; raises ValueError in PyTorch's words."""
    call = f"vmap({_name(func)}, in_dims={in_dims}, ...)(<inputs>)"
    if not isinstance(in_dims, (int, tuple)):
        raise ValueError(
            f"{call}: expected `in_dims` to be int or a (potentially nested) tuple matching the structure of inputs, "
            f"got: {type(in_dims)}."
        )
    if not args:
        raise ValueError(
            f"vmap({_name(func)})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are trying to vmap "
            "over a function with no inputs. The latter is unsupported."
        )
    axes = broadcast_to(in_dims, spec)
    if axes is None:
        raise ValueError(
            f"{call}: in_dims is not compatible with the structure of `inputs`. in_dims has structure "
            f"{flatten(in_dims)[1]} but inputs has structure {spec}."
        )
    return [_in_axis(call, leaf, axis) for leaf, axis in zip(leaves, axes, strict=True)]


def _in_axis(call: str, leaf: Any, axis: Any) -> int | None:
    if axis is None:
        return None
    if not isinstance(axis, int):
        raise ValueError(
            f"{call}: Got in_dim={axis} for an input but in_dim must be either an integer dimension or None."
        )
    if not isinstance(leaf, Tensor):
        raise ValueError(
            f"{call}: Got in_dim={axis} for an input but the input is of type {type(leaf)}. We cannot vmap over "
            "non-Tensor arguments, please use None as the respective in_dim"
        )
    if not -leaf.dim() <= axis < leaf.dim():
        raise ValueError(
            f"{call}: Got in_dim={axis} for some input, but that input is a Tensor of dimensionality {leaf.dim()} so "
            f"expected in_dim to satisfy -{leaf.dim()} <= in_dim < {leaf.dim()}."
        )
    return axis % leaf.dim()


def _batch_size(leaves: Sequence[Any], axes: Sequence[int | None]) -> int:
    sizes: list[int] = [leaf.shape[axis] for leaf, axis in zip(leaves, axes, strict=True) if axis is not None]
    if not sizes:
        raise ValueError("vmap: Expected at least one Tensor to vmap over")
    if any(size != sizes[0] for size in sizes):
        raise ValueError(
            f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {sizes} for the "
            "mapped dimension"
        )
    return sizes[0]


# -- the call ------------------------------------------------------------------------------------------------------


def _call(
    func: Callable[..., Any],
    spec: TreeSpec,
    axes: Sequence[int | None],
    out_dims: Any,
    randomness: str,
    kwargs: dict[str, Any],
    leaves: Sequence[Any],
    size: int,
) -> Any:
    """Run the function for one example, and make its results those of the whole batch."""
    batch = Batch(size, randomness)
    examples = [
        leaf if axis is None else made(*batch.example(Tracked(leaf.read(), leaf.edge()), axis))
        for leaf, axis in zip(leaves, axes, strict=True)
    ]
    before = [None if axis is None else item.read() for item, axis in zip(examples, axes, strict=True)]
    with batch.running():
        results = func(*unflatten(examples, spec), **kwargs)
    outputs, output_spec = flatten(results)
    places = _out_axes(func, out_dims, results, output_spec)
    goals = [_out_axis(func, batch, item, axis) for item, axis in zip(outputs, places, strict=True)]
    chosen = [index for index, axis in enumerate(goals) if axis is not None]
    # A function may write to its arguments; what it wrote belongs to the caller's tensors.
    written = [index for index, node in enumerate(before) if node is not None and examples[index].read() is not node]
    shown: list[Tensor] = [*[outputs[index] for index in chosen], *[examples[index] for index in written]]
    ends = [*[goals[index] for index in chosen], *[axes[index] for index in written]]
    wholes = batch.whole([Tracked(item.read(), item.edge()) for item in shown], cast("list[int]", ends))
    for index, whole in zip(written, wholes[len(chosen) :], strict=True):
        leaves[index].check_writable()
        leaves[index].write(whole)
    for index, whole in zip(chosen, wholes, strict=False):
        outputs[index] = made(*whole)
    return unflatten(outputs, output_spec)


def _check_out_dims(func: Any, out_dims: Any) -> None:
    for item in leaves_of(out_dims):
        if not (item is None or isinstance(item, int)):
            raise ValueError(
                f"vmap({_name(func)}, ..., out_dims={out_dims}): `out_dims` must be an int, None or a python "
                "collection of ints representing where in the outputs the vmapped dimension should appear."
            )


def _out_axes(func: Any, out_dims: Any, results: Any, spec: TreeSpec) -> list[int | None]:
    """For each result where its examples go; raises ValueError in PyTorch's words."""
    one = isinstance(results, Tensor) and isinstance(out_dims, tuple) and len(cast("Any", out_dims)) == 1
    found = list(cast("Any", out_dims)) if one else broadcast_to(out_dims, spec)
    if found is None:
        raise ValueError(
            f"vmap({_name(func)}, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible with the structure "
            f"of `outputs`. out_dims has structure {flatten(out_dims)[1]} but outputs has structure {spec}."
        )
    return found


def _out_axis(func: Any, batch: Batch, output: Any, axis: int | None) -> int | None:
    """Where a result's examples go; raises ValueError, in PyTorch's words, where it is not what ``axis`` says."""
    name = _name(func)
    if axis is None:
        if isinstance(output, Tensor) and batch.depends(output.read()):
            raise ValueError(f"vmap({name}, ...): `{name}` can not return a BatchedTensor when out_dim is None")
        return None
    if not isinstance(output, Tensor):
        raise ValueError(
            f"vmap({name}, ...): `{name}` must only return Tensors, got type {type(output)}. Did you mean to set "
            "out_dims= to None for output?"
        )
    return normalize_axis(axis, output.dim() + 1)


# -- in chunks -----------------------------------------------------------------------------------------------------


def _in_chunks(
    call: Callable[[Sequence[Any], int], Any],
    leaves: Sequence[Any],
    axes: Sequence[int | None],
    out_dims: Any,
    size: int,
    chunk_size: int,
    *,
    restart: bool,
) -> Any:
    """Compute some examples at a time; each chunk runs at once, so that no more than its values are in memory."""
    state = default_generator.get_state() if restart else None
    _run([leaf for leaf, axis in zip(leaves, axes, strict=True) if axis is not None])
    found: list[list[Any]] = []
    spec: Any = None
    for start, stop in pairwise([*range(0, size, chunk_size), size]):
        if state is not None:
            default_generator.set_state(state)
        results, spec = flatten(call(list(_slices(leaves, axes, start, stop)), stop - start))
        _run(results)
        found.append(results)
    places = broadcast_to(out_dims, spec) or [out_dims[0]]
    joined = [
        parts[0] if axis is None else cat(list(parts), dim=axis)
        for parts, axis in zip(zip(*found, strict=True), places, strict=True)
    ]
    return unflatten(joined, spec)


def _slices(leaves: Sequence[Any], axes: Sequence[int | None], start: int, stop: int) -> Iterator[Any]:
    for leaf, axis in zip(leaves, axes, strict=True):
        yield leaf if axis is None else leaf.narrow(axis, start, stop - start)


def _run(tensors: Sequence[Any]) -> None:
    """Have tensors computed, unless they are themselves examples of a batch."""
    nodes = [tensor.read() for tensor in tensors if isinstance(tensor, Tensor)]
    force([node for node in nodes if not node.aval.mapped])
