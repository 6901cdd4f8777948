"""Embedding layers."""

from typing import Any, ClassVar

import numpy as np

from flambeau.nn import functional as F
from flambeau.nn import init
from flambeau.nn.modules.module import Module
from flambeau.nn.parameter import Parameter
from flambeau.tensors.creation import empty
from flambeau.tensors.tensor import Tensor

__all__ = ["Embedding", "EmbeddingBag"]


def _clear_row(weight: Tensor, row: int | None) -> None:
    """Set a row of a table to zero; None is no row."""
    if row is not None:
        values = np.array(weight.detach().host())
        values[row] = 0
        init.written(weight, values)


class Embedding(Module):
    """A table of vectors, looked up by index.

    Args:
        num_embeddings: number of rows.
        embedding_dim: width of a row.
        padding_idx: a row that is zero at first and learns nothing; negative ones count from the end.
        max_norm: if given, rows that are used are first scaled down to this norm, in place.
        norm_type: order of that norm.
        scale_grad_by_freq: whether a row's gradient is divided by how often it is used.
        sparse: kept as an attribute; looking up raises NotImplementedError: gradients are dense.
        device: where the table lives.
        dtype: its data type.

    Attributes:
        weight: (num_embeddings, embedding_dim), normal numbers of mean 0 and variance 1 at first.

    Raises:
        AssertionError: ``padding_idx`` is out of range.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Embedding.html
    """

    __constants__: ClassVar[list[str]] = [
        "num_embeddings",
        "embedding_dim",
        "padding_idx",
        "max_norm",
        "norm_type",
        "scale_grad_by_freq",
        "sparse",
    ]
    num_embeddings: int
    embedding_dim: int
    padding_idx: int | None
    max_norm: float | None
    norm_type: float
    scale_grad_by_freq: bool
    sparse: bool
    weight: Tensor

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise AssertionError("Padding_idx must be within num_embeddings")
            padding_idx %= num_embeddings
        self.padding_idx = padding_idx
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse
        if _weight is None:
            table = empty((num_embeddings, embedding_dim), device=device, dtype=dtype)
            self.weight = Parameter(table, requires_grad=not _freeze)
            self.reset_parameters()
        else:
            if list(_weight.shape) != [num_embeddings, embedding_dim]:
                raise AssertionError("Shape of weight does not match num_embeddings and embedding_dim")
            self.weight = Parameter(_weight, requires_grad=not _freeze)

    def reset_parameters(self) -> None:
        """Draw the table anew."""
        init.normal_(self.weight)
        self._fill_padding_idx_with_zero()

    def _fill_padding_idx_with_zero(self) -> None:
        _clear_row(self.weight, self.padding_idx)

    def forward(self, input: Tensor) -> Tensor:
        """Indices of any shape to (*input, embedding_dim)."""
        return F.embedding(
            input,
            self.weight,
            self.padding_idx,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.sparse,
        )

    def extra_repr(self) -> str:
        """Sizes, and what differs from the defaults."""
        parts = [
            f"{self.num_embeddings}, {self.embedding_dim}",
            "" if self.padding_idx is None else f"padding_idx={self.padding_idx}",
            "" if self.max_norm is None else f"max_norm={self.max_norm}",
            "" if self.norm_type == 2 else f"norm_type={self.norm_type}",
            "" if self.scale_grad_by_freq is False else f"scale_grad_by_freq={self.scale_grad_by_freq}",
            "" if self.sparse is False else "sparse=True",
        ]
        return ", ".join(part for part in parts if part)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> "Embedding":
        """A layer of a table that is there already.

        Args:
            embeddings: the table, (rows, width).
            freeze: whether it does not learn.
            padding_idx: see ``Embedding``.
            max_norm: see ``Embedding``.
            norm_type: see ``Embedding``.
            scale_grad_by_freq: see ``Embedding``.
            sparse: see ``Embedding``.

        Raises:
            AssertionError: the table is no matrix.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Embedding.html
        """
        if embeddings.dim() != 2:
            raise AssertionError("Embeddings parameter is expected to be 2-dimensional")
        rows, width = embeddings.shape
        return cls(
            num_embeddings=rows,
            embedding_dim=width,
            _weight=embeddings,
            _freeze=freeze,
            padding_idx=padding_idx,
            max_norm=max_norm,
            norm_type=norm_type,
            scale_grad_by_freq=scale_grad_by_freq,
            sparse=sparse,
        )


class EmbeddingBag(Module):
    """Sum, mean or maximum of rows of a table; see ``nn.functional.embedding_bag``.

    Args:
        num_embeddings: number of rows.
        embedding_dim: width of a row.
        max_norm: if given, rows that are used are first scaled down to this norm, in place.
        norm_type: order of that norm.
        scale_grad_by_freq: whether a row's gradient is divided by how often it is used; not with ``"max"``.
        mode: ``"sum"``, ``"mean"`` or ``"max"``.
        sparse: kept as an attribute; looking up raises NotImplementedError: gradients are dense.
        include_last_offset: whether the last offset is the end of the last bag.
        padding_idx: a row that is zero at first and does not count; negative ones count from the end.
        device: where the table lives.
        dtype: its data type.

    Attributes:
        weight: (num_embeddings, embedding_dim), normal numbers of mean 0 and variance 1 at first.

    Raises:
        AssertionError: ``padding_idx`` is out of range.

    Example:
        >>> import flambeau as torch
        >>> bag = torch.nn.EmbeddingBag(10, 3, mode="sum")
        >>> bag(torch.tensor([1, 2, 4, 5]), torch.tensor([0, 3])).shape
        torch.Size([2, 3])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.EmbeddingBag.html
    """

    __constants__: ClassVar[list[str]] = [
        "num_embeddings",
        "embedding_dim",
        "max_norm",
        "norm_type",
        "scale_grad_by_freq",
        "mode",
        "sparse",
        "include_last_offset",
        "padding_idx",
    ]
    num_embeddings: int
    embedding_dim: int
    max_norm: float | None
    norm_type: float
    scale_grad_by_freq: bool
    weight: Tensor
    mode: str
    sparse: bool
    include_last_offset: bool
    padding_idx: int | None

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Tensor | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise AssertionError("padding_idx must be within num_embeddings")
            padding_idx %= num_embeddings
        self.padding_idx = padding_idx
        if _weight is None:
            self.weight = Parameter(empty((num_embeddings, embedding_dim), device=device, dtype=dtype))
            self.reset_parameters()
        else:
            if list(_weight.shape) != [num_embeddings, embedding_dim]:
                raise AssertionError("Shape of weight does not match num_embeddings and embedding_dim")
            self.weight = Parameter(_weight)
        self.mode = mode
        self.sparse = sparse
        self.include_last_offset = include_last_offset

    def reset_parameters(self) -> None:
        """Draw the table anew."""
        init.normal_(self.weight)
        self._fill_padding_idx_with_zero()

    def _fill_padding_idx_with_zero(self) -> None:
        _clear_row(self.weight, self.padding_idx)

    def forward(self, input: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None) -> Tensor:
        """(B, N), or (N,) and offsets (B,), to (B, embedding_dim)."""
        return F.embedding_bag(
            input,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            self.sparse,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )

    def extra_repr(self) -> str:
        """Sizes, the mode, and what differs from the defaults."""
        parts = [
            f"{self.num_embeddings}, {self.embedding_dim}",
            "" if self.max_norm is None else f"max_norm={self.max_norm}",
            "" if self.norm_type == 2 else f"norm_type={self.norm_type}",
            "" if self.scale_grad_by_freq is False else f"scale_grad_by_freq={self.scale_grad_by_freq}",
            f"mode={self.mode!r}",
            "" if self.padding_idx is None else f"padding_idx={self.padding_idx}",
        ]
        return ", ".join(part for part in parts if part)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> "EmbeddingBag":
        """A layer of a table that is there already.

        Args:
            embeddings: the table, (rows, width).
            freeze: whether it does not learn.
            max_norm: see ``EmbeddingBag``.
            norm_type: see ``EmbeddingBag``.
            scale_grad_by_freq: see ``EmbeddingBag``.
            mode: see ``EmbeddingBag``.
            sparse: see ``EmbeddingBag``.
            include_last_offset: see ``EmbeddingBag``.
            padding_idx: see ``EmbeddingBag``.

        Raises:
            AssertionError: the table is no matrix.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.EmbeddingBag.html
        """
        if embeddings.dim() != 2:
            raise AssertionError("Embeddings parameter is expected to be 2-dimensional")
        rows, width = embeddings.shape
        layer = cls(
            num_embeddings=rows,
            embedding_dim=width,
            _weight=embeddings,
            max_norm=max_norm,
            norm_type=norm_type,
            scale_grad_by_freq=scale_grad_by_freq,
            mode=mode,
            sparse=sparse,
            include_last_offset=include_last_offset,
            padding_idx=padding_idx,
        )
        layer.weight.requires_grad = not freeze
        return layer
