"""Sums, products and extremes of elements so far, by a kernel: NumPy's in double, rounded once."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import flambeau as torch
from flambeau.base.config import config
from flambeau.kernels import library
from flambeau.kernels.running import running_extremes, running_products, running_sums

pytestmark = pytest.mark.usefixtures("kernels")

SHAPES = {
    "one row": ((5001,), 0),
    "rows": ((70, 301), 1),
    "rows that four do not divide": ((7, 1003), 1),
    "columns": ((301, 150), 0),
    "columns of planes": ((3, 40, 65), 1),
    "one column": ((5000, 1), 0),
    "one element": ((5000, 1), 1),
}


def drawn(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def exact(x: np.ndarray, axis: int) -> np.ndarray:
    return np.cumsum(x.astype(np.float64), axis).astype(np.float32)


@pytest.mark.parametrize(("shape", "axis"), SHAPES.values(), ids=SHAPES)
def test_sums_and_gradients_are_rounded_once(shape: tuple[int, ...], axis: int) -> None:
    x, direction = drawn(shape), drawn(shape, 1)

    @jax.jit
    def both(x: jax.Array, direction: jax.Array) -> tuple[jax.Array, jax.Array]:
        result, pull = jax.vjp(lambda x: running_sums(x, axis), x)
        return result, pull(direction)[0]

    result, gradient = both(x, direction)
    np.testing.assert_array_equal(result, exact(x, axis))
    np.testing.assert_array_equal(gradient, np.flip(exact(np.flip(direction, axis), axis), axis))


def test_the_kernel_serves_derivatives_of_any_order() -> None:
    def gradient(x: jax.Array) -> jax.Array:
        return jax.grad(lambda x: (running_sums(x, 1) ** 3).sum())(x)

    text = jax.jit(lambda x: jax.jvp(gradient, (x,), (x,))).lower(drawn((70, 301))).as_text()
    assert text.count("@flambeau_running") == 4


def test_whole_numbers_and_truth_values() -> None:
    x = np.random.default_rng(0).integers(-(2**62), 2**62, (60, 100))
    assert torch.tensor(x).cumsum(1).tolist() == x.cumsum(1).tolist()
    assert torch.tensor(x > 0).cumsum(0).tolist() == (x > 0).cumsum(0).tolist()


def test_what_is_no_number_stays_from_there_on() -> None:
    x = drawn((9, 600))
    x[3, 100], x[4, 200] = np.nan, np.inf
    result = np.asarray(jax.jit(running_sums, static_argnums=1)(x, 1))
    assert np.isnan(result[3, 100:]).all()
    assert np.isinf(result[4, 200:]).all()
    assert np.isfinite(result).sum() == result.size - 500 - 400


def step(x: torch.Tensor) -> list[torch.Tensor]:
    """A result, its gradient and the gradient of that."""
    result = x.cumsum(-1)
    (gradient,) = torch.autograd.grad(result.pow(3).sum(), x, create_graph=True)
    return [result, gradient, *torch.autograd.grad(gradient.square().sum(), x)]


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float64])
def test_tensors(kind: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    x = (torch.tensor(drawn((16, 300)), dtype=kind) / 30).requires_grad_()
    found = step(x)
    monkeypatch.setattr(config, "kernels", False)
    tolerance = {torch.float32: 1e-5, torch.bfloat16: 0.1, torch.float64: 1e-12}[kind]
    for mine, theirs in zip(found, step(x), strict=True):
        scale = theirs.abs().max().item()
        np.testing.assert_allclose(mine.detach().double(), theirs.detach().double(), tolerance, tolerance * scale)


def test_mapped_over_a_batch() -> None:
    x = drawn((4, 5000))
    np.testing.assert_allclose(jax.jit(jax.vmap(lambda x: running_sums(x, 0)))(x), exact(x, 1), 1e-4, 1e-4)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.bfloat16, torch.int64])
@pytest.mark.parametrize(("shape", "axis"), SHAPES.values(), ids=SHAPES)
def test_products_and_extremes(shape: tuple[int, ...], axis: int, kind: torch.dtype) -> None:
    if kind == torch.bfloat16 and library.target(library.TARGETS[0], jnp.bfloat16) is None:
        pytest.skip(f"the processor has no instructions for bfloat16; CPU kernels: {library.status()}")
    x = drawn(shape)
    x.reshape(-1)[[11, 700]] = x.reshape(-1)[5]  # ties
    if kind != torch.int64:
        x.reshape(-1)[[900, 1500]] = np.nan
    values = torch.tensor(x / 20 - 1 if kind != torch.int64 else x * 30).to(kind)  # products stay normal numbers
    numbers = values.double().numpy() if kind != torch.int64 else values.numpy()
    kept = np.float32 if kind == torch.bfloat16 else numbers.dtype  # in which products are kept on the way
    products = torch.tensor(np.cumprod(numbers.astype(kept), axis)).to(kind)
    assert torch.equal(values.cumprod(axis).nan_to_num(), products.nan_to_num())
    for found, best in (
        (values.cummax(axis), np.maximum.accumulate(numbers, axis)),
        (values.cummin(axis), np.minimum.accumulate(numbers, axis)),
    ):
        np.testing.assert_array_equal(found.values.double(), best.astype(np.float64))
        there = np.take_along_axis(numbers, found.indices.numpy(), axis)
        np.testing.assert_array_equal(there, best)  # NaN equals NaN here
        assert (np.diff(found.indices.numpy(), axis=axis) >= 0).all()


def test_the_kernel_serves_products_and_extremes() -> None:
    for function in (
        running_products,
        partial(running_extremes, largest=True),
        partial(running_extremes, largest=False),
    ):
        run = jax.jit(lambda x, function=function: function(x, 1))
        assert run.lower(drawn((70, 301))).as_text().count("@flambeau_running") == 1
