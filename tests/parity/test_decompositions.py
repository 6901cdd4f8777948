"""LU, eigenvalues, Cholesky's factors and what is singular, against PyTorch: a line each."""

from typing import Any

import numpy as np
import pytest

import flambeau
from tests.parity.failures import error
from tests.parity.oracle import check
from tests.parity.outcomes import same

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:torch.*is deprecated")

RANDOM = np.random.default_rng(0)
S = RANDOM.normal(size=(3, 3)) + 2 * np.eye(3)
B = RANDOM.normal(size=(2, 3, 3)) + 2 * np.eye(3)
K = RANDOM.normal(size=(4, 3))
V = RANDOM.normal(size=(3, 2))
P = S @ S.T + np.eye(3)
C = RANDOM.normal(size=(3, 3)) + 1j * RANDOM.normal(size=(3, 3))


def eigen_function(t: Any, x: Any) -> Any:
    """A function of a matrix that does not depend on the eigenvectors' phases, nor on their order."""
    values, vectors = t.linalg.eig(x)
    return vectors @ (values.square().unsqueeze(-1) * t.linalg.inv(vectors))


CASES: dict[str, tuple[Any, ...]] = {
    "inv_ex": (lambda t, x, b: [*t.linalg.inv_ex(x), *t.linalg.inv_ex(b)], S, B),
    "solve_ex": (lambda t, x, v: [*t.linalg.solve_ex(x, v), *t.linalg.solve_ex(x, v.mT, left=False)], S, V),
    "solve of one tensor": (lambda t, x: t.linalg.solve(x, x) * x, S),
    "cholesky_ex": (lambda t, x: [*t.linalg.cholesky_ex(x), *t.linalg.cholesky_ex(x, upper=True)], P),
    "cholesky_ex fails": (lambda t, x: t.linalg.cholesky_ex(t.stack([x, -x, x - 3 * t.eye(3)])).info, P),
    "inv_ex fails": (lambda t, x: t.linalg.inv_ex(t.stack([x, x * 0])).info, S),
    "eig": (eigen_function, S),
    "eig complex": (eigen_function, C),
    "eigvals": (lambda t, x: [t.linalg.eigvals(x).square().sum(), t.linalg.eigvals(x[:0, :0])], S),
    "lu": (lambda t, x, k: [*t.linalg.lu(x), *t.linalg.lu(k), *t.linalg.lu(k.mT)], B, K),
    "lu_factor": (lambda t, x, k: [*t.linalg.lu_factor(x), *t.linalg.lu_factor_ex(k), *t.lu(x)], B, K),
    "lu complex": (lambda t, x: [*t.linalg.lu(x)], C),
    "lu_unpack": (lambda t, x: [*t.lu_unpack(*t.linalg.lu_factor(x)),
                                *t.lu_unpack(*t.linalg.lu_factor(x), unpack_data=False)[:1],
                                *t.lu_unpack(*t.linalg.lu_factor(x), unpack_pivots=False)], B),
    "lu_solve": (lambda t, x, v: [t.linalg.lu_solve(*t.linalg.lu_factor(x), v),
                                  t.linalg.lu_solve(*t.linalg.lu_factor(x), v, adjoint=True)], B, V),
    "lu_solve right": (lambda t, x, v: [t.linalg.lu_solve(*t.lu(x), v.mT, left=False).resolve_conj(),
                                        t.linalg.lu_solve(*t.lu(x), v.mT, left=False, adjoint=True).resolve_conj()],
                       C, V + 0j),
    "torch.lu_solve": (lambda t, x, v: [t.lu_solve(v, *t.linalg.lu_factor(x)), v.lu_solve(*x.lu())], S, V),
    "cholesky_solve": (lambda t, x, v: [t.cholesky_solve(v, t.linalg.cholesky(x)), v.cholesky_solve(x, True)], P, V),
    "cholesky_inverse": (lambda t, x: [t.cholesky_inverse(x), x.cholesky_inverse(True)], P),
    "triangular_solve": (lambda t, x, v: [*t.triangular_solve(v, x), *t.triangular_solve(v, x, False, True),
                                          *v.triangular_solve(x, unitriangular=True)], S, V),
    "ormqr": (lambda t, k, v: [t.ormqr(*t.geqrf(k.detach()), t.ones(4, 2).double() * v.sum()),
                               t.ormqr(k, v.flatten()[:3], t.ones(4, 2).double()),
                               k.ormqr(v.flatten()[:3], t.ones(2, 4).double(), False, True)], K.astype(np.float64), V),
    "tensorinv": (lambda t, x: [t.linalg.tensorinv(x.view(1, 3, 3)), t.linalg.tensorinv(x, 1)], S),
    "tensorsolve": (lambda t, x, v: [t.linalg.tensorsolve(x.view(3, 3, 1), v[:, 0]),
                                     t.linalg.tensorsolve(x.view(3, 1, 3), v[:, :1], (0,))], S, V),
    "svd_lowrank": (lambda t, k: [t.svd_lowrank(k, 3)[1], t.svd_lowrank(k.mT, 3, M=t.ones(3, 4).double())[1],
                                  t.pca_lowrank(k)[1], t.pca_lowrank(k, 2, False)[1] * 0], K),
    "svd_lowrank rebuilt": (lambda t, k: [u @ (s[:, None] * v.mT) for u, s, v in [t.svd_lowrank(k, 3)]], K),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_value_shape_gradients_and_compilations(name: str) -> None:
    function, *inputs = CASES[name]
    check(function, *inputs, rtol=1e-6, atol=1e-6)


SYMMETRIC = np.stack([C, C * (1 - np.eye(3)), C * 0])

# Without gradients: PyTorch has none.
PLAIN: dict[str, tuple[Any, ...]] = {
    "ldl_factor": (lambda t, x: [*t.linalg.ldl_factor(x[0]), *t.linalg.ldl_factor_ex(x)], SYMMETRIC.real),
    "ldl complex": (lambda t, x: [item for hermitian in (False, True) for item in
                                  (*t.linalg.ldl_factor_ex(x, hermitian=hermitian),
                                   t.linalg.ldl_solve(*t.linalg.ldl_factor(x[:2], hermitian=hermitian), x[0] + 0,
                                                      hermitian=hermitian))], SYMMETRIC),
}  # fmt: skip


@pytest.mark.parametrize("name", PLAIN)
def test_value_shape_and_compilations(name: str) -> None:
    function, *inputs = PLAIN[name]
    check(function, *inputs, gradients=False, rtol=1e-6, atol=1e-6)


Z = np.zeros((2, 2), np.float32)
TWO = np.stack([np.eye(2, dtype=np.float32), Z])
MINUS = np.array([[1.0, 2.0], [2.0, 1.0]], np.float32)
ROW = np.ones(2, np.float32)
WIDE = np.ones((2, 3), np.float32)

FAILURES: dict[str, tuple[Any, ...]] = {
    "inv": (lambda t, x: t.linalg.inv(x), Z),
    "inv of a batch": (lambda t, x: x.inverse(), TWO),
    "inv_ex": (lambda t, x: t.linalg.inv_ex(x, check_errors=True), Z),
    "solve": (lambda t, x: t.linalg.solve(x, t.ones(2)), Z),
    "solve of a batch": (lambda t, x: t.linalg.solve(x, t.ones(2, 2, 1)), TWO),
    "solve_ex": (lambda t, x: t.linalg.solve_ex(x, t.ones(2), check_errors=True), Z),
    "cholesky": (lambda t, x: t.linalg.cholesky(x), MINUS),
    "cholesky of a batch": (lambda t, x: t.cholesky(x), TWO),
    "cholesky_ex": (lambda t, x: t.linalg.cholesky_ex(x, check_errors=True), MINUS),
    "cholesky_inverse": (lambda t, x: t.cholesky_inverse(x), Z),
    "cholesky_inverse rank": (lambda t, x: t.cholesky_inverse(x), ROW),
    "cholesky_inverse square": (lambda t, x: t.cholesky_inverse(x), WIDE),
    "cholesky_solve rank": (lambda t, x, r: t.cholesky_solve(r, x), Z, ROW),
    "cholesky_solve sizes": (lambda t, x: t.cholesky_solve(t.ones(3, 1), x), Z),
    "cholesky_solve types": (lambda t, x: t.cholesky_solve(t.ones(2, 1).double(), x), Z),
    "lu_factor": (lambda t, x: t.linalg.lu_factor(x), Z),
    "lu_factor_ex": (lambda t, x: t.linalg.lu_factor_ex(x, check_errors=True), Z),
    "lu without pivots": (lambda t, x: t.linalg.lu(x, pivot=False), Z),
    "lu_factor rank": (lambda t, x: t.linalg.lu_factor(x), ROW),
    "lu_factor whole": (lambda t, x: t.linalg.lu_factor(x.long()), Z),
    "lu_solve pivots": (lambda t, x: t.linalg.lu_solve(x, t.ones(2).long(), x), Z),
    "lu_solve sizes": (lambda t, x: t.linalg.lu_solve(x, t.ones(2).int(), t.ones(3, 1)), Z),
    "lu_solve counts": (lambda t, x: t.linalg.lu_solve(x, t.ones(3).int(), x), Z),
    "lu_solve square": (lambda t, x: t.linalg.lu_solve(x, t.ones(2).int(), x), WIDE),
    "lu_solve types": (lambda t, x: t.linalg.lu_solve(x, t.ones(2).int(), x.double()), Z),
    "lu_unpack pivots": (lambda t, x: t.lu_unpack(x, t.ones(2).long()), Z),
    "ldl_factor rank": (lambda t, r: t.linalg.ldl_factor(r), ROW),
    "ldl_factor square": (lambda t, x: t.linalg.ldl_factor(x), WIDE),
    "ldl_factor whole": (lambda t, x: t.linalg.ldl_factor(x.long()), Z),
    "ldl_factor half": (lambda t, x: t.linalg.ldl_factor(x.half()), Z),
    "ldl_solve rank": (lambda t, x, r: t.linalg.ldl_solve(x, r.int(), r), Z, ROW),
    "ldl_solve sizes": (lambda t, x, r: t.linalg.ldl_solve(x, r.int(), t.ones(3, 1)), Z, ROW),
    "ldl_solve counts": (lambda t, x, r: t.linalg.ldl_solve(x, r.int()[:1], x), Z, ROW),
    "ldl_solve types": (lambda t, x, r: t.linalg.ldl_solve(x, r.int(), x.double()), Z, ROW),
    "ldl_solve pivots": (lambda t, x, r: t.linalg.ldl_solve(x, r, x), Z, ROW),
    "ldl_solve square": (lambda t, x, r: t.linalg.ldl_solve(x, r.int(), x), WIDE, ROW),
    "ldl_solve half": (lambda t, x, r: t.linalg.ldl_solve(x.half(), r.int(), x.half()), Z, ROW),
    "eig square": (lambda t, x: t.linalg.eig(x), WIDE),
    "eig rank": (lambda t, x: t.linalg.eig(x), ROW),
    "eigvals whole": (lambda t, x: t.linalg.eigvals(x.long()), Z),
    "tensorinv": (lambda t, x: t.linalg.tensorinv(x, 1), WIDE),
    "tensorinv singular": (lambda t, x: t.linalg.tensorinv(x, 1), Z),
    "tensorinv part": (lambda t, x: t.linalg.tensorinv(x, 0), Z),
    "tensorsolve": (lambda t, x: t.linalg.tensorsolve(x, t.ones(2)), WIDE),
    "tensorsolve singular": (lambda t, x: t.linalg.tensorsolve(x, t.ones(2)), Z),
    "triangular_solve rank": (lambda t, x, r: t.triangular_solve(r, x), Z, ROW),
    "triangular_solve sizes": (lambda t, x: t.triangular_solve(t.ones(3, 1), x), Z),
    "triangular_solve square": (lambda t, x: t.triangular_solve(x, x), WIDE),
    "ormqr rank": (lambda t, x, r: t.ormqr(r, r, x), Z, ROW),
    "ormqr factors": (lambda t, x: t.ormqr(x, t.ones(1), x), Z),
    "ormqr sizes": (lambda t, x, r: t.ormqr(x, r, t.ones(3, 2)), Z, ROW),
    "pca_lowrank": (lambda t, x: t.pca_lowrank(x, 5), WIDE),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILURES)
def test_errors_have_pytorchs_text(name: str) -> None:
    function, *inputs = FAILURES[name]
    kind, text = error(flambeau, function, tuple(inputs))
    expected = error(torch, function, tuple(inputs))
    assert (kind.removeprefix("_"), text) == (expected[0].removeprefix("_"), expected[1])


def test_a_singular_matrix_is_a_runtime_error_of_its_own_class() -> None:
    assert issubclass(flambeau.linalg.LinAlgError, RuntimeError)
    with pytest.raises(flambeau.linalg.LinAlgError, match="the input matrix is singular"):
        flambeau.linalg.inv(flambeau.zeros(2, 2))


def test_a_factor_with_a_zero_is_named() -> None:
    with pytest.raises(flambeau.linalg.LinAlgError, match=r"ldl_factor: \(Batch element 1\): D\[2,2\] is zero"):
        flambeau.linalg.ldl_factor(flambeau.tensor([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 1.0], [1.0, 1.0]]]))


def test_inside_vmap_nothing_is_known() -> None:
    found = flambeau.func.vmap(flambeau.linalg.inv)(flambeau.tensor(TWO))
    assert not bool(found[1].isfinite().any())


def test_results_have_names() -> None:
    same(lambda t: t.linalg.lu(t.tensor([[2.0]])))
    same(lambda t: t.linalg.lu_factor(t.tensor([[2.0]])))
    same(lambda t: t.linalg.lu_factor_ex(t.tensor([[0.0]])))
    same(lambda t: t.linalg.ldl_factor(t.tensor([[2.0]])))
    same(lambda t: t.linalg.ldl_factor_ex(t.tensor([[0.0]])))
    same(lambda t: t.linalg.inv_ex(t.tensor([[2.0]])))
    same(lambda t: t.linalg.solve_ex(t.tensor([[2.0]]), t.tensor([[2.0]])))
    same(lambda t: t.linalg.cholesky_ex(t.tensor([[4.0]])))
    same(lambda t: t.linalg.eig(t.tensor([[4.0]])))
    same(lambda t: t.lu_unpack(*t.linalg.lu_factor(t.tensor([[2.0]]))))
    same(lambda t: t.tensor([[2.0]]).triangular_solve(t.tensor([[4.0]]))[0])
