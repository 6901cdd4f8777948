"""``torch.nn.utils.parametrizations``: weights of unit norm, of unit spectral norm, and orthogonal ones.

Source: https://docs.pytorch.org/docs/stable/nn.html#module-torch.nn.utils
"""

from typing import Any, cast

from flambeau.differentiation.modes import no_grad
from flambeau.dtypes.limits import finfo
from flambeau.nn.functional import normalize
from flambeau.nn.functional import pad as padded
from flambeau.nn.modules.module import Module
from flambeau.nn.utils.parametrize import register_parametrization
from flambeau.nn.utils.power_iteration import as_matrix, check_iterations, iterate, output_dim, random_unit
from flambeau.tensors.creation import zeros_like
from flambeau.tensors.equations import solve_ex
from flambeau.tensors.factorizations import geqrf, householder_product
from flambeau.tensors.joining import cat
from flambeau.tensors.norms import norm_except_dim
from flambeau.tensors.norms import weight_norm as weight_of
from flambeau.tensors.random import randn
from flambeau.tensors.ranges import eye
from flambeau.tensors.tensor import Tensor

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


def _tensor(module: Module, name: str) -> Tensor:
    """A parameter or buffer; raises ValueError in PyTorch's words if there is none of this name."""
    found = getattr(module, name, None)
    if not isinstance(found, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    return found


# -- weight_norm -------------------------------------------------------------------------------------------------------


class _WeightNorm(Module):
    """Size times direction; both are learnt."""

    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return weight_of(weight_v, weight_g, self.dim)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return norm_except_dim(weight, 2, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Learn a weight's size and direction separately: ``w = g * v / |v|``.

    ``g`` becomes ``module.parametrizations.<name>.original0``, ``v`` becomes ``original1``. A state dict with
    ``<name>_g`` and ``<name>_v``, as the older ``nn.utils.weight_norm`` makes it, can be loaded, too.

    Args:
        module: the module.
        name: name of the weight.
        dim: the dimension whose slices have a size of their own; None gives the weight one size.

    Returns:
        The module.

    Raises:
        ValueError: there is no such weight.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(20, 40))
        >>> layer.parametrizations.weight.original0.shape
        torch.Size([40, 1])

    Source: Salimans and Kingma (2016); https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.parametrizations.weight_norm.html
    """
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def take_older_names(state_dict: dict[str, Any], prefix: str, *_: object) -> None:
        older = [f"{prefix}{name}_{letter}" for letter in "gv"]
        if all(path in state_dict for path in older):
            for position, path in enumerate(older):
                state_dict[f"{prefix}parametrizations.{name}.original{position}"] = state_dict.pop(path)

    cast("Any", module)._register_load_state_dict_pre_hook(take_older_names)
    return module


# -- spectral_norm -----------------------------------------------------------------------------------------------------


class _SpectralNorm(Module):
    """Weight divided by its largest singular value, which power iterations in training mode approximate."""

    _u: Tensor
    _v: Tensor

    def __init__(self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        rank = weight.ndim
        if not -rank <= dim < rank:
            span = f"[-{rank}, {rank - 1}] but got {dim}"
            raise IndexError(f"Dimension out of range (expected to be in range of {span})")
        check_iterations(n_power_iterations)
        self.dim = dim % rank
        self.eps = eps
        if rank > 1:
            self.n_power_iterations = n_power_iterations
            matrix = as_matrix(weight, self.dim)
            self.register_buffer("_u", random_unit(weight, matrix.shape[0], eps))
            self.register_buffer("_v", random_unit(weight, matrix.shape[1], eps))
            iterate(matrix, self._u, self._v, 15, eps)

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            iterate(matrix, self._u, self._v, self.n_power_iterations, self.eps)
        # Copies, because a second forward pass writes into the buffers before the first one's backward pass.
        return weight / self._u.clone().vdot(matrix.mv(self._v.clone()))

    def right_inverse(self, value: Tensor) -> Tensor:
        return value


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """Divide a weight by its largest singular value (a vector, by its norm).

    The singular vectors are estimated here and improved by power iterations whenever the weight is read in training
    mode. They are the buffers ``_u`` and ``_v`` of ``module.parametrizations.<name>[0]``.

    Args:
        module: the module.
        name: name of the weight.
        n_power_iterations: how many iterations a reading takes.
        eps: least norm to divide by.
        dim: the dimension of the matrix's rows, the others being its columns; if None, 0, or 1 for transposed
            convolutions.

    Returns:
        The module.

    Raises:
        ValueError: there is no such weight, or ``n_power_iterations`` is not positive.
        IndexError: there is no such dimension.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.utils.parametrizations.spectral_norm(torch.nn.Linear(20, 40))
        >>> bool((torch.linalg.matrix_norm(layer.weight, 2) - 1).abs() < 0.1)
        True

    Source: Miyato et al. (2018); https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.parametrizations.spectral_norm.html
    """
    weight = _tensor(module, name)
    rows = output_dim(module) if dim is None else dim
    return register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, rows, eps))


# -- orthogonal --------------------------------------------------------------------------------------------------------

_MAPS = ("matrix_exp", "cayley", "householder")


def _tall(x: Tensor) -> Tensor:
    """Matrices with no fewer rows than columns: these, or their transposes."""
    return x.mT if x.shape[-2] < x.shape[-1] else x


def _orthonormal(x: Tensor) -> Tensor:
    """The factor Q of tall matrices, with the signs that make R's diagonal positive."""
    packed, factors = geqrf(x)
    signs = packed.diagonal(dim1=-2, dim2=-1).sgn()
    return householder_product(packed, factors) * signs.unsqueeze(-2)


def _is_orthogonal(q: Tensor) -> bool:
    rows, columns = q.shape[-2:]
    identity = eye(columns, dtype=q.dtype, device=q.device)
    return bool((q.mH @ q).allclose(identity, atol=10.0 * rows * finfo(q.dtype).eps))


class _Orthogonal(Module):
    """Orthogonal matrices, by one of three maps, times a fixed base."""

    base: Tensor

    def __init__(self, weight: Tensor, orthogonal_map: str, *, use_trivialization: bool = True) -> None:
        super().__init__()
        if weight.is_complex() and orthogonal_map == "householder":
            raise ValueError("The householder parametrization does not support complex tensors.")
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Tensor) -> Tensor:
        tall = _tall(X)
        found = _reflected(tall) if self.orthogonal_map == "householder" else self._rotated(tall)
        if hasattr(self, "base"):
            found = self.base @ found
        return found if tall is X else found.mT

    def _rotated(self, x: Tensor) -> Tensor:
        """The first columns of the map of the skew-Hermitian matrix whose lower triangle is given."""
        rows, columns = x.shape[-2:]
        lower = padded(x.tril(), (0, rows - columns))
        skew = lower - lower.mH
        if self.orthogonal_map == "matrix_exp":
            return skew.matrix_exp()[..., :columns]
        identity = eye(rows, dtype=x.dtype, device=x.device)
        # ``solve`` would wait for the values, to see whether the matrix is singular: this one never is.
        return solve_ex(identity - skew * 0.5, identity + skew * 0.5).result[..., :columns]

    @no_grad()
    def right_inverse(self, Q: Tensor) -> Tensor:
        if Q.shape != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of shape {Q.shape}."
            )
        tall = _tall(Q)
        if not hasattr(self, "base"):
            if self.orthogonal_map != "householder":
                raise NotImplementedError(
                    "It is not possible to assign to the matrix exponential or the Cayley parametrizations when "
                    "use_trivialization=False."
                )
            found = _reflections(tall)
            return found if tall is Q else found.mT
        self.base = _based(tall)
        # Householder's map takes ones as minus ones on the diagonal, so that zeros elsewhere mean the identity.
        least = zeros_like(Q)
        least.diagonal(dim1=-2, dim2=-1).fill_(-1.0)
        return least


def _based(q: Tensor) -> Tensor:
    """A square orthogonal matrix that begins with the columns of a tall one, made orthonormal if they are not."""
    *batch, rows, columns = q.shape
    if rows > columns:
        drawn = randn((*batch, rows, rows - columns), dtype=q.dtype, device=q.device)
        return _orthonormal(cat([q, drawn], -1))
    return q.clone() if _is_orthogonal(q) else _orthonormal(q)


def _reflected(x: Tensor) -> Tensor:
    """Product of the reflections whose vectors stand below the diagonal, times its whole part: 1 or -1."""
    vectors = x.tril(-1)
    factors = 2.0 / (1.0 + (vectors * vectors).sum(-2))
    signs = x.detach().diagonal(dim1=-2, dim2=-1).int()
    return householder_product(vectors, factors) * signs.unsqueeze(-2)


def _reflections(q: Tensor) -> Tensor:
    """What ``_reflected`` maps to the orthogonal matrix nearest to ``q`` by QR."""
    packed, factors = geqrf(q)
    signs = packed.diagonal(dim1=-2, dim2=-1).sign()
    # LAPACK's factor is 0 where it does not reflect; the map reflects always.
    signs = (-signs).where(factors == 0.0, signs)
    return packed.diagonal_scatter(signs, dim1=-2, dim2=-1)


def orthogonal(
    module: Module, name: str = "weight", orthogonal_map: str | None = None, *, use_trivialization: bool = True
) -> Module:
    """Keep a weight orthogonal (unitary if complex): ``Q.mH @ Q = I``, or ``Q @ Q.mH = I`` for wide matrices.

    The weight keeps its value if it is orthogonal, and becomes the factor Q of its QR decomposition if not (with
    ``use_trivialization=False``, only with the map ``"householder"``).

    Args:
        module: the module.
        name: name of the weight, ``(..., m, n)``.
        orthogonal_map: ``"matrix_exp"`` (exponential of a skew-symmetric matrix A), ``"cayley"``
            (``(I + A/2) (I - A/2)^-1``), or ``"householder"`` (product of reflections); if None, the first for square
            and complex matrices, the last for others.
        use_trivialization: whether the weight is a fixed matrix times what is learnt; the matrix is the buffer ``base``
            of the parametrization.

    Returns:
        The module.

    Raises:
        ValueError: there is no such weight, it has no matrices, or there is no such map.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.utils.parametrizations.orthogonal(torch.nn.Linear(3, 3))
        >>> torch.testing.assert_close(layer.weight @ layer.weight.T, torch.eye(3), rtol=0, atol=1e-5)

    Source: Lezcano-Casado (2019); https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.parametrizations.orthogonal.html
    """
    weight = _tensor(module, name)
    if weight.ndim < 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions.")
    if orthogonal_map is None:
        square = weight.shape[-2] == weight.shape[-1]
        orthogonal_map = "matrix_exp" if square or weight.is_complex() else "householder"
    if orthogonal_map not in _MAPS:
        names = ", ".join(f'"{known}"' for known in _MAPS)
        raise ValueError(f"orthogonal_map has to be one of {names}. Got: {orthogonal_map}")
    parametrization = _Orthogonal(weight, orthogonal_map, use_trivialization=use_trivialization)
    return register_parametrization(module, name, parametrization, unsafe=True)
