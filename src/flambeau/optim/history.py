"""``History``: what L-BFGS remembers of the last steps, and the direction it makes of that."""

from typing import Any, cast

import numpy as np

from flambeau.dtypes.kinds import from_numpy_dtype
from flambeau.graph.node import leaf
from flambeau.primitives.quasi_newton import newton_direction
from flambeau.tensors.core import call, made, wrap_array
from flambeau.tensors.tensor import Tensor

__all__ = ["History", "number"]


def number(tensor: Tensor) -> Any:
    """The only element of a tensor, as NumPy's scalar of its type; waits for it."""
    return tensor.host().reshape(())[()]


class History:
    """Changes of the gradient and of the parameters, under PyTorch's names in the optimizer's state.

    Attributes:
        direction: the present direction, as one vector.
        size: how far along it the parameters went.
        gradient: the gradient before that.
        loss: the loss before that.
        changes: changes of the gradient, the oldest first.
        steps: changes of the parameters, the oldest first.
        weights: for each the reciprocal of the product of both.
        scale: scale of the first guess at the inverse Hessian.
        coefficients: what the latest direction was made with, for each step.
        nothing: weights of zero.
    """

    def __init__(self, state: dict[str, Any]) -> None:
        size = state.get("t")
        self.direction: Any = state.get("d")
        self.size: Any = number(size) if isinstance(size, Tensor) else size
        self.changes: list[Tensor] = state.get("old_dirs") or []
        self.steps: list[Tensor] = state.get("old_stps") or []
        self.weights: list[Tensor] = state.get("ro") or []
        self.scale: Any = state.get("H_diag")
        self.gradient: Any = state.get("prev_flat_grad")
        self.loss: Any = state.get("prev_loss")
        self.coefficients: Tensor | None = None
        self.nothing: list[Tensor] = []

    def store(self, state: dict[str, Any]) -> None:
        """Write everything into the optimizer's state."""
        size, count = self.size, len(self.changes)
        if isinstance(size, np.generic):
            value = np.asarray(cast("Any", size))
            size = wrap_array(value, from_numpy_dtype(value.dtype), self.direction.device)
        if count and self.coefficients is not None:
            values = self.coefficients.host()[-count:]
            kind, place = self.coefficients.dtype, self.coefficients.device
            state["al"][:count] = [wrap_array(np.asarray(value), kind, place) for value in values]
        state.update(
            d=self.direction,
            t=size,
            old_dirs=self.changes,
            old_stps=self.steps,
            ro=self.weights,
            H_diag=self.scale,
            prev_flat_grad=self.gradient,
            prev_loss=self.loss,
        )

    def learn(self, gradient: Tensor, state: dict[str, Any], most: int) -> None:
        """Take in the gradient that the last step led to, and find the next direction."""
        if state["n_iter"] == 1:
            self.changes, self.steps, self.weights, self.scale = [], [], [], 1
            self.direction = -gradient
        else:
            self._remember(gradient - self.gradient, self.direction * float(self.size), most)
            state.setdefault("al", [None] * most)
            self.direction, self.coefficients = self._direction(gradient)
        self.gradient = gradient

    def _remember(self, change: Tensor, step: Tensor, most: int) -> None:
        """Keep a step if the loss curves upwards along it."""
        product, square = change.dot(step), change.dot(change)
        weight, scale = 1.0 / product, product / square
        if not number(product) > 1e-10:
            return
        if len(self.changes) == most:
            for items in (self.changes, self.steps, self.weights):
                del items[0]
        self.changes.append(change)
        self.steps.append(step)
        self.weights.append(weight)
        self.scale = scale

    def _direction(self, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """The direction, and the coefficient of each step, the latest last.

        The number of steps grows up to the largest, and each number of inputs is another program. So there are only
        powers of two: the oldest step is repeated, with a weight of zero, which changes nothing.
        """
        count = len(self.changes)
        more = (1 << (count - 1).bit_length()) - count if count else 0
        while len(self.nothing) < more:
            self.nothing.append(wrap_array(np.zeros((), gradient.dtype.numpy), gradient.dtype, gradient.device))
        columns = (*_padded(self.changes, more), *_padded(self.steps, more), *self.nothing[:more], *self.weights)
        return call(newton_direction, (gradient, self.scale, *columns), (count + more,))


def _padded(tensors: list[Tensor], more: int) -> list[Tensor]:
    """Tensors, and so many more in front with the first one's value.

    These are inputs of their own, so that the program does not depend on how many of them there are.
    """
    if not more:
        return tensors
    node = tensors[0].read()
    return [*(made(leaf(node.value, node.aval)) for _ in range(more)), *tensors]
