"""``finfo`` and ``iinfo``: the limits of the data types."""

from math import log10
from typing import Any, cast

import ml_dtypes
import numpy as np

from flambeau.dtypes import kinds

__all__ = ["finfo", "iinfo"]


class finfo:  # noqa: N801  (PyTorch's name)
    """Limits of a floating data type; of a complex one, those of its parts.

    Attributes:
        bits: bits an element takes.
        dtype: name of the data type.
        eps: distance from 1 to the next larger number.
        max: the largest finite number.
        min: the smallest finite number (``-max``).
        tiny: the smallest positive number with all its digits.
        smallest_normal: the same as ``tiny``.
        resolution: one unit of the last decimal digit that the type is sure to keep.

    Raises:
        TypeError: the data type is not a floating or complex one.

    Example:
        >>> from flambeau.dtypes.limits import finfo
        >>> finfo().eps
        1.1920928955078125e-07

    Source: https://docs.pytorch.org/docs/stable/type_info.html#torch.finfo
    """

    __slots__ = ("bits", "dtype", "eps", "max", "min", "resolution", "smallest_normal", "tiny")

    def __init__(self, type: kinds.dtype | None = None) -> None:
        kind = kinds.get_default_dtype() if type is None else type
        if not (kind.is_floating_point or kind.is_complex):
            raise TypeError(f"torch.finfo() requires a floating point input type. Use torch.iinfo to handle '{kind!r}'")
        real = kind.to_real()
        facts = cast("Any", ml_dtypes.finfo(real.numpy))
        self.bits = real.itemsize * 8
        self.dtype = real.name
        self.eps = float(facts.eps)
        self.max = float(facts.max)
        self.min = float(facts.min)
        self.tiny = self.smallest_normal = float(facts.smallest_normal)
        self.resolution = 10.0 ** -int(-log10(self.eps))

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "
            f"smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, dtype={self.dtype})"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, finfo) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)


class iinfo:  # noqa: N801  (PyTorch's name)
    """Limits of a whole-number data type.

    Attributes:
        bits: bits an element takes.
        dtype: name of the data type.
        max: the largest number.
        min: the smallest number.

    Raises:
        TypeError: the data type is not one of whole numbers.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.dtypes.limits import iinfo
        >>> iinfo(torch.int8).max
        127

    Source: https://docs.pytorch.org/docs/stable/type_info.html#torch.iinfo
    """

    __slots__ = ("bits", "dtype", "max", "min")

    def __init__(self, type: kinds.dtype) -> None:
        if type.is_floating_point or type.is_complex:
            raise TypeError(f"torch.iinfo() requires an integer input type. Use torch.finfo to handle '{type!r}'")
        if type.name == "bool":
            raise TypeError("torch.bool is not supported by torch.iinfo")
        facts = np.iinfo(type.numpy)
        self.bits = type.itemsize * 8
        self.dtype = type.name
        self.max = int(facts.max)
        self.min = int(facts.min)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, iinfo) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)
