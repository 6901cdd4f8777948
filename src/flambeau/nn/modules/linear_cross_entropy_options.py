"""How ``linear_cross_entropy`` divides its work."""

import dataclasses
from typing import Any, Literal

from flambeau.dtypes.kinds import dtype

__all__ = ["LinearCrossEntropyOptions"]

_POLICIES = ("auto", "accurate", "balanced", "compact")
_ACCUMULATORS = ("float16", "bfloat16", "float32", "float64")
_HALVES = ("float16", "bfloat16")
# What "auto" means for a type on the CPU; else the last one.
_AUTO_METHODS = {"float16": "aspect_ratio", "bfloat16": "aspect_ratio"}
_AUTO_METHOD = "aspect_ratio:2"


@dataclasses.dataclass(slots=True, frozen=True)
class LinearCrossEntropyOptions:
    """Have ``linear_cross_entropy`` compute the scores of some rows at a time.

    Scores of half types are always accumulated in float32, and gradients can be computed as often as wanted: the fields
    on these are checked, and otherwise without effect.

    Args:
        allow_retain_graph: without effect.
        batch_chunk_size: number of rows at a time; None leaves it to ``chunking_method``.
        chunking_method: ``"aspect_ratio"``: as many rows as make a chunk of scores as large as the input;
            ``"aspect_ratio:N"``: an N-th of that; ``"auto"``: one of these; None: ``batch_chunk_size`` rows.
        acc_policy: ``"auto"``, ``"accurate"``, ``"balanced"`` or ``"compact"``; without effect.
        acc_dtype: type to accumulate in; None, the input's, or float32 for half types.

    Raises:
        ValueError: a field has a value that it cannot have.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.LinearCrossEntropyOptions(batch_chunk_size=64).batch_chunk_size
        64

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LinearCrossEntropyOptions.html
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: Literal["accurate", "balanced", "compact", "auto"] = "auto"
    acc_dtype: dtype | None = None

    def __post_init__(self) -> None:
        if self.acc_policy not in _POLICIES:
            raise ValueError(f"invalid acc_policy: {self.acc_policy!r}")
        if self.chunking_method not in (None, "auto"):
            name, colon, factor = self.chunking_method.partition(":")
            if name != "aspect_ratio" or (colon and not (factor.isdigit() and int(factor) > 0)):
                raise ValueError(f"invalid chunking_method: {self.chunking_method!r}")
        size = self.batch_chunk_size
        if size is not None and not (isinstance(size, int) and size > 0):
            raise ValueError(f"batch_chunk_size must be positive int or None, got {size!r}")
        if self.acc_dtype is not None and self.acc_dtype.name not in _ACCUMULATORS:
            names = ", ".join([f"torch.{name}" for name in _ACCUMULATORS])
            raise ValueError(
                f"acc_dtype must be one of {{None, {names}}}, got {self.acc_dtype!r}. Pass acc_dtype=None to let the "
                "op pick automatically."
            )

    def chunk_size(self, num_batches: int, in_features: int, num_classes: int, dtype: dtype, device: Any) -> int:
        """Number of rows at a time.

        Args:
            num_batches: number of rows of the input.
            in_features: their width.
            num_classes: number of scores of each row.
            dtype: data type of the input.
            device: where it is.

        Raises:
            ValueError: a size and a method are given, and tell different sizes.
            RuntimeError: the type to accumulate in does not fit the input's.
        """
        kind = self.acc_dtype
        if kind is not None and kind != dtype and not (dtype.name in _HALVES and kind.name == "float32"):
            raise RuntimeError(
                "linear_cross_entropy supports float32 acc_dtype with float16/bfloat16 inputs, but got "
                f"{kind} acc_dtype and {dtype} inputs."
            )
        size, method = self.batch_chunk_size, self.chunking_method
        if method == "auto":
            on_cpu = device.type == "cpu"
            method = None if size is not None else _AUTO_METHODS.get(dtype.name if on_cpu else "", _AUTO_METHOD)
        if method is None:
            return max(1, num_batches if size is None else min(size, num_batches))
        found = _by_aspect_ratio(num_batches, in_features, num_classes, method)
        if size is not None and size != found:
            raise ValueError(
                f"batch_chunk_size (={size}) and chunking_method ('{method}') give different chunk sizes ({size} vs "
                f"{found}); pass only one."
            )
        return max(1, found)


def _by_aspect_ratio(num_batches: int, in_features: int, num_classes: int, method: str) -> int:
    """Rows whose scores are about as large as the whole input: a power of 2, divided by the method's factor."""
    factor = int(method.partition(":")[2] or 1)
    target = -(-num_batches // -(-num_classes // in_features))
    return min((1 << (target - 1).bit_length()) // factor, num_batches)
