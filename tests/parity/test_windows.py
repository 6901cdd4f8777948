"""Windows, and transforms of short times with them, against PyTorch: a line each."""

from typing import Any

import numpy as np
import pytest

import flambeau
from tests.parity.failures import same_error
from tests.parity.oracle import check
from tests.parity.outcomes import same

OLDER = ("hann_window", "hamming_window", "bartlett_window", "blackman_window", "kaiser_window")
NAMES = ("bartlett", "blackman", "cosine", "exponential", "gaussian", "general_hamming", "hamming", "hann", "kaiser",
         "nuttall")  # fmt: skip

WINDOWS: dict[str, tuple[Any, ...]] = {
    **{name: (lambda t, name=name: [getattr(t, name)(size, *more) for size in (0, 1, 2, 5, 8)
                                    for more in ((), (False,))],) for name in OLDER},
    **{f"{name} types": (lambda t, name=name: [getattr(t, name)(6, dtype=getattr(t, kind))
                                               for kind in ("float64", "float16", "bfloat16")],) for name in OLDER},
    "hamming_window of others": (lambda t: [t.hamming_window(5, True, 0.3), t.hamming_window(5, False, 0.3, 0.2)],),
    "kaiser_window of others": (lambda t: [t.kaiser_window(5, True, 3), t.kaiser_window(5, False, beta=0.5)],),
    **{name: (lambda t, name=name: [getattr(t.signal.windows, name)(size, sym=sym, dtype=t.float64)
                                    for size in (0, 1, 2, 5, 8) for sym in (True, False)],) for name in NAMES},
    **{f"{name} float32": (lambda t, name=name: getattr(t.signal.windows, name)(6),) for name in NAMES},
    "general_cosine": (lambda t: [t.signal.windows.general_cosine(5, a=[0.2, 0.5, 0.3], sym=sym)
                                  for sym in (True, False)],),
    "general_hamming of others": (lambda t: t.signal.windows.general_hamming(5, alpha=0.3),),
    "exponential of others": (lambda t: [t.signal.windows.exponential(5, tau=2.0),
                                         t.signal.windows.exponential(5, center=1, sym=False)],),
    "gaussian of others": (lambda t: t.signal.windows.gaussian(5, std=0.7),),
    "kaiser of others": (lambda t: t.signal.windows.kaiser(5, beta=2.5),),
}  # fmt: skip


@pytest.mark.parametrize("name", WINDOWS)
def test_value_shape_and_type(name: str) -> None:
    tolerance = 1e-2 if name.endswith("types") else 1e-6  # PyTorch calculates in 16 bits
    check(*WINDOWS[name], rtol=tolerance, atol=tolerance)


def test_flags() -> None:
    same(lambda t: t.hann_window(4, requires_grad=True))
    assert flambeau.signal.windows.hann(4, requires_grad=True).requires_grad


# -- short times -------------------------------------------------------------------------------------------------------

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(2, 40)).astype(np.float32)
C = (RANDOM.normal(size=40) + 1j * RANDOM.normal(size=40)).astype(np.complex64)
W = np.hanning(9)[:8].astype(np.float32)
Y = RANDOM.normal(size=(2, 5, 21)).astype(np.float32)
HOLLOW = np.zeros(8, np.float32)

CASES: dict[str, tuple[Any, ...]] = {
    "stft": (lambda t, x, w: [t.stft(x, 8, window=w, return_complex=True), x[0].stft(8, 3, 8, w, return_complex=True)],
             X, W),
    "stft without a window": (lambda t, x: t.stft(x, 8, return_complex=True), X),
    "stft of parts": (lambda t, x, w: [t.stft(x, 8, 2, 6, w[:6], center=False, return_complex=True),
                                       t.stft(x, 8, 2, 5, w[:5], return_complex=True),
                                       t.stft(x, 8, 2, 5, return_complex=True)], X, W),
    "stft aligned": (lambda t, x, w: [t.stft(x, 8, 2, 6, w[:6], center=False, return_complex=True, align_to_window=a)
                                      for a in (True, False)], X, W),
    "stft padded": (lambda t, x, w: [t.stft(x, 8, 2, 8, w, pad_mode=mode, return_complex=True)
                                     for mode in ("constant", "replicate", "circular")], X, W),
    "stft normalized": (lambda t, x, w: t.stft(x, 8, window=w, normalized=True, return_complex=True), X, W),
    "stft two-sided": (lambda t, x, w: t.stft(x, 8, window=w, onesided=False, return_complex=True), X, W),
    "stft real": (lambda t, x, w: t.stft(x, 8, window=w, return_complex=False), X, W),
    "stft complex": (lambda t, c, w: [t.stft(c, 8, window=w), t.stft(c.real, 8, window=w + 0j)], C, W),
    "stft double": (lambda t, x, w: t.stft(x.double(), 8, window=w.double(), return_complex=True), X, W),
    "istft": (lambda t, x, w: [t.istft(t.stft(x, 8, window=w, return_complex=True), 8, window=w),
                               t.stft(x[0], 8, window=w, return_complex=True).istft(8, window=w)], X, W),
    "istft of others": (lambda t, y, w: t.istft(t.complex(y, y * 2), 8, window=w), Y, W),
    "istft lengths": (lambda t, y, w: [t.istft(t.complex(y, y * 2), 8, window=w, length=size)
                                       for size in (10, 39, 50)], Y, W),
    "istft without a window": (lambda t, y: [t.istft(t.complex(y, y), 8), t.istft(t.complex(y, y), 8, 2, 6)], Y),
    "istft not centered": (lambda t, y, w: t.istft(t.complex(y, y), 8, 2, window=w + 1, center=False), Y, W),
    "istft normalized": (lambda t, y, w: t.istft(t.complex(y, y), 8, window=w, normalized=True), Y, W),
    "istft two-sided": (lambda t, c, w: [t.istft(t.stft(c, 8, window=w), 8, window=w, return_complex=True),
                                         t.istft(t.stft(c, 8, window=w), 8, window=w),
                                         t.istft(t.stft(c, 8, window=w), 8, window=w + 0j, return_complex=True)], C, W),
}  # fmt: skip

_WARNED = pytest.mark.filterwarnings("ignore:(A window was not|stft with return_complex=False|The length of signal)")


@_WARNED
@pytest.mark.parametrize("name", CASES)
def test_value_shape_type_gradient_and_compilations(name: str) -> None:
    function, *inputs = CASES[name]
    check(function, *inputs, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda t: t.stft(t.ones(9), 4, return_complex=True), "A rectangular window will be applied,which is known"),
        (lambda t: t.istft(t.ones(3, 9) + 0j, 4), "A rectangular window will be applied.Please provide the same"),
        (lambda t: t.stft(t.ones(9), 4, window=t.ones(4), return_complex=False), "return_complex=False is deprecated"),
        (lambda t: t.istft(t.ones(3, 9) + 0j, 4, window=t.ones(4), length=99), "length of signal is shorter than the"),
    ],
)
def test_warnings(function: Any, message: str) -> None:
    with pytest.warns(UserWarning, match=message):
        function(flambeau)


# -- errors ------------------------------------------------------------------------------------------------------------

FAILURES: dict[str, tuple[Any, ...]] = {
    **{f"{name} {size}": (lambda t, name=name, size=size: getattr(t, name)(size),)
       for name in OLDER for size in (-1, 2.5, "a")},
    **{f"{name} complex": (lambda t, name=name: getattr(t, name)(4, dtype=t.complex64),) for name in OLDER},
    **{f"{name} negative": (lambda t, name=name: getattr(t.signal.windows, name)(-1),) for name in NAMES},
    **{f"{name} type": (lambda t, name=name: getattr(t.signal.windows, name)(4, dtype=t.float16),) for name in NAMES},
    **{f"{name} layout": (lambda t, name=name: getattr(t.signal.windows, name)(4, layout=t.sparse_coo),)
       for name in NAMES if hasattr(flambeau, "sparse_coo")},
    "gaussian": (lambda t: t.signal.windows.gaussian(4, std=0),),
    "exponential tau": (lambda t: t.signal.windows.exponential(4, tau=0),),
    "exponential center": (lambda t: t.signal.windows.exponential(4, center=1),),
    "kaiser": (lambda t: t.signal.windows.kaiser(4, beta=-1),),
    "general_cosine of none": (lambda t: t.signal.windows.general_cosine(4, a=[]),),
    "general_cosine of a number": (lambda t: t.signal.windows.general_cosine(4, a=3),),
    "general_cosine without": (lambda t: t.signal.windows.general_cosine(4),),
    "stft complex or not": (lambda t, x: t.stft(x, 8), X),
    "stft onesided": (lambda t, c: t.stft(c, 8, onesided=True, return_complex=True), C),
    "stft hop": (lambda t, x: t.stft(x, 8, 0, return_complex=True), X),
    "stft win_length": (lambda t, x: t.stft(x, 8, win_length=9, return_complex=True), X),
    "stft n_fft": (lambda t, x: t.stft(x, 0, return_complex=True), X),
    "stft padding": (lambda t, x: t.stft(x, 100, return_complex=True), X),
    "stft n_fft long": (lambda t, x: t.stft(x, 50, center=False, return_complex=True), X),
    "stft window": (lambda t, x, w: t.stft(x, 8, window=w[:7], return_complex=True), X, W),
    "stft window's shape": (lambda t, x: t.stft(x, 8, window=x, return_complex=True), X),
    "stft alignment": (lambda t, x, w: t.stft(x, 8, window=w, align_to_window=True, return_complex=True), X, W),
    "stft rank": (lambda t, x: t.stft(x[None], 8, return_complex=True), X),
    "stft rank not centered": (lambda t, x: t.stft(x[0, 0], 8, center=False, return_complex=True), X),
    "stft whole": (lambda t, x: t.stft(x.int(), 8, return_complex=True), X),
    "stft mode": (lambda t, x: t.stft(x, 8, pad_mode="foo", return_complex=True), X),
    "istft real": (lambda t, y: t.istft(y, 8), Y),
    "istft frequencies": (lambda t, y, w: t.istft(y + 0j, 10, window=w), Y, W),
    "istft two-sided": (lambda t, y, w: t.istft(y + 0j, 8, window=w, onesided=False), Y, W),
    "istft hop": (lambda t, y: t.istft(y + 0j, 8, 9), Y),
    "istft win_length": (lambda t, y: t.istft(y + 0j, 8, win_length=9), Y),
    "istft window": (lambda t, y, w: t.istft(y + 0j, 8, window=w[:5]), Y, W),
    "istft rank": (lambda t, y: t.istft(y[None] + 0j, 8), Y),
    "istft empty": (lambda t, y: t.istft(y[:, :, :0] + 0j, 8), Y),
    "istft one-sided and complex": (lambda t, y: t.istft(y + 0j, 8, return_complex=True), Y),
    "istft complex window": (lambda t, y, w: t.istft(y + 0j, 8, window=w + 0j), Y, W),
    "istft hollow window": (lambda t, y, w: t.istft(y + 0j, 8, window=w), Y, HOLLOW),
}  # fmt: skip


@_WARNED
@pytest.mark.parametrize("name", FAILURES)
def test_errors_are_pytorchs(name: str) -> None:
    function, *inputs = FAILURES[name]
    same_error(function, *inputs)


@pytest.mark.parametrize("name", OLDER)
def test_whole_numbers_are_refused(name: str) -> None:
    with pytest.raises(RuntimeError, match=rf"^{name} expects floating point dtypes, got: torch.int64"):
        getattr(flambeau, name)(4, dtype=flambeau.int64)
