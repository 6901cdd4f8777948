"""Windows for spectra, by their older names; ``flambeau.signal.windows`` has more.

A window is worked out in 64 bits and rounded to its type. With ``L`` the length of the symmetric window:

    cosines:   sum over i of (-1)^i a[i] cos(2 pi i n / (L - 1))
    triangle:  1 - |2 n / (L - 1) - 1|
    Kaiser:    I0(beta sqrt(1 - (2 n / (L - 1) - 1)^2)) / I0(beta)
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Unpack, cast

import numpy as np

from flambeau.tensors.arguments import whole
from flambeau.tensors.options import Options, settings

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = [
    "bartlett_window",
    "blackman_window",
    "cosines",
    "hamming_window",
    "hann_window",
    "kaiser",
    "kaiser_window",
    "triangle",
]

# Positions and values of a window.
Numbers = np.ndarray[Any, np.dtype[np.float64]]


# -- the formulas: of positions, and the length of the symmetric window -----------------------------------------------


def cosines(positions: Numbers, length: int, coefficients: Sequence[float]) -> Numbers:
    """An alternating sum of cosines."""
    angles = 2 * np.pi / (length - 1) * positions
    terms = [(-1) ** index * float(value) * np.cos(index * angles) for index, value in enumerate(coefficients)]
    return cast("Numbers", np.sum(terms, axis=0))


def triangle(positions: Numbers, length: int) -> Numbers:
    """Bartlett's window."""
    return 1 - np.abs(2 * positions / (length - 1) - 1)


def kaiser(positions: Numbers, length: int, beta: float) -> Numbers:
    """Kaiser's window."""
    inside = np.maximum(1 - (2 * positions / (length - 1) - 1) ** 2, 0)
    return cast("Numbers", np.i0(beta * np.sqrt(inside)) / np.i0(beta))


# -- the older names ---------------------------------------------------------------------------------------------------


def _window(
    name: str, count: Any, periodic: bool, options: Any, formula: Callable[[Numbers, int], Numbers]
) -> "Tensor":
    size = whole(name, "window_length", count)
    chosen = settings(name, options)
    if chosen.dtype.is_complex:
        kind = chosen.dtype.tensor_type.removesuffix("Tensor")
        raise NotImplementedError(f"\"arange_cpu\" not implemented for '{kind}'")
    if not chosen.dtype.is_floating_point:
        raise RuntimeError(f"{name} expects floating point dtypes, got: {chosen.dtype}")
    if size < 0:
        raise RuntimeError(f"{name} requires non-negative window_length, got window_length={size}")
    values = np.ones(size) if size < 2 else formula(np.arange(size, dtype=np.float64), size + periodic)
    return chosen.wrap(values.astype(chosen.dtype.numpy))


def hann_window(window_length: int, periodic: bool = True, **options: Unpack[Options]) -> "Tensor":
    """``sin^2(pi n / (L - 1))``.

    Args:
        window_length: size of the window.
        periodic: whether it is one period, as spectra want it (``L = window_length + 1``), or symmetric.
        options: ``dtype``, ``device``, ``requires_grad`` and their like.

    Returns:
        A tensor (window_length,).

    Raises:
        RuntimeError: the length is negative, or the type is not one of floating-point numbers.

    Example:
        >>> import flambeau as torch
        >>> torch.hann_window(4)
        tensor([0.0000, 0.5000, 1.0000, 0.5000])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.hann_window.html
    """
    return _window("hann_window", window_length, periodic, options, lambda n, size: cosines(n, size, (0.5, 0.5)))


def hamming_window(
    window_length: int, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, **options: Unpack[Options]
) -> "Tensor":
    """``alpha - beta cos(2 pi n / (L - 1))``; arguments as ``hann_window``'s.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.hamming_window.html
    """
    return _window("hamming_window", window_length, periodic, options, lambda n, size: cosines(n, size, (alpha, beta)))


def blackman_window(window_length: int, periodic: bool = True, **options: Unpack[Options]) -> "Tensor":
    """``0.42 - 0.5 cos(2 pi n / (L - 1)) + 0.08 cos(4 pi n / (L - 1))``; arguments as ``hann_window``'s.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.blackman_window.html
    """
    return _window(
        "blackman_window", window_length, periodic, options, lambda n, size: cosines(n, size, (0.42, 0.5, 0.08))
    )


def bartlett_window(window_length: int, periodic: bool = True, **options: Unpack[Options]) -> "Tensor":
    """A triangle, ``1 - |2 n / (L - 1) - 1|``; arguments as ``hann_window``'s.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.bartlett_window.html
    """
    return _window("bartlett_window", window_length, periodic, options, triangle)


def kaiser_window(
    window_length: int, periodic: bool = True, beta: float = 12.0, **options: Unpack[Options]
) -> "Tensor":
    """Kaiser's window of shape ``beta``; arguments as ``hann_window``'s.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.kaiser_window.html
    """
    return _window("kaiser_window", window_length, periodic, options, lambda n, size: kaiser(n, size, beta))
