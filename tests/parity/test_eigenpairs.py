"""``lobpcg`` against PyTorch: values, vectors but for their signs, derivatives, and what it draws and refuses."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import flambeau
from tests.parity.failures import same_error
from tests.parity.oracle import check, torch

RANDOM = np.random.default_rng(0)


def symmetric(size: int, least: float = 1.0) -> np.ndarray:
    half = RANDOM.normal(size=(size, size))
    return half @ half.T + least * np.eye(size)


A, B, K = symmetric(20), symmetric(20, 20.0), symmetric(20)
SMALL, WEIGHTS = symmetric(7), symmetric(7, 7.0)
START = RANDOM.normal(size=(20, 3))


def pairs(T: Any, A: Any, **named: Any) -> list[Any]:
    """Values and vectors after the same draws, the vectors' signs taken out, and the next number drawn."""
    T.manual_seed(0)
    values, vectors = T.lobpcg(A, **named)
    return [values, vectors.abs(), T.rand(2)]


CASES: dict[str, tuple[Any, ...]] = {
    "one": (pairs, A),
    "several": (lambda t, a: pairs(t, a, k=3), A),
    "smallest": (lambda t, a: pairs(t, a, k=2, largest=False), A),
    "more than asked for": (lambda t, a: pairs(t, a, k=2, n=5), A),
    "basic": (lambda t, a: pairs(t, a, k=3, method="basic"), A),
    "weighed": (lambda t, a, b: pairs(t, a, k=2, B=b), A, B),
    "weighed smallest": (lambda t, a, b: pairs(t, a, k=2, B=b, largest=False), A, B),
    "from a start": (lambda t, a, x: pairs(t, a, X=x), A, START),
    "from more than asked for": (lambda t, a, x: pairs(t, a, k=1, X=x), A, START),
    "preconditioned": (lambda t, a, k: pairs(t, a, k=2, iK=k), A, np.linalg.inv(A)),
    "preconditioned smallest": (lambda t, a, k: pairs(t, a, k=2, iK=k, largest=False), A, np.linalg.inv(A)),
    "batch": (lambda t, a: pairs(t, a, k=2), np.stack([A, K])),
    "batch of batches": (lambda t, a, b: pairs(t, a, k=1, B=b), np.stack([A, K])[:, None], np.stack([B, B])[:, None]),
    "float32": (lambda t, a: pairs(t, a, k=2, tol=1e-6), A.astype(np.float32)),
    "without end": (lambda t, a: pairs(t, a, niter=-1), A),
}


@pytest.mark.parametrize("name", CASES)
def test_values_and_vectors(name: str) -> None:
    loose = 1e-3 if name == "float32" else 1e-6
    check(*CASES[name], gradients=False, rtol=loose, atol=loose)


def of_both(T: Any, A: Any, **named: Any) -> Any:
    T.manual_seed(0)
    values, vectors = T.lobpcg(A, **named)
    return values**2, vectors**4


DERIVED: dict[str, tuple[Any, ...]] = {
    "largest": (lambda t, a: of_both(t, a, k=2), SMALL),
    "smallest": (lambda t, a: of_both(t, a, k=1, largest=False), SMALL),
    "batch": (lambda t, a: of_both(t, a, k=2), np.stack([SMALL, SMALL * 2])),
    "one multiple among the others": (
        lambda t, a: of_both(t, a, k=1), np.diag([9.0, 1.0, 1.0, 1.0, 2.0, 3.0]) + 0.1),
}  # fmt: skip


@pytest.mark.parametrize("name", DERIVED)
def test_gradients(name: str) -> None:
    check(*DERIVED[name], rtol=1e-6, atol=1e-6)


def test_second_derivatives() -> None:
    found: list[Any] = []
    for library in (flambeau, torch):
        matrix = library.tensor(SMALL, requires_grad=True)
        values, vectors = of_both(library, matrix, k=2)
        (first,) = library.autograd.grad(values.sum() + vectors.sum(), matrix, create_graph=True)
        (second,) = library.autograd.grad((first * library.arange(49.0).reshape(7, 7)).sum(), matrix)
        found.append(second.detach().numpy())
    np.testing.assert_allclose(found[0], found[1], rtol=5e-5)  # the iteration ends where rounding lets it


def by_cholesky(A: Any, B: Any) -> Any:
    """The largest pair of ``A x = e B x`` by PyTorch's whole decomposition."""
    lower = torch.linalg.cholesky((B + B.mT) / 2)
    half = torch.linalg.solve_triangular(lower, (A + A.mT) / 2, upper=False)
    values, vectors = torch.linalg.eigh(torch.linalg.solve_triangular(lower.mT, half, upper=True, left=False))
    return values[-1:] ** 2, torch.linalg.solve_triangular(lower.mT, vectors[:, -1:], upper=True) ** 4


def test_gradients_of_weighed_pairs() -> None:
    """Of which PyTorch has none: it is asked for those of the whole decomposition."""
    check(lambda t, a, b: by_cholesky(a, b) if t is torch else of_both(t, a, B=b, k=1), SMALL, WEIGHTS)
    matrix = torch.tensor(SMALL, requires_grad=True)
    with pytest.raises(ValueError, match="does not support backward with B != I yet"):
        torch.lobpcg(matrix, k=1, B=torch.tensor(WEIGHTS))[0].sum().backward()


def test_a_tracker_sees_the_state_and_can_stop() -> None:
    seen: list[int] = []

    def tracker(state: Any) -> None:
        left = state.A @ state.X - state.X * state.E
        np.testing.assert_allclose(state.R.numpy(), left.numpy(), atol=1e-9)
        assert state.tvars["rerr"].shape == (3,)
        seen.append(state.ivars["istep"])
        state.bvars["force_stop"] = len(seen) == 3

    flambeau.lobpcg(flambeau.tensor(A), X=flambeau.tensor(START), tracker=tracker)
    assert seen == [0, 1, 2]


ERRORS: dict[str, Callable[[Any], Any]] = {
    "no square": lambda t: t.lobpcg(t.ones(7, 6)),
    "weights of another shape": lambda t: t.lobpcg(t.eye(7), B=t.eye(6)),
    "too many": lambda t: t.lobpcg(t.eye(7), k=3),
    "start of another shape": lambda t: t.lobpcg(t.eye(7), X=t.ones(6, 1)),
    "half": lambda t: t.lobpcg(t.eye(7).half()),
    "whole": lambda t: t.lobpcg(t.eye(7).long()),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    same_error(ERRORS[name])
