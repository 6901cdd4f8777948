"""Single operations against PyTorch: forward, and backward where there is a gradient, at sizes that models have.

    python benchmarks/operations.py [--only "softmax;sort"] [--quick]

A case is a function of a library and of arrays; gradients are those of a weighted sum of the result, with
respect to every array of floats. What a step made, results and gradients, is there when the step ends.
"""

import argparse
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from question import EAGER, OURS, Question, installed

import flambeau

Arrays: TypeAlias = tuple[np.ndarray, ...]
Operation: TypeAlias = Callable[..., Any]

_numbers = np.random.default_rng(0)


def _floats(*shape: int) -> np.ndarray:
    return _numbers.normal(size=shape).astype(np.float32)


def _integers(below: int, *shape: int) -> np.ndarray:
    return _numbers.integers(0, below, shape)


_SIDE = (8, 64, 32, 32)
_TEXT = (8, 128, 512)

# For each operation its arrays and itself; `lib` is the library.
OPERATIONS: dict[str, tuple[Arrays, Operation]] = {
    "add, broadcast": ((_floats(*_TEXT), _floats(512)), lambda lib, x, y: x + y),
    "exp": ((_floats(*_TEXT),), lambda lib, x: x.exp()),
    "tanh": ((_floats(*_TEXT),), lambda lib, x: x.tanh()),
    "sigmoid": ((_floats(*_TEXT),), lambda lib, x: x.sigmoid()),
    "relu": ((_floats(*_SIDE),), lambda lib, x: x.relu()),
    "gelu": ((_floats(*_TEXT),), lambda lib, x: lib.nn.functional.gelu(x)),
    "silu": ((_floats(*_TEXT),), lambda lib, x: lib.nn.functional.silu(x)),
    "softmax": ((_floats(*_TEXT),), lambda lib, x: x.softmax(-1)),
    "log_softmax": ((_floats(*_TEXT),), lambda lib, x: x.log_softmax(-1)),
    "softmax, attention": ((_floats(8, 4, 128, 128),), lambda lib, x: x.softmax(-1)),
    "cross_entropy, 10 classes": (
        (_floats(512, 10), _integers(10, 512)),
        lambda lib, x, y: lib.nn.functional.cross_entropy(x, y),
    ),
    "cross_entropy, 8,192 classes": (
        (_floats(512, 8192), _integers(8192, 512)),
        lambda lib, x, y: lib.nn.functional.cross_entropy(x, y),
    ),
    "mse_loss": ((_floats(*_TEXT), _floats(*_TEXT)), lambda lib, x, y: lib.nn.functional.mse_loss(x, y)),
    "sum of all": ((_floats(*_TEXT),), lambda lib, x: x.sum()),
    "sum of rows": ((_floats(*_TEXT),), lambda lib, x: x.sum(-1)),
    "sum of columns": ((_floats(1024, 512),), lambda lib, x: x.sum(0)),
    "mean over planes": ((_floats(*_SIDE),), lambda lib, x: x.mean((2, 3))),
    "max of rows": ((_floats(1024, 512),), lambda lib, x: x.max(-1).values),
    "argmax": ((_floats(1024, 512),), lambda lib, x: x.argmax(-1)),
    "var": ((_floats(*_TEXT),), lambda lib, x: x.var(-1)),
    "cumsum": ((_floats(1024, 512),), lambda lib, x: x.cumsum(-1)),
    "logsumexp": ((_floats(1024, 512),), lambda lib, x: x.logsumexp(-1)),
    "sort": ((_floats(256, 512),), lambda lib, x: x.sort(-1).values),
    "topk": ((_floats(256, 8192),), lambda lib, x: x.topk(50).values),
    "argsort of integers": ((_integers(1000, 65536),), lambda lib, x: x.argsort()),
    "layer_norm": ((_floats(*_TEXT), _floats(512), _floats(512)), lambda lib, x, *w: lib.layer_norm(x, (512,), *w)),
    "group_norm": (
        (_floats(*_SIDE), _floats(64), _floats(64)),
        lambda lib, x, *w: lib.nn.functional.group_norm(x, 8, *w),
    ),
    "instance_norm": ((_floats(*_SIDE),), lambda lib, x: lib.nn.functional.instance_norm(x)),
    "batch_norm": (
        (_floats(*_SIDE), _floats(64), _floats(64)),
        lambda lib, x, *w: lib.nn.functional.batch_norm(x, None, None, *w, training=True),
    ),
    "embedding": (
        (_integers(8192, 8, 128), _floats(8192, 256)),
        lambda lib, x, w: lib.nn.functional.embedding(x, w),
    ),
    "embedding_bag": (
        (_integers(8192, 64, 32), _floats(8192, 64)),
        lambda lib, x, w: lib.nn.functional.embedding_bag(x, w),
    ),
    "index_select": ((_floats(4096, 128), _integers(4096, 2048)), lambda lib, x, i: x.index_select(0, i)),
    "gather": ((_floats(512, 1024), _integers(1024, 512, 256)), lambda lib, x, i: x.gather(1, i)),
    "scatter_add": (
        (_floats(512, 1024), _integers(1024, 512, 256), _floats(512, 256)),
        lambda lib, x, i, y: x.scatter_add(1, i, y),
    ),
    "index_add": (
        (_floats(1024, 64), _integers(1024, 8192), _floats(8192, 64)),
        lambda lib, x, i, y: x.index_add(0, i, y),
    ),
    "masked_fill": (
        (_floats(8, 4, 128, 128), _integers(2, 128, 128)),
        lambda lib, x, m: x.masked_fill(m == 0, -1e9),
    ),
    "where": ((_floats(*_TEXT), _floats(*_TEXT)), lambda lib, x, y: lib.where(x > 0, x, y)),
    "cat": ((_floats(8, 64, 512), _floats(8, 64, 512)), lambda lib, x, y: lib.cat([x, y], 1)),
    "permute, copied": ((_floats(8, 128, 4, 128),), lambda lib, x: x.permute(0, 2, 3, 1).contiguous()),
    "dropout": ((_floats(*_TEXT),), lambda lib, x: lib.nn.functional.dropout(x, 0.1)),
    "randn": ((), lambda lib: lib.randn(512, 512)),
    "max_pool2d, 2": ((_floats(*_SIDE),), lambda lib, x: lib.nn.functional.max_pool2d(x, 2)),
    "max_pool2d, 3 by 2": ((_floats(*_SIDE),), lambda lib, x: lib.nn.functional.max_pool2d(x, 3, 2, 1)),
    "avg_pool2d": ((_floats(*_SIDE),), lambda lib, x: lib.nn.functional.avg_pool2d(x, 2)),
    "adaptive_avg_pool2d": ((_floats(*_SIDE),), lambda lib, x: lib.nn.functional.adaptive_avg_pool2d(x, 7)),
    "interpolate, nearest": (
        (_floats(4, 32, 32, 32),),
        lambda lib, x: lib.nn.functional.interpolate(x, scale_factor=2),
    ),
    "interpolate, bilinear": (
        (_floats(4, 32, 32, 32),),
        lambda lib, x: lib.nn.functional.interpolate(x, scale_factor=2, mode="bilinear"),
    ),
    "pad": ((_floats(*_SIDE),), lambda lib, x: lib.nn.functional.pad(x, (1, 1, 1, 1))),
    "pad, reflect": ((_floats(*_SIDE),), lambda lib, x: lib.nn.functional.pad(x, (1, 1, 1, 1), mode="reflect")),
    "conv1d": ((_floats(8, 64, 256), _floats(64, 64, 3)), lambda lib, x, w: lib.conv1d(x, w, padding=1)),
    "conv2d": ((_floats(*_SIDE), _floats(64, 64, 3, 3)), lambda lib, x, w: lib.conv2d(x, w, padding=1)),
    "conv2d, depthwise": (
        (_floats(*_SIDE), _floats(64, 1, 3, 3)),
        lambda lib, x, w: lib.conv2d(x, w, padding=1, groups=64),
    ),
    "conv_transpose2d": (
        (_floats(*_SIDE), _floats(64, 32, 2, 2)),
        lambda lib, x, w: lib.conv_transpose2d(x, w, stride=2),
    ),
    "matmul": ((_floats(512, 512), _floats(512, 512)), lambda lib, x, y: x @ y),
    "matmul, 32 of 128": ((_floats(32, 128, 64), _floats(32, 64, 128)), lambda lib, x, y: x @ y),
    "matmul, one transposed": (
        (_floats(8, 4, 128, 32), _floats(8, 4, 128, 32)),
        lambda lib, x, y: x @ y.transpose(-1, -2),
    ),
    "einsum": (
        (_floats(8, 128, 4, 32), _floats(8, 128, 4, 32)),
        lambda lib, x, y: lib.einsum("bqhd,bkhd->bhqk", x, y),
    ),
    "attention": (
        (_floats(8, 4, 128, 32), _floats(8, 4, 128, 32), _floats(8, 4, 128, 32)),
        lambda lib, *q: lib.nn.functional.scaled_dot_product_attention(*q, is_causal=True),
    ),
    "grid_sample": (
        (_floats(4, 16, 32, 32), np.tanh(_floats(4, 32, 32, 2))),
        lambda lib, x, g: lib.nn.functional.grid_sample(x, g, align_corners=False),
    ),
    "unfold": ((_floats(4, 16, 32, 32),), lambda lib, x: lib.nn.functional.unfold(x, 3)),
    "svd": ((_floats(8, 64, 64),), lambda lib, x: lib.linalg.svdvals(x)),
    "solve": ((_floats(8, 128, 128), _floats(8, 128, 8)), lambda lib, a, b: lib.linalg.solve(a, b)),
    "fft": ((_floats(64, 1024),), lambda lib, x: lib.fft.rfft(x).abs()),
}


def stepper(library: Any, arrays: Arrays, operation: Operation) -> Callable[[int], Any]:
    """A function that does the operation, and its gradient where there is one, a number of times."""
    library.manual_seed(0)
    inputs = [library.from_numpy(array) for array in arrays]
    active = [item.requires_grad_() for item in inputs if item.is_floating_point()]
    with library.no_grad():
        sample = operation(library, *inputs)
    trains = bool(active) and sample.is_floating_point()
    weight = library.from_numpy(np.random.default_rng(1).normal(size=tuple(sample.shape)).astype(np.float32))

    def work(count: int) -> float:
        result = 0.0
        for _ in range(count):
            for item in active:
                item.grad = None
            found = operation(library, *inputs)
            if trains:
                found.backward(weight)
                found = active[0].grad
            result = found.reshape(-1)[0].item()
        return result

    return work


def extend(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", help="operations, by semicolon")


def main() -> None:
    question = Question("operations", __doc__, extend)
    chosen = (
        question.options.only.split(";") if question.options.only else list(OPERATIONS)[:: 10 if question.quick else 1]
    )
    for title in chosen:
        sides = {OURS: stepper(flambeau, *OPERATIONS[title])}
        if installed("torch"):
            import torch

            torch.set_num_threads(question.options.threads)
            sides[EAGER] = stepper(torch, *OPERATIONS[title])
        question.compare(title, sides, block=0.05)
    question.finish()


if __name__ == "__main__":
    main()
