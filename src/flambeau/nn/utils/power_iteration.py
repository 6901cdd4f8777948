"""Power iterations: what both forms of ``spectral_norm`` share."""

from flambeau.differentiation.modes import no_grad
from flambeau.nn.functional import normalize
from flambeau.nn.modules.conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from flambeau.nn.modules.module import Module
from flambeau.primitives.linalg import power_iterations
from flambeau.tensors.core import call
from flambeau.tensors.tensor import Tensor

__all__ = ["as_matrix", "check_iterations", "iterate", "output_dim", "random_unit"]


def check_iterations(count: int) -> None:
    """Raise ValueError, in PyTorch's words, unless a number of iterations is positive."""
    if count <= 0:
        raise ValueError(f"Expected n_power_iterations to be positive, but got n_power_iterations={count}")


def output_dim(module: Module) -> int:
    """The dimension of a weight that counts a layer's outputs."""
    return 1 if isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)) else 0


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """A weight as a matrix whose rows are its slices along a dimension."""
    rows = weight if dim == 0 else weight.movedim(dim, 0)
    return rows.reshape(rows.shape[0], -1)


def random_unit(weight: Tensor, size: int, eps: float) -> Tensor:
    """A random vector of norm 1, with a weight's type and device."""
    with no_grad():
        return normalize(weight.new_empty(size).normal_(0, 1), dim=0, eps=eps)


@no_grad()
def iterate(matrix: Tensor, u: Tensor, v: Tensor, count: int, eps: float) -> None:
    """Write better approximations of a matrix's first singular vectors into ``u`` and ``v``: ``u`` from ``v`` first."""
    better = call(power_iterations, (matrix, u, v), (count, eps))
    u.copy_(better[0])
    v.copy_(better[1])
