"""What a tensor is, and is not: questions whose answer is fixed here; and Python functions of every element."""

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from flambeau.primitives.movement import alias
from flambeau.tensors.core import Core, call_view, wrap_array

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["Flags"]


class Flags(Core):
    """Questions that PyTorch's tensors answer in many ways and these in one."""

    # Kinds of tensors and of devices that there are not.
    is_ipu = is_maia = is_mkldnn = is_mps = is_mtia = is_nested = is_sparse_csr = is_vulkan = is_xla = is_xpu = False
    name = None

    @property
    def is_cpu(self) -> bool:
        """Whether the values are in the host's memory."""
        return self.device.type == "cpu"

    @property
    def volatile(self) -> bool:
        """What there was before ``no_grad``: False, with a warning."""
        warnings.warn("volatile was removed (Variable.volatile is always False)", stacklevel=2)
        return False

    @volatile.setter
    def volatile(self, value: Any) -> None:
        warnings.warn("volatile was removed and now has no effect. Use `with torch.no_grad():` instead.", stacklevel=2)

    def as_subclass(self, cls: Any) -> Any:
        """The same elements, at the same place on the tape, as an object of a class that inherits from ``Tensor``.

        What is calculated with it are tensors again.

        Raises:
            TypeError: ``cls`` is no such class.

        Example:
            >>> import flambeau as torch
            >>> class Image(torch.Tensor):
            ...     pass
            >>> type(torch.ones(2).as_subclass(Image)).__name__
            'Image'

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.as_subclass.html
        """
        if not isinstance(cls, type):
            raise TypeError(f"cls must be a type (got {type(cls).__name__})")
        if not issubclass(cls, Core):
            raise TypeError(
                "Creating a Tensor subclass from a class that does not inherit from Tensor is not possible. Make sure "
                "your class inherits from Tensor."
            )
        found: Any = object.__new__(cls)
        found.__dict__.update(call_view(alias, self, ()).__dict__)
        return found

    def is_conj(self) -> bool:
        """Whether the tensor is a conjugate that is not computed yet: never."""
        return False

    def is_neg(self) -> bool:
        """Whether the tensor is a negation that is not computed yet: never."""
        return False

    def is_distributed(self) -> bool:
        """Whether the values are spread over processes: never."""
        return False

    def is_shared(self) -> bool:
        """Whether the values are in memory that processes share: never."""
        return False

    def share_memory_(self) -> "Tensor":
        """The tensor itself: worker processes of a ``DataLoader`` hand over their arrays by themselves."""
        return cast("Tensor", self)

    def record_stream(self, s: Any) -> None:
        """Nothing: XLA knows by itself when memory is free."""

    def const_data_ptr(self) -> int:
        """``data_ptr``."""
        return cast("Tensor", self).data_ptr()

    def dim_order(self, *, ambiguity_check: Any = False) -> tuple[int, ...]:
        """The dimensions from the one with the largest stride to the one with the smallest.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.dim_order.html
        """
        _, strides = self.geometry()
        return tuple(sorted(range(len(strides)), key=lambda axis: (-strides[axis], axis)))

    def module_load(self, other: "Tensor", assign: bool = False) -> "Tensor":
        """What ``load_state_dict`` puts in this tensor's place.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.module_load.html
        """
        own = cast("Tensor", self)
        return other.detach() if assign else own.copy_(other).detach()

    def reinforce(self, *args: Any, **kwargs: Any) -> None:
        """Not supported, as in PyTorch.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError(
            "reinforce() was removed.\nUse torch.distributions instead.\n"
            "See https://pytorch.org/docs/main/distributions.html\n\n"
        )

    def apply_(self, callable: Callable[[Any], Any]) -> "Tensor":
        """Replace every element by a Python function of it; slow, and off the tape.

        Raises:
            RuntimeError: the tensor requires grad.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.apply_.html
        """
        return self._each("apply_", callable, ())

    def map_(self, tensor: "Tensor", callable: Callable[[Any, Any], Any]) -> "Tensor":
        """Replace every element by a Python function of it and of another tensor's; slow, and off the tape.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.map_.html
        """
        return self._each("map_", callable, (tensor,))

    def map2_(self, x: "Tensor", y: "Tensor", callable: Callable[[Any, Any, Any], Any]) -> "Tensor":
        """``map_`` with two other tensors."""
        return self._each("map2_", callable, (x, y))

    def _each(self, name: str, function: Callable[..., Any], others: "Sequence[Tensor]") -> "Tensor":
        own = cast("Tensor", self)
        if self._requires_grad or any(item.requires_grad for item in others):
            raise RuntimeError(
                f"Can't call {name}() on Variable that requires grad. Use var.detach().{name}() instead."
            )
        columns = [item.expand(self.shape).host().ravel().tolist() for item in (own, *others)]
        values: list[Any] = [function(*row) for row in zip(*columns, strict=True)]
        array = np.array(values, self.dtype.numpy).reshape(tuple(self.shape))
        return own.copy_(wrap_array(array, self.dtype, self.device))
