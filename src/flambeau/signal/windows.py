"""Windows for spectra, as ``torch.signal.windows`` has them: each is worked out in 64 bits and rounded to its type.

All take their size ``M``, and by name: ``sym`` (True for a symmetric window of ``L = M``; False for one period of
``L = M + 1``, as spectra want it), ``dtype`` (float32 or float64), ``layout``, ``device`` and ``requires_grad``. All
raise ValueError for a negative size, another type or another layout.

Source: https://docs.pytorch.org/docs/stable/signal.html
"""

from collections.abc import Callable, Sequence
from typing import Any, TypedDict, Unpack

import numpy as np

from flambeau.dtypes.kinds import dtype
from flambeau.dtypes.layouts import LAYOUTS, layout
from flambeau.tensors.options import Device, settings
from flambeau.tensors.tensor import Tensor
from flambeau.tensors.windows import Numbers, cosines, triangle
from flambeau.tensors.windows import kaiser as kaiser_formula

__all__ = [
    "bartlett",
    "blackman",
    "cosine",
    "exponential",
    "gaussian",
    "general_cosine",
    "general_hamming",
    "hamming",
    "hann",
    "kaiser",
    "nuttall",
]


class Options(TypedDict, total=False):
    """Keyword arguments of a window.

    Attributes:
        sym: whether the window is symmetric, or one period.
        dtype: float32 or float64; by default the default type.
        layout: ``torch.strided``; tensors have no other.
        device: where the tensor lives.
        requires_grad: whether it takes part in differentiation.
    """

    sym: bool
    dtype: dtype | None
    layout: layout
    device: Device
    requires_grad: bool


def _window(name: str, M: Any, options: Options, formula: Callable[[Numbers, int], Numbers]) -> Tensor:
    """A window by its formula, of positions and the length of the symmetric window."""
    if M < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={M}")
    wanted = options.get("layout", LAYOUTS["strided"])
    if wanted is not LAYOUTS["strided"]:
        raise ValueError(f"{name} is implemented for strided tensors only, got: {wanted}")
    given: Any = {key: value for key, value in options.items() if key != "sym"}
    chosen = settings(name, given)
    if chosen.dtype.name not in ("float32", "float64"):
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {chosen.dtype}")
    length = M if options.get("sym", True) else M + 1
    values = np.ones(M) if M < 2 else formula(np.arange(M, dtype=np.float64), length)
    return chosen.wrap(values.astype(chosen.dtype.numpy))


def general_cosine(M: int, *, a: Sequence[float], **options: Unpack[Options]) -> Tensor:
    """``sum over i of (-1)^i a[i] cos(2 pi i n / (L - 1))``.

    Args:
        M: size of the window.
        a: the coefficients.
        options: ``sym``, ``dtype``, ``layout``, ``device``, ``requires_grad``.

    Returns:
        A tensor (M,).

    Raises:
        TypeError: the coefficients are no list or tuple.
        ValueError: there are none; or what all windows refuse.

    Example:
        >>> import flambeau as torch
        >>> torch.signal.windows.general_cosine(5, a=[0.5, 0.5])
        tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.signal.windows.general_cosine.html
    """

    def formula(positions: Numbers, length: int) -> Numbers:
        if not isinstance(a, (list, tuple)):
            raise TypeError("Coefficients must be a list/tuple")
        if not a:
            raise ValueError("Coefficients cannot be empty")
        return cosines(positions, length, a)

    return _window("general_cosine", M, options, formula)


def general_hamming(M: int, *, alpha: float = 0.54, **options: Unpack[Options]) -> Tensor:
    """``alpha - (1 - alpha) cos(2 pi n / (L - 1))``; arguments as ``general_cosine``'s.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.signal.windows.general_hamming.html
    """
    return general_cosine(M, a=[alpha, 1 - alpha], **options)


def hamming(M: int, **options: Unpack[Options]) -> Tensor:
    """``general_hamming`` of 0.54.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.signal.windows.hamming.html
    """
    return general_hamming(M, **options)


def hann(M: int, **options: Unpack[Options]) -> Tensor:
    """``general_hamming`` of 0.5.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.signal.windows.hann.html
    """
    return general_hamming(M, alpha=0.5, **options)


def blackman(M: int, **options: Unpack[Options]) -> Tensor:
    """``general_cosine`` of 0.42, 0.5 and 0.08.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.signal.windows.blackman.html
    """
    return _window("blackman", M, options, lambda n, length: cosines(n, length, (0.42, 0.5, 0.08)))


def nuttall(M: int, **options: Unpack[Options]) -> Tensor:
    """``general_cosine`` of Nuttall's four coefficients (IEEE Trans. Acoust., Speech, Signal Process. 29.1, 1981).

    Source: https://docs.pytorch.org/docs/stable/generated/torch.signal.windows.nuttall.html
    """
    return general_cosine(M, a=[0.3635819, 0.4891775, 0.1365995, 0.0106411], **options)


def bartlett(M: int, **options: Unpack[Options]) -> Tensor:
    """A triangle, ``1 - |2 n / (L - 1) - 1|``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.signal.windows.bartlett.html
    """
    return _window("bartlett", M, options, triangle)


def cosine(M: int, **options: Unpack[Options]) -> Tensor:
    """``sin(pi (n + 0.5) / L)``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.signal.windows.cosine.html
    """
    return _window("cosine", M, options, lambda n, length: np.sin(np.pi * (n + 0.5) / length))


def exponential(M: int, *, center: float | None = None, tau: float = 1.0, **options: Unpack[Options]) -> Tensor:
    """``exp(-|n - center| / tau)``.

    Args:
        M: size of the window.
        center: where it is 1; by default in the middle, which it must be if the window is symmetric.
        tau: its width.
        options: ``sym``, ``dtype``, ``layout``, ``device``, ``requires_grad``.

    Raises:
        ValueError: ``tau`` is not positive, or there is a center and the window is symmetric.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.signal.windows.exponential.html
    """
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if options.get("sym", True) and center is not None:
        raise ValueError("Center must be None for symmetric windows")

    def formula(positions: Numbers, length: int) -> Numbers:
        middle = (length - 1) / 2 if center is None else center
        return np.exp(-np.abs(positions - middle) / tau)

    return _window("exponential", M, options, formula)


def gaussian(M: int, *, std: float = 1.0, **options: Unpack[Options]) -> Tensor:
    """``exp(-((n - (L - 1) / 2) / std)^2 / 2)``; raises ValueError unless ``std`` is positive.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.signal.windows.gaussian.html
    """
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")
    return _window("gaussian", M, options, lambda n, length: np.exp(-0.5 * ((n - (length - 1) / 2) / std) ** 2))


def kaiser(M: int, *, beta: float = 12.0, **options: Unpack[Options]) -> Tensor:
    """``I0(beta sqrt(1 - (2 n / (L - 1) - 1)^2)) / I0(beta)``; raises ValueError if ``beta`` is negative.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.signal.windows.kaiser.html
    """
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")
    return _window("kaiser", M, options, lambda n, length: kaiser_formula(n, length, float(beta)))
