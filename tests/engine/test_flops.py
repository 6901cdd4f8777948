"""A recorded training step costs what JAX's own gradient of the same computation costs."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import flambeau as torch
from flambeau.base.config import config
from flambeau.nn import functional
from flambeau.primitives.recurrence import recurrent_layer
from flambeau.runtime.compiling import traced
from flambeau.runtime.cost import _counted
from flambeau.testing import compilations

RNG = np.random.default_rng(0)


def array(*shape: int) -> Any:
    return RNG.normal(size=shape).astype(np.float32) * 0.1


def recorded(loss_of: Callable[..., Any], parameters: list[Any], inputs: list[Any]) -> float:
    """Flops of the programs one step takes: loss and gradients."""
    leaves = [torch.tensor(item, requires_grad=True) for item in parameters]
    others = [torch.tensor(item) for item in inputs]
    with compilations() as found:
        loss = loss_of(leaves, *others)
        loss.backward()
        loss.item()
        for leaf in leaves:
            leaf.grad.tolist()
    assert len(found) == 1, [str(entry) for entry in found]
    return found[0].flops


def expected(loss_of: Callable[..., Any], parameters: list[Any], inputs: list[Any]) -> float:
    """Flops of ``jax.value_and_grad`` of the same loss."""
    compiled = jax.jit(jax.value_and_grad(loss_of)).lower(parameters, *inputs).compile()
    costs = compiled.cost_analysis()
    assert costs is not None
    return costs["flops"]


def agree(mine: float, theirs: float) -> None:
    assert mine <= theirs * 1.02, f"{mine:,.0f} flops, JAX needs {theirs:,.0f}: {mine / theirs:.3f} times as many"


def test_civilnet() -> None:
    shapes = [(6, 3, 5, 5), (6,), (16, 6, 5, 5), (16,), (120, 400), (120,), (84, 120), (84,), (10, 84), (10,)]
    parameters = [array(*shape) for shape in shapes]
    images, labels = array(4, 3, 32, 32), np.array([1, 2, 3, 4])

    def ours(p: list[Any], x: Any, y: Any) -> Any:
        for index in (0, 2):
            x = functional.max_pool2d(functional.conv2d(x, p[index], p[index + 1]).relu(), 2)
        x = x.view(-1, 400)
        for index in (4, 6):
            x = functional.linear(x, p[index], p[index + 1]).relu()
        return functional.cross_entropy(functional.linear(x, p[8], p[9]), y)

    def theirs(p: list[Any], x: Any, y: Any) -> Any:
        for index in (0, 2):
            x = jax.lax.conv_general_dilated(x, p[index], (1, 1), "VALID", dimension_numbers=("NCHW", "OIHW", "NCHW"))
            x = jax.nn.relu(x + p[index + 1][:, None, None])
            rows = jnp.maximum(x[:, :, ::2], x[:, :, 1::2])
            x = jnp.maximum(rows[:, :, :, ::2], rows[:, :, :, 1::2])
        x = x.reshape(-1, 400)
        for index in (4, 6):
            x = jax.nn.relu(x @ p[index].T + p[index + 1])
        scores = jax.nn.log_softmax(x @ p[8].T + p[9])
        return -jnp.mean(jnp.take_along_axis(scores, y[:, None], 1))

    agree(recorded(ours, parameters, [images, labels]), expected(theirs, parameters, [images, labels]))


def test_transformer_block_with_attention() -> None:
    width, heads, batch, length = 32, 4, 2, 16
    shapes = [(width,), (width,), (3 * width, width), (width, width), (width,), (width,)]
    parameters = [array(*shape) for shape in [*shapes, (4 * width, width), (width, 4 * width)]]
    x = array(batch, length, width)

    def ours(p: list[Any], x: Any) -> Any:
        h = functional.layer_norm(x, (width,), p[0], p[1])
        q, k, v = (
            part.view(batch, length, heads, width // heads).transpose(1, 2)
            for part in functional.linear(h, p[2]).split(width, dim=-1)
        )
        scores = (q @ k.transpose(-2, -1)) * (width // heads) ** -0.5
        mixed = (functional.softmax(scores, dim=-1) @ v).transpose(1, 2).reshape(batch, length, width)
        x = x + functional.linear(mixed, p[3])
        h = functional.layer_norm(x, (width,), p[4], p[5])
        return (x + functional.linear(functional.gelu(functional.linear(h, p[6])), p[7])).square().mean()

    def norm(x: Any, scale: Any, shift: Any) -> Any:
        mean = x.mean(-1, keepdims=True)
        variance = ((x - mean) ** 2).mean(-1, keepdims=True)
        return (x - mean) * jax.lax.rsqrt(variance + 1e-5) * scale + shift

    def theirs(p: list[Any], x: Any) -> Any:
        h = norm(x, p[0], p[1])
        q, k, v = (
            part.reshape(batch, length, heads, width // heads).transpose(0, 2, 1, 3)
            for part in jnp.split(h @ p[2].T, 3, axis=-1)
        )
        scores = (q @ k.transpose(0, 1, 3, 2)) * (width // heads) ** -0.5
        mixed = (jax.nn.softmax(scores) @ v).transpose(0, 2, 1, 3).reshape(batch, length, width)
        x = x + mixed @ p[3].T
        h = norm(x, p[4], p[5])
        return ((x + jax.nn.gelu(h @ p[6].T, approximate=False) @ p[7].T) ** 2).mean()

    agree(recorded(ours, parameters, [x]), expected(theirs, parameters, [x]))


STEPS, BATCH, SIZE = 12, 4, 16
LSTM_SHAPES = [(4 * SIZE, SIZE), (4 * SIZE, SIZE), (4 * SIZE,), (4 * SIZE,)] * 2


def stacked(layer: Callable[..., Any]) -> Callable[..., Any]:
    """The loss of an LSTM of two layers in JAX."""

    def loss(p: list[Any], x: Any) -> Any:
        zeros = jnp.zeros((BATCH, SIZE), jnp.float32)
        for start in (0, 4):
            x = layer((x, zeros, zeros, *p[start : start + 4]))
        return (x**2).mean()

    return loss


def test_lstm_layer_runs_its_loops_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "kernels", False)  # XLA cannot count what a native kernel computes
    parameters, x = [array(*shape) for shape in LSTM_SHAPES], array(STEPS, BATCH, SIZE)
    model = torch.nn.LSTM(SIZE, SIZE, 2)
    names = [name for name, _ in model.named_parameters()]

    def ours(p: list[Any], x: Any) -> Any:
        return torch.func.functional_call(model, dict(zip(names, p, strict=True)), (x,))[0].square().mean()

    theirs = stacked(lambda operands: recurrent_layer.lower(operands, "LSTM", False, True, False, False)[0])
    agree(recorded(ours, parameters, [x]), expected(theirs, parameters, [x]))


def test_lstm_layer_costs_no_more_than_the_gradient_jax_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    """With every round counted: a loop for the gradients, with the products of the weights' gradients outside it."""
    monkeypatch.setattr(config, "kernels", False)
    avals = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in LSTM_SHAPES]
    x = jax.ShapeDtypeStruct((STEPS, BATCH, SIZE), jnp.float32)

    def scanned(operands: Any) -> Any:
        x, hidden, cell, *p = operands

        def step(state: Any, projected: Any) -> Any:
            hidden, cell = state
            i, f, g, o = jnp.split(projected + jnp.matmul(hidden, p[1].T) + p[3], 4, axis=-1)
            cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
            hidden = jax.nn.sigmoid(o) * jnp.tanh(cell)
            return (hidden, cell), hidden

        return jax.lax.scan(step, (hidden, cell), jnp.matmul(x, p[0].T) + p[2])[1]

    counts = [
        _counted(traced(jax.value_and_grad(stacked(layer)), (avals, x)))
        for layer in (lambda items: recurrent_layer.lower(items, "LSTM", False, True, False, False)[0], scanned)
    ]
    agree(*counts)
    products = 2 * STEPS * BATCH * SIZE * 4 * SIZE
    assert counts[0] > 11 * products  # three passes over two products of two layers, without the input's own gradient
