"""Fourier transforms along one dimension, as ``flambeau.fft`` has them.

Source: https://docs.pytorch.org/docs/stable/fft.html
"""

from typing import TYPE_CHECKING, Any

from flambeau.tensors.transforms import along_one

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = [
    "fft",
    "hfft",
    "ifft",
    "ihfft",
    "irfft",
    "rfft",
]


def fft(input: "Tensor", n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Any = None) -> "Tensor":
    """Discrete Fourier transform.

    ``X[k] = sum over j of x[j] exp(-2 pi i j k / n)``.

    Args:
        input: a tensor of numbers, (...).
        n: the length to which the signal is cut or filled up with zeros; its own by default.
        dim: the dimension to transform.
        norm: which direction divides by the length: ``"backward"`` (the default) or ``"forward"``;
            ``"ortho"`` divides both by its root.
        out: the tensor to write the result into.

    Returns:
        A complex tensor, (..., n, ...).

    Raises:
        RuntimeError: ``n`` is not positive, ``norm`` is unknown, or there is no transform of the type.
        IndexError: there is no such dimension.

    Example:
        >>> import flambeau as torch
        >>> torch.fft.fft(torch.tensor([1.0, 0.0, -1.0, 0.0])).real
        tensor([0., 2., 0., 2.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.fft.fft.html
    """
    return along_one("fft", input, n, dim, norm, out)


def ifft(input: "Tensor", n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Any = None) -> "Tensor":
    """Inverse of ``fft``.

    ``x[j] = 1 / n * sum over k of X[k] exp(2 pi i j k / n)``.

    Args:
        input: a tensor of numbers, (...).
        n: the length to which the signal is cut or filled up with zeros; its own by default.
        dim: the dimension to transform.
        norm: which direction divides by the length: ``"backward"`` (the default) or ``"forward"``;
            ``"ortho"`` divides both by its root.
        out: the tensor to write the result into.

    Returns:
        A complex tensor, (..., n, ...).

    Raises:
        RuntimeError: ``n`` is not positive, ``norm`` is unknown, or there is no transform of the type.
        IndexError: there is no such dimension.

    Example:
        >>> import flambeau as torch
        >>> torch.fft.ifft(torch.tensor([4.0, 0.0, 0.0, 0.0])).real
        tensor([1., 1., 1., 1.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.fft.ifft.html
    """
    return along_one("ifft", input, n, dim, norm, out)


def rfft(input: "Tensor", n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Any = None) -> "Tensor":
    """Discrete Fourier transform of a real signal.

    ``fft`` without the frequencies above the middle, which are conjugates of the others.

    Args:
        input: a tensor of real numbers, (...).
        n: the length to which the signal is cut or filled up with zeros; its own by default.
        dim: the dimension to transform.
        norm: which direction divides by the length: ``"backward"`` (the default) or ``"forward"``;
            ``"ortho"`` divides both by its root.
        out: the tensor to write the result into.

    Returns:
        A complex tensor, (..., n // 2 + 1, ...).

    Raises:
        RuntimeError: ``n`` is not positive, ``norm`` is unknown, or there is no transform of the type.
        IndexError: there is no such dimension.

    Example:
        >>> import flambeau as torch
        >>> torch.fft.rfft(torch.ones(4)).real
        tensor([4., 0., 0.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.fft.rfft.html
    """
    return along_one("rfft", input, n, dim, norm, out)


def irfft(
    input: "Tensor", n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Any = None
) -> "Tensor":
    """Inverse of ``rfft``.

    The real signal whose spectrum above the middle is the conjugate of what is given.

    Args:
        input: frequencies up to the middle, (..., n // 2 + 1, ...) along ``dim``.
        n: length of the result; ``2 * (size - 1)`` by default.
        dim: the dimension to transform.
        norm: which direction divides by the length: ``"backward"`` (the default) or ``"forward"``;
            ``"ortho"`` divides both by its root.
        out: the tensor to write the result into.

    Returns:
        A real tensor, (..., n, ...).

    Raises:
        RuntimeError: ``n`` is not positive, ``norm`` is unknown, or there is no transform of the type.
        IndexError: there is no such dimension.

    Example:
        >>> import flambeau as torch
        >>> torch.fft.irfft(torch.tensor([4.0, 0.0, 0.0]))
        tensor([1., 1., 1., 1.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.fft.irfft.html
    """
    return along_one("irfft", input, n, dim, norm, out)


def hfft(input: "Tensor", n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Any = None) -> "Tensor":
    """Real spectrum of a signal that is its own conjugate backwards.

    ``fft`` of a signal of which only the first half is given.

    Args:
        input: the signal's first half, (..., n // 2 + 1, ...) along ``dim``.
        n: length of the result; ``2 * (size - 1)`` by default.
        dim: the dimension to transform.
        norm: which direction divides by the length: ``"backward"`` (the default) or ``"forward"``;
            ``"ortho"`` divides both by its root.
        out: the tensor to write the result into.

    Returns:
        A real tensor, (..., n, ...).

    Raises:
        RuntimeError: ``n`` is not positive, ``norm`` is unknown, or there is no transform of the type.
        IndexError: there is no such dimension.

    Example:
        >>> import flambeau as torch
        >>> torch.fft.hfft(torch.tensor([1.0, 1.0, 1.0]))
        tensor([4., 0., 0., 0.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.fft.hfft.html
    """
    return along_one("hfft", input, n, dim, norm, out)


def ihfft(
    input: "Tensor", n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Any = None
) -> "Tensor":
    """Inverse of ``hfft``.

    ``ifft`` of a real spectrum, without the second half of the signal.

    Args:
        input: a tensor of real numbers, (...).
        n: the length to which the signal is cut or filled up with zeros; its own by default.
        dim: the dimension to transform.
        norm: which direction divides by the length: ``"backward"`` (the default) or ``"forward"``;
            ``"ortho"`` divides both by its root.
        out: the tensor to write the result into.

    Returns:
        A complex tensor, (..., n // 2 + 1, ...).

    Raises:
        RuntimeError: ``n`` is not positive, ``norm`` is unknown, or there is no transform of the type.
        IndexError: there is no such dimension.

    Example:
        >>> import flambeau as torch
        >>> torch.fft.ihfft(torch.tensor([4.0, 0.0, 0.0, 0.0])).real
        tensor([1., 1., 1.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.fft.ihfft.html
    """
    return along_one("ihfft", input, n, dim, norm, out)
