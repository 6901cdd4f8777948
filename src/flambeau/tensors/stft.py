"""Fourier transforms of short times: the spectrum of each of many overlapping windows, and back."""

import warnings
from typing import TYPE_CHECKING, NamedTuple, cast

from flambeau.primitives import fft as p
from flambeau.primitives import padding
from flambeau.tensors.core import Core, call
from flambeau.tensors.creation import ones
from flambeau.tensors.joining import stack

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["Stft"]

_FILLED = {"constant": padding.pad_constant, "reflect": padding.REFLECTION[1], "replicate": padding.REPLICATION[1],
           "circular": padding.pad_circular}  # fmt: skip


class _Windows(NamedTuple):
    """How windows lie on a signal.

    Attributes:
        n_fft: length of a transform.
        hop: distance of two windows.
        width: length of the window.
        window: its values, or None for ones.
    """

    n_fft: int
    hop: int
    width: int
    window: "Tensor | None"

    def text(self) -> str:
        """The part of PyTorch's error messages that tells them."""
        window = (
            "None" if self.window is None else f"torch.{self.window.dtype.tensor_type}{{{list(self.window.shape)}}}"
        )
        return f"n_fft={self.n_fft}, hop_length={self.hop}, win_length={self.width}, window={window}"

    def padded(self, like: "Tensor") -> "Tensor":
        """The window in the middle of a transform's length."""
        kind = like.real.dtype
        window = ones(self.width, dtype=kind, device=like.device) if self.window is None else self.window
        missing = self.n_fft - self.width
        return _extended(window, missing // 2, missing - missing // 2)


def _windows(n_fft: int, hop_length: int | None, win_length: int | None, window: "Tensor | None") -> _Windows:
    hop = n_fft // 4 if hop_length is None else hop_length
    return _Windows(n_fft, hop, n_fft if win_length is None else win_length, window)


def _plain(flag: bool | None) -> str:
    """A flag as PyTorch's messages show it."""
    return "None" if flag is None else str(int(flag))


def _extended(x: "Tensor", before: int, after: int) -> "Tensor":
    """Zeros added at both ends of the last dimension."""
    if not before and not after:
        return x
    return call(padding.pad_constant, (x, 0), (((0, 0),) * (len(x.shape) - 1) + ((before, after),),))


def _warn_of_window(window: object, advice: str) -> None:
    if window is None:
        warnings.warn(
            f"A window was not provided. A rectangular window will be applied{advice}To suppress this warning and use "
            "a rectangular window, explicitly set `window=torch.ones(n_fft, device=<device>)`.",
            UserWarning,
            stacklevel=3,
        )


def _centered(x: "Tensor", n_fft: int, mode: str) -> "Tensor":
    """The signal continued at both ends, so that windows are centered at their times."""
    if mode not in _FILLED:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    count = n_fft // 2
    size = x.shape[-1] if x.shape else 1
    if mode == "constant":
        return _extended(x, count, count)
    if mode == "reflect" and count >= size:
        shape = [1] * (3 - len(x.shape)) + list(x.shape)
        raise RuntimeError(
            "Argument #4: Padding size should be less than the corresponding input dimension, but got: padding "
            f"({count}, {count}) at dimension 2 of input {shape}"
        )
    return call(_FILLED[mode], (x,), (((0, 0),) * (len(x.shape) - 1) + ((count, count),),))


def _check_signal(x: "Tensor", how: _Windows, flags: str) -> None:
    """Raise RuntimeError, in PyTorch's words, unless the windows lie on the signal."""
    title = f"stft(torch.{x.dtype.tensor_type}{list(x.shape)}, {how.text()}, {flags}) : expected "
    if not (x.dtype.is_floating_point or x.dtype.is_complex):
        raise RuntimeError(f"{title}a tensor of floating point or complex values")
    if len(x.shape) not in (1, 2):
        raise RuntimeError(f"{title}a 1D or 2D tensor")
    size = x.shape[-1]
    if not 0 < how.n_fft <= size:
        raise RuntimeError(f"{title}0 < n_fft < {size}, but got n_fft={how.n_fft}")
    if how.hop <= 0:
        raise RuntimeError(f"{title}hop_length > 0, but got hop_length={how.hop}")
    if not 0 < how.width <= how.n_fft:
        raise RuntimeError(f"{title}0 < win_length <= n_fft, but got win_length={how.width}")
    if how.window is not None and tuple(how.window.shape) != (how.width,):
        shape = list(how.window.shape)
        wanted = f"a 1D window tensor of size equal to win_length={how.width}, but got window with size {shape}"
        raise RuntimeError(title + wanted)


def _check_kinds(complex_numbers: bool, onesided: bool | None, return_complex: bool | None) -> bool:
    """Whether the result is complex; raises RuntimeError, in PyTorch's words, for what cannot be."""
    if return_complex is None:
        if not complex_numbers:
            raise RuntimeError(
                "stft requires the return_complex parameter be given for real inputs, and will further require that "
                "return_complex=True in a future PyTorch release."
            )
        return_complex = True
    if not return_complex:
        warnings.warn(
            "stft with return_complex=False is deprecated. In a future pytorch release, stft will return complex "
            "tensors for all inputs, and return_complex=False will raise an error.\nNote: you can still call "
            "torch.view_as_real on the complex output to recover the old return format.",
            UserWarning,
            stacklevel=4,
        )
    if onesided and complex_numbers:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    return return_complex


def _check_spectrum(x: "Tensor", how: _Windows, onesided: bool | None, flags: str) -> bool:
    """Whether only half the spectrum is given; raises RuntimeError, in PyTorch's words, for what does not fit."""
    title = f"istft(CPU{x.dtype.tensor_type.removesuffix('Tensor')}Type{list(x.shape)}, {how.text()}, {flags}) : "
    rank = len(x.shape)
    if 0 in x.shape:
        raise RuntimeError(f"{title}input tensor cannot be empty.")
    if rank not in (2, 3):
        raise RuntimeError(f"{title}expected a tensor with 3 or 4 dimensions, but got {rank + 1}")
    size = x.shape[-2]
    half = size != how.n_fft if onesided is None else onesided
    place = f"{title}expected the frequency dimension (3rd to the last) of the input tensor to match n_fft"
    if half and size != how.n_fft // 2 + 1:
        raise RuntimeError(f"{place} / 2 + 1 when onesided=True, but got {size}")
    if not half and size != how.n_fft:
        raise RuntimeError(f"{place} when onesided=False, but got {size}")
    if not 0 < how.hop <= how.width:
        raise RuntimeError(f"{title}expected 0 < hop_length <= win_length")
    if not 0 < how.width <= how.n_fft:
        raise RuntimeError(f"{title}expected 0 < win_length <= n_fft")
    if how.window is not None and tuple(how.window.shape) != (how.width,):
        raise RuntimeError(f"{title}Invalid window shape. window has to be 1D and length of `win_length`")
    return half


def _cut(x: "Tensor", n_fft: int, center: bool, length: int | None) -> "Tensor":
    """The part of the signal that is asked for."""
    size = x.shape[-1]
    start = n_fft // 2 if center else 0
    end = start + length if length is not None else size - start
    return x[..., start : min(end, size)]


class Stft(Core):
    """Methods that transform short times."""

    def stft(
        self,
        n_fft: int,
        hop_length: int | None = None,
        win_length: int | None = None,
        window: "Tensor | None" = None,
        center: bool = True,
        pad_mode: str = "reflect",
        normalized: bool = False,
        onesided: bool | None = None,
        return_complex: bool | None = None,
        align_to_window: bool | None = None,
    ) -> "Tensor":
        """Short-time Fourier transform; see ``flambeau.stft``."""
        x = cast("Tensor", self)
        if center and align_to_window is not None:
            raise RuntimeError("stft align_to_window should only be set when center = false")
        if center:
            x = _centered(x, n_fft, pad_mode)
        _warn_of_window(window, ",which is known to cause spectral leakage. Other windows such as torch.hann_window or "
                        "torch.hamming_window are recommended to reduce spectral leakage.")  # fmt: skip
        how = _windows(n_fft, hop_length, win_length, window)
        complex_numbers = x.dtype.is_complex or (window is not None and window.dtype.is_complex)
        shown = _check_kinds(complex_numbers, onesided, return_complex)
        flags = [f"normalized={_plain(normalized)}", f"onesided={_plain(onesided)}"]
        flags += [f"return_complex={_plain(return_complex)}", f"align_to_window={_plain(align_to_window)}"]
        _check_signal(x, how, ", ".join(flags))
        frames = _frames(x, how, bool(align_to_window))
        half = not complex_numbers if onesided is None else onesided
        norm = "ortho" if normalized else "backward"
        transform = p.real_to_half if half else p.complex_to_complex
        static = ((n_fft,), (len(frames.shape) - 1,), norm, True)
        result = call(transform, (frames,), static).transpose(-1, -2)
        return result if shown else stack((result.real, result.imag), -1)

    def istft(
        self,
        n_fft: int,
        hop_length: int | None = None,
        win_length: int | None = None,
        window: "Tensor | None" = None,
        center: bool = True,
        normalized: bool = False,
        onesided: bool | None = None,
        length: int | None = None,
        return_complex: bool = False,
    ) -> "Tensor":
        """Inverse of ``stft``; see ``flambeau.istft``."""
        x = cast("Tensor", self)
        how = _windows(n_fft, hop_length, win_length, window)
        _warn_of_window(window, ".Please provide the same window used by stft to make the inversion lossless.")
        flags = f"center={_plain(center)}, normalized={_plain(normalized)}, onesided={_plain(onesided)}, "
        flags += f"length={length}, return_complex={_plain(return_complex)}"
        if not x.dtype.is_complex:
            matching = "matching the output from stft with return_complex=True."
            raise RuntimeError(f"istft requires a complex-valued input tensor {matching}")
        half = _check_spectrum(x, how, onesided, flags)
        if return_complex and half:
            raise RuntimeError("Cannot have onesided output if window or input is complex")
        if not return_complex and window is not None and window.dtype.is_complex:
            raise RuntimeError("Complex windows are incompatible with return_complex=False")
        frames = _spectra_as_frames(x, n_fft, "ortho" if normalized else "backward", not return_complex)
        values = how.padded(x)
        weights = values.square().expand(x.shape[-1], n_fft)
        envelope = _cut(call(p.overlap_add, (weights,), (how.hop,)), n_fft, center, length)
        if float(envelope.detach().abs().min()) <= 1e-11:
            given = f"istft(CPU{x.dtype.tensor_type.removesuffix('Tensor')}Type{list(x.shape)}, {how.text()}, {flags})"
            raise RuntimeError(f"{given} window overlap add min: 1\n[ CPUBoolType{{}} ]")
        signal = _cut(call(p.overlap_add, (frames * values,), (how.hop,)), n_fft, center, length) / envelope
        missing = 0 if length is None else length - signal.shape[-1]
        if missing > 0:
            warnings.warn(
                "The length of signal is shorter than the length parameter. Result is being padded with zeros in the "
                "tail. Please check your center and hop_length settings.",
                UserWarning,
                stacklevel=2,
            )
        return _extended(signal, 0, missing)


def _frames(x: "Tensor", how: _Windows, aligned: bool) -> "Tensor":
    """The windows on a signal, one a row: (..., count, n_fft)."""
    if not aligned:
        frames = x.unfold(-1, how.n_fft, how.hop)
        return frames if how.window is None and how.width == how.n_fft else frames * how.padded(x)
    frames = x.unfold(-1, how.width, how.hop)
    missing = how.n_fft - how.width
    return _extended(frames if how.window is None else frames * how.window, missing // 2, missing - missing // 2)


def _spectra_as_frames(x: "Tensor", n_fft: int, norm: str, real: bool) -> "Tensor":
    """What each spectrum is of, one a row: (..., count, n_fft); a real signal's follows from half of it."""
    transform = p.half_to_real if real else p.complex_to_complex
    spectra = x.transpose(-1, -2)
    return call(transform, (spectra,), ((n_fft,), (len(spectra.shape) - 1,), norm, False))
