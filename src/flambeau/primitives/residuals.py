"""Primitives whose forward pass hands what it computed on the way to the backward pass.

For most primitives the backward pass recomputes what it needs and XLA merges the two. It cannot merge two loops, nor
what is in two programs, because somebody looked at a result of the first.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from flambeau.graph.node import Aval, Operation
from flambeau.graph.record import operation_of
from flambeau.primitives.primitive import Array, Primitive, conjugated

__all__ = ["residual_pullback", "with_residuals"]


class _Forward(Primitive):
    """An operation whose results are followed by the residuals of its gradient.

    Attributes:
        count: number of the operation's own results.
        tree: how the residuals make up JAX's pullback; known once evaluated.
    """

    __slots__ = ("count", "operation", "tree", "wrt")

    def __init__(self, operation: Operation, wrt: tuple[int, ...]) -> None:
        super().__init__(f"{operation.primitive.name}_residuals", self._lower)
        self.operation = operation
        self.wrt = wrt
        self.count = len(operation.result) if isinstance(operation.result, tuple) else 1
        self.tree: Any = None

    def _lower(self, *given: Any) -> tuple[Array, ...]:
        operation = self.operation
        inputs = _apart(given)

        def forward(*active: Array) -> tuple[Array, ...]:
            values = list(inputs)
            for position, value in zip(self.wrt, active, strict=True):
                values[position] = value
            result = operation.primitive.apply(values, operation.static)
            return tuple(result) if isinstance(result, (tuple, list)) else (result,)

        results, pull = jax.vjp(forward, *[inputs[position] for position in self.wrt])
        leaves, tree = jax.tree.flatten(pull)
        if self.tree is None:
            self.tree = tree
        return (*results, *map(jnp.asarray, leaves))


def _apart(inputs: tuple[Any, ...]) -> list[Any]:
    """Inputs of which no two are one object: JAX keeps a value once among the residuals, which then are fewer."""
    seen: set[int] = set()
    found: list[Any] = []
    for item in inputs:
        found.append(jnp.array(item, copy=True) if id(item) in seen else item)
        seen.add(id(item))
    return found


class _Backward(Primitive):
    """(residuals, cotangents of the results asked for) -> gradients."""

    __slots__ = ("forward", "mask")

    def __init__(self, forward: _Forward, mask: tuple[int, ...]) -> None:
        super().__init__(f"{forward.operation.primitive.name}_pullback", self._lower)
        self.forward = forward
        self.mask = mask

    def _lower(self, *values: Any) -> Any:
        forward = self.forward
        count = len(values) - len(self.mask)
        given = dict(zip(self.mask, values[count:], strict=True))
        result = forward.operation.result
        avals: tuple[Aval, ...] = result if isinstance(result, tuple) else (result,)
        cotangents = tuple(given[index] if index in given else _nothing(aval) for index, aval in enumerate(avals))
        gradients = conjugated(jax.tree.unflatten(forward.tree, values[:count])(conjugated(cotangents)))
        return tuple(gradients) if len(forward.wrt) > 1 else gradients[0]

    def evaluate(self, static: tuple[Any, ...], inputs: tuple[Any, ...]) -> Any:
        forward = self.forward
        avals = tuple(forward.operation.inputs[position] for position in forward.wrt)
        return avals[0] if len(avals) == 1 else avals


def _nothing(aval: Aval) -> Any:
    """The cotangent of a result that nobody asked for; JAX has a type of its own for those of whole numbers."""
    if aval.dtype.is_floating_point or aval.dtype.is_complex:
        return jnp.zeros(aval.shape, aval.dtype.numpy)
    return np.zeros(aval.shape, jax.dtypes.float0)


def with_residuals(operation: Operation, wrt: tuple[int, ...]) -> tuple[Operation, int]:
    """The operation that also returns its residuals, and how many of its results are the operation's own."""
    key = ("residuals", wrt)
    found = operation.derived.get(key)
    if found is None:
        found = operation_of(_Forward(operation, wrt), (), operation.inputs)
        operation.derived[key] = found
    return found, found.primitive.count


def residual_pullback(forward: Operation, mask: tuple[int, ...]) -> Operation:
    """The operation that computes the gradients from the residuals of ``forward``.

    Args:
        forward: what ``with_residuals`` returned.
        mask: indexes of the results whose cotangents are given.
    """
    found = forward.derived.get(mask)
    if found is None:
        primitive: _Forward = forward.primitive
        results = forward.result
        inputs = (*results[primitive.count :], *[results[index] for index in mask])
        found = operation_of(_Backward(primitive, mask), (), inputs)
        forward.derived[mask] = found
    return found
