"""Copies of views, selected slices, histograms, slopes and other shapes, against PyTorch: a line each."""

from typing import Any

import numpy as np
import pytest

import flambeau
from tests.parity.failures import same_error
from tests.parity.oracle import check
from tests.parity.outcomes import same

pytestmark = pytest.mark.filterwarnings("ignore:index_reduce.*is in beta")
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(3, 4)).astype(np.float32)
V = np.array([1.0, 2.0, 4.0, 7.0, 11.0], np.float32)
Z = (RANDOM.normal(size=3) + 1j * RANDOM.normal(size=3)).astype(np.complex64)
PAIRS = RANDOM.normal(size=(3, 2)).astype(np.float32)
WHERE = np.array([0, 2, 0])
SPARSE = np.array([[0, 1, 0], [2, 0, 3]])

COPIES: dict[str, Any] = {
    "alias": lambda t, x: t.alias_copy(x),
    "as_strided": lambda t, x: t.as_strided_copy(x, (2, 2), (1, 2)),
    "diagonal": lambda t, x: t.diagonal_copy(x, 1),
    "expand": lambda t, x: t.expand_copy(x, (2, 3, 4)),
    "permute": lambda t, x: t.permute_copy(x, (1, 0)),
    "select": lambda t, x: t.select_copy(x, 0, 1),
    "slice": lambda t, x: t.slice_copy(x, 1, 1, 4, 2),
    "split": lambda t, x: t.split_copy(x, 2),
    "split_with_sizes": lambda t, x: t.split_with_sizes_copy(x, (1, 2)),
    "squeeze": lambda t, x: t.squeeze_copy(x[:1], 0),
    "t": lambda t, x: t.t_copy(x),
    "transpose": lambda t, x: t.transpose_copy(x, 0, 1),
    "unbind": lambda t, x: t.unbind_copy(x),
    "unfold": lambda t, x: t.unfold_copy(x, 1, 2, 1),
    "unsqueeze": lambda t, x: t.unsqueeze_copy(x, 0),
    "view": lambda t, x: t.view_copy(x, (4, 3)),
}

CASES: dict[str, tuple[Any, ...]] = {
    "index_reduce": (lambda t, x, k: [x.index_reduce(0, k, x * 2, way) for way in ("prod", "mean", "amax", "amin")],
                     X, WHERE),
    "index_reduce without": (lambda t, x, k: t.index_reduce(x, 0, k, x * 2, "mean", include_self=False), X, WHERE),
    "renorm": (lambda t, x: [t.renorm(x, 2, 0, 1.0), x.renorm(1, 1, 0.5)], X),
    "as_strided_scatter": (lambda t, x: t.as_strided_scatter(t.zeros(3, 4), x[:2, :2], (2, 2), (1, 2), 1), X),
    "view_as_real": (lambda t, z: t.view_as_real(z), Z),
    "view_as_complex": (lambda t, x: t.view_as_complex(x), PAIRS),
    "gradient": (lambda t, x: [*t.gradient(x), *t.gradient(x, edge_order=2), *t.gradient(x, spacing=(2.0, 0.5)),
                               *t.gradient(x, dim=1, spacing=3)], X),
    "gradient at places": (lambda t, x, v: [*t.gradient(v[:4] * x[0], spacing=(v[:4].detach(),))], X, V),
    "hardshrink": (lambda t, x: [x.hardshrink(), x.hardshrink(1.0)], X),
    "prelu": (lambda t, x, v: [x.prelu(v[:1]), x.prelu(v[:4])], X, V),
    "fill": (lambda t, x: t.fill(x, 3.0), X),
    "native_layer_norm": (lambda t, x, v: t.native_layer_norm(x, (4,), v[:4], v[1:], 1e-5), X, V),
    "native_group_norm": (lambda t, x, v: t.native_group_norm(x.view(3, 4, 1) * v[:2], v[:4], v[1:], 3, 4, 2, 2, 1e-5),
                          X, V),
    "native_batch_norm": (lambda t, x, v: [*t.native_batch_norm(x, v[:4], v[1:], None, None, True, 0.1, 1e-5),
                                           *t._native_batch_norm_legit(x, v[:4], v[1:], True, 0.1, 1e-5)], X, V),
    "constant_pad_nd": (lambda t, x: [t.constant_pad_nd(x, (1, 2)), t.constant_pad_nd(x, (1, -1, 0, 1), 3.0)], X),
    "softmax backward": (lambda t, x: [t._softmax_backward_data(x, x.softmax(1), 1, t.float32),
                                       t._log_softmax_backward_data(x, x.log_softmax(1), 1, t.float32)], X),
    "grid_sampler": (lambda t, x: t.grid_sampler(x.view(1, 1, 3, 4), x.detach().view(1, 2, 3, 2).tanh(), 0, 1, True),
                     X),
    "conv_transpose1d": (lambda t, x: t.conv_transpose1d(x.view(1, 3, 4), x.view(3, 2, 2)), X),
}  # fmt: skip

PLAIN: dict[str, tuple[Any, ...]] = {
    "nonzero_static": (lambda t, k: [t.nonzero_static(k, size=2), k.nonzero_static(size=5, fill_value=-7)], SPARSE),
    "unravel_index": (lambda t, k: [*t.unravel_index(k, (2, 3)), *t.unravel_index(k, 4)], SPARSE),
    "histogram": (lambda t, x, v: [*t.histogram(x, 5), *x.histogram(3, range=(-1.0, 1.0)), *t.histogram(x, v),
                                   *t.histogram(x, 4, weight=x * x, density=True), *t.histogram(v * 0, 2)], X, V),
    "histogramdd": (lambda t, x, v: [t.histogramdd(x[:, :2], [2, 3])[0], *t.histogramdd(x[:, :2], 2)[1],
                                     t.histogramdd(x[:, :2], [v - 5, v - 6], density=True)[0]], X, V),
    "indices of triangles": (lambda t: [t.tril_indices(3, 4), t.triu_indices(3, 4, -1), t.tril_indices(2, 0),
                                        t.triu_indices(3, 3, 1, dtype=t.int32)],),
    "resize_": (lambda t, k: [k.clone().resize_(2, 2), k.clone().resize_as_(t.zeros(3)), k.clone()[1].resize_(2, 1),
                              k.clone().resize_(10)[:6]], SPARSE),
    "set_": (lambda t, k: [t.zeros(1, dtype=t.int64).set_(k), t.zeros(0, dtype=t.int64).set_(k, 1, (2,), (2,)),
                           k.clone().set_()], SPARSE),
    "as_strided_": (lambda t, k: [k.clone().as_strided_((2,), (2,)), t.as_strided_(k.clone(), (2,), (1,), 1)], SPARSE),
    "apply_": (lambda t, k: [k.clone().apply_(lambda v: v * 2), k.clone().map_(k, lambda v, w: v - w),
                             k.clone().map2_(k, k + 1, lambda v, w, y: v + w * y)], SPARSE),
    "index_reduce_": (lambda t, x, k: [x.clone().index_reduce_(0, k, x, "amax"), x.clone().renorm_(2, 0, 1.0)],
                      X, WHERE),
    "vander": (lambda t, v: [t.vander(v), t.vander(v, 3, True)], V),
    "special in place": (lambda t, v: [(v + 3).mvlgamma_(2), (v + 3).polygamma_(1)], V),
    "empty_permuted": (lambda t: t.empty_permuted((2, 3, 4), (0, 2, 1)) * 0,),
}  # fmt: skip


@pytest.mark.parametrize("name", COPIES)
def test_copies(name: str) -> None:
    check(COPIES[name], X)


@pytest.mark.parametrize("name", CASES)
def test_value_shape_gradients_and_compilations(name: str) -> None:
    function, *inputs = CASES[name]
    check(function, *inputs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", PLAIN)
def test_value_and_shape(name: str) -> None:
    function, *inputs = PLAIN[name]
    check(function, *inputs, gradients=False)


def test_copies_share_nothing() -> None:
    x = flambeau.zeros(2, 2)
    flambeau.t_copy(x).fill_(1)
    assert x.sum().item() == 0


def test_a_smaller_shape_shows_the_same_storage() -> None:
    same(lambda t: [x := t.arange(6), y := x[1:], y.resize_(2), y.fill_(9), x][-1])


def test_questions() -> None:
    names = ("is_cpu", "is_mps", "is_xpu", "is_xla", "is_ipu", "is_mkldnn", "is_nested", "is_vulkan", "is_sparse_csr")
    same(lambda t: [getattr(t.ones(1), name) for name in names])
    same(lambda t: [t.is_conj(t.ones(1)), t.is_neg(t.ones(1)), t.ones(1).is_shared(), t.ones(2, 3).mT.dim_order()])
    same(lambda t: [x := t.ones(2), x.is_set_to(x), x.is_set_to(x.clone()), x.is_set_to(x[:1])][1:])
    same(lambda t: [t.get_device(t.ones(1)), t.is_inference(t.ones(1)), t.ones(1).name])
    same(lambda t: t.ones(2).module_load(t.zeros(2)))
    same(lambda t: t.empty_permuted((2, 3), (1, 0)).stride())


FAILURES: dict[str, tuple[Any, ...]] = {
    "index_reduce": (lambda t, x: x.index_reduce(0, t.tensor([0]), x[:1], "sum"), X),
    "renorm": (lambda t, x: x[0].renorm(2, 0, 1.0), X),
    "renorm order": (lambda t, x: x.renorm(-1, 0, 1.0), X),
    "renorm size": (lambda t, x: x.renorm(2, 0, -1.0), X),
    "view_as_real": (lambda t, x: t.view_as_real(x), X),
    "view_as_complex": (lambda t, x: t.view_as_complex(x), X),
    "view_as_complex whole": (lambda t, x: t.view_as_complex(x.long()), X),
    "view_as_complex number": (lambda t, x: t.view_as_complex(x[0, 0]), X),
    "gradient order": (lambda t, x: t.gradient(x, edge_order=3), X),
    "gradient short": (lambda t, x: t.gradient(x[:1]), X),
    "gradient spacing": (lambda t, x: t.gradient(x, spacing=(1.0,)), X),
    "gradient twice": (lambda t, x: t.gradient(x, dim=(0, 0)), X),
    "tril_indices": (lambda t: t.tril_indices(-1, 2),),
    "empty_permuted": (lambda t: t.empty_permuted((2, 3), (0, 0)),),
    "resize_": (lambda t, x: x.requires_grad_().resize_(2), X),
    "apply_": (lambda t, x: x.requires_grad_().apply_(abs), X),
    "as_strided_scatter": (lambda t, x: t.as_strided_scatter(x, x, (2, 2), (1, 2)), X),
    "unravel_index": (lambda t, x: t.unravel_index(x, (2, 3)), X),
    "diagonal": (lambda t, x: t.diagonal_copy(x, 0, 1, 1), X),
    "vander": (lambda t, x: t.vander(x), X),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILURES)
def test_errors_have_pytorchs_text(name: str) -> None:
    same_error(*FAILURES[name])


def test_what_pytorch_removed_says_so() -> None:
    with pytest.raises(RuntimeError, match="was removed"):
        flambeau.ones(1).reinforce(1)
