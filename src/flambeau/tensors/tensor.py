"""``Tensor``: the door, put together from its families."""

from flambeau.tensors.conversion import Conversion
from flambeau.tensors.core import Core
from flambeau.tensors.gradients import Gradients
from flambeau.tensors.matmul import Matmul
from flambeau.tensors.movement import Movement
from flambeau.tensors.pointwise import Pointwise
from flambeau.tensors.printing import Printing
from flambeau.tensors.random import Random
from flambeau.tensors.reduction import Reduction

__all__ = ["Tensor"]


class Tensor(Pointwise, Reduction, Movement, Matmul, Gradients, Conversion, Printing, Random):
    """An array of numbers of one type on one device, whose operations are recorded and compiled when looked at.

    Source: https://docs.pytorch.org/docs/stable/tensors.html
    """

    def clone(self, *, memory_format: object = None) -> "Tensor":
        """A copy; its gradient flows to this tensor.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.clone.html
        """
        return super().clone()


Core.kind = Tensor
