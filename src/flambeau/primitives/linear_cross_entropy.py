"""A linear map and the cross entropy of its result, some rows at a time: all scores together are never in memory."""

from typing import Any

import jax
import jax.numpy as jnp

from flambeau.primitives.activation import wide
from flambeau.primitives.loss import nll_loss, reduced
from flambeau.primitives.primitive import Array, primitive

__all__ = ["chunked_linear_cross_entropy"]


@primitive(residuals=True, grad_name="LinearCrossEntropyBackward0", variadic=True)
def chunked_linear_cross_entropy(
    inputs: tuple[Array, ...], present: tuple[bool, bool], reduction: str, ignore_index: int, chunk: int
) -> Array:
    """Cross entropy of ``x @ matrix.T + bias`` and classes.

    A chunk's scores are computed once more for the gradient, instead of being kept.

    Args:
        inputs: (N, in_features), (C, in_features), classes (N,), bias (C,) and weights of the classes (C,) if present.
        present: whether there are a bias and weights.
        reduction: ``"none"``, ``"mean"`` (over the weights' total) or ``"sum"``.
        ignore_index: a class whose rows do not count.
        chunk: number of rows at a time.
    """
    x, matrix, target, *rest = inputs
    items = iter(rest)
    bias, weight = [next(items) if there else None for there in present]
    rows, features = x.shape
    missing = -rows % chunk
    padded = jnp.pad(x, ((0, missing), (0, 0))).reshape(-1, chunk, features)
    classes = jnp.pad(target, (0, missing), constant_values=ignore_index).reshape(-1, chunk)

    @jax.checkpoint
    def losses(part: tuple[Array, Array]) -> Any:
        scores = wide(part[0] @ matrix.T if bias is None else part[0] @ matrix.T + bias)
        operands = (jax.nn.log_softmax(scores, -1), part[1], *(() if weight is None else (weight,)))
        return nll_loss.lower(operands, ignore_index, "none")

    found = jax.lax.map(losses, (padded, classes)).reshape(-1)[:rows]
    kind = jnp.float32 if x.dtype == jnp.float16 else x.dtype
    if reduction != "mean":
        return reduced(found, reduction).astype(kind)
    kept = target != ignore_index
    counted = jnp.where(kept, 1 if weight is None else jnp.take(weight, jnp.where(kept, target, 0)), 0)
    return (jnp.sum(found) / jnp.sum(counted.astype(found.dtype))).astype(kind)
