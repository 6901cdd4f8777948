"""What is singular: whether a computation with matrices succeeded, and the errors where it did not."""

from typing import TYPE_CHECKING

import numpy as np

from flambeau.base.errors import LinAlgError
from flambeau.runtime.force import host_value

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["check_info"]

_INVERSE = (
    "The diagonal element {info} is zero, the inversion could not be completed because the input matrix is singular."
)
_CHOLESKY = (
    "The factorization could not be completed because the input is not positive-definite (the leading minor of order "
    "{info} is not positive-definite)."
)
_SOLVE = "The solver failed because the input matrix is singular."
_FACTOR = (
    "U[{info},{info}] is zero and using it on lu_solve would result in a division by zero. If you still want to "
    "perform the factorization, consider calling linalg.lu(A, pivot) or linalg.lu_factor_ex(A, pivot)"
)
_SYMMETRIC = "D[{info},{info}] is zero, and using the factors in ldl_solve would divide by it."

# What PyTorch says of each function's failure, and as which class.
_FAILURES: dict[str, tuple[str, type[RuntimeError]]] = {
    "linalg.inv": (_INVERSE, LinAlgError),
    "linalg.inv_ex": (_INVERSE, LinAlgError),
    "inv": (_INVERSE, LinAlgError),
    "cholesky_inverse": (_INVERSE, LinAlgError),
    "linalg.cholesky": (_CHOLESKY, LinAlgError),
    "linalg.cholesky_ex": (_CHOLESKY, LinAlgError),
    "cholesky": (_CHOLESKY, LinAlgError),
    "torch.linalg.solve": (_SOLVE, LinAlgError),
    "torch.linalg.solve_ex": (_SOLVE, LinAlgError),
    "torch.linalg.lu_factor": (_FACTOR, RuntimeError),
    "torch.linalg.lu_factor_ex": (_FACTOR, RuntimeError),
    "torch.linalg.ldl_factor": (_SYMMETRIC, LinAlgError),
    "torch.linalg.ldl_factor_ex": (_SYMMETRIC, LinAlgError),
}


def check_info(name: str, info: "Tensor") -> None:
    """Wait for a computation, and raise, in PyTorch's words, if it failed.

    Inside ``vmap``, and for tensors without values (of the meta device), nothing is known, and nothing is raised.

    Args:
        name: the function's name, as its messages begin.
        info: whole numbers, one a matrix: 0, or where the computation failed.

    Raises:
        LinAlgError, RuntimeError: it failed for a matrix.
    """
    node = info.read()
    if node.aval.mapped or node.aval.device.type == "meta":
        return
    found = host_value(node)
    if not found.any():
        return
    message, error = _FAILURES[name]
    place = int(np.flatnonzero(found)[0])
    which = f"(Batch element {place}): " if found.ndim else ""
    raise error(f"{name}: {which}{message.format(info=int(found.flat[place]))}")
