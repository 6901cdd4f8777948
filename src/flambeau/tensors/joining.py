"""Putting tensors together, taking them apart, repeating and turning them."""

import warnings
from collections.abc import Callable, Sequence
from itertools import combinations as choose
from itertools import combinations_with_replacement as choose_again
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from flambeau.base.shapes import Size, broadcast, normalize_axis
from flambeau.dtypes.kinds import DTYPES
from flambeau.primitives import joining as p
from flambeau.primitives.movement import basic_index
from flambeau.tensors.arguments import sizes
from flambeau.tensors.core import Core, call, call_view, kind_name, wrap_array
from flambeau.tensors.creation import zeros
from flambeau.tensors.numpy_names import accept_numpy_names, numpy_names, parts_named
from flambeau.tensors.outputs import takes_out

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = [
    "Joining",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "block_diag",
    "broadcast_shapes",
    "broadcast_tensors",
    "cartesian_prod",
    "cat",
    "column_stack",
    "combinations",
    "concat",
    "concatenate",
    "counted",
    "dstack",
    "hstack",
    "meshgrid",
    "row_stack",
    "stack",
    "vstack",
]

# So few pieces stand in the program itself, where XLA can fuse them; more (a loop over batches or time steps) are
# looked up by position, so that one program serves them all.
_FEW = 4


@accept_numpy_names
class Joining(Core):
    """Methods that take tensors apart, repeat and turn them."""

    # -- taking apart ------------------------------------------------------------------------------------------

    def _pieces(self, axis: int, lengths: Sequence[int]) -> "tuple[Tensor, ...]":
        """Views of consecutive parts along an axis."""
        results: list[Tensor] = []
        start = 0
        lead = (("all",),) * axis
        size = self.shape[axis]
        for length in lengths:
            if length == size:
                results.append(call_view(basic_index, self, (lead,)))
            elif len(lengths) <= _FEW or length == 0:
                results.append(call_view(basic_index, self, ((*lead, ("fixed", start, length, 1)),)))
            else:
                results.append(call_view(basic_index, self, ((*lead, ("slice", length, 1)),), (start,)))
            start += length
        return tuple(results)

    def split(self, split_size: int | Sequence[int], dim: int = 0) -> "tuple[Tensor, ...]":
        """Views of consecutive parts along a dimension, of one size or of the sizes given.

        Raises:
            RuntimeError: the sizes are negative or do not add up.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.split.html
        """
        axis = _axis(self, dim, "split expects at least a 1-dimensional tensor")
        size = self.shape[axis]
        if not isinstance(split_size, int):
            return self.split_with_sizes(split_size, dim)
        if split_size < 0:
            raise RuntimeError(f"split expects split_size be non-negative, but got split_size={split_size}")
        if split_size == 0:
            if size:
                message = "split_size can only be 0 if dimension size is 0, but got dimension size of "
                raise RuntimeError(f"{message}{size}")
            return self._pieces(axis, [0])
        count = max(1, -(-size // split_size))
        return self._pieces(axis, [min(split_size, size - part * split_size) for part in range(count)])

    def split_with_sizes(self, split_sizes: Sequence[int], dim: int = 0) -> "tuple[Tensor, ...]":
        """Views of consecutive parts of the sizes given."""
        axis = _axis(self, dim, "split expects at least a 1-dimensional tensor")
        size = self.shape[axis]
        lengths = [int(length) for length in split_sizes]
        for length in lengths:
            if length < 0:
                message = "split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes="
                raise RuntimeError(f"{message}{lengths}")
        if sum(lengths) != size:
            raise RuntimeError(
                f"split_with_sizes expects split_sizes to sum exactly to {size} (input tensor's size at dimension "
                f"{axis}), but got split_sizes={lengths}"
            )
        return self._pieces(axis, lengths)

    def chunk(self, chunks: int, dim: int = 0) -> "tuple[Tensor, ...]":
        """At most so many views of equal parts (the last may be smaller).

        Source: https://docs.pytorch.org/docs/stable/generated/torch.chunk.html
        """
        axis = _axis(self, dim, "chunk expects at least a 1-dimensional tensor")
        if chunks <= 0:
            raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
        size = self.shape[axis]
        each = -(-size // chunks)
        return self._pieces(axis, [0] * chunks) if each == 0 else self.split(each, dim)

    unsafe_split, unsafe_split_with_sizes, unsafe_chunk = split, split_with_sizes, chunk

    @parts_named
    def tensor_split(self, indices_or_sections: Any, dim: int = 0) -> "tuple[Tensor, ...]":
        """Views of parts: so many of nearly equal size, or cut at the positions given.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.tensor_split.html
        """
        axis = _axis(self, dim, "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
        size = self.shape[axis]
        cuts: Any = indices_or_sections
        if isinstance(cuts, Core):
            cuts = cast("Tensor", cuts).tolist()
        if isinstance(cuts, int):
            if cuts <= 0:
                raise RuntimeError(f"number of sections must be larger than 0, got {cuts}")
            return self._pieces(axis, [size // cuts + (part < size % cuts) for part in range(cuts)])
        bounds = [0, *[slice(None, cut).indices(size)[1] for cut in cuts], size]
        spans = pairwise(bounds)
        return tuple([cast("Tensor", self).narrow(axis, start, max(stop - start, 0)) for start, stop in spans])

    @parts_named
    def hsplit(self, indices_or_sections: Any) -> "tuple[Tensor, ...]":
        """``tensor_split`` along the columns. Source: https://docs.pytorch.org/docs/stable/generated/torch.hsplit.html."""
        return self._split_evenly("hsplit", indices_or_sections, 0 if len(self.shape) == 1 else 1, 1)

    @parts_named
    def vsplit(self, indices_or_sections: Any) -> "tuple[Tensor, ...]":
        """``tensor_split`` along the rows. Source: https://docs.pytorch.org/docs/stable/generated/torch.vsplit.html."""
        return self._split_evenly("vsplit", indices_or_sections, 0, 2)

    @parts_named
    def dsplit(self, indices_or_sections: Any) -> "tuple[Tensor, ...]":
        """``tensor_split`` in depth. Source: https://docs.pytorch.org/docs/stable/generated/torch.dsplit.html."""
        return self._split_evenly("dsplit", indices_or_sections, 2, 3)

    def _split_evenly(self, name: str, parts: Any, axis: int, rank: int) -> "tuple[Tensor, ...]":
        if len(self.shape) < rank:
            raise RuntimeError(
                f"torch.{name} requires a tensor with at least {rank} dimension, but got a tensor with "
                f"{len(self.shape)} dimensions!"
            )
        size = self.shape[axis]
        if isinstance(parts, int) and (parts <= 0 or size % parts):
            raise RuntimeError(
                f"torch.{name} attempted to split along dimension {axis}, but the size of the dimension {size} is not "
                f"divisible by the split_size {parts}!"
            )
        return self.tensor_split(parts, axis)

    def unbind(self, dim: int = 0) -> "tuple[Tensor, ...]":
        """Views of all slices along a dimension, without it.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.unbind.html
        """
        axis = _axis(self, dim, "Dimension specified as 0 but tensor has no dimensions")
        return tuple([cast("Tensor", self).select(axis, position) for position in range(self.shape[axis])])

    # -- repeating and turning ---------------------------------------------------------------------------------

    def broadcast_to(self, size: Sequence[int]) -> "Tensor":
        """View in a shape it broadcasts to."""
        return cast("Tensor", self).expand(*size)

    def repeat(self, *args: Any, repeats: Any = None) -> "Tensor":
        """Copies side by side: so many along each dimension, new dimensions first.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.repeat.html
        """
        counts = sizes("repeat", args if repeats is None else (repeats,), "repeats")
        if len(counts) < len(self.shape):
            raise RuntimeError(
                "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor"
            )
        if any(count < 0 for count in counts):
            raise RuntimeError(f"Trying to create tensor with negative dimension {min(counts)}: {list(counts)}")
        return call(p.tile, (self,), (counts,))

    def tile(self, *args: Any, dims: Any = None) -> "Tensor":
        """Copies side by side; missing counts are 1.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.tile.html
        """
        counts = sizes("tile", args if dims is None else (dims,), "dims")
        return self.repeat((1,) * (len(self.shape) - len(counts)) + counts)

    def repeat_interleave(self, repeats: Any, dim: int | None = None, *, output_size: int | None = None) -> "Tensor":
        """Every slice along a dimension (every element if None) so many times in a row.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.repeat_interleave.html
        """
        source = cast("Tensor", self)
        if dim is None:
            source, dim = source.reshape(-1), 0
        axis = normalize_axis(dim, len(source.shape))
        size = source.shape[axis]
        given: Any = cast("Tensor", repeats).host() if isinstance(repeats, Core) else repeats
        counts: Any = np.asarray(given)
        if counts.ndim > 1:
            raise RuntimeError("repeat_interleave only accept 0D or 1D repeat tensor, expected an int or a tensor")
        if counts.size not in (1, size):
            raise RuntimeError(
                "repeats must have the same size as input along dim, but got repeats.size(0) = "
                f"{counts.size} and input.size({axis}) = {size}"
            )
        if (counts < 0).any():
            raise RuntimeError("repeats can not be negative")
        return source.index_select(axis, repeated_positions(np.broadcast_to(counts.reshape(-1), (size,)), source))

    def flip(self, *args: Any, dims: Any = None) -> "Tensor":
        """In reverse order along dimensions. Source: https://docs.pytorch.org/docs/stable/generated/torch.flip.html."""
        axes = tuple(
            [normalize_axis(axis, len(self.shape)) for axis in sizes("flip", args if dims is None else (dims,), "dims")]
        )
        for axis in axes:
            if axes.count(axis) > 1:
                raise RuntimeError(f"dim {axis} appears multiple times in the list of dims")
        return call(p.flip, (self,), (axes if self.shape else (),))

    def fliplr(self) -> "Tensor":
        """Columns in reverse order."""
        if len(self.shape) < 2:
            raise RuntimeError("Input must be >= 2-d.")
        return self.flip(1)

    def flipud(self) -> "Tensor":
        """Rows in reverse order."""
        if not self.shape:
            raise RuntimeError("Input must be >= 1-d.")
        return self.flip(0)

    def roll(self, shifts: Any, dims: Any = None) -> "Tensor":
        """Shifted along dimensions, what leaves at one end enters at the other.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.roll.html
        """
        steps = (shifts,) if isinstance(shifts, int) else tuple(shifts)
        if not steps:
            raise RuntimeError("`shifts` required")
        axes = () if dims is None else (dims,) if isinstance(dims, int) else tuple(dims)
        if not axes and len(steps) == 1:
            return call(p.roll, (self,), (steps, None))
        if len(axes) != len(steps):
            message = f"shifts and dimensions must align. shifts: {len(steps)}, dims:{len(axes)}"
            raise RuntimeError(message)
        rank = len(self.shape)
        if not rank:
            raise IndexError("Dimension specified as 0 but tensor has no dimensions")
        return call(p.roll, (self,), (steps, tuple([normalize_axis(axis, rank) for axis in axes])))

    def rot90(self, k: int = 1, dims: Sequence[int] = (0, 1)) -> "Tensor":
        """Turned by k quarters in the plane of two dimensions.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.rot90.html
        """
        if len(dims) != 2:
            raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
        rank = len(self.shape)
        if rank < 2:
            raise RuntimeError(f"expected total dims >= 2, but got total dims = {rank}")
        if dims[0] == dims[1] or abs(dims[0] - dims[1]) == rank:
            pair = f"dim0 = {dims[0]} and dim1 = {dims[1]}"
            raise RuntimeError(f"expected rotation dims to be different, but got {pair}")
        dims = [normalize_axis(dim, rank) for dim in dims]
        if k % 4 == 0:
            return cast("Tensor", self).clone()
        if k % 4 == 2:
            return self.flip(*dims)
        turned = self.flip(dims[1]) if k % 4 == 1 else self.flip(dims[0])
        return turned.transpose(dims[0], dims[1])


def _axis(tensor: Core, dim: int, empty: str) -> int:
    """A dimension of a tensor that must have one."""
    if not tensor.shape:
        raise (IndexError if empty.startswith("Dimension") else RuntimeError)(empty)
    return normalize_axis(dim, len(tensor.shape))


def repeated_positions(counts: Any, like: Core) -> "Tensor":
    """0, 1, 2, ..., each as often as ``counts`` says."""
    found = np.repeat(np.arange(len(counts)), counts)
    return wrap_array(found.astype(np.int64), DTYPES["int64"], like.device)


def counted(counts: "Tensor") -> "Tensor":
    """0, 1, 2, ..., each as often as a tensor of counts says."""
    return repeated_positions(counts.host(), counts)


# -- putting together ---------------------------------------------------------------------------------------------


def _several(name: str, tensors: Any, empty: str = "") -> "tuple[Tensor, ...]":
    """A sequence of tensors; raises in PyTorch's words."""
    if isinstance(tensors, Core):
        raise TypeError(f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not Tensor")
    given = tuple(tensors)
    for position, item in enumerate(given):
        if not isinstance(item, Core):
            raise TypeError(f"expected Tensor as element {position} in argument 0, but got {kind_name(item)}")
    if not given:
        if name == "cat":
            raise ValueError("torch.cat(): expected a non-empty list of Tensors")
        raise RuntimeError(f"{name} expects a non-empty TensorList")
    return given


@numpy_names
@takes_out()
def cat(tensors: "Sequence[Tensor]", dim: int = 0) -> "Tensor":
    """Tensors joined along a dimension they have; their types are promoted.

    Args:
        tensors: equal in all other sizes.
        dim: the dimension.

    Raises:
        ValueError: there are none.
        RuntimeError: their shapes do not fit.

    Example:
        >>> import flambeau as torch
        >>> torch.cat([torch.ones(1, 2), torch.zeros(1, 2)]).shape
        torch.Size([2, 2])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cat.html
    """
    given = _several("cat", tensors)
    for position, item in enumerate(given):
        if not item.shape:
            raise RuntimeError(f"zero-dimensional tensor (at position {position}) cannot be concatenated")
    rank = max([len(item.shape) for item in given if item.shape != (0,)], default=1)
    return call(p.cat, given, (normalize_axis(dim, rank),))


@numpy_names
@takes_out()
def stack(tensors: "Sequence[Tensor]", dim: int = 0) -> "Tensor":
    """Tensors of one shape joined along a new dimension.

    Raises:
        RuntimeError: there are none, or their shapes differ.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.stack.html
    """
    given = _several("stack", tensors)
    return call(p.stack, given, (normalize_axis(dim, len(given[0].shape) + 1),))


concat = concatenate = cat


@takes_out()
def hstack(tensors: "Sequence[Tensor]") -> "Tensor":
    """Joined along the columns. Source: https://docs.pytorch.org/docs/stable/generated/torch.hstack.html."""
    given = [atleast_1d(item) for item in _several("hstack", tensors)]
    return cat(given, 0 if len(given[0].shape) == 1 else 1)


@takes_out()
def vstack(tensors: "Sequence[Tensor]") -> "Tensor":
    """Joined along the rows. Source: https://docs.pytorch.org/docs/stable/generated/torch.vstack.html."""
    return cat([atleast_2d(item) for item in _several("vstack", tensors)], 0)


row_stack = vstack


@takes_out()
def dstack(tensors: "Sequence[Tensor]") -> "Tensor":
    """Joined in depth. Source: https://docs.pytorch.org/docs/stable/generated/torch.dstack.html."""
    return cat([atleast_3d(item) for item in _several("dstack", tensors)], 2)


@takes_out()
def column_stack(tensors: "Sequence[Tensor]") -> "Tensor":
    """Joined as columns. Source: https://docs.pytorch.org/docs/stable/generated/torch.column_stack.html."""
    given = _several("column_stack", tensors)
    return hstack([item.reshape(item.numel(), 1) if len(item.shape) <= 1 else item for item in given])


def block_diag(*tensors: "Tensor") -> "Tensor":
    """Matrices along the diagonal of one.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.block_diag.html
    """
    blocks = [atleast_2d(item) for item in tensors]
    width = sum([block.shape[1] for block in blocks])
    rows: list[Tensor] = []
    start = 0
    for block in blocks:
        before, after = start, width - start - block.shape[1]
        sides = [zeros(block.shape[0], count, dtype=block.dtype, device=block.device) for count in (before, after)]
        rows.append(cat([sides[0], block, sides[1]], 1))
        start += block.shape[1]
    return cat(rows, 0)


def _at_least(tensors: Any, lift: "Callable[[Tensor], Tensor]") -> Any:
    if len(tensors) == 1 and isinstance(tensors[0], Core):
        return lift(cast("Tensor", tensors[0]))
    given = tensors[0] if len(tensors) == 1 else tensors
    return tuple([lift(item) for item in given])


def atleast_1d(*tensors: Any) -> Any:
    """As vectors at least. Source: https://docs.pytorch.org/docs/stable/generated/torch.atleast_1d.html."""
    return _at_least(tensors, lambda item: item if item.shape else item.reshape(1))


def atleast_2d(*tensors: Any) -> Any:
    """As matrices at least. Source: https://docs.pytorch.org/docs/stable/generated/torch.atleast_2d.html."""
    return _at_least(tensors, lambda item: item if len(item.shape) > 1 else item.reshape(1, -1))


def atleast_3d(*tensors: Any) -> Any:
    """With three dimensions at least. Source: https://docs.pytorch.org/docs/stable/generated/torch.atleast_3d.html."""

    def lift(item: "Tensor") -> "Tensor":
        rank = len(item.shape)
        return item if rank > 2 else item.unsqueeze(-1) if rank == 2 else item.reshape(1, -1, 1)

    return _at_least(tensors, lift)


def broadcast_shapes(*shapes: Any) -> Size:
    """Shape that all of these broadcast to.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.broadcast_shapes.html
    """
    result: tuple[int, ...] = ()
    for position, given in enumerate(shapes):
        shape = (given,) if isinstance(given, int) else tuple(given)
        try:
            result = broadcast(result, shape)
        except RuntimeError:
            _raise_mismatch(result, shape, position)
    return Size(result)


def _raise_mismatch(result: Sequence[int], shape: Sequence[int], position: int) -> None:
    for axis in range(-1, -min(len(result), len(shape)) - 1, -1):
        if shape[axis] not in (1, result[axis]) and result[axis] != 1:
            raise RuntimeError(
                f"Attempting to broadcast a dimension of length {shape[axis]} at {axis}! Mismatching argument at index "
                f"{position} had {tuple(shape)}; but expected shape should be broadcastable to {list(result)}"
            ) from None


def broadcast_tensors(*tensors: Any) -> "tuple[Tensor, ...]":
    """Views of tensors in their common shape.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.broadcast_tensors.html
    """
    given = tensors[0] if len(tensors) == 1 and not isinstance(tensors[0], Core) else tensors
    shape = broadcast(*[item.shape for item in given])
    return tuple([item.expand(shape) for item in given])


def meshgrid(*tensors: Any, indexing: str | None = None) -> "tuple[Tensor, ...]":
    """Grids of coordinates: one a vector, each of shape (len(first), len(second), ...).

    Args:
        tensors: vectors (or a sequence of them).
        indexing: ``"ij"`` (the default), or ``"xy"``, which exchanges the first two dimensions.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.meshgrid.html
    """
    alone = len(tensors) == 1 and isinstance(tensors[0], (tuple, list))
    given = list(_several("meshgrid", tensors[0] if alone else tensors))
    if indexing is not None and not isinstance(indexing, str):
        raise TypeError(f"meshgrid(): argument 'indexing' must be str, not {type(indexing).__name__}")
    if indexing is None:
        warnings.warn(
            "torch.meshgrid: in an upcoming release, it will be required to pass the indexing argument.", stacklevel=2
        )
    elif indexing not in ("ij", "xy"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    for item in given:
        if len(item.shape) > 1:
            raise RuntimeError(f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {item!r}")
        if item.dtype is not given[0].dtype:
            raise RuntimeError("meshgrid expects all tensors to have the same dtype")
    swap = indexing == "xy" and len(given) > 1
    if swap:
        given[0], given[1] = given[1], given[0]
    shape = tuple([item.numel() for item in given])
    grids = [
        item.reshape([-1 if other == axis else 1 for other in range(len(shape))]).expand(shape)
        for axis, item in enumerate(given)
    ]
    if swap:
        grids[0], grids[1] = grids[1], grids[0]
    return tuple(grids)


def cartesian_prod(*tensors: "Tensor") -> "Tensor":
    """All tuples of the vectors' elements, a row each.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cartesian_prod.html
    """
    for item in tensors:
        if len(item.shape) != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(item.shape)}")
    if len(tensors) == 1:
        return tensors[0]
    return stack([grid.reshape(-1) for grid in meshgrid(*tensors, indexing="ij")], 1)


def combinations(input: "Tensor", r: int = 2, with_replacement: bool = False) -> "Tensor":
    """All combinations of r elements of a vector, a row each.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.combinations.html
    """
    if len(input.shape) != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.shape)}")
    rows = list((choose_again if with_replacement else choose)(range(input.shape[0]), r))
    found = wrap_array(np.array(rows, np.int64).reshape(len(rows), r), DTYPES["int64"], input.device)
    return input[found.reshape(-1)].reshape(len(rows), r)
