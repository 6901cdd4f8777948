"""Operators of PyTorch's core under their names at its top, which take other arguments than ``nn.functional``'s."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import flambeau
from tests.parity.failures import same_error
from tests.parity.oracle import check, torch
from tests.parity.outcomes import same

RANDOM = np.random.default_rng(0)


def draw(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


X, Y, Z = draw(3, 4), draw(3, 4), draw(3, 4)
POSITIVE = np.abs(X) + 0.1
SIGNS = np.array([1.0, -1.0, 1.0], np.float32)
LINE, IMAGE = draw(2, 4, 9), draw(2, 4, 6, 5)
MAPS = draw(2, 2, 3)
LOGS = np.log(RANDOM.dirichlet(np.ones(4), (6, 3))).astype(np.float32)
LABELS = np.array([[1, 1, 3], [3, 2, 3], [2, 0, 1]])


TABLE, BAGS = draw(4, 3), np.array([0, 2, 1, 2, 3, 3])
STARTS, ENDS = np.array([0, 2, 2, 4]), np.array([0, 2, 2, 6])


def reductions(name: str, *arguments: Any, **named: Any) -> Callable[..., Any]:
    """A loss in every reduction, and in that which is left out."""

    def function(t: Any, *inputs: Any) -> list[Any]:
        loss = getattr(t, name)
        return [
            loss(*inputs, *arguments, **named),
            *(loss(*inputs, *arguments, reduction=number, **named) for number in (0, 1, 2, 3)),
        ]

    return function


CASES: dict[str, tuple[Any, ...]] = {
    "binary_cross_entropy_with_logits": (reductions("binary_cross_entropy_with_logits"), X, POSITIVE),
    "binary_cross_entropy_with_logits factors": (
        lambda t, x, y, w, p: t.binary_cross_entropy_with_logits(x, y, w.detach(), p.detach(), 1), X, POSITIVE, Y[0],
        POSITIVE[0]),
    "binary_cross_entropy_with_logits spread": (  # of which PyTorch cannot calculate gradients
        lambda t, x, y: t.binary_cross_entropy_with_logits(x.detach(), y.detach(), reduction=1), X[0], POSITIVE),
    "cosine_embedding_loss": (reductions("cosine_embedding_loss"), X, Y, SIGNS),
    "cosine_embedding_loss margin": (lambda t, x, y: t.cosine_embedding_loss(x, y, t.tensor(SIGNS), 0.2, 1), X, Y),
    "ctc_loss": (lambda t, x: [t.ctc_loss(x.log_softmax(2), t.tensor(LABELS), (6, 5, 4), (3, 2, 1), 0, how)
                               for how in (0, 1, 2)], LOGS),
    "ctc_loss zero": (lambda t, x: t.ctc_loss(x.log_softmax(2), t.tensor(LABELS), (3, 5, 0), (3, 2, 1), 0, 1, True),
                      LOGS),
    "hinge_embedding_loss": (reductions("hinge_embedding_loss", 0.5), X, np.sign(Y)),
    "kl_div": (reductions("kl_div"), X, POSITIVE),
    "kl_div of logarithms": (reductions("kl_div", log_target=True), X, Y),
    "margin_ranking_loss": (reductions("margin_ranking_loss", 0.1), X, Y, np.sign(Z)),
    "margin_ranking_loss spread": (reductions("margin_ranking_loss"), X[0], Y[0], np.sign(Z)),
    "poisson_nll_loss": (lambda t, x, y: [t.poisson_nll_loss(x, y, log, full, 1e-8, how)
                                          for log in (True, False) for full in (True, False) for how in (0, 1, 2)],
                         POSITIVE, POSITIVE * 3),
    "triplet_margin_loss": (reductions("triplet_margin_loss", 2.0), X, Y, Z),
    "triplet_margin_loss of others": (lambda t, x, y, z: t.triplet_margin_loss(x, y, z, -1.0, 1.0, 1e-3, True, 2),
                                      X, Y, Z),
    "affine_grid_generator": (lambda t, m: [t.affine_grid_generator(m, [2, 1, 3, 4], corners)
                                            for corners in (True, False)], MAPS),
    "affine_grid_generator of one": (lambda t, m: t.affine_grid_generator(m, (2, 1, 1, 1), True), MAPS),
    "convolution": (lambda t, x, w, b: [t.convolution(x, w, b, (2,), (1,), (1,), False, (0,), 2),
                                        t.convolution(x, w, None, [1], [2], [3], False, [0], 2)],
                    LINE, draw(6, 2, 3), draw(6)),
    "convolution of images": (lambda t, x, w, b: t.convolution(x, w, b, [2, 1], [1, 0], [1], False, [0], 1),
                              IMAGE, draw(3, 4, 3, 2), draw(3)),
    "convolution transposed": (lambda t, x, w, b: t.convolution(x, w, b, [2, 1], [1], [1, 1], True, [1, 0], 2),
                               IMAGE, draw(4, 3, 3, 2), draw(6)),
    "adaptive_max_pool1d": (lambda t, x: t.adaptive_max_pool1d(x, 4), LINE),
    "max_pool1d_with_indices": (lambda t, x: t.max_pool1d_with_indices(x, 3, 2, 1, 1, True), LINE),
    "dropout": (lambda t, x: [t.dropout(x, 1.0, True), t.dropout(x, 0.0, True), t.dropout(x, 0.3, train=False)], X),
    "feature_dropout": (lambda t, x: [t.feature_dropout(x, 1.0, True), t.feature_dropout(x, 0.5, False)], X),
    "alpha_dropout": (lambda t, x: [t.alpha_dropout(x, 1.0, True), t.feature_alpha_dropout(x, 1.0, True),
                                    t.alpha_dropout(x, 0.5, False), t.feature_alpha_dropout(x, 0.5, False)], X),
    "dropout in place": (lambda t, x: [getattr(t, name)(x * 1, share, train)
                                       for name in ("dropout_", "feature_dropout_", "alpha_dropout_",
                                                    "feature_alpha_dropout_")
                                       for share, train in ((1.0, True), (0.5, False))], X),
    "softmax": (lambda t, x: [t.softmax(x, 1), t.softmax(x, 0, t.float64), t.log_softmax(x, -1, dtype=t.float64)], X),
    "embedding": (lambda t, w: [t.embedding(w, t.tensor([[0, 2], [2, 1]])), t.embedding(w, t.tensor([0, 2, 2]), 2),
                                t.embedding(w, t.tensor([0, 2, 2]), -2), t.embedding(w, t.tensor([2, 2]), 7, True)],
                  X),
    **{f"embedding_bag {mode}": (
        lambda t, w, mode=mode: [
            t.embedding_bag(w, t.tensor(BAGS), t.tensor(STARTS), mode=mode),
            t.embedding_bag(w, t.tensor(BAGS), t.tensor(ENDS), True, mode, False, None, True),
            t.embedding_bag(w.double(), t.tensor(BAGS).int(), t.tensor(ENDS), False, mode, False, None, True),
            t.embedding_bag(w, t.tensor(BAGS).int(), t.tensor(STARTS).int(), False, mode, False, None, False, 2),
            t.embedding_bag(w, t.tensor(BAGS), t.tensor(ENDS), False, mode, False, None, True, -2),
        ], TABLE) for mode in range(3)},
    "embedding_bag factors": (
        lambda t, w, f: t.embedding_bag(w, t.tensor(BAGS), t.tensor(STARTS), False, 0, False, f), TABLE, draw(6)),
    "embedding_bag without gradients": (
        lambda t, w: [t.embedding_bag(w.detach(), t.tensor(BAGS), t.tensor(ENDS), False, mode, False, None, True)
                      for mode in range(3)], TABLE),
    "embedding_bag of nothing": (
        lambda t, w: [t.embedding_bag(w, t.tensor(BAGS[:0]), t.tensor(STARTS * 0), mode=mode) for mode in range(3)],
        TABLE),
    "embedding_renorm_": (
        lambda t, w: [t.embedding_renorm_(w.detach().clone(), t.tensor(BAGS), size, order)
                      for size, order in ((1.0, 2.0), (0.5, 1.0), (0.3, float("inf")), (1.0, 0.0))], TABLE),
    "batch_norm": (lambda t, x, w, b: t.batch_norm(x, w, b, None, None, True, 0.1, 1e-5, True),
                   IMAGE, draw(4), draw(4)),
    "batch_norm of statistics": (lambda t, x, w, b: t.batch_norm(x, w, b, b.detach(), w.detach() ** 2, False, 0.1,
                                                                 1e-5, False), LINE, draw(4), draw(4)),
    "batch_norm of one": (lambda t, x: t.batch_norm(x, None, None, None, None, True, 0.1, 1e-5, False), X[:1]),
    "instance_norm": (lambda t, x, w, b: t.instance_norm(x, w, b, None, None, True, 0.1, 1e-5, True),
                      IMAGE, draw(4), draw(4)),
    "instance_norm of statistics": (lambda t, x, w, b: t.instance_norm(x, w, b, b.detach(), w.detach() ** 2, False,
                                                                       0.1, 1e-5, False), LINE, draw(4), draw(4)),
    "layer_norm": (lambda t, x, w, b: t.layer_norm(x, [9], w, b, 1e-5, True), LINE, draw(9), draw(9)),
    "group_norm": (lambda t, x, w, b: t.group_norm(x, 2, w, b, 1e-5, False), LINE, draw(4), draw(4)),
    "resize": (lambda t, x: [x.resize(4, 3), x.resize(12), x.t().resize(2, 6), x.resize_as(t.ones(2, 6))], X),
    "to_dense": (lambda t, x: [x.to_dense(), x.to_dense(t.float64), x.to_dense(masked_grad=True)], X),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore:non-inplace")
def test_value_shape_type_gradient_and_compilations(name: str) -> None:
    check(*CASES[name])


NORMS: dict[str, Callable[[Any, Any], Any]] = {
    "frobenius_norm": lambda t, x: [t.frobenius_norm(x, (0, 2)), t.frobenius_norm(x, 1, True),
                                    t.frobenius_norm(x, dim=[])],
    "nuclear_norm": lambda t, x: [t.nuclear_norm(x), t.nuclear_norm(x, True), t.nuclear_norm(x, (0, 2)),
                                  t.nuclear_norm(x, dim=[1, 0], keepdim=True)],
    "out": lambda t, x: [t.frobenius_norm(x, 0, out=t.empty(4, 9)), t.nuclear_norm(x, out=t.empty(2))],
}  # fmt: skip


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.filterwarnings("ignore:at::")
def test_norms(name: str) -> None:
    check(NORMS[name], LINE, gradients=name != "out", rtol=1e-5, atol=1e-5)


ERRORS: dict[str, Callable[[Any], Any]] = {
    "reduction": lambda t: t.kl_div(t.ones(2), t.ones(2), "mean"),
    "reduction of truth": lambda t: t.hinge_embedding_loss(t.ones(2), t.ones(2), 1.0, True),
    "scores of another shape": lambda t: t.binary_cross_entropy_with_logits(t.ones(2, 3), t.ones(3)),
    "scores that do not broadcast": lambda t: t.binary_cross_entropy_with_logits(t.ones(2, 3), t.ones(2)),
    "weights that do not broadcast": lambda t: t.binary_cross_entropy_with_logits(t.ones(2), t.ones(2), t.ones(3)),
    "weights of more": lambda t: t.nn.functional.binary_cross_entropy_with_logits(t.ones(2), t.ones(2), t.ones(3, 2)),
    "positive weights": lambda t: t.binary_cross_entropy_with_logits(t.ones(2), t.ones(2), None, t.ones(3)),
    "cosine target": lambda t: t.cosine_embedding_loss(t.ones(2), t.ones(2), t.ones(2, 2)),
    "cosine ranks": lambda t: t.cosine_embedding_loss(t.ones(2, 2), t.ones(2), t.ones(2)),
    "ranking": lambda t: t.margin_ranking_loss(t.ones(2), t.ones(2), t.ones(2, 3)),
    "triplet": lambda t: t.triplet_margin_loss(t.ones(2), t.ones(2, 2), t.ones(2)),
    "grid of three": lambda t: t.affine_grid_generator(t.ones(2, 2, 3), [2, 1, 2], False),
    "grid of others": lambda t: t.affine_grid_generator(t.ones(2, 2, 3), [3, 1, 2, 2], False),
    "grid of one map": lambda t: t.affine_grid_generator(t.ones(2, 3), [2, 1, 2, 2], False),
    "stride": lambda t: t.convolution(t.ones(1, 1, 4), t.ones(1, 1, 2), None, 1, [0], [1], False, [0], 1),
    "padding": lambda t: t.convolution(t.ones(1, 1, 4), t.ones(1, 1, 2), None, [1], ["same"], [1], False, [0], 1),
    "unbatched": lambda t: t.convolution(t.ones(1, 4), t.ones(1, 1, 2), None, [1], [0], [1], False, [0], 1),
    "channels": lambda t: t.convolution(t.ones(1, 1, 4), t.ones(1, 2, 2), None, [1], [0], [1], False, [0], 1),
    "channels transposed": lambda t: t.convolution(t.ones(1, 1, 4), t.ones(2, 2, 2), None, [1], [0], [1], True, [0], 1),
    "output padding": lambda t: t.convolution(t.ones(1, 1, 4), t.ones(1, 1, 2), None, [1], [0], [1], True, [1], 1),
    "four dimensions": lambda t: t.convolution(t.ones(1, 1, 2, 2, 2, 2), t.ones(1, 1, 1, 1, 1, 1), None, [1], [0], [1],
                                               False, [0], 1),
    "dropout above one": lambda t: t.dropout(t.ones(2), 2.0, True),
    "dropout below zero": lambda t: t.alpha_dropout_(t.ones(2), -0.5, True),
    "dropout without channels": lambda t: t.feature_dropout(t.ones(2), 0.5, True),
    "dropout of whole numbers": lambda t: t.dropout_(t.tensor([1]), 0.5, True),
    "pooling": lambda t: t.max_pool1d_with_indices(t.ones(2), 1),
    "adaptive pooling": lambda t: t.adaptive_max_pool1d(t.ones(2, 3), [1, 2]),
    "embedding": lambda t: t.embedding(t.ones(2, 3), t.tensor([0, 2])),
    "no such mode": lambda t: t.embedding_bag(t.ones(2, 3), t.tensor([0]), t.tensor([0]), False, 3),
    "mode": lambda t: t.embedding_bag(t.ones(2, 3), t.tensor([0]), t.tensor([0]), False, "sum"),
    "factors of a mean": lambda t: t.embedding_bag(
        t.ones(2, 3), t.tensor([0]), t.tensor([0]), False, 1, False, t.ones(1)),
    "offsets of a matrix": lambda t: t.embedding_bag(t.ones(2, 3), t.tensor([0]), t.tensor([[0]])),
    "table of one dimension": lambda t: t.embedding_bag(t.ones(2), t.tensor([0]), t.tensor([0])),
    "bag index": lambda t: t.embedding_bag(t.ones(2, 3), t.tensor([0, 5]), t.tensor([0])),
    "first offset": lambda t: t.embedding_bag(t.ones(2, 3), t.tensor([0, 1]), t.tensor([1])),
    "last offset": lambda t: t.embedding_bag(t.ones(2, 3), t.tensor([0, 1]), t.tensor([0, 3])),
    "bag padding": lambda t: t.embedding_bag(
        t.ones(2, 3), t.tensor([0]), t.tensor([0]), False, 0, False, None, False, 9),
    "whole table": lambda t: t.embedding_bag(t.ones(2, 3).long(), t.tensor([0]), t.tensor([0])),
    "no offset": lambda t: t.embedding_bag(
        t.ones(2, 3), t.tensor([0]), t.tensor([0])[:0], include_last_offset=True),
    "norm of a vector": lambda t: t.embedding_renorm_(t.ones(2), t.tensor([0]), 1.0, 2.0),
    "norm by floats": lambda t: t.embedding_renorm_(t.ones(2, 3), t.ones(1), 1.0, 2.0),
    "norm out of range": lambda t: t.embedding_renorm_(t.ones(2, 3), t.tensor([0, 5]), 1.0, 2.0),
    "norm of a leaf": lambda t: t.embedding_renorm_(t.ones(2, 3, requires_grad=True), t.tensor([0]), 1.0, 2.0),
    "norm of a whole table": lambda t: t.embedding_renorm_(t.ones(2, 3).long(), t.tensor([0]), 1.0, 2.0),
    "batch without statistics": lambda t: t.batch_norm(t.ones(2, 3), None, None, None, None, False, 0.1, 1e-5, False),
    "instances without statistics": lambda t: t.instance_norm(t.ones(1, 2, 3), None, None, None, None, False, 0.1, 1e-5,
                                                              False),
    "norm of whole numbers": lambda t: t.frobenius_norm(t.tensor([1]), 0),
    "norm of three dimensions": lambda t: t.frobenius_norm(t.ones(1, 1, 1), (0, 1, 2)),
    "nuclear norm of a vector": lambda t: t.nuclear_norm(t.ones(2)),
    "nuclear norm of one dimension": lambda t: t.nuclear_norm(t.ones(2, 2), [0]),
    "nuclear norm of one dimension twice": lambda t: t.nuclear_norm(t.ones(2, 2), 0),
    "resize": lambda t: t.ones(2, 3).resize(4),
    "anomaly": lambda t: t.set_anomaly_enabled(1),
    "anomaly of NaN": lambda t: t.set_anomaly_enabled(True, 1),
    "autocast type": lambda t: t.set_autocast_cpu_dtype(3),
    "autocast type of GPU": lambda t: t.set_autocast_gpu_dtype("float16"),
    "autocast": lambda t: t.set_autocast_cpu_enabled(1),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.filterwarnings("ignore:at::", "ignore:non-inplace")
def test_errors(name: str) -> None:
    same_error(ERRORS[name])


@pytest.fixture
def as_before() -> Iterator[None]:
    yield
    for library in (flambeau, torch):
        library.set_anomaly_enabled(False)
        library.set_autocast_enabled("cpu", False)
        library.set_autocast_dtype("cpu", library.bfloat16)
        library.set_autocast_dtype("cuda", library.float16)


OUTCOMES: dict[str, Callable[[Any], Any]] = {
    "resize": lambda t: t.ones(2).resize(1, 2),
    "resize_as": lambda t: t.ones(2).resize_as(t.ones(1, 2)),
    "resize shares": lambda t: [item for item in [t.zeros(2)] if item.resize(1, 2).add_(1) is not None],
    "embedding_renorm_ is in place": lambda t: [t.embedding_renorm_(x, t.tensor([0]), 1.0, 2.0) is x
                                                for x in [t.ones(2, 3)]],
    "to_dense is the tensor": lambda t: [item.to_dense() is item for item in [t.ones(1)]],
    "anomaly": lambda t: (t.set_anomaly_enabled(True, False), t.is_anomaly_enabled(),
                          t.is_anomaly_check_nan_enabled(), t.set_anomaly_enabled(False), t.is_anomaly_enabled()),
    "autocast types": lambda t: (t.set_autocast_dtype("cpu", t.float16), t.get_autocast_dtype("cpu")),
    "storages": lambda t: [t.is_storage(item) for item in (t.ones(1), 3, [])],
    "vulkan": lambda t: t.is_vulkan_available(),
}  # fmt: skip


@pytest.mark.parametrize("name", OUTCOMES)
@pytest.mark.usefixtures("as_before")
def test_outcomes(name: str) -> None:
    same(OUTCOMES[name])


class Theirs(torch.Tensor):
    """A class of PyTorch's tensors."""


class Ours(flambeau.Tensor):
    """The same of Flambeau's."""


def as_class(t: Any, tensor: Any) -> Any:
    return tensor.as_subclass(Ours if t is flambeau else Theirs)


def classes(t: Any) -> list[Any]:
    x = t.ones(2, requires_grad=True)
    y = t.zeros(2, 3)
    z = as_class(t, y[1])
    z.add_(1)
    parameter = x.as_subclass(t.nn.Parameter)
    (as_class(t, x) * 2).sum().backward()
    return [type(z).__bases__ == (t.Tensor,), y, parameter, x.grad, type(z.as_subclass(t.Tensor)) is t.Tensor,
            as_class(t, x) is x, as_class(t, x).grad_fn.name(), as_class(t, x.detach()).requires_grad]  # fmt: skip


def capsules(t: Any) -> list[Any]:
    return [t.from_dlpack(t.to_dlpack(x)) for x in (t.arange(3), t.ones(2, 3).t(), t.ones(1, requires_grad=True))]


def used_capsule(t: Any) -> Any:
    capsule = t.to_dlpack(t.ones(2))
    return t.from_dlpack(capsule), t.from_dlpack(capsule)


def default_types(t: Any) -> list[Any]:
    found = []
    try:
        for kind in (t.DoubleTensor, "torch.HalfTensor", t.BFloat16Tensor, "torch.FloatTensor"):
            t.set_default_tensor_type(kind)
            found.append((t.get_default_dtype(), t.ones(1).dtype))
    finally:
        t.set_default_dtype(t.float32)
    return found


BRANCHES: dict[str, Callable[[Any], Any]] = {
    "true": lambda t: t.cond(True, lambda x: x + 1, lambda x: x - 1, (t.ones(2),)),
    "number": lambda t: t.cond(0.0, lambda x: x + 1, lambda x: x - 1, [t.ones(2)]),
    "tensor": lambda t: t.cond(t.ones(2).sum() > 3, lambda x: x + 1, lambda x: x - 1, (t.ones(2),)),
    "tensor of one": lambda t: t.cond(t.tensor([True]), lambda: t.zeros(1), lambda: t.ones(1)),
    "dictionary": lambda t: t.cond(t.tensor(1), lambda x: {"a": x["a"] + 1}, lambda x: {"a": x["a"] - 1},
                                   ({"a": t.ones(2)},)),
    "two": lambda t: t.cond(t.tensor([True, False]), lambda x: x, lambda x: x, (t.ones(2),)),
    "no function": lambda t: t.cond(t.tensor(True), 3, lambda x: x, (t.ones(2),)),
    "no tensors": lambda t: t.cond(t.tensor(True), lambda x: x, lambda x: x, (3,)),
    "text": lambda t: t.cond("a", lambda x: x, lambda x: x, (t.ones(2),)),
}  # fmt: skip


def test_only_the_chosen_branch_is_called() -> None:
    x = flambeau.tensor([1.0, 2.0], requires_grad=True)
    found = flambeau.cond(x.sum() > 0, lambda x: (x * x).sum(), lambda _: pytest.fail("called"), (x,))
    found.backward()
    assert (found.item(), x.grad.tolist()) == (5.0, [2.0, 4.0])


def test_calculations_with_a_class_of_ones_own_give_tensors() -> None:
    assert type(flambeau.ones(2).as_subclass(Ours) * 2) is flambeau.Tensor
    assert type(torch.ones(2).as_subclass(Theirs) * 2) is Theirs


OLD: dict[str, Callable[[Any], Any]] = {
    "volatile": lambda t: t.ones(1).volatile,
    "volatile set": lambda t: setattr(t.ones(1), "volatile", True),
    "subclasses": classes,
    "subclass of no tensor": lambda t: t.ones(1).as_subclass(int),
    "subclass of no class": lambda t: t.ones(1).as_subclass(3),
    "capsules": capsules,
    "used capsule": used_capsule,
    "capsule of no tensor": lambda t: t.to_dlpack(3),
    "generator": lambda t: [t.thread_safe_generator(), t.random.thread_safe_generator()],
}


@pytest.mark.parametrize("name", BRANCHES)
def test_branches(name: str) -> None:
    pytest.importorskip("torch._dynamo")
    same(BRANCHES[name])


@pytest.mark.parametrize("name", OLD)
def test_old_names(name: str) -> None:
    same(OLD[name])


TYPES: dict[str, Callable[[Any], Any]] = {
    "types": default_types,
    "whole": lambda t: t.set_default_tensor_type(t.LongTensor),
    "unknown": lambda t: t.set_default_tensor_type("torch.FooTensor"),
    "without a module": lambda t: t.set_default_tensor_type("FloatTensor"),
    "data type": lambda t: t.set_default_tensor_type(t.float32),
    "tensor": lambda t: t.set_default_tensor_type(t.Tensor),
    "on another device": lambda t: t.set_default_tensor_type("torch.cuda.FloatTensor"),
}


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.filterwarnings("ignore:torch.set_default_tensor_type")
def test_default_types(name: str) -> None:
    if name == "types":
        assert [list(map(str, row)) for row in default_types(flambeau)] == [
            list(map(str, row)) for row in default_types(torch)
        ]
    else:
        same_error(TYPES[name])


@pytest.mark.usefixtures("as_before")
@pytest.mark.parametrize("library", [flambeau, torch], ids=["flambeau", "torch"])
def test_old_names_of_autocast(library: Any) -> None:
    with pytest.warns(DeprecationWarning, match=r"Please use torch\.set_autocast_dtype\('cpu', dtype\) instead"):
        library.set_autocast_cpu_dtype(library.float16)
    with pytest.warns(DeprecationWarning, match=r"Please use torch\.set_autocast_dtype\('cuda', dtype\) instead"):
        library.set_autocast_gpu_dtype(library.bfloat16)
    assert library.get_autocast_dtype("cpu") is library.float16
    assert library.get_autocast_dtype("cuda") is library.bfloat16
    with pytest.warns(DeprecationWarning, match=r"Please use torch\.set_autocast_enabled\('cpu', enabled\) instead"):
        library.set_autocast_cpu_enabled(True)
    assert library.is_autocast_enabled("cpu")


def test_deprecations() -> None:  # PyTorch says so once a process
    with pytest.warns(UserWarning, match=r"torch\.set_default_tensor_type\(\) is deprecated as of PyTorch 2\.1"):
        flambeau.set_default_tensor_type(flambeau.FloatTensor)
    with pytest.warns(UserWarning, match=r"at::nuclear_norm is deprecated .*`linalg\.matrix_norm\(A, 'nuc', dim"):
        flambeau.nuclear_norm(flambeau.eye(2))
    with pytest.warns(UserWarning, match=r"at::frobenius_norm is deprecated .*`linalg\.vector_norm\(A, 2\., dim"):
        flambeau.frobenius_norm(flambeau.eye(2), 0)


@pytest.mark.parametrize("name", ["dropout", "dropout_", "feature_dropout", "feature_dropout_"])
def test_what_dropout_keeps(name: str) -> None:
    flambeau.manual_seed(0)
    given = flambeau.ones(40, 25, 3)
    found = getattr(flambeau, name)(given, 0.25, True)
    assert (found is given) is name.endswith("_")
    values = found.host()
    np.testing.assert_allclose(np.unique(values), [0.0, 1 / 0.75], rtol=1e-6)
    assert 0.7 < (values > 0).mean() < 0.8
    by_channel = (values == values[:, :, :1]).all()
    assert by_channel == name.startswith("feature")


@pytest.mark.parametrize("name", ["alpha_dropout", "feature_alpha_dropout_"])
def test_alpha_dropout_keeps_mean_and_variance(name: str) -> None:
    flambeau.manual_seed(0)
    found = getattr(flambeau, name)(flambeau.randn(200, 200), 0.2, True)
    assert abs(found.mean().item()) < 0.03
    assert abs(found.std().item() - 1) < 0.03


def test_batch_norm_moves_its_statistics() -> None:
    for name in ("batch_norm", "instance_norm"):
        check(
            lambda t, x, m, v, name=name: [getattr(t, name)(x, None, None, m, v, True, 0.3, 1e-5, False), m, v],
            LINE, draw(4), np.ones(4, np.float32), gradients=False,
        )  # fmt: skip
