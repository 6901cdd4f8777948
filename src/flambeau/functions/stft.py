"""Fourier transforms of short times: each function hands over to the method of the same name."""

from flambeau.tensors.tensor import Tensor

__all__ = ["istft", "stft"]


def stft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> Tensor:
    """Spectrum of each of many overlapping windows of a signal.

    ``X[f, m] = sum over k of window[k] input[m hop_length + k] exp(-2 pi i f k / n_fft)``

    Args:
        input: the signal, (length,) or (N, length), of real or complex numbers.
        n_fft: length of a transform.
        hop_length: distance of two windows; ``n_fft // 4`` by default.
        win_length: length of the window, which lies in the middle of a transform; ``n_fft`` by default.
        window: its values, (win_length,); ones by default.
        center: whether windows are centered at their times, for which the signal is continued at both ends.
        pad_mode: how: ``"reflect"``, ``"constant"``, ``"replicate"`` or ``"circular"``.
        normalized: whether to divide by the root of ``n_fft``.
        onesided: whether to leave out the frequencies above the middle; by default for real numbers.
        return_complex: True for a complex result; False, an older form, for one with (real, imaginary) at the end.
        align_to_window: without ``center``, whether windows count from their own start, not the transform's.

    Returns:
        A tensor (n_fft // 2 + 1 or n_fft, windows) or (N, ...).

    Raises:
        RuntimeError: the sizes do not fit, or the result cannot be as asked for.
        NotImplementedError: there is no such ``pad_mode``.

    Example:
        >>> import flambeau as torch
        >>> torch.stft(torch.ones(6), 4, 2, window=torch.ones(4), return_complex=True).abs()
        tensor([[4., 4., 4., 4.],
                [0., 0., 0., 0.],
                [0., 0., 0., 0.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.stft.html
    """
    return input.stft(
        n_fft, hop_length, win_length, window, center, pad_mode, normalized, onesided, return_complex, align_to_window
    )


def istft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: int | None = None,
    return_complex: bool = False,
) -> Tensor:
    """The signal whose spectra come nearest: what ``stft`` was of.

    The transforms back are weighted with the window, added where they overlap, and divided by the sum of the squared
    windows there.

    Args:
        input: complex spectra as ``stft`` gives them, (frequencies, windows) or (N, frequencies, windows).
        n_fft, hop_length, win_length, window, center, normalized: as they were given to ``stft``.
        onesided: whether the frequencies above the middle are left out; by default whether they are missing.
        length: the signal's length; by default as far as the windows reach.
        return_complex: whether the signal is complex.

    Returns:
        A tensor (length,) or (N, length).

    Raises:
        RuntimeError: the sizes do not fit, or some part of the signal is under no window.

    Example:
        >>> import flambeau as torch
        >>> window = torch.hann_window(4)
        >>> spectra = torch.stft(torch.arange(6.0), 4, window=window, return_complex=True)
        >>> torch.istft(spectra, 4, window=window).round()
        tensor([0., 1., 2., 3., 4., 5.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.istft.html
    """
    return input.istft(n_fft, hop_length, win_length, window, center, normalized, onesided, length, return_complex)
