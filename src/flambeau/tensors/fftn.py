"""Fourier transforms along several dimensions, as ``flambeau.fft`` has them.

Source: https://docs.pytorch.org/docs/stable/fft.html
"""

from typing import TYPE_CHECKING, Any

from flambeau.tensors.transforms import Sizes, along_several

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = [
    "fft2",
    "fftn",
    "hfft2",
    "hfftn",
    "ifft2",
    "ifftn",
    "ihfft2",
    "ihfftn",
    "irfft2",
    "irfftn",
    "rfft2",
    "rfftn",
]


def fftn(input: "Tensor", s: Sizes = None, dim: Sizes = None, norm: str | None = None, *, out: Any = None) -> "Tensor":
    """``fft`` along several dimensions.

    Args:
        input: a tensor of numbers, (...).
        s: sizes to which the dimensions are cut or filled up with zeros; -1, and None, are their own.
        dim: the dimensions to transform; by default the last ``len(s)``, or all.
        norm: which direction divides by the number of elements: ``"backward"`` (the default) or ``"forward"``;
            ``"ortho"`` divides both by its root.
        out: the tensor to write the result into.

    Returns:
        A complex tensor.

    Raises:
        RuntimeError: sizes and dimensions do not fit, a size is not positive, ``norm`` is unknown, or there is no
            transform of the type.
        IndexError: there is no such dimension.

    Example:
        >>> import flambeau as torch
        >>> torch.fft.fftn(torch.ones(2, 2)).real
        tensor([[4., 0.],
                [0., 0.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.fft.fftn.html
    """
    return along_several("fftn", input, s, dim, norm, out)


def ifftn(input: "Tensor", s: Sizes = None, dim: Sizes = None, norm: str | None = None, *, out: Any = None) -> "Tensor":
    """Inverse of ``fftn``.

    Args:
        input: a tensor of numbers, (...).
        s: sizes to which the dimensions are cut or filled up with zeros; -1, and None, are their own.
        dim: the dimensions to transform; by default the last ``len(s)``, or all.
        norm: which direction divides by the number of elements: ``"backward"`` (the default) or ``"forward"``;
            ``"ortho"`` divides both by its root.
        out: the tensor to write the result into.

    Returns:
        A complex tensor.

    Raises:
        RuntimeError: sizes and dimensions do not fit, a size is not positive, ``norm`` is unknown, or there is no
            transform of the type.
        IndexError: there is no such dimension.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.fft.ifftn.html
    """
    return along_several("ifftn", input, s, dim, norm, out)


def rfftn(input: "Tensor", s: Sizes = None, dim: Sizes = None, norm: str | None = None, *, out: Any = None) -> "Tensor":
    """``rfft`` along the last of several dimensions, and ``fft`` along the others.

    Args:
        input: a tensor of real numbers, (...).
        s: sizes to which the dimensions are cut or filled up with zeros; -1, and None, are their own.
        dim: the dimensions to transform; by default the last ``len(s)``, or all.
        norm: which direction divides by the number of elements: ``"backward"`` (the default) or ``"forward"``;
            ``"ortho"`` divides both by its root.
        out: the tensor to write the result into.

    Returns:
        A complex tensor; its last transformed dimension has ``s[-1] // 2 + 1`` frequencies.

    Raises:
        RuntimeError: sizes and dimensions do not fit, a size is not positive, ``norm`` is unknown, or there is no
            transform of the type.
        IndexError: there is no such dimension.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.fft.rfftn.html
    """
    return along_several("rfftn", input, s, dim, norm, out)


def irfftn(
    input: "Tensor", s: Sizes = None, dim: Sizes = None, norm: str | None = None, *, out: Any = None
) -> "Tensor":
    """Inverse of ``rfftn``.

    Args:
        input: half a spectrum, as ``rfftn`` gives it.
        s: sizes of the result along them; by default, and for -1, those that follow from the input.
        dim: the dimensions to transform; by default the last ``len(s)``, or all.
        norm: which direction divides by the number of elements: ``"backward"`` (the default) or ``"forward"``;
            ``"ortho"`` divides both by its root.
        out: the tensor to write the result into.

    Returns:
        A real tensor; its last transformed dimension has ``2 * (size - 1)`` elements by default.

    Raises:
        RuntimeError: sizes and dimensions do not fit, a size is not positive, ``norm`` is unknown, or there is no
            transform of the type.
        IndexError: there is no such dimension.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.fft.irfftn.html
    """
    return along_several("irfftn", input, s, dim, norm, out)


def hfftn(input: "Tensor", s: Sizes = None, dim: Sizes = None, norm: str | None = None, *, out: Any = None) -> "Tensor":
    """``hfft`` along the last of several dimensions, and ``fft`` along the others.

    Args:
        input: half a signal, as ``ihfftn`` gives it.
        s: sizes of the result along them; by default, and for -1, those that follow from the input.
        dim: the dimensions to transform; by default the last ``len(s)``, or all.
        norm: which direction divides by the number of elements: ``"backward"`` (the default) or ``"forward"``;
            ``"ortho"`` divides both by its root.
        out: the tensor to write the result into.

    Returns:
        A real tensor; its last transformed dimension has ``2 * (size - 1)`` elements by default.

    Raises:
        RuntimeError: sizes and dimensions do not fit, a size is not positive, ``norm`` is unknown, or there is no
            transform of the type.
        IndexError: there is no such dimension.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.fft.hfftn.html
    """
    return along_several("hfftn", input, s, dim, norm, out)


def ihfftn(
    input: "Tensor", s: Sizes = None, dim: Sizes = None, norm: str | None = None, *, out: Any = None
) -> "Tensor":
    """Inverse of ``hfftn``.

    Args:
        input: a tensor of real numbers, (...).
        s: sizes to which the dimensions are cut or filled up with zeros; -1, and None, are their own.
        dim: the dimensions to transform; by default the last ``len(s)``, or all.
        norm: which direction divides by the number of elements: ``"backward"`` (the default) or ``"forward"``;
            ``"ortho"`` divides both by its root.
        out: the tensor to write the result into.

    Returns:
        A complex tensor; its last transformed dimension has ``s[-1] // 2 + 1`` elements.

    Raises:
        RuntimeError: sizes and dimensions do not fit, a size is not positive, ``norm`` is unknown, or there is no
            transform of the type.
        IndexError: there is no such dimension.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.fft.ihfftn.html
    """
    return along_several("ihfftn", input, s, dim, norm, out)


def fft2(
    input: "Tensor", s: Sizes = None, dim: Sizes = (-2, -1), norm: str | None = None, *, out: Any = None
) -> "Tensor":
    """``fftn`` along two dimensions, by default the last; see there.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.fft.fft2.html
    """
    return along_several("fft2", input, s, dim, norm, out)


def ifft2(
    input: "Tensor", s: Sizes = None, dim: Sizes = (-2, -1), norm: str | None = None, *, out: Any = None
) -> "Tensor":
    """``ifftn`` along two dimensions, by default the last; see there.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.fft.ifft2.html
    """
    return along_several("ifft2", input, s, dim, norm, out)


def rfft2(
    input: "Tensor", s: Sizes = None, dim: Sizes = (-2, -1), norm: str | None = None, *, out: Any = None
) -> "Tensor":
    """``rfftn`` along two dimensions, by default the last; see there.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.fft.rfft2.html
    """
    return along_several("rfft2", input, s, dim, norm, out)


def irfft2(
    input: "Tensor", s: Sizes = None, dim: Sizes = (-2, -1), norm: str | None = None, *, out: Any = None
) -> "Tensor":
    """``irfftn`` along two dimensions, by default the last; see there.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.fft.irfft2.html
    """
    return along_several("irfft2", input, s, dim, norm, out)


def hfft2(
    input: "Tensor", s: Sizes = None, dim: Sizes = (-2, -1), norm: str | None = None, *, out: Any = None
) -> "Tensor":
    """``hfftn`` along two dimensions, by default the last; see there.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.fft.hfft2.html
    """
    return along_several("hfft2", input, s, dim, norm, out)


def ihfft2(
    input: "Tensor", s: Sizes = None, dim: Sizes = (-2, -1), norm: str | None = None, *, out: Any = None
) -> "Tensor":
    """``ihfftn`` along two dimensions, by default the last; see there.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.fft.ihfft2.html
    """
    return along_several("ihfft2", input, s, dim, norm, out)
