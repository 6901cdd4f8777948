"""Fourier transforms against PyTorch: a line each."""

from typing import Any

import numpy as np
import pytest

import flambeau
from tests.parity.failures import same_error
from tests.parity.oracle import check
from tests.parity.outcomes import same

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(3, 4, 5)).astype(np.float32)
V = RANDOM.normal(size=6).astype(np.float32)
Z = (RANDOM.normal(size=(3, 4)) + 1j * RANDOM.normal(size=(3, 4))).astype(np.complex64)
D = RANDOM.normal(size=(3, 4))
WHOLE = np.arange(12).reshape(3, 4)
NORMS = (None, "backward", "forward", "ortho")


CASES: dict[str, tuple[Any, ...]] = {
    **{name: (lambda t, x, d, name=name: [item.resolve_conj() for item in (
                                              *[getattr(t.fft, name)(x, norm=norm) for norm in NORMS],
                                              getattr(t.fft, name)(x, 4, 0), getattr(t.fft, name)(x, n=7, dim=-2),
                                              getattr(t.fft, name)(d))], X, D)
       for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")},
    **{f"{name} complex": (lambda t, z, name=name: [getattr(t.fft, name)(z, norm=norm) for norm in NORMS], Z)
       for name in ("fft", "ifft", "irfft", "hfft")},
    **{name: (lambda t, x, d, name=name: [*[getattr(t.fft, name)(x, norm=norm) for norm in NORMS],
                                          getattr(t.fft, name)(x, (3, 7), (0, 2)), getattr(t.fft, name)(d)], X, D)
       for name in ("fft2", "ifft2", "rfft2", "irfft2", "hfft2", "ihfft2")},
    **{name: (lambda t, x, v, name=name: [*[getattr(t.fft, name)(x, norm=norm) for norm in NORMS],
                                          getattr(t.fft, name)(x, (2, -1)), getattr(t.fft, name)(x, (-1,)),
                                          getattr(t.fft, name)(x, None, (1, 0)), getattr(t.fft, name)(v)], X, V)
       for name in ("fftn", "ifftn", "rfftn", "irfftn", "hfftn", "ihfftn")},
    **{f"{name} complex": (lambda t, z, name=name: getattr(t.fft, name)(z), Z)
       for name in ("fftn", "ifftn", "irfftn", "hfftn")},
    "of no dimension": (lambda t, x: [t.fft.fftn(x[0, 0, 0]), t.fft.ifftn(x, dim=())], X),
    "of four dimensions": (lambda t, x: [t.fft.fftn(x[None]), t.fft.rfftn(x[:, None])], X),
    "whole numbers": (lambda t, w: [t.fft.fft(w), t.fft.irfft(w), t.fft.rfft(w > 3), t.fft.hfftn(w)], WHOLE),
    "fftshift": (lambda t, x: [t.fft.fftshift(x), t.fft.fftshift(x, 1), t.fft.fftshift(x, (0, -1))], X),
    "ifftshift": (lambda t, x: [t.fft.ifftshift(x), t.fft.ifftshift(x, 1), t.fft.ifftshift(x, (0, -1))], X),
    "fftfreq": (lambda t: [t.fft.fftfreq(5), t.fft.fftfreq(6, 0.5), t.fft.fftfreq(0), t.fft.fftfreq(3, 0),
                           t.fft.fftfreq(4, dtype=t.float64), t.fft.fftfreq(4, out=t.empty(4))],),
    "rfftfreq": (lambda t: [t.fft.rfftfreq(5), t.fft.rfftfreq(6, 0.5), t.fft.rfftfreq(0),
                            t.fft.rfftfreq(4, dtype=t.float16)],),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_value_shape_type_gradient_and_compilations(name: str) -> None:
    function, *inputs = CASES[name]
    check(function, *inputs, rtol=1e-5, atol=2e-5)


def test_second_derivatives() -> None:
    def second(t: Any, x: Any) -> Any:
        (slope,) = t.autograd.grad(t.fft.rfft(x).abs().square().sum(), x, create_graph=True)
        return slope

    check(second, V, rtol=1e-5, atol=2e-5)


def test_out_is_filled_and_resized() -> None:
    def filled(t: Any, x: Any) -> list[Any]:
        out, empty = t.empty(3, 4, 5, dtype=t.complex64), t.empty(0, dtype=t.complex128)
        t.fft.fft(x.detach(), out=out)
        return [out, t.fft.ifft2(x.detach(), out=empty), empty]

    check(filled, X)


def test_out_with_another_shape_is_resized_with_a_warning() -> None:
    with pytest.warns(UserWarning, match=r"one or more elements was resized since it had shape \[3\], which does not"):
        out = flambeau.fft.fft(flambeau.tensor([1.0, 0.0]), out=flambeau.empty(3, dtype=flambeau.complex64))
    assert out.shape == (2,)


def test_out_on_the_tape_is_refused() -> None:
    message = r"functions with out=... arguments don't support automatic differentiation, but one of the arguments requ"
    with pytest.raises(RuntimeError, match=message):
        flambeau.fft.fft(flambeau.ones(2, requires_grad=True), out=flambeau.empty(0, dtype=flambeau.complex64))


def test_flags_of_frequencies() -> None:
    same(lambda t: t.fft.fftfreq(4, requires_grad=True))


# -- errors ------------------------------------------------------------------------------------------------------------

FAILURES: dict[str, tuple[Any, ...]] = {
    **{f"{name} number": (lambda t, name=name: getattr(t.fft, name)(3),)
       for name in ("fft", "irfft", "fft2", "ihfftn", "fftshift")},
    **{f"{name} norm": (lambda t, x, name=name: getattr(t.fft, name)(x, norm="foo"), V)
       for name in ("fft", "irfft", "ihfft", "fftn", "rfftn", "hfftn")},
    **{f"{name} half": (lambda t, x, name=name: getattr(t.fft, name)(x.half()), X)
       for name in ("fft", "irfft", "ihfft", "fftn", "rfft2", "hfftn")},
    **{f"{name} bfloat16": (lambda t, x, name=name: getattr(t.fft, name)(x.bfloat16()), X) for name in ("fft", "rfft")},
    **{f"{name} no points": (lambda t, x, name=name: getattr(t.fft, name)(x, 0), X)
       for name in ("fft", "irfft", "ihfft")},
    **{f"{name} no points": (lambda t, x, name=name: getattr(t.fft, name)(x, (2, 0)), X)
       for name in ("fft2", "rfftn", "hfftn")},
    **{f"{name} complex": (lambda t, z, name=name: getattr(t.fft, name)(z), Z)
       for name in ("rfft", "ihfft", "rfft2", "rfftn", "ihfft2", "ihfftn")},
    **{f"{name} dimension": (lambda t, x, name=name: getattr(t.fft, name)(x, dim=5), X)
       for name in ("fft", "irfft", "rfft", "fftshift")},
    **{f"{name} dimensions": (lambda t, x, name=name: getattr(t.fft, name)(x, dim=(0, 5)), X)
       for name in ("fftn", "irfft2")},
    **{f"{name} same dimensions": (lambda t, x, name=name: getattr(t.fft, name)(x, dim=(0, -3)), X)
       for name in ("fftn", "rfftn")},
    **{f"{name} scalar": (lambda t, name=name: getattr(t.fft, name)(t.tensor(1.0)),)
       for name in ("fft", "irfft", "rfftn", "irfftn", "hfftn", "ihfftn", "fft2", "fftshift")},
    **{f"{name} no dimension": (lambda t, x, name=name: getattr(t.fft, name)(x, dim=()), X)
       for name in ("rfftn", "irfftn", "hfft2")},
    "irfft of one": (lambda t, x: t.fft.irfft(x[..., :1]), X),
    "fftn sizes": (lambda t, x: t.fft.fftn(x, (1, 2, 3, 4)), X),
    "fftn sizes and dimensions": (lambda t, x: t.fft.fftn(x, (1, 2), (0,)), X),
    "fft2 of a vector": (lambda t, v: t.fft.fft2(v), V),
    "fft n": (lambda t, v: t.fft.fft(v, 2.0), V),
    "fft dim": (lambda t, v: t.fft.fft(v, dim="a"), V),
    "fft out": (lambda t, v: t.fft.fft(v, out=t.empty(0)), V),
    "fftn out": (lambda t, v: t.fft.fftn(v, out=t.empty(0)), V),
    "irfft out": (lambda t, v: t.fft.irfft(v, out=t.empty(0, dtype=t.complex64)), V),
    "fftfreq whole": (lambda t: t.fft.fftfreq(8, dtype=t.int64),),
    "rfftfreq complex": (lambda t: t.fft.rfftfreq(8, dtype=t.complex64),),
    "fftfreq negative": (lambda t: t.fft.fftfreq(-1),),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILURES)
def test_errors_are_pytorchs(name: str) -> None:
    function, *inputs = FAILURES[name]
    same_error(function, *inputs)
