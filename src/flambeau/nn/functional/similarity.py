"""Distances and similarities of vectors."""

from flambeau.primitives import similarity as primitives
from flambeau.tensors.core import call
from flambeau.tensors.tensor import Tensor

__all__ = ["cosine_similarity", "pairwise_distance", "pdist"]


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """x1 . x2 / (max(norm(x1), eps) * max(norm(x2), eps)) along a dimension.

    Args:
        x1: any shape.
        x2: a shape that broadcasts with it.
        dim: the dimension of the vectors.
        eps: least norm.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.cosine_similarity.html
    """
    return call(primitives.cosine_similarity, (x1, x2, float(eps)), (int(dim),))


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """Norm of x1 - x2 + eps along the last dimension.

    Args:
        x1: (..., D).
        x2: (..., D).
        p: order of the norm.
        eps: added to the difference.
        keepdim: whether to keep the last dimension.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.pairwise_distance.html
    """
    return (x1 - x2 + eps).norm(p, -1, keepdim=keepdim)


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """Distance between every two rows of a matrix.

    Args:
        input: N rows, (N, M).
        p: order of the norm, zero or more; infinity is allowed.

    Returns:
        (N (N - 1) / 2,): of row 0 and all others, of row 1 and those after it, and so on.

    Raises:
        RuntimeError: the input is no matrix of floating numbers, or ``p`` is negative.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.functional.pdist(torch.tensor([[0.0], [1.0], [3.0]]))
        tensor([1., 3., 2.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.pdist.html
    """
    if input.dim() != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.dim()}D")
    if not input.is_floating_point():
        raise RuntimeError("pdist only supports floating-point dtypes")
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    return call(primitives.pdist, (input,), (float(p) if input.shape[1] else 2.0,))
