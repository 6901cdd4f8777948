"""PyTorch's ``torch.linalg``: linear algebra.

Source: https://docs.pytorch.org/docs/stable/linalg.html
"""

from flambeau.tensors.equations import inv, lstsq, matrix_rank, pinv, solve, solve_triangular
from flambeau.tensors.factorizations import cholesky, eigh, eigvalsh, householder_product, qr, svd, svdvals
from flambeau.tensors.matrices import (
    cross,
    det,
    diagonal,
    matmul,
    matrix_exp,
    matrix_power,
    multi_dot,
    slogdet,
    vander,
    vecdot,
)
from flambeau.tensors.norms import cond, matrix_norm, norm, vector_norm

__all__ = [
    "cholesky",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eigh",
    "eigvalsh",
    "householder_product",
    "inv",
    "lstsq",
    "matmul",
    "matrix_exp",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "multi_dot",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_triangular",
    "svd",
    "svdvals",
    "vander",
    "vecdot",
    "vector_norm",
]
