"""Distances and similarities of vectors."""

from typing import ClassVar

from flambeau.nn import functional as F
from flambeau.nn.modules.module import Module
from flambeau.tensors.tensor import Tensor

__all__ = ["CosineSimilarity", "PairwiseDistance"]


class PairwiseDistance(Module):
    """Norm of x1 - x2 + eps along the last dimension; see ``nn.functional.pairwise_distance``.

    Args:
        p: order of the norm.
        eps: added to the difference.
        keepdim: whether to keep the last dimension.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.PairwiseDistance.html
    """

    __constants__: ClassVar[list[str]] = ["norm", "eps", "keepdim"]
    norm: float
    eps: float
    keepdim: bool

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm = p
        self.eps = eps
        self.keepdim = keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """(..., D) and (..., D) to (...)."""
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)


class CosineSimilarity(Module):
    """Cosine of the angle between vectors along a dimension; see ``nn.functional.cosine_similarity``.

    Args:
        dim: the dimension of the vectors.
        eps: least norm.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.CosineSimilarity.html
    """

    __constants__: ClassVar[list[str]] = ["dim", "eps"]
    dim: int
    eps: float

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim = dim
        self.eps = eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Two tensors to their shape without ``dim``."""
        return F.cosine_similarity(x1, x2, self.dim, self.eps)
