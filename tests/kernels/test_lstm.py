"""The native loops of an LSTM agree with those of plain XLA, forward and back, to any derivative."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flambeau.base.config import config
from flambeau.kernels import library
from flambeau.primitives.recurrence import recurrent_layer

STEPS, BATCH, SIZE = 5, 6, 20

# steps, batch, input size, hidden size, backward in time
SHAPES = [
    (5, 6, 7, 20, False),
    (5, 6, 7, 20, True),
    (1, 1, 1, 1, False),
    (3, 33, 8, 16, True),
    (40, 12, 16, 64, False),
]


@pytest.fixture(autouse=True, scope="module")
def _kernels() -> None:
    """Skip, with the reason, where the kernels cannot be used."""
    if library.target("flambeau_lstm") is None:
        pytest.skip(f"CPU kernels: {library.status()}")


def operands(steps: int, batch: int, inputs: int, size: int, *, scale: float = 0.5, seed: int = 0) -> list[Any]:
    numbers = np.random.default_rng(seed)
    shapes = [(steps, batch, inputs), (batch, size), (batch, size), (4 * size, inputs), (4 * size, size)]
    return [jnp.asarray(numbers.normal(size=shape) * scale, jnp.float32) for shape in (*shapes, 4 * size, 4 * size)]


def loss(reverse: bool) -> Any:
    """A number that every result has its own share in."""

    def of(*items: Any) -> Any:
        outputs, hidden, memory = recurrent_layer.lower(items, "LSTM", reverse, True, False, False)
        return jnp.sum(outputs**2) + jnp.sum(jnp.sin(hidden)) + jnp.sum(memory**3)

    return of


def both(monkeypatch: pytest.MonkeyPatch, function: Any, items: list[Any]) -> tuple[Any, Any]:
    """Results of the native kernels, and of plain XLA."""
    found = jax.jit(function).lower(*items)
    assert "@flambeau_lstm" in found.as_text()
    native = found.compile()(*items)
    monkeypatch.setattr(config, "kernels", False)
    plain = jax.jit(lambda *items: function(*items)).lower(*items)  # noqa: PLW0108  (another function: JAX keeps traces)
    assert "@flambeau_lstm" not in plain.as_text()
    return native, plain.compile()(*items)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values_and_gradients(monkeypatch: pytest.MonkeyPatch, shape: tuple[Any, ...]) -> None:
    function = jax.value_and_grad(loss(shape[-1]), tuple(range(7)))
    native, plain = both(monkeypatch, function, operands(*shape[:-1], scale=1 / np.sqrt(shape[3] + 4)))
    for found, expected in zip(jax.tree.leaves(native), jax.tree.leaves(plain), strict=True):
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)


def test_one_loop_forward_and_one_back() -> None:
    text = jax.jit(jax.grad(loss(False), (0, 3, 4))).lower(*operands(STEPS, BATCH, SIZE, SIZE)).as_text()
    assert (text.count("@flambeau_lstm_"), text.count("stablehlo.while")) == (2, 0)


def test_saturated_gates_and_special_values(monkeypatch: pytest.MonkeyPatch) -> None:
    items = operands(STEPS, BATCH, SIZE, SIZE, scale=30.0)
    items[0] = items[0].at[0, 0, 0].set(jnp.nan).at[1, 1].set(jnp.inf).at[0, 2].set(1e-20)

    def outputs(*items: Any) -> Any:
        return recurrent_layer.lower(items, "LSTM", False, True, False, False)

    for found, expected in zip(*both(monkeypatch, outputs, items), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_second_derivative(monkeypatch: pytest.MonkeyPatch) -> None:
    def bent(*items: Any) -> Any:
        return sum(jnp.sum(part**2) for part in jax.grad(loss(False), (0, 4))(*items))

    items = operands(3, 2, 4, 4)
    found_all = jax.jit(jax.grad(bent, (0, 1, 4)))(*items)
    monkeypatch.setattr(config, "kernels", False)
    for found, expected in zip(found_all, jax.grad(bent, (0, 1, 4))(*items), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_mapped_over_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch of layers is a loop of plain XLA's; what is not mapped stays native."""
    items = operands(3, 2, 4, 4)
    weights = jnp.stack([items[4], -items[4]])
    mapped = jax.jit(jax.vmap(loss(False), (None, None, None, None, 0, None, None)))(*items[:4], weights, *items[5:])
    monkeypatch.setattr(config, "kernels", False)
    each = [loss(False)(*items[:4], weight, *items[5:]) for weight in weights]
    np.testing.assert_allclose(mapped, each, rtol=1e-5)


def test_products_are_counted() -> None:
    compiled = jax.jit(jax.grad(loss(False), (0, 4))).lower(*operands(STEPS, BATCH, SIZE, SIZE)).compile()
    assert library.flops(compiled.as_text() or "") == 2 * (2 * STEPS * BATCH * SIZE * 4 * SIZE)
