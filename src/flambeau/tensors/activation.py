"""Softmax and its logarithm: methods of ``Tensor``."""

from typing import TYPE_CHECKING

from flambeau.base.shapes import normalize_axis
from flambeau.dtypes.kinds import dtype
from flambeau.primitives import activation as p
from flambeau.tensors.core import Core, call

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["Activation"]


class Activation(Core):
    """Functions that turn scores into probabilities."""

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
