"""Embedding, and one-hot vectors."""

import warnings
from typing import Any, cast

import numpy as np

from flambeau.primitives import embedding as p
from flambeau.tensors.core import call, call_in_place
from flambeau.tensors.options import tensor_argument
from flambeau.tensors.ranges import arange
from flambeau.tensors.tensor import Tensor

__all__ = ["check_renormalized", "checked_bags", "embedding", "embedding_bag", "one_hot"]


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """``weight[input]``: the rows of a table.

    Args:
        input: indices of rows, int64 or int32, any shape.
        weight: the table, (rows, width).
        padding_idx: a row through which no gradient flows; negative ones count from the end.
        max_norm: if given, rows that are used are first scaled down to this norm, in place.
        norm_type: order of that norm.
        scale_grad_by_freq: whether a row's gradient is divided by how often it is used.
        sparse: not supported: gradients are dense.

    Returns:
        (*input, width).

    Raises:
        IndexError: an index on the host is out of range (one on a device gives NaN).
        AssertionError: ``padding_idx`` is out of range.
        NotImplementedError: ``sparse`` is set.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.functional.embedding(torch.tensor([1]), torch.tensor([[1.0], [2.0]]))
        tensor([[2.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.embedding.html
    """
    if not (isinstance(input, Tensor) and isinstance(weight, Tensor)):
        tensor_argument("embedding", 1, weight, "weight")
        tensor_argument("embedding", 2, input, "indices")
    if sparse:
        raise NotImplementedError("embedding(sparse=True) is not supported: gradients are dense; pass sparse=False")
    if len(weight.shape) != 2:
        raise RuntimeError("'weight' must be 2-D")
    rows = weight.shape[0]
    padding = -1
    if padding_idx is not None:
        if not -rows <= padding_idx < rows:
            raise AssertionError("Padding_idx must be within num_embeddings")
        padding = padding_idx % rows
    known = _known(input)
    if known is not None and ((known < 0) | (known >= rows)).any():
        raise IndexError("index out of range in self")
    if max_norm is not None:
        call_in_place(weight.detach(), p.renormalized_rows, (weight.detach(), input, float(max_norm), float(norm_type)))
    return call(p.embedding, (weight, input), (padding, bool(scale_grad_by_freq)))


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Sum, mean or maximum of the rows in each bag.

    Args:
        input: indices of rows, int64 or int32: (B, N) for bags of equal size, or (N,) with ``offsets``.
        weight: the table, (rows, width).
        offsets: where each bag begins in ``input``, (B,); the first is 0. Empty bags give zeros.
        max_norm: if given, rows that are used are first scaled down to this norm, in place.
        norm_type: order of that norm.
        scale_grad_by_freq: whether a row's gradient is divided by how often it is used; not with ``"max"``.
        mode: ``"sum"``, ``"mean"`` or ``"max"``.
        sparse: not supported: gradients are dense.
        per_sample_weights: factors of the rows, in the shape of ``input``; only with ``"sum"``.
        include_last_offset: whether the last offset is the end of the last bag.
        padding_idx: a row that does not count; negative ones count from the end.

    Returns:
        (B, width).

    Raises:
        ValueError: shapes or options do not fit.
        RuntimeError: data types do not fit, or (where they are on the host) an index or an offset is out of range.
        NotImplementedError: ``sparse`` is set, or there are factors with another mode than ``"sum"``.

    Example:
        >>> import flambeau as torch
        >>> table = torch.tensor([[1.0], [2.0], [4.0]])
        >>> torch.nn.functional.embedding_bag(torch.tensor([0, 1, 2]), table, torch.tensor([0, 1]), mode="sum")
        tensor([[1.],
                [6.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.embedding_bag.html
    """
    if weight.dtype.name == "int64" and input.is_floating_point():
        warnings.warn(
            "Argument order of nn.functional.embedding_bag was changed. Usage `embedding_bag(weight, input, ...)` is "
            "deprecated, and should now be `embedding_bag(input, weight, ...)`.",
            stacklevel=2,
        )
        weight, input = input, weight
    _check_bag(input, weight, per_sample_weights, offsets)
    if input.dim() == 2:
        offsets, include_last_offset = arange(0, input.numel(), input.shape[1], dtype=input.dtype), False
        offsets = offsets.to(input.device)
        input = input.reshape(-1)
        per_sample_weights = None if per_sample_weights is None else per_sample_weights.reshape(-1)
    assert offsets is not None
    _check_mode(mode, scale_grad_by_freq, sparse, per_sample_weights)
    padding = checked_bags(weight, input, offsets, per_sample_weights, include_last_offset, padding_idx)
    if max_norm is not None:
        call_in_place(weight.detach(), p.renormalized_rows, (weight.detach(), input, float(max_norm), float(norm_type)))
    factors = () if per_sample_weights is None else (per_sample_weights,)
    static = (mode, padding, bool(scale_grad_by_freq), bool(include_last_offset))
    return call(p.embedding_bag, (weight, input, offsets, *factors), static)


def checked_bags(
    weight: Tensor, input: Tensor, offsets: Tensor, factors: Tensor | None, last_is_end: bool, padding_idx: int | None
) -> int:
    """The row that does not count, -1 for none; raises RuntimeError where types do not fit, or (on the host) places."""
    _check_types(weight, factors)
    padding = _bag_padding(weight, padding_idx)
    _check_places(input, offsets, weight.shape[0], last_is_end)
    return padding


def _check_bag(input: Tensor, weight: Tensor, factors: Tensor | None, offsets: Tensor | None) -> None:
    """Raise ValueError, in PyTorch's words, where shapes do not fit."""
    if factors is not None and input.shape != factors.shape:
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({factors.shape!r}) is not None, then it must have the same shape "
            f"as the input ({input.shape!r})"
        )
    if weight.dim() != 2:
        raise ValueError(f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.dim()}")
    if input.dim() not in (1, 2):
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.dim()}")
    if input.dim() == 2 and offsets is not None:
        raise ValueError(
            "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length "
            f"sequences. However, found offsets of type {type(offsets)}"
        )
    if input.dim() == 1 and offsets is None:
        raise ValueError("offsets has to be a 1D Tensor but got None")
    if offsets is not None and offsets.dim() != 1:
        raise ValueError("offsets has to be a 1D Tensor")


def _check_mode(mode: str, by_frequency: bool, sparse: bool, factors: Tensor | None) -> None:
    """Raise, in PyTorch's words, where options do not go with the mode."""
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if mode == "max" and by_frequency:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if mode == "max" and sparse:
        raise ValueError("max mode does not support sparse weights")
    if factors is not None and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum' "
            f"(got mode='{mode}'). Please open a feature request on GitHub."
        )
    if sparse:
        raise NotImplementedError("embedding_bag(sparse=True) is not supported: gradients are dense; pass sparse=False")


def _check_types(weight: Tensor, factors: Tensor | None) -> None:
    """Raise RuntimeError, in PyTorch's words, where data types do not fit."""
    own, where = f"torch.{weight.dtype.tensor_type}", "(while checking arguments for embedding_bag)"
    if weight.dtype.name not in ("float16", "bfloat16", "float32", "float64"):
        raise RuntimeError(
            "Expected tensor for argument #1 'weight' to have one of the following scalar types: Half, BFloat16, "
            f"Float, Double; but got {own} instead {where}"
        )
    if factors is not None and factors.dtype != weight.dtype:
        raise RuntimeError(
            "Expected tensor for argument #1 'weight' to have the same type as tensor for argument #1 "
            f"'per_sample_weights'; but type {own} does not equal torch.{factors.dtype.tensor_type} {where}"
        )


def _bag_padding(weight: Tensor, padding_idx: int | None) -> int:
    """The row that does not count, from the front; -1 for none."""
    rows = weight.shape[0]
    if padding_idx is None:
        return -1
    if not -rows <= padding_idx < rows:
        raise RuntimeError(
            f"padding_idx must be within the number of embeddings, {-rows} through {rows - 1}, but got {padding_idx}"
        )
    return padding_idx % rows


def _check_places(input: Tensor, offsets: Tensor, rows: int, last_is_end: bool) -> None:
    """Raise RuntimeError for an index or an offset out of range, where they are on the host."""
    if last_is_end and offsets.shape[0] < 1:
        raise RuntimeError("include_last_offset: number of offset should be at least 1")
    starts, known = _known(offsets), _known(input)
    if starts is not None and starts.size:
        if starts[0] != 0:
            raise RuntimeError(
                "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. "
                f"However, got {starts[0]}\n[ torch.{offsets.dtype.tensor_type}{{}} ]"
            )
        if starts[-1] > input.shape[0]:
            raise RuntimeError(
                f"offsets[-1] can not be greater than input's length {input.shape[0]} but got offsets[-1] of "
                f"{starts[-1]}"
            )
    if known is not None:
        wrong = np.flatnonzero((known < 0) | (known >= rows))
        if wrong.size:
            raise RuntimeError(
                f"Index {wrong[0]} of input takes value {known[wrong[0]]} which is not in the valid range [0, {rows})"
            )


def _known(tensor: Tensor) -> Any:
    """Whole numbers that are on the host already, or None."""
    value: Any = tensor.read().value
    if isinstance(value, np.ndarray) and tensor.dtype.name in ("int32", "int64"):
        return cast("Any", value)
    return None


def check_renormalized(weight: Tensor, indices: Tensor) -> None:
    """Raise, in PyTorch's words, where rows cannot be scaled to a norm."""
    where = "(while checking arguments for embedding_renorm_)"
    if weight.dim() != 2:
        kind = f"Expected 2-dimensional tensor, but got {weight.dim()}-dimensional tensor"
        raise RuntimeError(f"{kind} for argument #1 'self' {where}")
    if indices.dtype.name not in ("int32", "int64"):
        raise RuntimeError(
            "Expected tensor for argument #2 'indices' to have one of the following scalar types: Long, Int; but got "
            f"torch.{indices.dtype.tensor_type} instead {where}"
        )
    if not (weight.is_floating_point() or weight.is_complex()):
        kind = weight.dtype.tensor_type.removesuffix("Tensor")
        raise RuntimeError(f"norm(): input dtype should be either floating point or complex. Got {kind} instead.")
    known, rows = _known(indices), weight.shape[0]
    if known is not None and ((known < 0) | (known >= rows)).any():
        wrong = known[(known < 0) | (known >= rows)].min()
        raise IndexError(f"select(): index {wrong} out of range for tensor of size {list(weight.shape)} at dimension 0")


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """1 at the index, 0 elsewhere, along a new last dimension.

    Args:
        tensor: classes, int64, any shape; their values are looked at.
        num_classes: size of the new dimension; one more than the largest class if -1.

    Returns:
        (*tensor, num_classes), int64.

    Raises:
        RuntimeError: the data type is not int64, or a class is out of range.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.functional.one_hot(torch.tensor([0, 2]), 3)
        tensor([[1, 0, 0],
                [0, 0, 1]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.one_hot.html
    """
    if tensor.dtype.name != "int64":
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if tensor.aval.mapped:
        if num_classes <= 0:
            raise RuntimeError(
                "When vmap-ing torch.nn.functional.one_hot, please provide an explicit positive num_classes argument."
            )
        return call(p.one_hot, (tensor,), (int(num_classes),))
    values = tensor.host()
    if values.size == 0 and num_classes <= 0:
        raise RuntimeError("Can not infer total number of classes from empty tensor.")
    highest = int(values.max(initial=-1))
    if values.size and int(values.min()) < 0:
        raise RuntimeError("Class values must be non-negative.")
    if num_classes == -1:
        num_classes = highest + 1
    elif highest >= num_classes:
        raise RuntimeError("Class values must be smaller than num_classes.")
    return call(p.one_hot, (tensor,), (int(num_classes),))
