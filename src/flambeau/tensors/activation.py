"""Softmax, its logarithm, and activations that PyTorch has as methods of ``Tensor``."""

from typing import TYPE_CHECKING, cast

from flambeau.base.shapes import normalize_axis
from flambeau.dtypes.kinds import dtype
from flambeau.primitives import activation as p
from flambeau.tensors.core import Core, call

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["Activation"]


class Activation(Core):
    """Functions that turn scores into probabilities, or cut small ones off."""

    def softmax(self, dim: int, dtype: dtype | None = None) -> "Tensor":
        """``exp(x) / sum(exp(x))`` along a dimension.

        Args:
            dim: the dimension whose elements add up to 1.
            dtype: convert to this type first.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.softmax.html
        """
        return call(p.softmax, (self,), (normalize_axis(dim, len(self.shape)), dtype))

    def log_softmax(self, dim: int, dtype: dtype | None = None) -> "Tensor":
        """``x - log(sum(exp(x)))`` along a dimension.

        Args:
            dim: the dimension to normalize.
            dtype: convert to this type first.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.log_softmax.html
        """
        return call(p.log_softmax, (self,), (normalize_axis(dim, len(self.shape)), dtype))

    def hardshrink(self, lambd: float = 0.5) -> "Tensor":
        """``x`` where its absolute value is more than ``lambd``, else 0.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.hardshrink.html
        """
        own = cast("Tensor", self)
        return own.where((own > lambd) | (own < -lambd), 0.0)

    def prelu(self, weight: "Tensor") -> "Tensor":
        """``x`` where it is positive, ``weight * x`` elsewhere.

        Args:
            weight: one number, or one for each channel (dimension 1).

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.prelu.html
        """
        return call(p.prelu, (self, weight))
