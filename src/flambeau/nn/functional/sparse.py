"""Embedding, and one-hot vectors."""

from typing import Any

import numpy as np

from flambeau.primitives import embedding as p
from flambeau.tensors.core import call, call_in_place
from flambeau.tensors.options import tensor_argument
from flambeau.tensors.tensor import Tensor

__all__ = ["embedding", "one_hot"]


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
    rows = weight.shape[0] if weight.shape else 0
    padding = -1
    if padding_idx is not None:
        if not -rows <= padding_idx < rows:
            raise AssertionError("Padding_idx must be within num_embeddings")
        padding = padding_idx % rows
    known: Any = input.read().value
    if isinstance(known, np.ndarray) and known.dtype.kind == "i" and ((known < 0) | (known >= rows)).any():
        raise IndexError("index out of range in self")
    if max_norm is not None:
        call_in_place(weight.detach(), p.renormalized_rows, (weight.detach(), input, float(max_norm), float(norm_type)))
    return call(p.embedding, (weight, input), (padding, bool(scale_grad_by_freq)))


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
