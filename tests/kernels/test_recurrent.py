"""The native loops of recurrent layers agree with those of plain XLA, forward and back, to any derivative."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flambeau.base.config import config
from flambeau.kernels import library
from flambeau.primitives.recurrence import recurrent_layer

SIZES = (5, 6, 20, 20)  # steps, batch, input size, hidden size

GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}

# kind, whether there are biases, backward in time, steps, batch, input size, hidden size
CASES: list[tuple[Any, ...]] = [
    ("LSTM", True, False, 5, 6, 7, 20),
    ("LSTM", False, True, 3, 33, 8, 16),
    ("LSTM", True, False, 1, 1, 1, 1),
    ("LSTM", True, False, 40, 12, 16, 64),
    ("GRU", True, True, 5, 6, 7, 20),
    ("GRU", False, False, 3, 1, 2, 5),
    ("GRU", True, False, 20, 33, 32, 64),
    ("RNN_TANH", True, True, 5, 33, 7, 20),
    ("RNN_RELU", False, False, 20, 12, 64, 64),
]

pytestmark = pytest.mark.usefixtures("kernels")


def operands(kind: str, biased: bool, *sizes: int, scale: float = 0.5, seed: int = 0) -> list[Any]:
    numbers = np.random.default_rng(seed)
    steps, batch, inputs, size = sizes
    gates = GATES[kind] * size
    shapes = [(steps, batch, inputs), *[(batch, size)] * (1 + (kind == "LSTM")), (gates, inputs), (gates, size)]
    shapes += [(gates,)] * 2 * biased
    return [jnp.asarray(numbers.normal(size=shape) * scale, jnp.float32) for shape in shapes]


def loss(kind: str = "LSTM", biased: bool = True, reverse: bool = False) -> Any:
    """A number that every result has its own share in."""

    def of(*items: Any) -> Any:
        outputs, hidden, *memory = recurrent_layer.lower(items, kind, reverse, biased, False, False)
        return jnp.sum(outputs**2) + jnp.sum(jnp.sin(hidden)) + sum(jnp.sum(item**3) for item in memory)

    return of


def both(monkeypatch: pytest.MonkeyPatch, function: Any, items: list[Any]) -> tuple[Any, Any]:
    """Results of the native kernels, and of plain XLA."""
    found = jax.jit(function).lower(*items)
    assert "@flambeau_recurrent" in found.as_text()
    native = found.compile()(*items)
    monkeypatch.setattr(config, "kernels", False)
    plain = jax.jit(lambda *items: function(*items)).lower(*items)  # noqa: PLW0108  (another function: JAX keeps traces)
    assert "@flambeau_recurrent" not in plain.as_text()
    return native, plain.compile()(*items)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_and_gradients(monkeypatch: pytest.MonkeyPatch, case: tuple[Any, ...]) -> None:
    kind, biased, reverse, *sizes = case
    items = operands(kind, biased, *sizes, scale=1 / np.sqrt(sizes[-1] + 4))
    native, plain = both(monkeypatch, jax.value_and_grad(loss(kind, biased, reverse), tuple(range(len(items)))), items)
    for found, expected in zip(jax.tree.leaves(native), jax.tree.leaves(plain), strict=True):
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)


def test_one_loop_forward_and_one_back() -> None:
    text = jax.jit(jax.grad(loss(), (0, 3, 4))).lower(*operands("LSTM", True, *SIZES)).as_text()
    assert (text.count("@flambeau_recurrent_"), text.count("stablehlo.while")) == (2, 0)


def test_without_a_way_back_nothing_is_kept() -> None:
    text = jax.jit(loss()).lower(*operands("LSTM", True, *SIZES)).as_text()
    call = next(line for line in text.splitlines() if "@flambeau_recurrent_" in line)
    steps, batch, _, size = SIZES
    assert call.split("->")[1].count(f"tensor<{steps}x{batch}x{size}xf32>") == 1


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN_RELU"])
def test_saturated_gates_and_special_values(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    items = operands(kind, True, *SIZES, scale=30.0 if kind != "RNN_RELU" else 1.0)
    items[0] = items[0].at[0, 0, 0].set(jnp.nan).at[1, 1].set(jnp.inf).at[0, 2].set(1e-20)

    def outputs(*items: Any) -> Any:
        return recurrent_layer.lower(items, kind, False, True, False, False)

    for found, expected in zip(*both(monkeypatch, outputs, items), strict=True):
        np.testing.assert_allclose(
            found, expected, rtol=5e-5, atol=1e-6
        )  # without gates, roundings grow with the steps


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_second_derivative(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    def bent(*items: Any) -> Any:
        return sum(jnp.sum(part**2) for part in jax.grad(loss(kind), (0, 3))(*items))

    items = operands(kind, True, 3, 2, 4, 4)
    found_all = jax.jit(jax.grad(bent, (0, 3)))(*items)
    monkeypatch.setattr(config, "kernels", False)
    for found, expected in zip(found_all, jax.grad(bent, (0, 3))(*items), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_mapped_over_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch of layers is a loop of plain XLA's; what is not mapped stays native."""
    items = operands("LSTM", True, 3, 2, 4, 4)
    weights = jnp.stack([items[4], -items[4]])
    mapped = jax.jit(jax.vmap(loss(), (None, None, None, None, 0, None, None)))(*items[:4], weights, *items[5:])
    monkeypatch.setattr(config, "kernels", False)
    each = [loss()(*items[:4], weight, *items[5:]) for weight in weights]
    np.testing.assert_allclose(mapped, each, rtol=1e-5)


def test_products_are_counted() -> None:
    compiled = jax.jit(jax.grad(loss(), (0, 4))).lower(*operands("LSTM", True, *SIZES)).compile()
    steps, batch, _, size = SIZES
    assert library.flops(compiled.as_text() or "") == 2 * (2 * steps * batch * size * 4 * size)
