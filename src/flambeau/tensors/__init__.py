"""The door: ``Tensor`` and what makes one; every method names a primitive and hands it over."""

from flambeau.tensors.tensor import Tensor

__all__ = ["Tensor"]
