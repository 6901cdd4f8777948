"""PyTorch's small values: sizes, devices, layouts."""

from typing import Final, cast

from flambeau.base.errors import BadCall
from flambeau.checkpoint.context import Context
from flambeau.checkpoint.narrowing import as_tuple

__all__ = ["make_backend", "make_device", "make_layout", "make_size"]

_LAYOUTS: Final = frozenset(
    f"torch.{name}"
    for name in ("strided", "sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc", "jagged", "_mkldnn")
)
_DEVICE_LENGTH: Final = 64


def make_backend(context: Context) -> object:
    """Give what stands for the functions that modules pointed to before PyTorch 1.4: nothing."""
    return None


def make_size(context: Context, sizes: object = ()) -> object:
    """Make a torch.Size of a tuple."""
    lengths = as_tuple(sizes)
    if lengths is None or not all(type(length) is int for length in lengths):
        raise context.error(BadCall, "torch.Size is called with something other than a tuple of integers")
    context.budget.charge(8 * len(lengths) + 56)
    return context.builders.size(cast("tuple[int, ...]", lengths))


def make_device(context: Context, kind: object, index: object = None) -> object:
    """Make a torch.device of its type and index, or of both in one string."""
    if isinstance(kind, str) and len(kind) <= _DEVICE_LENGTH:
        name, colon, number = kind.partition(":")
        if colon and index is None and number.isascii() and number.isdigit():
            index = int(number)
        elif colon:
            name = ""
        if name.isascii() and name.isidentifier() and (index is None or (type(index) is int and index >= 0)):
            return context.builders.device(name, index)
    raise context.error(BadCall, "torch.device is called with something other than a type and an index")


def make_layout(context: Context, name: object) -> object:
    """Make a torch.layout of its name."""
    if not isinstance(name, str) or name not in _LAYOUTS:
        raise context.error(BadCall, "torch.serialization._get_layout is called with something other than a layout")
    known = name.removeprefix("torch.")
    if known not in context.layouts:
        context.layouts[known] = context.builders.layout(known)
    return context.layouts[known]
