"""Matrix products against PyTorch: a line each."""

from typing import Any

import numpy as np
import pytest

import flambeau
from tests.parity.failures import same_error
from tests.parity.oracle import check

RANDOM = np.random.default_rng(0)
A = RANDOM.normal(size=(3, 4)).astype(np.float32)
B = RANDOM.normal(size=(4, 2)).astype(np.float32)
V = RANDOM.normal(size=4).astype(np.float32)
W = RANDOM.normal(size=3).astype(np.float32)
P = RANDOM.normal(size=(2, 3, 4)).astype(np.float32)
Q = RANDOM.normal(size=(2, 4, 2)).astype(np.float32)
S = RANDOM.normal(size=(3, 3)).astype(np.float32)
K = np.array([[1, 2], [3, 4]])

CASES: dict[str, tuple[Any, ...]] = {
    "matmul": (lambda t, a, b, v: [a @ b, t.matmul(a, v), v @ b, v @ v, a.matmul(b)], A, B, V),
    "matmul batched": (lambda t, p, q, a: [p @ q, a @ q, p @ q[:1], p @ a.t()], P, Q, A),
    "mm": (lambda t, a, b, i: [a.mm(b), t.mm(a, b), i.mm(i)], A, B, K),
    "bmm": (lambda t, p, q: [p.bmm(q), t.bmm(p, q)], P, Q),
    "mv dot": (lambda t, a, v: [a.mv(v), t.mv(a, v), v.dot(v), t.dot(v, v), v.vdot(v)], A, V),
    "outer": (lambda t, v, w: [v.outer(w), t.outer(w, v), t.ger(v, w)], V, W),
    "inner": (lambda t, a, v: [a.inner(a), t.inner(a, v), t.inner(v, v), v.inner(v.sum())], A, V),
    "addmm": (lambda t, a, b, w: [t.addmm(w[:2], a, b), (a @ b).addmm(a, b, beta=0.5, alpha=2)], A, B, W),
    "addmm without input": (lambda t, a, b: t.addmm(t.full((2,), float("nan")), a, b, beta=0), A, B),
    "addmv addr": (lambda t, a, v, w: [t.addmv(w, a, v, alpha=2), t.addr(a, w, v, beta=3), w.addmv(a, v)], A, V, W),
    "baddbmm": (lambda t, p, q, s: [t.baddbmm(s[:, :2], p, q, alpha=0.5), t.addbmm(s[:, :2], p, q, beta=2)], P, Q, S),
    "kron": (lambda t, a, v: [a.kron(v), t.kron(v, a)], A, V),
    "cross": (lambda t, w, s: [t.cross(w, w * 2 + 1, dim=0), s.cross(s.t(), 1), t.cross(s, s.t(), dim=0)], W, S),
    "tensordot": (lambda t, p, q, a: [t.tensordot(p, a), t.tensordot(a, a, ([1], [1])),
                                      t.tensordot(p, q, dims=([0, 2], [0, 1])), t.tensordot(a, a, 0)], P, Q, A),
    "chain_matmul": (lambda t, a, b: t.chain_matmul(a, b, b.t(), a.t()), A, B),
    "matrix_power": (lambda t, s: [s.matrix_power(3), t.matrix_power(s, 0)], S),
    "einsum": (lambda t, a, b, p, q: [t.einsum("ij,jk->ik", a, b), t.einsum("bij,bjk", p, q), t.einsum("ij->", a),
                                      t.einsum("ij->ji", a), t.einsum("i j, i j -> j", a, a)], A, B, P, Q),
    "einsum ellipsis": (lambda t, p, q, a: [t.einsum("...ij,...jk->...ik", p, q), t.einsum("i...->...", p),
                                            t.einsum("...j,...j->j", p, a), t.einsum("...ij->ij", p)], P, Q, A),
    "einsum diagonal": (lambda t, s: [t.einsum("ii->i", s), t.einsum("ii", s)], S),
    "einsum lists": (lambda t, a, b: [t.einsum(a, [0, 1], b, [1, 2], [0, 2]), t.einsum("ij,jk", [a, b])], A, B),
    "einsum attention": (lambda t, p: t.einsum("bqd,bkd->bqk", p, p), P),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_value_shape_type_gradient_and_compilations(name: str) -> None:
    function, *inputs = CASES[name]
    check(function, *inputs, atol=1e-4)


FAILURES: dict[str, Any] = {
    "matmul": lambda t, a, v: a @ a,
    "matmul types": lambda t, a, v: a @ a.t().double(),
    "mm rank": lambda t, a, v: a.mm(v),
    "mm sizes": lambda t, a, v: a.mm(a),
    "bmm rank": lambda t, a, v: a.bmm(a),
    "bmm sizes": lambda t, a, v: t.bmm(a[None], a[None]),
    "mv rank": lambda t, a, v: a.mv(a),
    "mv sizes": lambda t, a, v: a.mv(v[:3]),
    "dot rank": lambda t, a, v: v.dot(a),
    "dot types": lambda t, a, v: v.dot(t.tensor([1, 2, 3, 4])),
    "outer": lambda t, a, v: v.outer(a),
    "inner": lambda t, a, v: v[:3].inner(a),
    "tensordot": lambda t, a, v: t.tensordot(a, a, 1),
    "cross": lambda t, a, v: v.cross(a, 0),
    "cross size": lambda t, a, v: a.cross(a, 1),
    "addmm": lambda t, a, v: a.addmm(a, a.t()),
    "baddbmm": lambda t, a, v: t.baddbmm(a, a[None], a.t()[None]),
    "addr": lambda t, a, v: t.addr(a, v, v),
    "einsum sizes": lambda t, a, v: t.einsum("ij,jk->ik", a, a),
    "einsum output": lambda t, a, v: t.einsum("ij->ikk", a),
    "einsum operands": lambda t, a, v: t.einsum("ij", a, a),
    "einsum rank": lambda t, a, v: t.einsum("ijk->i", a),
}


@pytest.mark.parametrize("name", FAILURES)
def test_errors_are_pytorchs(name: str) -> None:
    same_error(FAILURES[name], A, V)


def test_names_on_the_tape() -> None:
    a, p = flambeau.tensor(A, requires_grad=True), flambeau.tensor(P, requires_grad=True)
    names = [item.grad_fn.name() for item in (a.mm(a.t()), p.bmm(p.mT), a.mv(a[0]), a[0].dot(a[0]), a.sum(), a.max())]
    expected = ["MmBackward0", "BmmBackward0", "MvBackward0", "DotBackward0", "SumBackward0", "MaxBackward0"]
    assert names == expected
