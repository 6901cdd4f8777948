"""Other shapes and other storage for the same tensor: ``resize_``, ``set_`` and their like."""

import warnings
from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any, cast

from flambeau.base.shapes import contiguous_strides
from flambeau.dtypes.kinds import dtype
from flambeau.primitives import movement as p
from flambeau.primitives.pointwise import UNARY
from flambeau.tensors.arguments import sizes
from flambeau.tensors.core import Core, call, call_view
from flambeau.tensors.joining import cat

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["Resizing"]


def _whole(tensor: Core) -> "Tensor":
    """All of a tensor's storage, off the tape."""
    found = cast("Tensor", object.__new__(Core.kind))
    found._storage = tensor._storage
    return found


class Resizing(Core):
    """Methods after which a tensor shows other elements."""

    def resize_(self, *size: Any, memory_format: Any = None) -> "Tensor":
        """Another shape: the storage's elements, from the tensor's first one on, in row-major order.

        Where the storage holds too few, the tensor gets a larger one of its own, whose new elements are not specified
        (zeros here); views of it keep the old.

        Raises:
            RuntimeError: the tensor requires grad.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.resize_.html
        """
        shape = sizes("resize_", size)
        if min(shape, default=0) < 0:
            raise RuntimeError("numel: integer multiplication overflow")
        if shape == tuple(self.shape):
            return cast("Tensor", self)
        if self._requires_grad:
            raise RuntimeError("cannot resize variables that require grad")
        self.check_writable()
        offset, count, whole = self.geometry()[0], prod(shape), _whole(self)
        missing = offset + count - whole.numel()
        if missing > 0:
            flat = whole.detach().reshape(-1)[offset:]
            self.take_storage(cat([flat, flat.new_zeros(missing)]).reshape(shape))
        else:
            self.take_storage(call_view(p.as_strided, whole, (shape, contiguous_strides(shape), offset)))
        return cast("Tensor", self)

    def resize_as_(self, the_template: "Tensor", *, memory_format: Any = None) -> "Tensor":
        """``resize_`` to another tensor's shape.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.resize_as_.html
        """
        return self.resize_(tuple(the_template.shape))

    def resize(self, *size: Any) -> "Tensor":
        """``view`` of a contiguous tensor, by an older name.

        Warns:
            UserWarning: always, since it is deprecated.

        Raises:
            RuntimeError: the shape has another number of elements.
        """
        warnings.warn("non-inplace resize is deprecated", stacklevel=2)
        return self._resized(sizes("resize", size))

    def resize_as(self, tensor: "Tensor") -> "Tensor":
        """``resize`` to another tensor's shape."""
        warnings.warn("non-inplace resize_as is deprecated", stacklevel=2)
        return self._resized(tuple(tensor.shape))

    def _resized(self, shape: tuple[int, ...]) -> "Tensor":
        own, count = cast("Tensor", self), prod(shape)
        if own.numel() != count:
            had, wanted = ["x".join(map(str, found)) for found in (self.shape, shape)]
            raise RuntimeError(
                f"requested resize to {wanted} ({count} elements in total), but the given tensor has a size of {had} "
                f"({own.numel()} elements). autograd's resize can only change the shape of a given tensor, while "
                "preserving the number of elements. "
            )
        return own.contiguous().view(shape)

    def to_dense(self, dtype: dtype | None = None, *, masked_grad: bool | None = None) -> "Tensor":
        """The tensor itself, which is dense, or in another data type.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.to_dense.html
        """
        own = cast("Tensor", self)
        return own if dtype is None else own.to(dtype)

    def set_(
        self, source: Any = None, storage_offset: int = 0, size: Sequence[int] = (), stride: Sequence[int] | None = None
    ) -> "Tensor":
        """Show another tensor's elements from now on; nothing, if none is given.

        Args:
            source: a tensor of the same type, whose storage is shown.
            storage_offset, size, stride: which of its elements; all as they are if no size is given.

        Raises:
            RuntimeError: the types differ.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.set_.html
        """
        own = cast("Tensor", self)
        if source is None:
            self.take_storage(own.new_zeros(0))
            return own
        if source.dtype is not self.dtype:
            raise RuntimeError(
                f"Could not set tensor of type {source.dtype.cpp_name} to a tensor of type {self.dtype.cpp_name}"
            )
        if stride is None and not size:
            self.take_storage(source.detach())
        else:
            steps = contiguous_strides(tuple(size)) if stride is None else tuple(stride)
            self.take_storage(_whole(source).as_strided(tuple(size), steps, storage_offset))
        return own

    def as_strided_(self, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None) -> "Tensor":
        """Become a view of the storage with the given sizes and strides.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.as_strided.html
        """
        return self.turn(lambda before: before.as_strided(size, stride, storage_offset))

    def as_strided_scatter(
        self, src: "Tensor", size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
    ) -> "Tensor":
        """A copy with the elements that ``as_strided`` would show replaced.

        Raises:
            RuntimeError: the shape of ``src`` is not ``size``.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.as_strided_scatter.html
        """
        copy: Tensor = call(UNARY["clone"], (self,))
        view = copy.as_strided(size, stride, storage_offset)
        if view.shape != src.shape:
            shapes = f"src size = {list(src.shape)}, slice size = {list(view.shape)}"
            raise RuntimeError(f"expected src to have a size equal to the slice of self. {shapes}")
        view.copy_(src)
        return copy

    def is_set_to(self, tensor: "Tensor") -> bool:
        """Whether another tensor shows the same elements of the same storage in the same way.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.is_set_to.html
        """
        same = self._storage is tensor._storage and self.shape == tensor.shape
        return same and self.geometry() == tensor.geometry()
