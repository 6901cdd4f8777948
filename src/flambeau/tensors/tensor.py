"""``Tensor``: the door, put together from its families."""

from typing import Any, NoReturn

from flambeau.base.unsupported import METHODS, UnsupportedName
from flambeau.tensors.activation import Activation
from flambeau.tensors.conversion import Conversion
from flambeau.tensors.core import Core
from flambeau.tensors.creation import Creation
from flambeau.tensors.flags import Flags
from flambeau.tensors.gradients import Gradients
from flambeau.tensors.indexing import Indexing
from flambeau.tensors.joining import Joining
from flambeau.tensors.legacy import Legacy
from flambeau.tensors.linalg import Linalg
from flambeau.tensors.matmul import Matmul
from flambeau.tensors.movement import Movement
from flambeau.tensors.pointwise import Pointwise
from flambeau.tensors.printing import Printing
from flambeau.tensors.random import Random
from flambeau.tensors.reduction import Reduction
from flambeau.tensors.resizing import Resizing
from flambeau.tensors.selection import Selection
from flambeau.tensors.sorting import Sorting
from flambeau.tensors.special import Special
from flambeau.tensors.stft import Stft

__all__ = ["Tensor"]


class _LeftOut:
    """A method of PyTorch's that there is not: whoever asks for it is told why.

    A ``__getattr__`` could say so, too, but CPython looks up all attributes more slowly where a class has one: that was
    a twentieth of the time of recording.
    """

    __slots__ = ("message",)

    def __init__(self, name: str, reason: str) -> None:
        self.message = f"Tensor.{name} is not supported: {reason}"

    def __get__(self, instance: Any, owner: Any = None) -> NoReturn:
        raise UnsupportedName(self.message)


class Tensor(
    Pointwise,
    Special,
    Reduction,
    Activation,
    Movement,
    Indexing,
    Joining,
    Sorting,
    Matmul,
    Linalg,
    Stft,
    Gradients,
    Conversion,
    Printing,
    Random,
    Creation,
    Legacy,
    Flags,
    Resizing,
    Selection,
):
    """An array of numbers of one type on one device, whose operations are recorded and compiled when looked at.

    Source: https://docs.pytorch.org/docs/stable/tensors.html
    """

    __module__ = "flambeau"  # where everybody finds it

    def clone(self, *, memory_format: object = None) -> "Tensor":
        """A copy; its gradient flows to this tensor.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.clone.html
        """
        return super().clone()


for _name, _reason in METHODS.items():
    setattr(Tensor, _name, _LeftOut(_name, _reason))

Core.kind = Tensor
