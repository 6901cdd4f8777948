"""Views and shapes: methods of ``Tensor`` that arrange the same elements another way."""

import warnings
from collections.abc import Callable, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, cast

from flambeau.base.shapes import Size, contiguous_strides, infer_shape, normalize_axis
from flambeau.dtypes.kinds import dtype
from flambeau.primitives import movement as p
from flambeau.primitives.pointwise import UNARY
from flambeau.tensors.arguments import sizes
from flambeau.tensors.core import Core, call, call_view
from flambeau.tensors.numpy_names import accept_numpy_names, also_named

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["Movement"]

_TURNED = (
    "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is deprecated and it will throw an "
    "error in a future release. Consider `x.mT` to transpose batches of matrices or `x.permute(*torch.arange(x.ndim - "
    "1, -1, -1))` to reverse the dimensions of a tensor."
)
_NUMBER = "{} is deprecated on 0-D tensors. {}"
_IDENTITY, _CONJUGATE = "This function is the identity in these cases.", "Consider using x.conj()."


@accept_numpy_names
class Movement(Core):
    """Methods that show the same elements in another arrangement."""

    # -- what the tensor is ------------------------------------------------------------------------------------

    def size(self, dim: int | None = None) -> Any:
        """Shape, or the size of one dimension.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.size.html
        """
        shape = self.shape
        if dim is not None and not shape:
            raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
        return shape if dim is None else shape[normalize_axis(dim, len(shape))]

    def dim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    ndimension = dim

    def numel(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    nelement = numel

    def stride(self, dim: int | None = None) -> Any:
        """Strides in elements, or that of one dimension.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.stride.html
        """
        strides = self.geometry()[1]
        return strides if dim is None else strides[normalize_axis(dim, len(strides))]

    def storage_offset(self) -> int:
        """Position of the first element in the storage, in elements."""
        return self.geometry()[0]

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Whether the elements lie in row-major order."""
        if not self._steps:
            return True
        shape = self.shape
        expected = contiguous_strides(shape)
        strides = self.geometry()[1]
        return 0 in shape or all(
            size == 1 or one == other for size, one, other in zip(shape, strides, expected, strict=True)
        )

    # -- views -------------------------------------------------------------------------------------------------

    def view(self, *shape: Any) -> "Tensor":
        """The same elements in another shape; raises RuntimeError where that needs a copy.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.view.html
        """
        if len(shape) == 1 and isinstance(shape[0], dtype):
            raise NotImplementedError("Tensor.view(dtype) is not supported; use .to(dtype) to convert the values")
        wanted = infer_shape(sizes("view", shape), self.numel())
        if self._steps and not self.is_contiguous() and not _mergeable(self.shape, self.stride(), wanted):
            raise RuntimeError(
                "view size is not compatible with input tensor's size and stride (at least one dimension spans across "
                "two contiguous subspaces). Use .reshape(...) instead."
            )
        return call_view(p.reshape, self, (wanted,))

    def reshape(self, *args: Any, shape: Any = None) -> "Tensor":
        """The same elements in another shape, as a view where that is possible and a copy otherwise.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.reshape.html
        """
        wanted = infer_shape(sizes("reshape", args if shape is None else (shape,), "shape"), self.numel())
        if self._steps and not self.is_contiguous() and not _mergeable(self.shape, self.stride(), wanted):
            return call(p.reshape, (self,), (wanted,))
        return call_view(p.reshape, self, (wanted,))

    def view_as(self, other: "Tensor") -> "Tensor":
        """View in another tensor's shape."""
        return self.view(other.shape)

    def reshape_as(self, other: "Tensor") -> "Tensor":
        """Reshape to another tensor's shape."""
        return self.reshape(other.shape)

    def flatten(self, start_dim: int = 0, end_dim: int = -1) -> "Tensor":
        """Join dimensions ``start_dim`` to ``end_dim`` into one.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.flatten.html
        """
        shape = self.shape
        start, end = normalize_axis(start_dim, len(shape)), normalize_axis(end_dim, len(shape))
        if start > end:
            raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
        if not shape:
            return self.reshape(1)
        return self.reshape((*shape[:start], prod(shape[start : end + 1]), *shape[end + 1 :]))

    def unflatten(self, dim: int, sizes: Sequence[int]) -> "Tensor":
        """Split one dimension into several.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.unflatten.html
        """
        shape = self.shape
        axis = normalize_axis(dim, len(shape))
        try:
            parts = infer_shape(sizes, shape[axis])
        except RuntimeError:
            message = f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {axis} "
            raise RuntimeError(message + f"({shape[axis]}) in the input tensor") from None
        return self.view((*shape[:axis], *parts, *shape[axis + 1 :]))

    def squeeze(self, dim: int | Sequence[int] | None = None) -> "Tensor":
        """Without dimensions of size 1 (all of them, or those named).

        Source: https://docs.pytorch.org/docs/stable/generated/torch.squeeze.html
        """
        shape = self.shape
        chosen = range(len(shape)) if dim is None else [dim] if isinstance(dim, int) else dim
        drop = {normalize_axis(axis, len(shape)) for axis in chosen}
        kept = tuple([size for axis, size in enumerate(shape) if axis not in drop or size != 1])
        return call_view(p.reshape, self, (kept,))

    def unsqueeze(self, dim: int) -> "Tensor":
        """With a dimension of size 1 inserted at ``dim``.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.unsqueeze.html
        """
        shape = self.shape
        axis = normalize_axis(dim, len(shape) + 1)
        return call_view(p.reshape, self, ((*shape[:axis], 1, *shape[axis:]),))

    def permute(self, *args: Any, dims: Any = None) -> "Tensor":
        """With the dimensions in another order.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.permute.html
        """
        rank = len(self.shape)
        order = sizes("permute", args if dims is None else (dims,), "dims")
        if len(order) != rank:
            message = "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the"
            message += f" desired ordering of dimensions i.e. input.dim() = {rank} is not equal to len(dims) = "
            raise RuntimeError(f"{message}{len(order)}")
        axes = tuple([normalize_axis(axis, rank) for axis in order])
        if len(set(axes)) != rank:
            raise RuntimeError("permute(): duplicate dims are not allowed.")
        return call_view(p.permute, self, (axes,))

    def transpose(self, dim0: int, dim1: int) -> "Tensor":
        """With two dimensions exchanged.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.transpose.html
        """
        rank = len(self.shape)
        first, second = normalize_axis(dim0, rank), normalize_axis(dim1, rank)
        axes = list(range(rank))
        if rank:
            axes[first], axes[second] = second, first
        return call_view(p.permute, self, (tuple(axes),))

    swapaxes, swapdims = also_named(axis0="dim0", axis1="dim1")(transpose), transpose

    def t(self) -> "Tensor":
        """Transpose of a matrix; a vector stays itself."""
        rank = len(self.shape)
        if rank > 2:
            raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {rank}D")
        return self.transpose(0, 1) if rank == 2 else self.permute(tuple(range(rank)))

    @property
    def T(self) -> "Tensor":
        """With all dimensions in reverse order; warns, as PyTorch does, unless there are two."""
        rank = len(self.shape)
        if rank != 2:
            warnings.warn(_TURNED if rank else _NUMBER.format("Tensor.T", _IDENTITY), stacklevel=2)
        return self.permute(tuple(reversed(range(rank))))

    @property
    def mT(self) -> "Tensor":
        """With the last two dimensions exchanged."""
        return self._exchanged("mT", _IDENTITY)

    def _exchanged(self, name: str, advice: str = _CONJUGATE) -> "Tensor":
        """With the last two dimensions exchanged; raises RuntimeError for a vector, in PyTorch's words."""
        rank = len(self.shape)
        if rank == 1:
            raise RuntimeError(f"tensor.{name} is only supported on matrices or batches of matrices. Got 1-D tensor.")
        if not rank:
            warnings.warn(_NUMBER.format(name if name.endswith(")") else f"Tensor.{name}", advice), stacklevel=3)
        return self.transpose(-2, -1) if rank else self.permute(())

    def adjoint(self) -> "Tensor":
        """Conjugate with the last two dimensions exchanged."""
        turned = self._exchanged("adjoint()")
        return turned.conj() if self.dtype.is_complex else turned

    @property
    def mH(self) -> "Tensor":
        """Conjugate with the last two dimensions exchanged."""
        turned = self._exchanged("mH")
        return turned.conj() if self.dtype.is_complex else turned

    @property
    def H(self) -> "Tensor":
        """Conjugate transpose of a matrix."""
        rank = len(self.shape)
        if rank not in (0, 2):
            message = "tensor.H is only supported on matrices (2-D tensors). Got "
            raise RuntimeError(f"{message}{rank}-D tensor. For batches of matrices, consider using tensor.mH")
        if not rank:
            warnings.warn(_NUMBER.format("Tensor.H", _CONJUGATE), stacklevel=2)
        return self.adjoint() if rank else self.permute(())

    def ravel(self) -> "Tensor":
        """All elements in one dimension."""
        return self.reshape(-1)

    # -- views in place: the tensor itself takes another shape -------------------------------------------------

    def squeeze_(self, dim: int | Sequence[int] | None = None) -> "Tensor":
        """In-place ``squeeze``."""
        return self.turn(lambda before: before.squeeze(dim))

    def unsqueeze_(self, dim: int) -> "Tensor":
        """In-place ``unsqueeze``."""
        return self.turn(lambda before: before.unsqueeze(dim))

    def transpose_(self, dim0: int, dim1: int) -> "Tensor":
        """In-place ``transpose``."""
        return self.turn(lambda before: before.transpose(dim0, dim1))

    swapaxes_, swapdims_ = also_named(axis0="dim0", axis1="dim1")(transpose_), transpose_

    def t_(self) -> "Tensor":
        """In-place ``t``."""
        return self.turn(lambda before: before.t())

    # -- copies with a part replaced ---------------------------------------------------------------------------

    def select_scatter(self, src: "Tensor", dim: int, index: int) -> "Tensor":
        """A copy with one slice replaced.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.select_scatter.html
        """
        return _replaced(self, src, lambda copy: copy.select(dim, index))

    def slice_scatter(
        self, src: "Tensor", dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
    ) -> "Tensor":
        """A copy with a range of slices replaced.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.slice_scatter.html
        """
        axis = normalize_axis(dim, len(self.shape))
        subscript = (*[slice(None)] * axis, slice(start, end, step))
        return _replaced(self, src, lambda copy: copy[subscript])

    def diagonal_scatter(self, src: "Tensor", offset: int = 0, dim1: int = 0, dim2: int = 1) -> "Tensor":
        """A copy with a diagonal replaced.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.diagonal_scatter.html
        """
        return _replaced(self, src, lambda copy: copy.diagonal(offset, dim1, dim2))

    def narrow_copy(self, dim: int, start: int, length: int) -> "Tensor":
        """A copy of ``narrow``."""
        if length < 0 and self.shape:
            size = self.shape[normalize_axis(dim, len(self.shape))]
            raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({size}).")
        return self.narrow(dim, start, length).clone()

    def sum_to_size(self, *size: Any) -> "Tensor":
        """Summed over the dimensions in which a shape is smaller, so that the result has that shape."""
        wanted, shape = sizes("sum_to_size", size), self.shape
        extra = len(shape) - len(wanted)
        axes = [axis for axis in range(len(shape)) if axis < extra or wanted[axis - extra] != shape[axis]]
        if extra < 0 or any(wanted[axis - extra] != 1 for axis in axes if axis >= extra):
            raise RuntimeError(f"size {{{list(wanted)}}} is not expandable to size {{{list(shape)}}}.")
        tensor = cast("Tensor", self)
        return (tensor.sum(axes, keepdim=True) if axes else tensor).reshape(wanted)

    def movedim(self, source: int | Sequence[int], destination: int | Sequence[int]) -> "Tensor":
        """With dimensions moved from ``source`` to ``destination``.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.movedim.html
        """
        rank = len(self.shape)
        _check_moved(source, destination, rank)
        start = [normalize_axis(axis, rank) for axis in ([source] if isinstance(source, int) else source)]
        goal = [normalize_axis(axis, rank) for axis in ([destination] if isinstance(destination, int) else destination)]
        order = [axis for axis in range(rank) if axis not in start]
        for target, axis in sorted(zip(goal, start, strict=True)):
            order.insert(target, axis)
        return self.permute(order)

    moveaxis = movedim

    def expand(self, *args: Any, size: Any = None) -> "Tensor":
        """Repeated along dimensions of size 1 without copying; -1 keeps a size.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.expand.html
        """
        return call_view(p.expand, self, (_expanded(self.shape, sizes("expand", args if size is None else (size,))),))

    def expand_as(self, other: "Tensor") -> "Tensor":
        """Expand to another tensor's shape."""
        return self.expand(other.shape)

    def narrow(self, dim: int, start: "int | Tensor", length: int) -> "Tensor":
        """Elements ``start`` to ``start + length`` along a dimension.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.narrow.html
        """
        shape = self.shape
        if not shape:
            raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
        if length < 0:
            raise RuntimeError("narrow(): length must be non-negative.")
        if isinstance(start, Core):
            if start.shape or start.dtype.is_floating_point or start.dtype.is_complex or start.dtype.name == "bool":
                raise RuntimeError("start must be an 0-dim integral Tensor.")
            start = int(start)
        axis = normalize_axis(dim, len(shape))
        if not -shape[axis] <= start <= shape[axis]:
            message = (
                f"start out of range (expected to be in range of [{-shape[axis]}, {shape[axis]}], but got {start})"
            )
            raise IndexError(message)
        begin = start + shape[axis] if start < 0 else start
        if length < 0 or begin < 0 or begin + length > shape[axis]:
            message = f"start ({start}) + length ({length}) exceeds dimension size ({shape[axis]})."
            raise RuntimeError(message)
        return call_view(p.basic_index, self, (((("all",),) * axis + (("slice", length, 1),)),), (begin,))

    def select(self, dim: int, index: int) -> "Tensor":
        """The slice at one index of a dimension, without that dimension.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.select.html
        """
        shape = self.shape
        axis = normalize_axis(dim, len(shape))
        if not shape:
            raise IndexError("select() cannot be applied to a 0-dim tensor.")
        if not -shape[axis] <= index < shape[axis]:
            message = f"select(): index {index} out of range for tensor of size {list(shape)} at dimension {axis}"
            raise IndexError(message)
        return call_view(p.basic_index, self, (((("all",),) * axis + (("int",),)),), (index % shape[axis],))

    def diagonal(self, offset: int = 0, dim1: int = 0, dim2: int = 1) -> "Tensor":
        """Diagonal of two dimensions, as the last dimension.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.diagonal.html
        """
        rank = len(self.shape)
        first, second = normalize_axis(dim1, rank), normalize_axis(dim2, rank)
        if first == second:
            raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
        return call_view(p.diagonal, self, (offset, first, second))

    def unfold(self, dimension: int, size: int, step: int) -> "Tensor":
        """All windows of ``size`` elements, ``step`` apart, along a dimension; the window is the last dimension.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.unfold.html
        """
        axis = normalize_axis(dimension, len(self.shape))
        length = self.shape[axis] if self.shape else 1
        if size > length:
            raise RuntimeError(f"maximum size for tensor at dimension {axis} is {length} but size is {size}")
        if step <= 0:
            raise RuntimeError(f"step is {step} but must be > 0")
        if not self.shape:  # one window, of the only element
            return cast("Tensor", self).reshape(1)[:size]
        return call_view(p.unfold, self, (axis, size, step))

    def as_strided(self, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None) -> "Tensor":
        """A view of the storage with the given sizes and strides, in elements.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.as_strided.html
        """
        offset = self.storage_offset() if storage_offset is None else storage_offset
        last = offset + sum((count - 1) * step for count, step in zip(size, stride, strict=True))
        whole = prod(self._storage.node.aval.shape)
        if 0 not in size and last >= whole:
            item = self.dtype.itemsize
            raise RuntimeError(
                f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset}, and itemsize {item} "
                f"requiring a storage size of {(last + 1) * item} are out of bounds for storage of size {whole * item}"
            )
        if self._steps and not (self.is_contiguous() and self.numel() == whole):
            raise NotImplementedError(
                "as_strided of a view that shows only part of its storage, or shows it in another order, is not "
                "supported; take it of the base tensor"
            )
        return call_view(p.as_strided, self, (tuple(size), tuple(stride), offset))

    def contiguous(self, memory_format: Any = None) -> "Tensor":
        """Itself if its elements lie in row-major order, else a copy that does."""
        return self if self.is_contiguous() else call(UNARY["clone"], (self,))  # pyright: ignore[reportReturnType]


def _check_moved(source: int | Sequence[int], destination: int | Sequence[int], rank: int) -> None:
    """Raise RuntimeError unless ``movedim`` has as many sources as destinations, and none of them twice."""
    lists = [[item] if isinstance(item, int) else list(item) for item in (source, destination)]
    if len(lists[0]) != len(lists[1]):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({lists[0]} dims) should contain the same number of "
            f"dims as destination ({lists[1]} dims)"
        )
    for name, dims in zip(("source", "destination"), lists, strict=True):
        if len({normalize_axis(item, rank) for item in dims}) < len(dims):
            raise RuntimeError(f"movedim: repeated dim in `{name}` ({dims})")


def _replaced(tensor: Core, src: "Tensor", part: "Callable[[Tensor], Tensor]") -> "Tensor":
    """A copy of a tensor with a view of it overwritten."""
    copy: Tensor = call(UNARY["clone"], (tensor,))
    view = part(copy)
    if view.shape != src.shape:
        shapes = f"expected src to have size {list(view.shape)}, got {list(src.shape)}"
        raise RuntimeError(f"expected src to have a size equal to the slice of self. {shapes}")
    view.copy_(src)
    return copy


def _expanded(shape: Size, wanted: tuple[int, ...]) -> tuple[int, ...]:
    """Sizes of an expanded tensor; raises RuntimeError in PyTorch's words."""
    extra = len(wanted) - len(shape)
    if extra < 0:
        raise RuntimeError(
            f"expand(torch.FloatTensor{{{list(shape)}}}, size={list(wanted)}): the number of sizes provided "
            f"({len(wanted)}) must be greater or equal to the number of dimensions in the tensor ({len(shape)})"
        )
    result: list[int] = []
    for axis, size in reversed(list(enumerate(wanted))):
        own = shape[axis - extra] if axis >= extra else 1
        if size == -1 and axis < extra:
            message = f"The expanded size of the tensor ({size}) isn't allowed in a leading, non-existing dimension "
            raise RuntimeError(message + str(axis))
        if size not in (-1, own) and own != 1:
            message = f"The expanded size of the tensor ({size}) must match the existing size ({own}) at non-singleton "
            message += f"dimension {axis}.  Target sizes: {list(wanted)}.  Tensor sizes: {list(shape)}"
            raise RuntimeError(message)
        result.append(own if size == -1 else size)
    return tuple(reversed(result))


def _mergeable(shape: Sequence[int], strides: Sequence[int], wanted: Sequence[int]) -> bool:
    """Whether a strided tensor can be viewed in another shape: each new dimension must stay inside one run.

    A run is a group of neighboring dimensions whose strides continue one another.
    """
    runs: list[int] = []
    previous = 0
    for size, stride in zip(shape, strides, strict=True):
        if size == 1:
            continue
        if runs and previous == stride * size:
            runs[-1] *= size
        else:
            runs.append(size)
        previous = stride
    rest = [size for size in wanted if size != 1]
    for run in runs:
        while run > 1:
            if not rest or run % rest[0]:
                return False
            run //= rest.pop(0)
    return True
