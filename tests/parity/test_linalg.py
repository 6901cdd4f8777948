"""Linear algebra against PyTorch: a line each; of factors told up to signs, what does not depend on them."""

from typing import Any

import numpy as np
import pytest

import flambeau
from tests.parity.failures import same_error
from tests.parity.oracle import check
from tests.parity.outcomes import same

RANDOM = np.random.default_rng(0)
S = RANDOM.normal(size=(3, 3)).astype(np.float32) + 2 * np.eye(3, dtype=np.float32)
B = RANDOM.normal(size=(2, 3, 3)).astype(np.float32) + 2 * np.eye(3, dtype=np.float32)
T = RANDOM.normal(size=(4, 3)).astype(np.float32)
R = RANDOM.normal(size=3).astype(np.float32)
W = RANDOM.normal(size=4).astype(np.float32)
P = S @ S.T + np.eye(3, dtype=np.float32)
C = (RANDOM.normal(size=(3, 3)) + 1j * RANDOM.normal(size=(3, 3))).astype(np.complex128)
SINGULAR = np.array([[1.0, 2.0], [2.0, 4.0]], np.float32)
INF = float("inf")


def eigen_function(t: Any, x: Any) -> Any:
    """A function of a Hermitian matrix, which does not depend on the eigenvectors' signs."""
    values, vectors = t.linalg.eigh(x)
    return vectors @ (values.square().unsqueeze(-1) * vectors.mH)


def singular_function(u: Any, s: Any, vh: Any) -> Any:
    """A function of a matrix's factors, which does not depend on the singular vectors' signs."""
    count = len(s)
    return u[:, :count] @ (s[:, None] ** 3 * vh[:count])


CASES: dict[str, tuple[Any, ...]] = {
    "vector_norm": (lambda t, x: [t.linalg.vector_norm(x, p) for p in (0, 0.5, 1, 2, 3, INF, -INF, -1)], T),
    "vector_norm along": (lambda t, x: [t.linalg.vector_norm(x, dim=0), t.linalg.vector_norm(x, 3, (0, 1), True),
                                        t.linalg.vector_norm(x, dtype=t.float64)], T),
    "matrix_norm": (lambda t, x: [t.linalg.matrix_norm(x, p) for p in ("fro", "nuc", 2, -2, 1, -1, INF, -INF)], T),
    "matrix_norm along": (lambda t, x: [t.linalg.matrix_norm(x, 1, (2, 0), True), t.linalg.matrix_norm(x, 2, (0, -1)),
                                        t.linalg.matrix_norm(x, 1, dtype=t.float64)], B),
    "norm": (lambda t, x, r: [t.linalg.norm(x), t.linalg.norm(x, 2), t.linalg.norm(x, "nuc"), t.linalg.norm(r, 3),
                              t.linalg.norm(x, 1, 0), t.linalg.norm(x, dim=(0, 1), keepdim=True)], T, R),
    "norm of zeros": (lambda t, x: [t.linalg.matrix_norm(x * 0), *(t.linalg.norm(x * 0, p) for p in (1, -1, INF, -INF)),
                                    *(t.linalg.vector_norm(x * 0, p) for p in (0.5, 1, 2, 3, INF, -INF))], T),
    "spectral norm of zeros": (lambda t, x: [t.linalg.norm(x * 0, p) for p in (2, -2, "nuc")], S),
    "matrix_norm of none": (lambda t, x: [t.linalg.matrix_norm(x[:0], p) for p in ("fro", "nuc", 1)], T),
    "cond": (lambda t, x: [t.linalg.cond(x), t.linalg.cond(x, -2)], S),
    "cond of others": (lambda t, x: t.linalg.cond(x), T),
    "norm_except_dim": (lambda t, x: [t.norm_except_dim(x, 2, dim) for dim in (0, 1, 2, -1, -2)], B),
    "norm_except_dim of order 1": (lambda t, x: t.norm_except_dim(x, 1, 0), B),
    "_weight_norm": (lambda t, x, r: [t._weight_norm(x, r.view(-1, 1), 0), t._weight_norm(x, r.view(1, -1), 1),
                                      t._weight_norm(x, r.sum(), -1)], S, R),
    "inv": (lambda t, x, b: [t.linalg.inv(x), t.inverse(b), x.inverse()], S, B),
    "inv complex": (lambda t, x: t.linalg.inv(x), C),
    "solve": (lambda t, x, b, r: [t.linalg.solve(x, r), t.linalg.solve(b, r), t.linalg.solve(b, x),
                                  t.linalg.solve(x, b), t.linalg.solve(b, x[:2])], S, B, R),
    "solve from the right": (lambda t, x, k: t.linalg.solve(x, k, left=False), S, T),
    "solve complex": (lambda t, x: t.linalg.solve(x, x.mT), C),
    "solve_triangular": (lambda t, x, k: [t.linalg.solve_triangular(x, k.mT, upper=True),
                                          t.linalg.solve_triangular(x, k, upper=False, left=False),
                                          t.linalg.solve_triangular(x, k.mT, upper=False, unitriangular=True)], S, T),
    "pinv": (lambda t, x, b: [t.linalg.pinv(x), t.linalg.pinv(b), x.pinverse(), t.pinverse(x.mT)], T, B),
    "pinv hermitian": (lambda t, x: t.linalg.pinv(x @ x.mT, hermitian=True), S),
    "pinv singular": (lambda t, x: [t.linalg.pinv(x), t.linalg.pinv(x, atol=0.1), t.linalg.pinv(x, rtol=0.1)],
                      SINGULAR),
    "pinv of one triangle": (lambda t, x: t.linalg.pinv(x, hermitian=True), S),
    "pinv by tensors": (lambda t, b: [t.linalg.pinv(b, rtol=t.tensor([0.5, 0.1])), t.linalg.pinv(b, t.tensor(0.5)),
                                      t.linalg.pinv(b, atol=t.tensor([[0.0], [9.0]]))], B),
    "matrix_rank by tensors": (lambda t, b: [t.linalg.matrix_rank(b, rtol=t.tensor([0.5, 0.1])),
                                             t.linalg.matrix_rank(b, t.tensor(1)),
                                             t.linalg.matrix_rank(b, atol=t.tensor([0.0, 9.0]))], B),
    "pinv empty": (lambda t, x: t.linalg.pinv(x[:0]), T),
    "matrix_rank": (lambda t, x, k: [t.linalg.matrix_rank(x), t.linalg.matrix_rank(k), t.linalg.matrix_rank(x, 9.0),
                                     t.linalg.matrix_rank(x, hermitian=True), t.linalg.matrix_rank(k, rtol=0.9)],
                    SINGULAR, T),
    "lstsq": (lambda t, k, w: t.linalg.lstsq(k, w[:, None])[0], T, W),
    "lstsq vectors": (lambda t, k, w: t.linalg.lstsq(k[None], w[None])[0], T, W),
    "lstsq wide": (lambda t, k, r: t.linalg.lstsq(k.mT, r[:, None])[0], T, R),
    "det": (lambda t, x, b: [t.linalg.det(x), t.det(b), x.det()], S, B),
    "slogdet": (lambda t, x, b: [*t.linalg.slogdet(x), *t.slogdet(-b), *x.slogdet()], S, B),
    "logdet": (lambda t, x: [t.logdet(x), x[None].logdet(), (-x).logdet().isnan()], P),
    "matrix_exp": (lambda t, x, b: [t.linalg.matrix_exp(x), t.matrix_exp(b), (x * 9).tril(-1).matrix_exp()], S, B),
    "matrix_exp of zeros": (lambda t, x: t.linalg.matrix_exp(x * 0), S),
    "matrix_exp complex": (lambda t, x: t.linalg.matrix_exp(x), C),
    "matrix_power": (lambda t, x: [t.linalg.matrix_power(x, 3), t.linalg.matrix_power(x, -2)], S),
    "multi_dot": (lambda t, k, w, r: [t.linalg.multi_dot([k, k.mT, k]), t.linalg.multi_dot([w, k, r]),
                                      t.linalg.multi_dot([k.mT, k, r]), t.linalg.multi_dot([w, k])], T, W, R),
    "vecdot": (lambda t, x, r: [t.linalg.vecdot(x, r), t.linalg.vecdot(x, x, dim=0)], S, R),
    "vecdot complex": (lambda t, x: t.linalg.vecdot(x, x.mT), C),
    "products": (lambda t, x, r: [t.linalg.cross(x, r.expand(3, 3)), t.linalg.diagonal(x, offset=1),
                                  t.linalg.matmul(x, r)], S, R),
    "vander": (lambda t, r, i: [t.linalg.vander(r), t.linalg.vander(r, N=2), t.linalg.vander(i)], R, np.arange(6)),
    "cholesky": (lambda t, x: [t.linalg.cholesky(x), t.linalg.cholesky(x, upper=True), x.cholesky(),
                               t.cholesky(x[None], True)], P),
    "cholesky complex": (lambda t, x: t.linalg.cholesky(x @ x.mH + t.eye(3)), C),
    "qr": (lambda t, x, k: [*t.linalg.qr(x), *t.linalg.qr(k), *t.linalg.qr(k.mT), *t.qr(k), *k.mT.qr()], S, T),
    "qr batched": (lambda t, b: list(t.linalg.qr(b)), B),
    "qr complex": (lambda t, x: list(t.linalg.qr(x)), C),
    "householder_product": (lambda t, k, r: [t.linalg.householder_product(k, r / 2), t.orgqr(k, r[:2]),
                                             k.orgqr(r * 0)], T, R),
    "householder_product batched": (lambda t, b, k: t.linalg.householder_product(b, k[:2]), B, T),
    "householder_product complex": (lambda t, x: t.linalg.householder_product(x, x[0] / 2), C),
    "eigh": (lambda t, x: [t.linalg.eigh(x)[0], t.linalg.eigh(x, "U")[0], t.linalg.eigvalsh(x)], P),
    "eigh vectors": (eigen_function, P),
    "eigh complex": (lambda t, x: [t.linalg.eigh(x @ x.mH)[0], eigen_function(t, x @ x.mH)], C),
    "svd": (lambda t, x: [t.linalg.svd(x)[1], t.linalg.svdvals(x), t.svd(x)[1], x.svd(compute_uv=False)[1]], T),
    "svd vectors": (lambda t, x: singular_function(*t.linalg.svd(x, False)), T),
    "svd full": (lambda t, x: singular_function(*t.linalg.svd(x)), T),
    "svd full wide": (lambda t, x: singular_function(*t.linalg.svd(x.mT)), T),
    "svd complex": (lambda t, x: singular_function(*t.linalg.svd(x)), C),
}  # fmt: skip


_OLDER = "ignore:(torch.qr|torch.svd|torch.cholesky) is deprecated"  # PyTorch warns of them, once


@pytest.mark.filterwarnings(_OLDER)
@pytest.mark.parametrize("name", CASES)
def test_value_shape_type_gradient_and_compilations(name: str) -> None:
    function, *inputs = CASES[name]
    check(function, *inputs, rtol=1e-4, atol=1e-4)


# Without gradients: PyTorch has none, or none that is told uniquely.
PLAIN: dict[str, tuple[Any, ...]] = {
    "cond by norms": (lambda t, x: [t.linalg.cond(x, p) for p in (1, -1, INF, -INF, "fro", "nuc")], S),
    "det singular": (lambda t, x: t.linalg.det(x), SINGULAR),
    "qr complete": (lambda t, k: list(t.linalg.qr(k, "complete")), T),
    "qr without q": (lambda t, k: list(t.linalg.qr(k, "r")), T),
    "qr not some": (lambda t, k: list(k.qr(False)), T),
    "geqrf": (lambda t, k, b: [*t.geqrf(k), *t.geqrf(k.mT), *b.geqrf()], T, B),
    "geqrf complex": (lambda t, x: list(t.geqrf(x)), C),
    "lstsq drivers": (lambda t, k, w: [item for driver in ("gels", "gelsy", "gelsd", "gelss")
                                       for item in t.linalg.lstsq(k, w[:, None], driver=driver)], T, W),
    "lstsq singular": (lambda t, x: list(t.linalg.lstsq(t.cat([x, x]), t.ones(4, 1), driver="gelsd"))[:3], SINGULAR),
    "svd shapes": (lambda t, k: [item.abs() * 0 for item in (*t.linalg.svd(k), *t.linalg.svd(k.mT), *t.svd(k),
                                                             *t.svd(k, False), *t.svd(k, compute_uv=False))], T),
    "matrix_exp half": (lambda t, x: t.linalg.matrix_exp(x.bfloat16() * 0), S),
    "norms of half types": (lambda t, x: [t.linalg.vector_norm(x.half()), t.linalg.matrix_norm(x.half(), 1)], S),
}  # fmt: skip


@pytest.mark.filterwarnings(_OLDER)
@pytest.mark.parametrize("name", PLAIN)
def test_value_shape_type_and_compilations(name: str) -> None:
    function, *inputs = PLAIN[name]
    check(function, *inputs, gradients=False, rtol=1e-4, atol=1e-4)


def test_second_derivatives() -> None:
    def second(t: Any, x: Any, k: Any) -> list[Any]:
        found: list[Any] = []
        for function, argument in ((t.linalg.matrix_exp, x), (t.linalg.pinv, k), (t.linalg.inv, x), (t.linalg.det, x)):
            (slope,) = t.autograd.grad(function(argument).square().sum(), argument, create_graph=True)
            found.append(slope)
        return found

    check(second, S / 4, T, rtol=1e-3, atol=1e-3)


def test_a_completed_basis_is_orthonormal_even_where_the_rank_is_less() -> None:
    x = flambeau.tensor(np.outer(W, R))
    u, s, vh = flambeau.linalg.svd(x)
    flambeau.testing.assert_close(u.mT @ u, flambeau.eye(4), rtol=0, atol=1e-5)
    flambeau.testing.assert_close((u[:, :3] * s) @ vh, x, rtol=0, atol=1e-5)


@pytest.mark.filterwarnings(_OLDER)
def test_results_have_names() -> None:
    same(lambda t: t.geqrf(t.tensor([[3.0]])))
    same(lambda t: t.qr(t.tensor([[3.0]])))
    same(lambda t: t.slogdet(t.tensor([[1.0]])))
    same(lambda t: t.linalg.slogdet(t.tensor([[1.0]])))
    same(lambda t: t.linalg.qr(t.tensor([[3.0]])))
    same(lambda t: t.linalg.eigh(t.tensor([[3.0]])))
    same(lambda t: t.linalg.svd(t.tensor([[3.0]])))
    same(lambda t: t.svd(t.tensor([[3.0]])))
    same(lambda t: [getattr(t.linalg.lstsq(t.eye(1), t.ones(1, 1), driver="gelsd"), name).shape for name in
                    ("solution", "residuals", "rank", "singular_values")])  # fmt: skip


def test_names_on_the_tape() -> None:
    x = flambeau.tensor(P, requires_grad=True)
    linalg = flambeau.linalg
    found = (
        linalg.inv(x), linalg.det(x), linalg.slogdet(x)[1], linalg.qr(x)[0], linalg.svdvals(x), linalg.eigh(x)[0],
        linalg.matrix_exp(x), linalg.householder_product(x, x[0]), linalg.solve(x, x), linalg.cholesky(x),
        linalg.solve_triangular(x, x, upper=True), linalg.pinv(x),
    )  # fmt: skip
    assert [item.grad_fn.name().removeprefix("Linalg").removesuffix("Backward0") for item in found] == [
        "InvEx", "Det", "Slogdet", "Qr", "Svd", "Eigh", "MatrixExp", "HouseholderProduct", "SolveEx", "CholeskyEx",
        "SolveTriangular", "Pinv",
    ]  # fmt: skip


# -- errors ------------------------------------------------------------------------------------------------------------

RECTANGLE = np.ones((3, 4), np.float32)
SQUARE = np.eye(3, dtype=np.float32)
VECTOR = np.ones(3, np.float32)
WHOLE = np.ones((3, 3), np.int64)
HALF = np.ones((3, 3), np.float16)

_OF_MATRICES = ("cond", "eigh", "eigvalsh", "matrix_norm", "matrix_rank", "pinv", "qr", "svd", "svdvals")
_OF_SQUARES = ("cholesky", "det", "eigh", "eigvalsh", "inv", "matrix_exp", "slogdet")

FAILURES: dict[str, tuple[Any, ...]] = {
    **{f"{name} rank": (lambda t, x, name=name: getattr(t.linalg, name)(x), VECTOR)
       for name in (*_OF_MATRICES, *_OF_SQUARES)},
    **{f"{name} square": (lambda t, x, name=name: getattr(t.linalg, name)(x), RECTANGLE) for name in _OF_SQUARES},
    **{f"{name} whole": (lambda t, x, name=name: getattr(t.linalg, name)(x), WHOLE)
       for name in (*_OF_MATRICES, *_OF_SQUARES)},
    **{f"{name} half": (lambda t, x, name=name: getattr(t.linalg, name)(x), HALF)
       for name in (*_OF_MATRICES, *_OF_SQUARES) if name not in ("matrix_exp", "matrix_norm")},
    **{f"Tensor.{name}": (lambda t, x, name=name: getattr(x, name)(), RECTANGLE)
       for name in ("cholesky", "det", "inverse", "logdet", "matrix_exp", "slogdet")},
    **{f"Tensor.{name} rank": (lambda t, x, name=name: getattr(x, name)(), VECTOR)
       for name in ("geqrf", "pinverse", "qr", "svd")},
    "solve square": (lambda t, x, v: t.linalg.solve(x, v), RECTANGLE, VECTOR),
    "solve rank": (lambda t, v: t.linalg.solve(v, v), VECTOR),
    "solve sizes": (lambda t, x: t.linalg.solve(x, t.ones(4)), SQUARE),
    "solve sizes of matrices": (lambda t, x: t.linalg.solve(x, t.ones(4, 2)), SQUARE),
    "solve sizes right": (lambda t, x: t.linalg.solve(x, t.ones(2, 4), left=False), SQUARE),
    "solve number": (lambda t, x: t.linalg.solve(x, t.tensor(1.0)), SQUARE),
    "solve types": (lambda t, x: t.linalg.solve(x, t.ones(3).double()), SQUARE),
    "solve batches": (lambda t, x: t.linalg.solve(x.expand(2, 3, 3), t.ones(3, 3, 3)), SQUARE),
    "solve whole": (lambda t, x: t.linalg.solve(x, x), WHOLE),
    "solve half": (lambda t, x: t.linalg.solve(x, x), HALF),
    "solve_triangular square": (lambda t, x, s: t.linalg.solve_triangular(x, s, upper=True), RECTANGLE, SQUARE),
    "solve_triangular rank": (lambda t, s, v: t.linalg.solve_triangular(s, v, upper=True), SQUARE, VECTOR),
    "solve_triangular sizes": (lambda t, s: t.linalg.solve_triangular(s, t.ones(4, 3), upper=True), SQUARE),
    "solve_triangular whole": (lambda t, s: t.linalg.solve_triangular(s, s, upper=True), WHOLE),
    "qr mode": (lambda t, x: t.linalg.qr(x, "foo"), SQUARE),
    "eigh triangle": (lambda t, x: t.linalg.eigh(x, "X"), SQUARE),
    "householder_product rank": (lambda t, v: t.linalg.householder_product(v, v), VECTOR),
    "householder_product wide": (lambda t, x, v: t.linalg.householder_product(x, v), RECTANGLE, VECTOR),
    "householder_product factors": (lambda t, x: t.linalg.householder_product(x, t.ones(4)), SQUARE),
    "householder_product types": (lambda t, x, v: t.linalg.householder_product(x, v.double()), SQUARE, VECTOR),
    "householder_product batch": (lambda t, x, v: t.linalg.householder_product(x.expand(2, 3, 3), v), SQUARE, VECTOR),
    "householder_product batches": (lambda t, x: t.linalg.householder_product(x[None], t.ones(2, 3)), SQUARE),
    "geqrf whole": (lambda t, x: t.geqrf(x), WHOLE),
    "vector_norm whole": (lambda t, x: t.linalg.vector_norm(x), WHOLE),
    "vector_norm type": (lambda t, x: t.linalg.vector_norm(x, dtype=t.int64), SQUARE),
    "vector_norm complex": (lambda t, x: t.linalg.vector_norm(x, dtype=t.complex64), SQUARE),
    "vector_norm narrow": (lambda t, x: t.linalg.vector_norm(x, dtype=t.float16), SQUARE),
    "vector_norm dimension": (lambda t, x: t.linalg.vector_norm(x, dim=5), SQUARE),
    "vector_norm text": (lambda t, x: t.linalg.vector_norm(x, "fro"), SQUARE),
    "vector_norm empty": (lambda t, x: t.linalg.vector_norm(x[:0], INF), SQUARE),
    "vector_norm empty negative": (lambda t, x: t.linalg.vector_norm(x[:0], -1), SQUARE),
    "vector_norm empty along": (lambda t, x: t.linalg.vector_norm(x[:0], INF, dim=0), SQUARE),
    "matrix_norm name": (lambda t, x: t.linalg.matrix_norm(x, "foo"), SQUARE),
    "matrix_norm order": (lambda t, x: t.linalg.matrix_norm(x, 3), SQUARE),
    "matrix_norm dimensions": (lambda t, x: t.linalg.matrix_norm(x, dim=(0, 0)), SQUARE),
    "matrix_norm one dimension": (lambda t, x: t.linalg.matrix_norm(x, dim=(0,)), SQUARE),
    "matrix_norm range": (lambda t, x: t.linalg.matrix_norm(x, dim=(0, 5)), SQUARE),
    "matrix_norm half": (lambda t, x: t.linalg.matrix_norm(x, 2), HALF),
    "norm name": (lambda t, x: t.linalg.norm(x, "foo"), SQUARE),
    "norm of three": (lambda t, x: t.linalg.norm(x[None], 2), SQUARE),
    "norm dimensions": (lambda t, x: t.linalg.norm(x[None], 2, dim=(0, 1, 2)), SQUARE),
    "norm of vector by name": (lambda t, x: t.linalg.norm(x, "fro"), VECTOR),
    "norm along by name": (lambda t, x: t.linalg.norm(x, "nuc", dim=0), SQUARE),
    "cond name": (lambda t, x: t.linalg.cond(x, "foo"), SQUARE),
    "cond order": (lambda t, x: t.linalg.cond(x, 3), SQUARE),
    "cond square": (lambda t, x: t.linalg.cond(x, 1), RECTANGLE),
    "norm_except_dim": (lambda t, x: t.norm_except_dim(x, 2, 5), SQUARE),
    "norm_except_dim negative": (lambda t, x: t.norm_except_dim(x, 2, -5), SQUARE),
    "_weight_norm": (lambda t, x, v: t._weight_norm(x, v, 5), SQUARE, VECTOR),
    "multi_dot one": (lambda t, x: t.linalg.multi_dot([x]), SQUARE),
    "multi_dot vectors": (lambda t, v: t.linalg.multi_dot([v, v, v]), VECTOR),
    "multi_dot sizes": (lambda t, x, s: t.linalg.multi_dot([s, x, x]), RECTANGLE, SQUARE),
    "multi_dot types": (lambda t, x: t.linalg.multi_dot([x, x.double()]), SQUARE),
    "multi_dot first": (lambda t, x: t.linalg.multi_dot([x[None], x]), SQUARE),
    "multi_dot last": (lambda t, x: t.linalg.multi_dot([x, x[0, 0]]), SQUARE),
    "lstsq rank": (lambda t, v: t.linalg.lstsq(v, v), VECTOR),
    "lstsq sizes": (lambda t, x: t.linalg.lstsq(x, t.ones(4, 1)), RECTANGLE),
    "lstsq driver": (lambda t, x, v: t.linalg.lstsq(x, v, driver="x"), RECTANGLE, VECTOR),
    "lstsq types": (lambda t, x, v: t.linalg.lstsq(x, v.double()), RECTANGLE, VECTOR),
    "lstsq number": (lambda t, x: t.linalg.lstsq(x, t.tensor(1.0)), RECTANGLE),
    "matrix_power": (lambda t, x: t.linalg.matrix_power(x, 2), RECTANGLE),
    "vander": (lambda t, x: t.linalg.vander(x[0, 0]), SQUARE),
    "diagonal": (lambda t, v: t.linalg.diagonal(v), VECTOR),
    "pinv tolerances": (lambda t, x: t.linalg.pinv(x, rtol=t.ones(3)), B),
    "pinv complex tolerance": (lambda t, x: t.linalg.pinv(x, atol=t.tensor(1j)), B),
    "matrix_rank complex tolerance": (lambda t, x: t.linalg.matrix_rank(x, t.tensor(1j)), B),
}  # fmt: skip


@pytest.mark.filterwarnings(_OLDER)
@pytest.mark.parametrize("name", FAILURES)
def test_errors_are_pytorchs(name: str) -> None:
    function, *inputs = FAILURES[name]
    same_error(function, *inputs)
