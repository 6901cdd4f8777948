"""Layouts and memory formats, by PyTorch's names. Tensors are dense and row-major; the formats change no values."""

from typing import Final

__all__ = ["LAYOUTS", "MEMORY_FORMATS", "layout", "memory_format"]


class layout:  # noqa: N801  (PyTorch's name)
    """How elements are stored, such as ``torch.strided``, which is the only one tensors have here.

    Source: https://docs.pytorch.org/docs/stable/tensor_attributes.html#torch.layout
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name: Final = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return _layout, (self.name,)


class memory_format:  # noqa: N801  (PyTorch's name)
    """Order of the dimensions in memory, such as ``torch.channels_last``.

    XLA orders memory by itself: a tensor has the same values, and row-major strides, whatever format is asked for.

    Source: https://docs.pytorch.org/docs/stable/tensor_attributes.html#torch.memory_format
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name: Final = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return _memory_format, (self.name,)


LAYOUTS: Final[dict[str, layout]] = {
    name: layout(name)
    for name in ("strided", "sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc", "jagged", "_mkldnn")
}
MEMORY_FORMATS: Final[dict[str, memory_format]] = {
    name: memory_format(name) for name in ("contiguous_format", "preserve_format", "channels_last", "channels_last_3d")
}


def _layout(name: str) -> layout:
    return LAYOUTS[name]


def _memory_format(name: str) -> memory_format:
    return MEMORY_FORMATS[name]
