"""The cases of whole steps: a model, its batch, what is asked of us, and where it runs."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from networks import civilnet, gpt, lstm, mlp, resnet18, resnet50, vgg16

__all__ = ["CASES", "Case"]

Batch = tuple[np.ndarray, np.ndarray]


class Case(NamedTuple):
    """One row of the table.

    Attributes:
        title: of the row.
        network: which of the peers' models is the same.
        build: makes the model of a library.
        batch: makes a batch and its labels from a stream of random numbers.
        bar: ratio asked of us on two CPU cores.
        trains: whether the step trains; otherwise it predicts.
        quick: whether it is quick to compile and run.
        precision: data type computed in.
        devices: where it runs unless it is named.
        smaller: a case of the same shape that any machine can run, for a test.
    """

    title: str
    network: str
    build: Callable[[Any], Any]
    batch: Callable[[np.random.Generator], Batch]
    bar: float | None = None
    trains: bool = True
    quick: bool = False
    precision: str = "float32"
    devices: tuple[str, ...] = ("cpu", "cuda")
    smaller: Any = None


def floats(*shape: int, batch: int | None = None, classes: int = 10) -> Callable[[np.random.Generator], Batch]:
    """Normal numbers of a shape, and a class for each example."""
    count = shape[0] if batch is None else batch

    def make(numbers: np.random.Generator) -> Batch:
        return numbers.normal(size=shape).astype(np.float32), numbers.integers(0, classes, count)

    return make


def tokens(batch: int, context: int, vocabulary: int) -> Callable[[np.random.Generator], Batch]:
    """Random text, and what comes next."""

    def make(numbers: np.random.Generator) -> Batch:
        text = numbers.integers(0, vocabulary, (batch, context + 1))
        return np.ascontiguousarray(text[:, :-1]), np.ascontiguousarray(text[:, 1:]).reshape(-1)

    return make


def _civilnet(batch: int, bar: float, quick: bool = False) -> Case:
    return Case(f"CivilNet, batch {batch}", "civilnet", civilnet, floats(batch, 3, 32, 32), bar, quick=quick)


def _mlp(batch: int, bar: float, quick: bool = False) -> Case:
    return Case(f"MLP 784-256-256-10, batch {batch}", "mlp", mlp, floats(batch, 784), bar, quick=quick)


def _vgg(batch: int, bar: float) -> Case:
    title = f"VGG-16 on 224 x 224, inference, batch {batch}"
    return Case(title, "vgg16", vgg16, floats(batch, 3, 224, 224), bar, trains=False, devices=("cpu",))


_TINY_RESNET = partial(resnet50, classes=10, widths=(4, 4, 8, 8), blocks=(1, 1, 1, 1))
_TINY_GPT = partial(gpt, layers=2, width=16, heads=2, context=8, vocabulary=32)
_GPT2 = partial(gpt, layers=12, width=768, heads=12, context=1024, vocabulary=50257)
_BF16: dict[str, Any] = {"precision": "bfloat16", "devices": ("cuda",)}


def _half(case: Case) -> Case:
    """The same on the CPU, under autocast to bfloat16."""
    return case._replace(title=f"{case.title}, bfloat16", precision="bfloat16", devices=("cpu",), bar=None, quick=False)


CASES: dict[str, Case] = {
    "civilnet4": _civilnet(4, 2.0, quick=True),
    "civilnet64": _civilnet(64, 1.5, quick=True),
    "civilnet256": _civilnet(256, 1.4),
    "mlp64": _mlp(64, 2.0, quick=True),
    "mlp512": _mlp(512, 1.6),
    "resnet18": Case("ResNet-18 on 32 x 32, batch 32", "resnet18", resnet18, floats(32, 3, 32, 32), 1.1),
    "lstm": Case(
        "LSTM 2 x 256 over 64 steps, batch 32", "lstm", lstm, floats(64, 32, 256, batch=32), 1.1, devices=("cpu",)
    ),
    "gpt": Case("GPT, 4 layers, width 128, context 128, batch 8", "gpt", gpt, tokens(8, 128, 256), 1.2),
    "vgg1": _vgg(1, 1.0),
    "vgg8": _vgg(8, 1.0),
    "resnet50": Case(
        "ResNet-50 on 224 x 224, bfloat16, batch 128", "resnet50", resnet50, floats(128, 3, 224, 224, classes=1000),
        **_BF16, smaller=(_TINY_RESNET, floats(2, 3, 32, 32)),
    ),
    "resnet50 inference": Case(
        "ResNet-50 on 224 x 224, bfloat16, inference, batch 128", "resnet50", resnet50,
        floats(128, 3, 224, 224, classes=1000), trains=False, **_BF16, smaller=(_TINY_RESNET, floats(2, 3, 32, 32)),
    ),
    "gpt2": Case(
        "GPT-2 124M, bfloat16, context 1,024, batch 8", "gpt2", _GPT2, tokens(8, 1024, 50257),
        **_BF16, smaller=(_TINY_GPT, tokens(2, 8, 32)),
    ),
    "gpt2 inference": Case(
        "GPT-2 124M, bfloat16, context 1,024, inference, batch 8", "gpt2", _GPT2, tokens(8, 1024, 50257),
        trains=False, **_BF16, smaller=(_TINY_GPT, tokens(2, 8, 32)),
    ),
}  # fmt: skip
CASES |= {f"{key} bf16": _half(CASES[key]) for key in ("mlp512", "resnet18", "gpt")}
