"""A few eigenvalues of a large symmetric matrix, with their vectors, by iteration.

Sources: A. V. Knyazev, "Toward the optimal preconditioned eigensolver: locally optimal block preconditioned conjugate
gradient method", SIAM Journal on Scientific Computing 23 (2001); J. A. Duersch et al., "A robust and efficient
implementation of LOBPCG", SIAM Journal on Scientific Computing 40 (2018).
"""

from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any

from flambeau.differentiation.modes import MODE, no_grad
from flambeau.dtypes.kinds import DTYPES
from flambeau.tensors.creation import zeros
from flambeau.tensors.equations import solve, solve_triangular
from flambeau.tensors.factorizations import cholesky, eigh, qr
from flambeau.tensors.joining import cat, stack
from flambeau.tensors.random import randn

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["lobpcg"]

_EPSILON = {DTYPES["float32"]: 1.2e-07, DTYPES["float64"]: 2.23e-16}
_MANY_STEPS = 1000


class _Iteration:
    """The state of an iteration, as a tracker sees it.

    Attributes:
        A, B, iK: the matrix, the one that weighs, if any, and the preconditioner, if any.
        X, E, R: the vectors, (m, n), their values, (n,), and what is left, ``A X - B X E``.
        S: what the next vectors are sought in the span of.
        iparams, fparams, bparams: settings: whole numbers, numbers, and switches.
        ivars, fvars, bvars, tvars: how far it is: ``istep``, ``converged_count`` and ``iterations_left``; norms;
            whether to stop at once, ``force_stop``; and ``rerr``, (n,), the relative size of what is left.
    """

    def __init__(self, A: "Tensor", B: "Tensor | None", X: "Tensor", iK: "Tensor | None", **settings: Any) -> None:
        self.A, self.B, self.X, self.iK = A, B, X, iK
        self.E, self.R, self.S = zeros(X.shape[1], dtype=X.dtype, device=X.device), X.new_zeros(0), X
        self.iparams: dict[str, int] = {"m": X.shape[0], "n": X.shape[1], "k": settings["k"]}
        self.iparams["niter"] = settings["niter"]
        self.fparams: dict[str, float] = {"tol": settings["tol"]}
        self.bparams: dict[str, bool] = {"largest": settings["largest"]}
        self.ivars: dict[str, int] = {"istep": 0, "converged_count": 0, "iterations_left": settings["niter"]}
        self.fvars: dict[str, float] = {}
        self.bvars: dict[str, bool] = {"force_stop": False}
        self.tvars: dict[str, Tensor] = {}

    def run(self, tracker: "Callable[[_Iteration], object] | None") -> None:
        """Improve the vectors until they are good enough, the steps are used up, or the tracker says stop."""
        size = self.X.norm()
        self.fvars = {
            "X_norm": size.item(),
            "A_norm": ((self.A @ self.X).norm() / size).item(),
            "B_norm": (self._weighed(self.X).norm() / size).item(),
        }
        steps = self.iparams["niter"]
        for step in count() if steps < 0 else range(steps):
            self._improve()
            self.ivars.update(istep=step, iterations_left=steps - step - 1)
            if tracker is not None:
                tracker(self)
            if self.bvars["force_stop"] or self.ivars["converged_count"] >= self.iparams["k"]:
                return

    def _weighed(self, vectors: "Tensor") -> "Tensor":
        return vectors if self.B is None else self.B @ vectors

    def _improve(self) -> None:
        """Take the best vectors in the span; the next span is that of these, of their change, and of what is left."""
        n = self.iparams["n"]
        basis = qr(self.S).Q
        if self.B is not None:
            lower = cholesky(basis.mT @ self.B @ basis)
            basis = solve_triangular(lower, basis.mT, upper=False).mT
        values, turns = eigh(basis.mT @ self.A @ basis)
        if self.bparams["largest"]:
            values, turns = values.flip(0), turns.flip(1)
        self.E, turns = values[:n], turns[:, :n]  # pyright: ignore[reportConstantRedefinition]
        self.X = basis @ turns  # pyright: ignore[reportConstantRedefinition]
        weighed = self._weighed(self.X)
        self.R = self.A @ self.X - weighed * self.E  # pyright: ignore[reportConstantRedefinition]
        scale = self.fvars["A_norm"] + self.fvars["B_norm"] * self.E.abs()
        error = self.tvars["rerr"] = self.R.norm(dim=0) / (self.X.norm(dim=0) * scale)
        good: list[bool] = (error < self.fparams["tol"]).tolist()
        self.ivars["converged_count"] = [*good, False].index(False)
        change = basis[:, n:] @ turns[n:]  # nothing at first; the leading columns of the basis are the former vectors
        left = self.R if self.iK is None else self.iK @ self.R
        self.S = cat([self.X, change, left], 1)  # pyright: ignore[reportConstantRedefinition]


def lobpcg(
    A: "Tensor",
    k: int | None = None,
    B: "Tensor | None" = None,
    X: "Tensor | None" = None,
    n: int | None = None,
    iK: "Tensor | None" = None,
    niter: int | None = None,
    tol: float | None = None,
    largest: bool | None = None,
    method: str | None = None,
    tracker: Callable[[Any], object] | None = None,
    ortho_iparams: dict[str, int] | None = None,
    ortho_fparams: dict[str, float] | None = None,
    ortho_bparams: dict[str, bool] | None = None,
) -> "tuple[Tensor, Tensor]":
    """The largest or smallest eigenvalues of ``A x = e B x``, and vectors, by LOBPCG with an orthogonal basis.

    Where gradients are wanted, the vectors are refined by two steps of Newton's method on the tape, of the symmetric
    parts of ``A`` and ``B``: derivatives up to the third are exact, if the eigenvalues found are simple.

    Args:
        A: symmetric, ``(..., m, m)``, float32 or float64.
        k: how many; the columns of ``X``, or 1, if None.
        B: symmetric and positive definite, ``(..., m, m)``; the identity if None.
        X: what to begin with, ``(..., m, n)``; drawn at random if None.
        n: how many vectors to iterate with where ``X`` is None; ``k`` if None.
        iK: a preconditioner, ``(..., m, m)``.
        niter: the most steps to take, 1000 if None; without end if -1.
        tol: stop when the relative size of what is left is below it; the root of the precision if None.
        largest: whether the largest are wanted, or the smallest; they are if None.
        method: ``"ortho"`` or ``"basic"``; the same here.
        tracker: called after each step with the iteration's state.
        ortho_iparams, ortho_fparams, ortho_bparams: settings of PyTorch's basis; of no effect.

    Returns:
        Eigenvalues, ``(..., k)``, from the largest, or smallest, on; and vectors, ``(..., m, k)``.

    Raises:
        AssertionError: shapes do not fit.
        ValueError: the matrix has fewer rows than three times the vectors.
        KeyError: there is no precision for the data type.
        RuntimeError: data types differ.

    Example:
        >>> import flambeau as torch
        >>> values, _ = torch.lobpcg(torch.diag(torch.arange(1.0, 10.0)), k=2)
        >>> values
        tensor([9.0000, 8.0000])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.lobpcg.html
    """
    _check(A, B)
    rows = A.shape[-1]
    k = (1 if X is None else X.shape[-1]) if k is None else k
    n = (k if n is None else n) if X is None else X.shape[-1]
    if rows < 3 * n:
        raise ValueError(
            f"LOBPCG algorithm is not applicable when the number of A rows (={rows}) is smaller than 3 x the number of "
            f"requested eigenpairs (={n})"
        )
    if X is not None and X.shape[-2:] != (rows, n):
        raise AssertionError(f"X shape mismatch: got {X.shape!r}, expected ({rows}, {n})")
    kind = A.dtype if A.is_floating_point() else DTYPES["float32"]
    settings = {
        "k": k,
        "niter": _MANY_STEPS if niter is None else niter,
        "tol": _EPSILON[kind] ** 0.5 if tol is None else tol,
        "largest": largest is None or largest,
    }

    def found(A: "Tensor", B: "Tensor | None", X: "Tensor | None", iK: "Tensor | None") -> "tuple[Tensor, Tensor]":
        if A.dim() > 2:
            others = [[None if item is None else item[row] for item in (B, X, iK)] for row in range(len(A))]
            parts = [found(A[row], *others[row]) for row in range(len(A))]
            return stack([values for values, _ in parts]), stack([vectors for _, vectors in parts])
        with no_grad():
            start = randn(rows, n, dtype=kind, device=A.device) if X is None else X.detach()
            state = _Iteration(A.detach(), None if B is None else B.detach(), start, iK, **settings)
            state.run(tracker)
        values, vectors = state.E[:k], state.X[:, :k]
        if MODE.grad and (A.requires_grad or (B is not None and B.requires_grad)):
            for _ in range(2):
                values, vectors = _refined(_symmetric(A), None if B is None else _symmetric(B), values, vectors)
        return values, vectors

    return found(A, B, X, iK)


def _check(A: "Tensor", B: "Tensor | None") -> None:
    """Raise AssertionError, in PyTorch's words, where shapes do not fit."""
    if A.shape[-2] != A.shape[-1]:
        raise AssertionError(f"A must be square, got shape {A.shape!r}")
    if B is not None and A.shape != B.shape:
        raise AssertionError(f"A and B must have same shape, got {A.shape!r} vs {B.shape!r}")


def _symmetric(matrix: "Tensor") -> "Tensor":
    return (matrix + matrix.mT) / 2


def _refined(A: "Tensor", B: "Tensor | None", values: "Tensor", vectors: "Tensor") -> "tuple[Tensor, Tensor]":
    """One step of Newton's method for ``A x = e B x`` and ``x B x = 1``, for each pair by itself."""
    x = vectors.mT.unsqueeze(-1)  # (k, m, 1)
    e = values.reshape(-1, 1, 1)
    weighed = x if B is None else B @ x
    shifted = A - e * (A.new_ones(len(A)).diag() if B is None else B)
    bordered = cat([cat([shifted, -weighed], 2), cat([-weighed.mT, x.new_zeros(len(x), 1, 1)], 2)], 1)
    missing = cat([shifted @ x, (1 - x.mT @ weighed) / 2], 1)
    step = solve(bordered, missing)
    return values - step[:, -1, 0], vectors - step[:, :-1, 0].mT
