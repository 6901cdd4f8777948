"""Reading and writing parts of a tensor: subscripts, and positions given by tensors."""

import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from flambeau.base.shapes import broadcast, normalize_axis
from flambeau.differentiation.modes import MODE
from flambeau.dtypes.kinds import DTYPES
from flambeau.primitives import indexing as p
from flambeau.primitives import pointwise
from flambeau.primitives.movement import basic_index
from flambeau.tensors.core import Core, call, call_in_place, call_view, operand, operands, wrap_array
from flambeau.tensors.fitting import assignable, assigned, fitted
from flambeau.tensors.index_checks import (
    check_copied,
    check_filled,
    check_gathered,
    check_mask_scattered,
    check_masked,
    check_put,
    check_scattered,
    check_selected,
    check_slices,
    check_taken,
)
from flambeau.tensors.numpy_names import accept_numpy_names
from flambeau.tensors.outputs import takes_out
from flambeau.tensors.subscripts import (
    looked_up,
    nonzero_positions,
    parse,
    parts,
    position,
    refuse_dynamic,
)

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["Indexing", "where"]


@accept_numpy_names
class Indexing(Core):
    """Methods that read and write parts of a tensor."""

    # -- subscripts --------------------------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> "Tensor":
        if type(index) is int and self.shape:
            return call_view(basic_index, self, ((("int",),),), (position(index, self.shape, 0),))
        parsed = parse(self, parts(index))
        view = cast("Tensor", self)
        if parsed.spec or not parsed.tensors:
            view = call_view(basic_index, self, (parsed.spec,), parsed.numbers)
        if not parsed.tensors:
            return view
        spec, found = looked_up(view, parsed)
        taped = MODE.grad and view.requires_grad
        if parsed.masked and view.device.type == "cpu" and not (taped or view.aval.mapped):
            return _looked_up_by_numpy(view, spec, found)
        return call(p.index, (view, *found), (spec,))

    def __setitem__(self, index: Any, value: Any) -> None:
        if not isinstance(value, (Core, int, float, complex, np.generic)):
            raise TypeError(f"can't assign a {_type_name(value)} to a torch.{self.dtype.tensor_type}")
        source = assigned(self, operand(value))
        items = parts(index)
        if _fill_by_mask(cast("Tensor", self), items, source):
            return
        parsed = parse(self, items)
        view = cast("Tensor", self)
        if parsed.spec:
            view = call_view(basic_index, self, (parsed.spec,), parsed.numbers)
        if parsed.tensors:
            spec, found = looked_up(view, parsed)
            _check_source(view, source)
            call_in_place(view, p.index_put, (view, source, *found), (spec, False))
            return
        if isinstance(source, Core) and source.shape != view.shape:
            shape = source.shape
            while len(shape) > len(view.shape) and shape[0] == 1:
                shape = shape[1:]
            source = cast("Tensor", source).reshape(shape).expand(view.shape)
        view.copy_(source)

    def __iter__(self) -> "Iterator[Tensor]":
        if not self.shape:
            raise TypeError("iteration over a 0-d tensor")
        return iter([self[position] for position in range(self.shape[0])])

    # -- positions along one axis ------------------------------------------------------------------------------

    def index_select(self, dim: int, index: "Tensor") -> "Tensor":
        """Slices at the positions in ``index`` along a dimension.

        Raises:
            IndexError: a position is out of range, or ``index`` is no vector.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.index_select.html
        """
        return call(p.index_select, (self, index), (check_selected(self, dim, index),))

    def gather(self, dim: int, index: "Tensor", *, sparse_grad: bool = False) -> "Tensor":
        """Elements at positions along a dimension: ``out[i][j] = self[index[i][j]][j]`` for dim 0.

        Raises:
            RuntimeError: shapes do not fit, or a position is out of range.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.gather.html
        """
        axis = check_gathered(self, dim, index)
        if not index.numel():  # nothing is looked up, whatever the index's type and rank
            return call(p.nothing_gathered, (self,), (index.shape,))
        return call(p.gather, (self, index), (axis,))

    def take_along_dim(self, indices: "Tensor", dim: int | None = None) -> "Tensor":
        """Elements at positions along a dimension, where the other dimensions broadcast.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.take_along_dim.html
        """
        tensor = cast("Tensor", self)
        if dim is not None and len(indices.shape) != len(self.shape):
            raise RuntimeError(
                "torch.take_along_dim(): input and indices should have the same number of dimensions, but got "
                f"{len(self.shape)} dimensions for input, and {len(indices.shape)} dimensions for indices"
            )
        if indices.dtype.name != "int64":
            kind = indices.dtype.tensor_type.removesuffix("Tensor")
            raise RuntimeError(f"torch.take_along_dim(): dtype of indices should be Long but got {kind}")
        if dim is None:
            return tensor.reshape(-1).gather(0, indices.reshape(-1))
        axis = normalize_axis(dim, len(self.shape))
        if not self.shape:
            return tensor.gather(0, indices)
        own, other = list(self.shape), list(indices.shape)
        own[axis] = other[axis] = 1
        common = broadcast(own, other)
        sizes = [(*common[:axis], item.shape[axis], *common[axis + 1 :]) for item in (tensor, indices)]
        return tensor.expand(sizes[0]).gather(axis, indices.expand(sizes[1]))

    def scatter(self, dim: int, index: "Tensor", src: Any = None, *, reduce: Any = None, value: Any = None) -> "Tensor":
        """A copy with elements of ``src`` (or a number) written to positions along a dimension.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.scatter.html
        """
        return call(*_scattered(self, dim, index, value if src is None else src, reduce))

    def scatter_(
        self, dim: int, index: "Tensor", src: Any = None, *, reduce: Any = None, value: Any = None
    ) -> "Tensor":
        """In-place ``scatter``."""
        return call_in_place(self, *_scattered(self, dim, index, value if src is None else src, reduce))

    def scatter_add(self, dim: int, index: "Tensor", src: "Tensor") -> "Tensor":
        """A copy with elements of ``src`` added at positions along a dimension.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.scatter_add.html
        """
        return call(*_reduced_at(self, dim, index, src, "sum"))

    def scatter_add_(self, dim: int, index: "Tensor", src: "Tensor") -> "Tensor":
        """In-place ``scatter_add``."""
        return call_in_place(self, *_reduced_at(self, dim, index, src, "sum"))

    def scatter_reduce(
        self, dim: int, index: "Tensor", src: "Tensor", reduce: str, *, include_self: bool = True
    ) -> "Tensor":
        """A copy with elements of ``src`` combined by sum, prod, mean, amax or amin at positions along a dimension.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.scatter_reduce.html
        """
        return call(*_reduced_at(self, dim, index, src, reduce, include_self))

    def scatter_reduce_(
        self, dim: int, index: "Tensor", src: "Tensor", reduce: str, *, include_self: bool = True
    ) -> "Tensor":
        """In-place ``scatter_reduce``."""
        return call_in_place(self, *_reduced_at(self, dim, index, src, reduce, include_self))

    def index_add(self, dim: int, index: "Tensor", source: "Tensor", *, alpha: Any = 1) -> "Tensor":
        """A copy with ``alpha * source`` added to the slices at positions along a dimension.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.index_add.html
        """
        return call(*_index_added(self, dim, index, source, alpha))

    def index_add_(self, dim: int, index: "Tensor", source: "Tensor", *, alpha: Any = 1) -> "Tensor":
        """In-place ``index_add``."""
        return call_in_place(self, *_index_added(self, dim, index, source, alpha))

    def index_copy(self, dim: int, index: "Tensor", source: "Tensor") -> "Tensor":
        """A copy with the slices at positions along a dimension replaced.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.index_copy.html
        """
        target, source = operands("index_copy", self, source)
        return call(*_index_copied(target, dim, index, source))

    def index_copy_(self, dim: int, index: "Tensor", source: "Tensor") -> "Tensor":
        """In-place ``index_copy``."""
        return call_in_place(self, *_index_copied(self, dim, index, source))

    def index_fill(self, dim: int, index: "Tensor", value: Any) -> "Tensor":
        """A copy with the slices at positions along a dimension filled with a number.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.index_fill_.html
        """
        return call(*_index_filled(self, dim, index, value))

    def index_fill_(self, dim: int, index: "Tensor", value: Any) -> "Tensor":
        """In-place ``index_fill``."""
        return call_in_place(self, *_index_filled(self, dim, index, value))

    def index_put(self, indices: "Sequence[Tensor | None]", values: "Tensor", accumulate: bool = False) -> "Tensor":
        """A copy with ``values`` written to, or added at, positions given by one tensor a dimension.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.index_put_.html
        """
        return call(*_put_at(cast("Tensor", self), indices, values, accumulate))

    def index_put_(self, indices: "Sequence[Tensor | None]", values: "Tensor", accumulate: bool = False) -> "Tensor":
        """In-place ``index_put``."""
        return call_in_place(self, *_put_at(cast("Tensor", self), indices, values, accumulate))

    # -- positions in the flattened tensor, and masks ----------------------------------------------------------

    def take(self, index: "Tensor") -> "Tensor":
        """Elements at positions of the flattened tensor.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.take.html
        """
        check_taken(self, index)
        return call(p.take, (self, index))

    def put(self, index: "Tensor", source: "Tensor", accumulate: bool = False) -> "Tensor":
        """A copy with elements written to positions of the flattened tensor."""
        check_put(self, index, source)
        return call(p.put, (self, source, index), (accumulate,))

    def put_(self, index: "Tensor", source: "Tensor", accumulate: bool = False) -> "Tensor":
        """In-place ``put``."""
        check_put(self, index, source)
        return call_in_place(self, p.put, (self, source, index), (accumulate,))

    def masked_select(self, mask: "Tensor") -> "Tensor":
        """Elements where the mask is true, in one row; waits for the mask.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.masked_select.html
        """
        if mask.dtype.name != "bool":
            raise RuntimeError("masked_select: expected BoolTensor for mask")
        shape = check_masked(self, mask)
        return cast("Tensor", self).expand(shape)[mask.expand(shape)].reshape(-1)

    def masked_scatter(self, mask: "Tensor", source: "Tensor") -> "Tensor":
        """A copy with consecutive elements of ``source`` where the mask is true.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.masked_scatter_.html
        """
        shape = check_masked(self, mask)
        own = self if shape == self.shape else cast("Tensor", self).expand(shape)
        return call(*_mask_scattered(own, mask, source))

    def masked_scatter_(self, mask: "Tensor", source: "Tensor") -> "Tensor":
        """In-place ``masked_scatter``."""
        return call_in_place(self, *_mask_scattered(self, mask.expand(self.shape), source))

    def nonzero(self, *, as_tuple: bool = False) -> Any:
        """Positions of the elements that are not zero, a row each; or a tensor for each dimension.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nonzero.html
        """
        tensor = cast("Tensor", self)
        if as_tuple:
            return tuple(nonzero_positions(tensor))
        refuse_dynamic(tensor, "nonzero")
        found = np.argwhere(tensor.host()).astype(np.int64)
        return wrap_array(found, DTYPES["int64"], self.device)

    def argwhere(self) -> "Tensor":
        """Positions of the elements that are not zero, a row each."""
        return self.nonzero()

    # -- triangles and diagonals -------------------------------------------------------------------------------

    def tril(self, diagonal: int = 0) -> "Tensor":
        """Matrices with zeros above a diagonal.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.tril.html
        """
        return call(p.tril, (self,), (diagonal,))

    def tril_(self, diagonal: int = 0) -> "Tensor":
        """In-place ``tril``."""
        return call_in_place(self, p.tril, (self,), (diagonal,))

    def triu(self, diagonal: int = 0) -> "Tensor":
        """Matrices with zeros below a diagonal.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.triu.html
        """
        return call(p.triu, (self,), (diagonal,))

    def triu_(self, diagonal: int = 0) -> "Tensor":
        """In-place ``triu``."""
        return call_in_place(self, p.triu, (self,), (diagonal,))

    def diag(self, diagonal: int = 0) -> "Tensor":
        """The matrix with this vector on a diagonal, or a matrix's diagonal.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.diag.html
        """
        rank = len(self.shape)
        if rank not in (1, 2):
            raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {rank}D")
        return self.diag_embed(diagonal) if rank == 1 else cast("Tensor", self).diagonal(diagonal).clone()

    def diag_embed(self, offset: int = 0, dim1: int = -2, dim2: int = -1) -> "Tensor":
        """Matrices with the last dimension on a diagonal.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.diag_embed.html
        """
        rank = len(self.shape) + 1
        axes = normalize_axis(dim1, rank), normalize_axis(dim2, rank)
        if axes[0] == axes[1]:
            raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
        if axes[0] > axes[1]:
            return call(p.diag_embed, (self,), (-offset, axes[1], axes[0]))
        return call(p.diag_embed, (self,), (offset, *axes))

    def diagflat(self, offset: int = 0) -> "Tensor":
        """The matrix with all elements on a diagonal."""
        return cast("Tensor", self).reshape(-1).diag_embed(offset)

    def fill_diagonal_(self, fill_value: Any, wrap: bool = False) -> "Tensor":
        """Set the main diagonal of a matrix to a number.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.fill_diagonal_.html
        """
        tensor = cast("Tensor", self)
        if wrap or len(self.shape) != 2:
            raise NotImplementedError("fill_diagonal_ is supported for matrices, without wrap=True")
        tensor.diagonal().fill_(fill_value)
        return tensor


# -- what the methods and their in-place forms share --------------------------------------------------------------


def _type_name(value: Any) -> str:
    kind = cast("type[Any]", type(value))
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _check_source(target: Core, source: Any) -> None:
    """Raise RuntimeError unless a tensor that is written has the target's type."""
    if not isinstance(source, Core) or source.dtype is target.dtype:
        return
    kinds = [item.dtype.tensor_type.removesuffix("Tensor") for item in (target, source)]
    raise RuntimeError(
        f"Index put requires the source and destination dtypes match, got {kinds[0]} for the destination and "
        f"{kinds[1]} for the source."
    )


def _fill_by_mask(tensor: "Tensor", items: list[Any], source: Any) -> bool:
    """``x[mask] = number`` without waiting for the mask; returns whether it was that."""
    if len(items) != 1 or not isinstance(items[0], Core) or items[0].dtype.name != "bool":
        return False
    mask = cast("Tensor", items[0])
    rank = len(mask.shape)
    if isinstance(source, Core) and source.shape.numel() != 1:
        return False
    if mask.shape != tensor.shape[:rank]:
        return False
    if isinstance(source, Core) and source.shape:
        source = cast("Tensor", source).reshape(())
    if rank < len(tensor.shape):
        mask = mask.reshape((*mask.shape, *[1] * (len(tensor.shape) - rank)))
    tensor.masked_fill_(mask, source)
    return True


def _looked_up_by_numpy(view: "Tensor", spec: tuple[bool, ...], found: "list[Tensor]") -> "Tensor":
    """Positions from a mask, without a program: there would be a new one for every number of true elements."""
    rest = iter([item.host() for item in found])
    subscript = tuple([next(rest) if taken else slice(None) for taken in spec])
    return wrap_array(view.host()[subscript], view.dtype, view.device)


_REDUCTIONS = {"add": "sum", "multiply": "prod"}


def _scattered(tensor: Core, dim: int, index: "Tensor", source: Any, reduce: str | None) -> Any:
    source = operand(source)
    axis = check_scattered(tensor, dim, index, source)
    fitted(tensor, source)
    if reduce is None:
        return p.scatter, (tensor, source, index), (axis,)
    if reduce not in _REDUCTIONS:
        raise RuntimeError("reduce argument must be either add or multiply.")
    return p.scatter_reduce, (tensor, source, index), (axis, _REDUCTIONS[reduce], True)


def _reduced_at(
    tensor: Core,
    dim: int,
    index: "Tensor",
    src: "Tensor",
    reduce: str,
    include_self: bool = True,
) -> Any:
    axis = check_scattered(tensor, dim, index, src)
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    return p.scatter_reduce, (tensor, src, index), (axis, reduce, include_self)


def _index_added(tensor: Core, dim: int, index: "Tensor", source: "Tensor", alpha: Any) -> Any:
    axis = check_slices("index_add_", tensor, dim, index, source)
    return p.index_add, (tensor, source, index, operand(alpha)), (axis,)


def _at_axis(tensor: Core, axis: int) -> tuple[bool, ...]:
    return (*[False] * axis, True, *[False] * (len(tensor.shape) - axis - 1))


def _index_copied(tensor: Core, dim: int, index: "Tensor", source: "Tensor") -> Any:
    axis = check_copied(tensor, dim, index, source)
    return p.index_put, (tensor, source, index), (_at_axis(tensor, axis), False)


def _index_filled(tensor: Core, dim: int, index: "Tensor", value: Any) -> Any:
    axis = check_filled(tensor, dim, index, value)
    return p.INDEX_FILL[not isinstance(value, Core)], (tensor, operand(value), index), (axis,)


def _put_at(tensor: "Tensor", indices: "Sequence[Tensor | None]", values: "Tensor", accumulate: bool) -> Any:
    parsed = parse(tensor, parts(tuple([slice(None) if item is None else item for item in indices])))
    spec, found = looked_up(tensor, parsed)
    _check_source(tensor, values)
    return p.index_put, (tensor, values, *found), (spec, accumulate)


def _mask_scattered(tensor: Core, mask: "Tensor", source: "Tensor") -> Any:
    check_mask_scattered(tensor, mask, source)
    if source.numel() < tensor.shape.numel() and source.numel() < int(mask.expand(tensor.shape).sum()):
        raise RuntimeError("Number of elements of source < number of ones in mask")
    return p.masked_scatter, (tensor, mask, source), ()


@takes_out()
def where(condition: "Tensor", input: Any = None, other: Any = None) -> Any:
    """Elements of ``input`` where the condition holds, else of ``other``; alone, the positions where it holds.

    Args:
        condition: of booleans.
        input: tensor or number.
        other: tensor or number.

    Raises:
        RuntimeError: the condition is not of booleans.

    Example:
        >>> import flambeau as torch
        >>> torch.where(torch.tensor([True, False]), 1, 2)
        tensor([1, 2])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.where.html
    """
    if input is None and other is None:
        return condition.nonzero(as_tuple=True)
    if condition.dtype.name == "uint8":
        warnings.warn(
            "where received a uint8 condition tensor. This behavior is deprecated and will be removed in a future "
            "version of PyTorch. Use a boolean condition instead.",
            stacklevel=2,
        )
    elif condition.dtype.name != "bool":
        kind = condition.dtype.tensor_type.removesuffix("Tensor")
        raise RuntimeError(f"where expected condition to be a boolean tensor, but got a tensor with dtype {kind}")
    return assignable(call(pointwise.where, (condition, operand(input), operand(other))), input, other)
