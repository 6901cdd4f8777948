"""Printing: tensors as text, character for character as PyTorch writes them."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from math import inf
from typing import Any

import numpy as np

from flambeau.dtypes.kinds import DTYPES, get_default_dtype
from flambeau.tensors.core import Core

__all__ = ["Printing", "get_printoptions", "printoptions", "set_printoptions", "tensor_text"]


@dataclass(frozen=True, slots=True)
class _Options:
    """How tensors are printed; see ``set_printoptions``."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


_PROFILES = {
    "default": _Options(),
    "short": _Options(precision=2, edgeitems=2),
    "full": _Options(threshold=inf),
}
_options = _Options()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors are printed; what is not given stays, except ``sci_mode``, which returns to None.

    Args:
        precision: digits after the decimal point; 4 at first.
        threshold: number of elements above which a tensor is summarized; 1000 at first.
        edgeitems: elements shown at each end of a summarized dimension; 3 at first.
        linewidth: characters a line may have; 80 at first.
        profile: ``"default"``, ``"short"`` or ``"full"``; sets all of the above, before they are applied.
        sci_mode: whether numbers are written with an exponent; None decides by their sizes.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.tensors.printing import printoptions
        >>> with printoptions(precision=2):
        ...     print(torch.tensor([1.12345]))
        tensor([1.12])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.set_printoptions.html
    """
    global _options  # noqa: PLW0603  (PyTorch keeps one setting a process)
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    _options = replace(_PROFILES.get(profile or "", _options), **changes, sci_mode=sci_mode)


def get_printoptions() -> dict[str, Any]:
    """The present settings of ``set_printoptions``, by name."""
    return asdict(_options)


@contextmanager
def printoptions(**kwargs: Any) -> Generator[None]:
    """Settings of ``set_printoptions`` inside a ``with`` block."""
    global _options  # noqa: PLW0603  (PyTorch keeps one setting a process)
    before = _options
    set_printoptions(**kwargs)
    try:
        yield
    finally:
        _options = before


class Printing(Core):
    """Tensors as text."""

    def __repr__(self, *, tensor_contents: str | None = None) -> str:
        return tensor_text(self, None, tensor_contents)

    def __format__(self, format_spec: str) -> str:
        value: Any = self
        if type(self) is self.kind and self.device.type != "meta" and not self.shape and not self.aval.mapped:
            return format(value.item(), format_spec)
        return object.__format__(self, format_spec)


def tensor_text(tensor: Core, name: str | None = None, contents: str | None = None) -> str:
    """What printing a tensor shows; computes its values.

    Args:
        tensor: any tensor.
        name: what stands before the bracket; by default ``tensor``, or the name of the tensor's own class.
        contents: text to show in place of the elements.
    """
    if name is None:
        name = "tensor" if type(tensor) is tensor.kind else type(tensor).__name__
    indent = len(name) + 1
    suffixes, elements = _facts(tensor), contents
    if elements is None:
        elements = _elements(tensor, indent)
    return _with_suffixes(f"{name}({elements}", suffixes, indent)


def _facts(tensor: Core) -> list[str]:
    """What the elements alone do not tell: device, size, data type, and the place on the tape."""
    shape, kind, place = tensor.shape, tensor.dtype, tensor.device
    default = get_default_dtype()
    meta, hollow = place.type == "meta" or tensor.aval.mapped, 0 in shape
    facts: list[str] = []
    if place.type != "cpu":
        facts.append(f"device='{place}'")
    if meta or (hollow and len(shape) != 1):
        facts.append(f"size={tuple(shape)}")
    silent = {default} if meta or hollow else {default, default.to_complex(), DTYPES["int64"], DTYPES["bool"]}
    if kind not in silent:
        facts.append(f"dtype={kind!r}")
    edge = tensor.edge()
    function: Any = getattr(tensor, "grad_fn", None)
    if function is not None:
        facts.append(f"grad_fn=<{function.name().rsplit('::', 1)[-1]}>")
    elif edge is not None:
        facts.append("requires_grad=True")
    return facts


def _elements(tensor: Core, indent: int) -> str:
    """The elements in nested brackets."""
    if tensor.device.type == "meta" or tensor.aval.mapped:
        return "..."
    if 0 in tensor.shape:
        return "[]"
    source: Any = tensor
    values: Any = source.detach().host()
    summarize = values.size > _options.threshold
    shown = _widened(_edges(values) if summarize else values)
    columns = [_Column(shown.real), _Column(shown.imag)] if tensor.dtype.is_complex else [_Column(shown)]
    return _nested(values, indent, summarize, columns)


def _widened(values: Any) -> Any:
    """Numbers of any floating type as doubles: their shortest texts are those PyTorch shows."""
    kind = values.dtype.kind
    return values if kind in "biu" else values.astype(np.complex128 if kind == "c" else np.float64)


def _edges(values: Any) -> Any:
    """The part of an array that a summary shows."""
    edge = _options.edgeitems
    for axis, size in enumerate(values.shape):
        if size > 2 * edge:
            values = np.take(values, [*range(edge), *range(size - edge, size)], axis)
    return values


class _Column:
    """How one real number is written so that all of a tensor's numbers align.

    Attributes:
        width: characters the widest finite number takes.
        style: Python's format of a number: with an exponent, with digits, or whole with a bare point.
    """

    def __init__(self, values: Any) -> None:
        self.width = 1
        self.whole = False
        if values.dtype.kind != "f":
            self.style = ""
            texts: Sequence[str] = [str(value) for value in values.ravel().tolist()]
        else:
            telling = values[np.isfinite(values) & (values != 0)]
            self.whole = bool((telling == np.ceil(telling)).all())
            wanted = _options.sci_mode if telling.size else False
            scientific = _spread(np.abs(telling)) if wanted is None else wanted
            self.whole = self.whole and not scientific
            digits = 0 if self.whole else _options.precision
            self.style = f".{digits}{'e' if scientific else 'f'}"
            texts = [self._plain(value) for value in telling.tolist()]
        self.width = max([1, *map(len, texts)])

    def _plain(self, value: Any) -> str:
        text = format(value, self.style)
        return text + "." if self.whole and value - value == 0 else text

    def __call__(self, value: Any) -> str:
        return (str(value) if not self.style else self._plain(value)).rjust(self.width)


def _spread(sizes: Any) -> bool:
    """Whether numbers are so large, small or different that they need exponents."""
    if not sizes.size:
        return False
    least, most = float(sizes.min()), float(sizes.max())
    return most / least > 1000 or most > 1e8 or least < 1e-4


def _nested(values: Any, indent: int, summarize: bool, columns: list[_Column]) -> str:
    """An array in nested brackets that start ``indent`` characters from the left."""
    if values.ndim == 0:
        return _number(_widened(values).item(), columns)
    edge = _options.edgeitems
    split = summarize and len(values) > 2 * edge
    kept = [*range(edge), *range(len(values) - edge, len(values))] if split else range(len(values))
    if values.ndim == 1:
        parts = [_number(value, columns) for value in _widened(values[kept]).tolist()]
        if split:
            parts.insert(edge, " ..." if edge else "...")
        return _wrapped(parts, indent, sum(column.width for column in columns) + 1 + len(columns))
    parts = [_nested(values[index], indent + 1, summarize, columns) for index in kept]
    if split:
        parts.insert(edge, "...")
    return f"[{(',' + chr(10) * (values.ndim - 1) + ' ' * (indent + 1)).join(parts)}]"


def _wrapped(parts: list[str], indent: int, width: int) -> str:
    """Numbers of one dimension in brackets, as many a line as fit."""
    count = max(1, (_options.linewidth - indent) // width)
    lines = [", ".join(parts[start : start + count]) for start in range(0, len(parts), count)]
    return f"[{(',' + chr(10) + ' ' * (indent + 1)).join(lines)}]"


def _number(value: Any, columns: list[_Column]) -> str:
    """One element; a complex one is its real part, a sign, and its imaginary part unpadded."""
    if len(columns) == 1:
        return columns[0](value)
    imaginary = columns[1](value.imag).lstrip()
    return f"{columns[0](value.real)}{'' if imaginary[0] in '+-' else '+'}{imaginary}j"


def _with_suffixes(text: str, suffixes: list[str], indent: int) -> str:
    """The text with facts after it, each on a new line where the last one is full."""
    filled = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if filled + len(suffix) + 2 > _options.linewidth:
            text += ",\n" + " " * indent + suffix
            filled = indent + len(suffix)
        else:
            text += ", " + suffix
            filled += len(suffix) + 2
    return text + ")"
