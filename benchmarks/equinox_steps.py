"""The same steps as Equinox users write them: ``jax.vmap`` over the batch, ``eqx.filter_jit``, Optax."""

from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from cases import Case
from equinox import nn

__all__ = ["stepper"]

Keys = Any


class Plain(eqx.Module):
    """Layers one after another; a model without state."""

    layers: list[Any]

    def __call__(self, x: Any, state: Any) -> tuple[Any, Any]:
        for layer in self.layers:
            x = layer(x)
        return x, state


def civilnet(keys: Keys) -> eqx.Module:
    pool = nn.MaxPool2d(2, 2)
    return Plain([
        nn.Conv2d(3, 6, 5, key=next(keys)), jax.nn.relu, pool,
        nn.Conv2d(6, 16, 5, key=next(keys)), jax.nn.relu, pool, jnp.ravel,
        nn.Linear(400, 120, key=next(keys)), jax.nn.relu,
        nn.Linear(120, 84, key=next(keys)), jax.nn.relu, nn.Linear(84, 10, key=next(keys)),
    ])  # fmt: skip


def mlp(keys: Keys) -> eqx.Module:
    return Plain([
        nn.Linear(784, 256, key=next(keys)), jax.nn.relu, nn.Linear(256, 256, key=next(keys)), jax.nn.relu,
        nn.Linear(256, 10, key=next(keys)),
    ])  # fmt: skip


def vgg16(keys: Keys) -> eqx.Module:
    layers: list[Any] = []
    channels = 3
    for width, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            layers += [nn.Conv2d(channels, width, 3, padding=1, key=next(keys)), jax.nn.relu]
            channels = width
        layers.append(nn.MaxPool2d(2, 2))
    layers.append(jnp.ravel)
    for inputs, outputs in ((25088, 4096), (4096, 4096)):
        layers += [nn.Linear(inputs, outputs, key=next(keys)), jax.nn.relu]
    return Plain([*layers, nn.Linear(4096, 1000, key=next(keys))])


class Block(eqx.Module):
    conv1: Any
    bn1: Any
    conv2: Any
    bn2: Any
    shortcut: Any

    def __init__(self, inputs: int, outputs: int, stride: int, keys: Keys) -> None:
        conv = partial(nn.Conv2d, kernel_size=3, padding=1, use_bias=False)
        self.conv1 = conv(inputs, outputs, stride=stride, key=next(keys))
        self.conv2 = conv(outputs, outputs, key=next(keys))
        self.bn1, self.bn2 = _norm(outputs), _norm(outputs)
        self.shortcut = None
        if stride > 1:
            first = nn.Conv2d(inputs, outputs, 1, stride, use_bias=False, key=next(keys))
            self.shortcut = (first, _norm(outputs))

    def __call__(self, x: Any, state: Any) -> tuple[Any, Any]:
        y, state = self.bn1(self.conv1(x), state)
        y, state = self.bn2(self.conv2(jax.nn.relu(y)), state)
        if self.shortcut is not None:
            x, state = self.shortcut[1](self.shortcut[0](x), state)
        return jax.nn.relu(y + x), state


class ResNet18(eqx.Module):
    conv: Any
    bn: Any
    blocks: list[Block]
    head: Any

    def __init__(self, keys: Keys) -> None:
        self.conv, self.bn = nn.Conv2d(3, 64, 3, padding=1, use_bias=False, key=next(keys)), _norm(64)
        self.blocks = []
        for inputs, outputs, stride in ((64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2)):
            self.blocks += [Block(inputs, outputs, stride, keys), Block(outputs, outputs, 1, keys)]
        self.head = nn.Linear(512, 10, key=next(keys))

    def __call__(self, x: Any, state: Any) -> tuple[Any, Any]:
        x, state = self.bn(self.conv(x), state)
        x = jax.nn.relu(x)
        for block in self.blocks:
            x, state = block(x, state)
        return self.head(x.mean((1, 2))), state


def _norm(width: int) -> Any:
    return nn.BatchNorm(width, axis_name="batch", momentum=0.9, mode="batch")


class LSTM(eqx.Module):
    cells: list[Any]
    head: Any

    def __init__(self, keys: Keys) -> None:
        self.cells = [nn.LSTMCell(256, 256, key=next(keys)) for _ in range(2)]
        self.head = nn.Linear(256, 10, key=next(keys))

    def __call__(self, x: Any, state: Any) -> tuple[Any, Any]:
        for cell in self.cells:

            def step(carry: Any, value: Any, cell: Any = cell) -> Any:
                carry = cell(value, carry)
                return carry, carry[0]

            x = jax.lax.scan(step, (jnp.zeros(256), jnp.zeros(256)), x)[1]
        return self.head(x[-1]), state


class GPTBlock(eqx.Module):
    heads: int = eqx.field(static=True)
    norm1: Any
    norm2: Any
    mixed: Any
    out: Any
    wide: Any
    narrow: Any

    def __init__(self, width: int, heads: int, keys: Keys) -> None:
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mixed, self.out = nn.Linear(width, 3 * width, key=next(keys)), nn.Linear(width, width, key=next(keys))
        self.wide = nn.Linear(width, 4 * width, key=next(keys))
        self.narrow = nn.Linear(4 * width, width, key=next(keys))

    def __call__(self, x: Any) -> Any:
        length, width = x.shape
        parts = jnp.split(jax.vmap(self.mixed)(jax.vmap(self.norm1)(x)), 3, axis=-1)
        query, key, value = (part.reshape(length, self.heads, width // self.heads) for part in parts)
        y = jax.nn.dot_product_attention(query, key, value, is_causal=True)
        x = x + jax.vmap(self.out)(y.reshape(length, width))
        wide = jax.nn.gelu(jax.vmap(self.wide)(jax.vmap(self.norm2)(x)), approximate=False)
        return x + jax.vmap(self.narrow)(wide)


class GPT(eqx.Module):
    tokens: Any
    places: Any
    blocks: list[GPTBlock]
    norm: Any

    def __init__(self, keys: Keys) -> None:
        self.tokens, self.places = nn.Embedding(256, 128, key=next(keys)), nn.Embedding(128, 128, key=next(keys))
        self.blocks = [GPTBlock(128, 4, keys) for _ in range(4)]
        self.norm = nn.LayerNorm(128)

    def __call__(self, tokens: Any, state: Any) -> tuple[Any, Any]:
        x = jax.vmap(self.tokens)(tokens) + self.places.weight[: tokens.shape[0]]
        for block in self.blocks:
            x = block(x)
        return jax.vmap(self.norm)(x) @ self.tokens.weight.T, state


NETWORKS: dict[str, Callable[[Keys], Any]] = {
    "civilnet": civilnet, "mlp": mlp, "resnet18": ResNet18, "lstm": LSTM, "gpt": GPT, "vgg16": vgg16
}  # fmt: skip


def stepper(case: Case) -> Callable[[int], float]:
    """A function that takes a number of steps, and waits for the last."""
    keys = iter(jax.random.split(jax.random.key(0), 100))
    model, state = eqx.nn.make_with_state(NETWORKS[case.network])(keys)
    optimizer = optax.sgd(0.001, momentum=0.9)
    moments = optimizer.init(eqx.filter(model, eqx.is_inexact_array))
    axis = 1 if case.network == "lstm" else 0
    batched = partial(jax.vmap, axis_name="batch", in_axes=(axis, None), out_axes=(0, None))

    @eqx.filter_jit(donate="all-except-first")
    def trained(batch: Any, model: Any, state: Any, moments: Any) -> Any:
        inputs, labels = batch

        def loss_of(model: Any) -> Any:
            scores, after = batched(model)(inputs, state)
            scores = scores.reshape(-1, scores.shape[-1])
            return optax.softmax_cross_entropy_with_integer_labels(scores, labels).mean(), after

        (loss, state_after), gradients = eqx.filter_value_and_grad(loss_of, has_aux=True)(model)
        updates, moments = optimizer.update(gradients, moments)
        return loss, eqx.apply_updates(model, updates), state_after, moments

    @eqx.filter_jit
    def predicted(model: Any, state: Any, inputs: Any) -> Any:
        return batched(model)(inputs, state)[0].max()

    numbers = np.random.default_rng(0)
    batches = [tuple(map(jnp.asarray, case.batch(numbers))) for _ in range(8 if case.trains else 1)]

    def work(count: int) -> float:
        nonlocal model, state, moments
        result: Any = None
        for index in range(count):
            batch = batches[index % len(batches)]
            if case.trains:
                result, model, state, moments = trained(batch, model, state, moments)
            else:
                result = predicted(eqx.nn.inference_mode(model), state, batch[0])
        return float(result)

    return work
