"""The same steps as Flax NNX users write them: channels last, ``nnx.jit``, Optax."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from cases import Case
from flax import nnx

__all__ = ["stepper"]


class CivilNet(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.conv1 = nnx.Conv(3, 6, (5, 5), padding="VALID", rngs=rngs)
        self.conv2 = nnx.Conv(6, 16, (5, 5), padding="VALID", rngs=rngs)
        self.fc1 = nnx.Linear(400, 120, rngs=rngs)
        self.fc2 = nnx.Linear(120, 84, rngs=rngs)
        self.fc3 = nnx.Linear(84, 10, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        pool = partial(nnx.max_pool, window_shape=(2, 2), strides=(2, 2))
        x = pool(nnx.relu(self.conv1(x)))
        x = pool(nnx.relu(self.conv2(x))).reshape(x.shape[0], -1)
        return self.fc3(nnx.relu(self.fc2(nnx.relu(self.fc1(x)))))


def mlp(rngs: nnx.Rngs) -> nnx.Module:
    return nnx.Sequential(
        nnx.Linear(784, 256, rngs=rngs), nnx.relu, nnx.Linear(256, 256, rngs=rngs), nnx.relu,
        nnx.Linear(256, 10, rngs=rngs),
    )  # fmt: skip


class Block(nnx.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, rngs: nnx.Rngs) -> None:
        conv = partial(nnx.Conv, padding=1, use_bias=False, rngs=rngs)
        self.conv1 = conv(inputs, outputs, (3, 3), strides=stride)
        self.bn1 = nnx.BatchNorm(outputs, momentum=0.9, rngs=rngs)
        self.conv2 = conv(outputs, outputs, (3, 3))
        self.bn2 = nnx.BatchNorm(outputs, momentum=0.9, rngs=rngs)
        if stride == 1:
            self.shortcut: Any = None
        else:
            self.shortcut = nnx.Sequential(
                nnx.Conv(inputs, outputs, (1, 1), strides=stride, use_bias=False, rngs=rngs),
                nnx.BatchNorm(outputs, momentum=0.9, rngs=rngs),
            )

    def __call__(self, x: Any) -> Any:
        y = self.bn2(self.conv2(nnx.relu(self.bn1(self.conv1(x)))))
        return nnx.relu(y + (x if self.shortcut is None else self.shortcut(x)))


class ResNet18(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.conv = nnx.Conv(3, 64, (3, 3), padding=1, use_bias=False, rngs=rngs)
        self.bn = nnx.BatchNorm(64, momentum=0.9, rngs=rngs)
        blocks = []
        for inputs, outputs, stride in ((64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2)):
            blocks += [Block(inputs, outputs, stride, rngs), Block(outputs, outputs, 1, rngs)]
        self.blocks = nnx.Sequential(*blocks)
        self.head = nnx.Linear(512, 10, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return self.head(self.blocks(nnx.relu(self.bn(self.conv(x)))).mean((1, 2)))


class LSTM(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.layer1 = nnx.RNN(nnx.OptimizedLSTMCell(256, 256, rngs=rngs), time_major=True)
        self.layer2 = nnx.RNN(nnx.OptimizedLSTMCell(256, 256, rngs=rngs), time_major=True)
        self.head = nnx.Linear(256, 10, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return self.head(self.layer2(self.layer1(x))[-1])


class GPTBlock(nnx.Module):
    def __init__(self, width: int, heads: int, rngs: nnx.Rngs) -> None:
        self.heads = heads
        self.norm1, self.norm2 = nnx.LayerNorm(width, rngs=rngs), nnx.LayerNorm(width, rngs=rngs)
        self.mixed, self.out = nnx.Linear(width, 3 * width, rngs=rngs), nnx.Linear(width, width, rngs=rngs)
        self.wide, self.narrow = nnx.Linear(width, 4 * width, rngs=rngs), nnx.Linear(4 * width, width, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        batch, length, width = x.shape
        parts = jnp.split(self.mixed(self.norm1(x)), 3, axis=-1)
        query, key, value = (part.reshape(batch, length, self.heads, width // self.heads) for part in parts)
        y = jax.nn.dot_product_attention(query, key, value, is_causal=True)
        x = x + self.out(y.reshape(batch, length, width))
        return x + self.narrow(nnx.gelu(self.wide(self.norm2(x)), approximate=False))


class GPT(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.tokens, self.places = nnx.Embed(256, 128, rngs=rngs), nnx.Embed(128, 128, rngs=rngs)
        self.blocks = nnx.Sequential(*[GPTBlock(128, 4, rngs) for _ in range(4)])
        self.norm = nnx.LayerNorm(128, rngs=rngs)

    def __call__(self, tokens: Any) -> Any:
        x = self.tokens(tokens) + self.places(jnp.arange(tokens.shape[1]))
        return self.tokens.attend(self.norm(self.blocks(x))).reshape(-1, 256)


def vgg16(rngs: nnx.Rngs) -> nnx.Module:
    layers: list[Any] = []
    channels = 3
    for width, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            layers += [nnx.Conv(channels, width, (3, 3), padding=1, rngs=rngs), nnx.relu]
            channels = width
        layers.append(partial(nnx.max_pool, window_shape=(2, 2), strides=(2, 2)))
    layers.append(lambda x: x.reshape(x.shape[0], -1))
    for inputs, outputs in ((25088, 4096), (4096, 4096)):
        layers += [nnx.Linear(inputs, outputs, rngs=rngs), nnx.relu]
    return nnx.Sequential(*layers, nnx.Linear(4096, 1000, rngs=rngs))


NETWORKS: dict[str, Callable[[nnx.Rngs], Any]] = {
    "civilnet": CivilNet, "mlp": mlp, "resnet18": ResNet18, "lstm": LSTM, "gpt": GPT, "vgg16": vgg16
}  # fmt: skip


@nnx.jit(donate_argnums=(0, 1))
def trained(model: Any, optimizer: Any, inputs: Any, labels: Any) -> Any:
    def loss_of(model: Any) -> Any:
        return optax.softmax_cross_entropy_with_integer_labels(model(inputs), labels).mean()

    loss, gradients = nnx.value_and_grad(loss_of)(model)
    optimizer.update(model, gradients)
    return loss


@nnx.jit
def predicted(model: Any, inputs: Any) -> Any:
    return model(inputs).max()


def stepper(case: Case) -> Callable[[int], float]:
    """A function that takes a number of steps, and waits for the last."""
    model = NETWORKS[case.network](nnx.Rngs(0))
    model.train() if case.trains else model.eval()
    optimizer = nnx.Optimizer(model, optax.sgd(0.001, momentum=0.9), wrt=nnx.Param)
    numbers = np.random.default_rng(0)
    batches = [_placed(*case.batch(numbers)) for _ in range(8 if case.trains else 1)]

    def work(count: int) -> float:
        result: Any = None
        for index in range(count):
            inputs, labels = batches[index % len(batches)]
            result = trained(model, optimizer, inputs, labels) if case.trains else predicted(model, inputs)
        return float(result)

    return work


def _placed(inputs: np.ndarray, labels: np.ndarray) -> tuple[Any, Any]:
    """A batch on the device, images with their channels last."""
    return jnp.asarray(np.moveaxis(inputs, 1, -1) if inputs.ndim == 4 else inputs), jnp.asarray(labels)
