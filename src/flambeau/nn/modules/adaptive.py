"""Adaptive softmax: frequent classes at full width, rare ones in clusters of less.

Source: https://arxiv.org/abs/1609.04309
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from flambeau.nn import functional as F
from flambeau.nn.modules.container import ModuleList, Sequential
from flambeau.nn.modules.linear import Linear
from flambeau.nn.modules.module import Module
from flambeau.tensors.joining import cat
from flambeau.tensors.tensor import Tensor

__all__ = ["AdaptiveLogSoftmaxWithLoss"]


class _ASMoutput(NamedTuple):
    """Log probability of each target, and the mean loss."""

    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """Log probabilities of many classes, cheaper where classes are rare.

    Classes are numbered by frequency, the most frequent first. Those before the first cutoff, and the clusters, are
    scored by the head; the classes of cluster i are scored from ``in_features // div_value ** (i + 1)`` numbers.

    Every cluster is computed for every row, and what does not count is left out: a program whose sizes depend on the
    classes would be compiled for every batch anew. The gradient of a cluster that no target is in is zero, not None.

    Args:
        in_features: width of the input.
        n_classes: number of classes.
        cutoffs: where clusters begin, in rising order, between 1 and ``n_classes - 1``.
        div_value: by how much each cluster is narrower.
        head_bias: whether the head has a bias.
        device: where the parameters live.
        dtype: their data type.

    Attributes:
        head: scores of the frequent classes and of the clusters, a ``Linear`` layer.
        tail: scores of each cluster's classes, two ``Linear`` layers each.

    Raises:
        ValueError: ``cutoffs`` is empty, not in order, or out of range.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [4, 10], div_value=2.0)
        >>> layer(torch.zeros(2, 8), torch.tensor([0, 15])).output
        tensor([-1.7918, -4.0943], grad_fn=<...>)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveLogSoftmaxWithLoss.html
    """

    in_features: int
    n_classes: int
    cutoffs: list[int]
    div_value: float
    head_bias: bool
    shortlist_size: int
    n_clusters: int
    head_size: int
    head: Linear
    tail: ModuleList

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        cutoffs = list(cutoffs)
        _check_cutoffs(cutoffs, n_classes)
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = self.cutoffs[0]
        self.n_clusters = len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, bias=head_bias, device=device, dtype=dtype)
        self.tail = ModuleList()
        for cluster, (low, high) in enumerate(self._bounds()):
            width = int(in_features // (div_value ** (cluster + 1)))
            self.tail.append(
                Sequential(
                    Linear(in_features, width, bias=False, device=device, dtype=dtype),
                    Linear(width, high - low, bias=False, device=device, dtype=dtype),
                )
            )

    def _bounds(self) -> list[tuple[int, int]]:
        """First and one past the last class of each cluster."""
        return list(zip(self.cutoffs[:-1], self.cutoffs[1:], strict=True))

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        for layer in self.modules():
            if isinstance(layer, Linear):
                layer.reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> _ASMoutput:
        """Log probability of each target, and the mean of their negatives.

        Args:
            input_: (N, in_features) or (in_features,).
            target_: classes, (N,) or ().

        Raises:
            RuntimeError: shapes do not fit, or a class on the host is out of range (one on a device gives NaN).
        """
        _check_shapes(input_, target_)
        self._check_range(target_)
        lone = target_.dim() == 0
        input, target = (input_.unsqueeze(0), target_.unsqueeze(0)) if lone else (input_, target_)
        head = F.log_softmax(self.head(input), dim=1)
        output = _picked(head, target, 0, self.shortlist_size)
        for cluster, (low, high) in enumerate(self._bounds()):
            inside = (target >= low) & (target < high)
            scores = F.log_softmax(self.tail[cluster](input), dim=1)
            own = head[:, self.shortlist_size + cluster] + _picked(scores, target, low, high)
            output = own.where(inside, output)
        loss = (-output).mean()
        return _ASMoutput(output.squeeze(0) if lone else output, loss)

    def _check_range(self, target: Tensor) -> None:
        known: Any = target.read().value
        if isinstance(known, np.ndarray) and ((known < 0) | (known >= self.n_classes)).any():
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], but values in range [{known.min()}, "
                f"{known.max()}] were found. "
            )

    def log_prob(self, input: Tensor) -> Tensor:
        """Log probabilities of all classes.

        Args:
            input: (N, in_features).

        Returns:
            (N, n_classes).
        """
        head = F.log_softmax(self.head(input), dim=1)
        parts = [head[:, : self.shortlist_size]]
        for cluster, tail in enumerate(self.tail):
            place = self.shortlist_size + cluster
            parts.append(F.log_softmax(tail(input), dim=1) + head[:, place : place + 1])
        return cat(parts, 1)

    def predict(self, input: Tensor) -> Tensor:
        """The most probable class: of the frequent ones where the head says so, else of all.

        Args:
            input: (N, in_features).

        Returns:
            (N,), int64.
        """
        best = self.head(input).argmax(dim=1)
        return best.where(best < self.shortlist_size, self.log_prob(input).argmax(dim=1))


def _picked(logs: Tensor, target: Tensor, low: int, high: int) -> Tensor:
    """The target's log probability among classes ``low`` to ``high``; of others NaN."""
    inside = (target >= low) & (target < high)
    place = (target - low).where(inside, 0)
    found = logs.gather(1, place.unsqueeze(1)).squeeze(1)
    return found.where(inside, float("nan"))


def _check_cutoffs(cutoffs: list[int], n_classes: int) -> None:
    if not cutoffs:
        raise ValueError("cutoffs should be a sequence of length larger than 0")
    whole = all(int(item) == item for item in cutoffs)
    if not whole or cutoffs != sorted(set(cutoffs)) or cutoffs[0] <= 0 or cutoffs[-1] > n_classes - 1:
        raise ValueError(
            "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, where each value "
            "is between 1 and n_classes-1"
        )


def _check_shapes(input: Tensor, target: Tensor) -> None:
    """Raise RuntimeError, in PyTorch's words, where shapes do not fit."""
    rank = target.dim()
    if rank > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if rank == 1 and input.size(0) != target.size(0):
        raise RuntimeError("Input and target should have the same size in the batch dimension.")
    if input.dim() != rank + 1:
        raise RuntimeError(
            f"{rank}D target tensor expects {rank + 1}D input tensors, but found inputs with size {input.size()!r}"
        )
