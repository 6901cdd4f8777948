"""``assert_close``: two tensors, or structures of them, agree."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from flambeau.dtypes.kinds import dtype
from flambeau.tensors.creation import as_tensor
from flambeau.tensors.tensor import Tensor

__all__ = ["assert_close"]

_Items = Mapping[Any, Any]

# Data type -> (rtol, atol), PyTorch's own.
_TOLERANCES = {
    "float16": (1e-3, 1e-5),
    "bfloat16": (1.6e-2, 1e-5),
    "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7),
    "complex64": (1.3e-6, 1e-5),
    "complex128": (1e-7, 1e-7),
}


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Raise AssertionError unless ``|actual - expected| <= atol + rtol * |expected|`` everywhere.

    Args:
        actual, expected: tensors, numbers, arrays, or sequences and mappings of them.
        allow_subclasses, check_layout, check_stride: accepted as in PyTorch; layouts do not differ here.
        rtol, atol: tolerances, both or none; by default PyTorch's for the data type.
        equal_nan: whether NaN equals NaN.
        check_device, check_dtype: whether devices and data types must agree.
        msg: text of the error, or a function of the text made here.

    Raises:
        AssertionError: they differ; the text says where most.
        ValueError: only one tolerance is given.

    Source: https://docs.pytorch.org/docs/stable/testing.html#torch.testing.assert_close
    """
    if (rtol is None) != (atol is None):
        raise ValueError("rtol and atol must both be specified or both be unspecified")
    problem = _difference(actual, expected, "", rtol, atol, equal_nan, check_device, check_dtype)
    if problem is not None:
        raise AssertionError(problem if msg is None else msg(problem) if callable(msg) else msg)


def _difference(actual: Any, expected: Any, place: str, *options: Any) -> str | None:
    """What differs, or None."""
    if isinstance(actual, Mapping) and isinstance(expected, Mapping):
        return _mapping_difference(cast("_Items", actual), cast("_Items", expected), place, *options)
    if _is_sequence(actual) and _is_sequence(expected):
        return _sequence_difference(actual, expected, place, *options)
    if actual is None or expected is None or isinstance(actual, str):
        return None if actual == expected else f"{actual!r} != {expected!r}{_at(place)}"
    return _tensor_difference(as_tensor(actual).detach(), as_tensor(expected).detach(), place, *options)


def _mapping_difference(actual: "_Items", expected: "_Items", place: str, *options: Any) -> str | None:
    if actual.keys() != expected.keys():
        missing = sorted(map(str, expected.keys() - actual.keys()))
        extra = sorted(map(str, actual.keys() - expected.keys()))
        return f"The keys of the mappings do not match:\nmissing in actual: {missing}\nextra: {extra}"
    return _first(_difference(actual[key], expected[key], f"{place}[{key!r}]", *options) for key in expected)


def _sequence_difference(actual: Any, expected: Any, place: str, *options: Any) -> str | None:
    if len(actual) != len(expected):
        return f"The length of the sequences mismatch: {len(actual)} != {len(expected)}"
    return _first(
        _difference(one, other, f"{place}[{index}]", *options)
        for index, (one, other) in enumerate(zip(actual, expected, strict=True))
    )


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, Tensor))


def _first(problems: Any) -> str | None:
    return next((problem for problem in problems if problem is not None), None)


def _at(place: str) -> str:
    return f"\n\nThe failure occurred for item {place}" if place else ""


def _tensor_difference(
    actual: Tensor,
    expected: Tensor,
    place: str,
    rtol: float | None,
    atol: float | None,
    equal_nan: bool,
    check_device: bool,
    check_dtype: bool,
) -> str | None:
    if actual.shape != expected.shape:
        return f"The values for attribute 'shape' do not match: {actual.shape} != {expected.shape}.{_at(place)}"
    if check_device and actual.device != expected.device:
        return f"The values for attribute 'device' do not match: {actual.device} != {expected.device}.{_at(place)}"
    if check_dtype and actual.dtype is not expected.dtype:
        return f"The values for attribute 'dtype' do not match: {actual.dtype} != {expected.dtype}.{_at(place)}"
    low, high = (rtol, atol) if rtol is not None and atol is not None else _tolerances(actual.dtype, expected.dtype)
    mine, theirs = (_wide(tensor) for tensor in (actual, expected))
    close = np.isclose(mine, theirs, rtol=low, atol=high, equal_nan=equal_nan)
    if bool(close.all()):
        return None
    gap = np.where(close, 0, np.abs(mine - theirs))
    worst = np.unravel_index(int(np.nanargmax(gap)), gap.shape) if gap.ndim else ()
    wrong = int((~close).sum())
    kind = "Tensor-likes are not equal!" if low == high == 0 else "Tensor-likes are not close!"
    where = tuple(map(int, worst))
    return (
        f"{kind}\n\nMismatched elements: {wrong} / {close.size} ({100 * wrong / close.size:.1f}%)\n"
        f"Greatest absolute difference: {gap[worst]} at index {where} (up to {high} allowed)\n"
        f"Greatest relative difference: {np.abs(gap[worst] / theirs[worst]) if theirs[worst] else np.inf} "
        f"at index {where} (up to {low} allowed){_at(place)}"
    )


def _tolerances(one: dtype, other: dtype) -> tuple[float, float]:
    """The wider of both types' tolerances."""
    pairs = [_TOLERANCES.get(kind.name, (0.0, 0.0)) for kind in (one, other)]
    return max(pair[0] for pair in pairs), max(pair[1] for pair in pairs)


def _wide(tensor: Tensor) -> Any:
    kind = np.complex128 if tensor.dtype.is_complex else np.float64 if tensor.dtype.is_floating_point else None
    value = tensor.host()
    return value if kind is None else value.astype(kind)
