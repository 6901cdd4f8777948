"""Linear algebra without PyTorch: golden values, and what holds of any factors."""

from typing import Any

import pytest

import flambeau as torch

X = torch.tensor([[4.0, 1.0, 0.0], [1.0, 3.0, -1.0], [0.0, -1.0, 2.0]])
RECTANGLE = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])


def near(found: Any, expected: Any) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


REBUILT: dict[str, Any] = {
    "inv": lambda: (torch.linalg.inv(X) @ X, torch.eye(3)),
    "solve": lambda: (X @ torch.linalg.solve(X, RECTANGLE), RECTANGLE),
    "pinv": lambda: (RECTANGLE @ torch.linalg.pinv(RECTANGLE) @ RECTANGLE, RECTANGLE),
    "cholesky": lambda: (torch.linalg.cholesky(X) @ torch.linalg.cholesky(X).mT, X),
    "qr": lambda: (torch.linalg.qr(RECTANGLE).Q @ torch.linalg.qr(RECTANGLE).R, RECTANGLE),
    "qr complete": lambda: (torch.matmul(*torch.linalg.qr(RECTANGLE, "complete")), RECTANGLE),
    "geqrf": lambda: (torch.orgqr(*torch.geqrf(RECTANGLE)) @ torch.geqrf(RECTANGLE).a[:2].triu(), RECTANGLE),
    "eigh": lambda: (X @ torch.linalg.eigh(X).eigenvectors,
                     torch.linalg.eigh(X).eigenvalues * torch.linalg.eigh(X).eigenvectors),
    "exp": lambda: (torch.matrix_exp(X) @ torch.matrix_exp(-X), torch.eye(3)),
    "det": lambda: (torch.linalg.det(X), torch.tensor(18.0)),
    "norm": lambda: (torch.linalg.norm(RECTANGLE), torch.tensor(91.0).sqrt()),
    "nuclear": lambda: (torch.linalg.matrix_norm(X, "nuc"), torch.tensor(9.0)),
    "lstsq": lambda: (torch.linalg.lstsq(RECTANGLE, RECTANGLE.sum(1)).solution, torch.ones(2)),
}  # fmt: skip


@pytest.mark.parametrize("name", REBUILT)
def test_what_holds(name: str) -> None:
    near(*REBUILT[name]())


def test_the_gradient_of_a_singular_determinant_is_that_of_its_cofactors() -> None:
    """PyTorch answers with zeros."""
    x = torch.tensor([[1.0, 2.0], [2.0, 4.0]], requires_grad=True)
    torch.linalg.det(x).backward()
    near(x.grad, torch.tensor([[4.0, -2.0], [-2.0, 1.0]]))


def test_what_is_singular_is_an_error_or_is_not_finite() -> None:
    zeros = torch.zeros(2, 2)
    with pytest.raises(torch.linalg.LinAlgError, match="diagonal element 1 is zero"):
        torch.linalg.inv(zeros)
    with pytest.raises(torch.linalg.LinAlgError, match="The solver failed"):
        torch.linalg.solve(zeros, torch.ones(2))
    with pytest.raises(torch.linalg.LinAlgError, match="leading minor of order 2"):
        torch.linalg.cholesky(torch.tensor([[1.0, 0.0], [0.0, -1.0]]))
    assert not bool(torch.linalg.inv_ex(zeros).inverse.isfinite().any())
    assert bool(torch.linalg.cholesky_ex(-torch.eye(2)).L.isnan().any())
    assert torch.linalg.slogdet(zeros).logabsdet.item() == -float("inf")


def test_only_one_triangle_is_read() -> None:
    near(torch.linalg.cholesky(X.tril() + 9 * X.triu(1)), torch.linalg.cholesky(X))
    near(torch.linalg.cholesky(X.triu(), upper=True), torch.linalg.cholesky(X).mT)
    near(torch.linalg.eigvalsh(X.triu(), "U"), torch.linalg.eigvalsh(X))


@pytest.mark.parametrize("function", [lambda x: torch.linalg.qr(x, "complete"), torch.geqrf], ids=["qr", "geqrf"])
def test_what_has_no_gradient_says_so(function: Any) -> None:
    found = function(torch.ones(3, 2, requires_grad=True))
    assert [item.requires_grad for item in found] == [False, False]
