"""PyTorch's ``torch.types``: names for the kinds of arguments, for annotations."""

import os
from typing import IO, TypeAlias

from flambeau.base.shapes import Size
from flambeau.devices.device import device

__all__ = ["Device", "FileLike", "Number"]

Device: TypeAlias = device | str | int | None
FileLike: TypeAlias = str | os.PathLike[str] | IO[bytes]
Number: TypeAlias = int | float | bool
_size: TypeAlias = Size | list[int] | tuple[int, ...]
