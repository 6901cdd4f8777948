"""Infinities, NaN, zeros, poles and edges beside PyTorch, in every floating type; and what is refused."""

from itertools import product
from typing import Any

import pytest

import flambeau
from tests.parity.oracle import compare, torch
from tests.parity.outcomes import outcome
from tests.tensors.test_hard_values import CASES, evaluated

TYPES = ("float64", "float32", "bfloat16")
WIDE = {"zeta", "quantile"}  # which PyTorch has for 32 and 64 bits only
PAIRS = [(name, kind) for name, kind in product(CASES, TYPES) if kind != "bfloat16" or name not in WIDE]


@pytest.mark.parametrize(("name", "kind"), PAIRS)
def test_value_and_gradients(name: str, kind: str) -> None:
    expression, numbers, *_ = CASES[name]
    both: list[Any] = []
    for library in (flambeau, torch):
        dtype = getattr(library, kind)
        inputs = [library.tensor(item, dtype=dtype, requires_grad=True) for item in numbers]
        result, gradients = evaluated(library, expression, inputs)
        both.append([result, *gradients])
    compare(both[0], both[1])


TWO = (
    "maximum minimum fmax fmin hypot logaddexp logaddexp2 xlogy atan2 remainder fmod floor_divide heaviside copysign "
    "nextafter gcd lcm bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift lt le gt ge igamma "
    "igammac pow ldexp"
).split()
ONE = (
    "erf erfc erfinv lgamma digamma logit relu abs sign sgn floor ceil round trunc frac deg2rad rad2deg i0 isneginf "
    "isposinf signbit bitwise_not square"
).split()
OTHERS = """
x.clamp(x, x)
x.clamp(0, 1)
T.polygamma(1, x)
T.polygamma(2, x)
T.div(x, x, rounding_mode='floor')
T.div(x, x, rounding_mode='trunc')
"""
EXPRESSIONS = [f"T.{name}(x, x)" for name in TWO] + [f"T.{name}(x)" for name in ONE] + OTHERS.strip().splitlines()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_types(expression: str) -> None:
    """Every class of types is taken, with a result of the same type, or refused, in PyTorch's words."""
    for kind in ("bool", "uint8", "int64", "float32", "bfloat16", "complex64"):

        def run(T: Any, kind: str = kind) -> Any:
            return eval(expression, {"T": T, "x": T.ones(2, dtype=getattr(T, kind))}).dtype

        found, expected = outcome(flambeau, run)[0], outcome(torch, run)[0]
        assert found == expected, f"{kind}\nfound    {found}\nexpected {expected}"


# x is a tensor of 2 ones, w of 2 whole numbers, b of 2 truth values, c of 2 complex numbers, m a 2x2 matrix of ones.
REFUSALS = """
T.einsum('i1', m)
T.einsum('ij->i1', m)
T.zeros(-1)
T.zeros(2, -3)
T.ones(-1)
T.meshgrid()
T.meshgrid([], indexing='ij')
T.meshgrid(x, x.double(), indexing='ij')
F.dropout(x, 2.0)
F.dropout(x, -0.1)
F.dropout(x, nan)
T.dropout(x, 2.0, True)
T.alpha_dropout(x, -0.5, True)
T.feature_alpha_dropout(m, 2.0, True)
nn.Dropout(1.5)
F.huber_loss(w, w)
F.huber_loss(x, x.double()).dtype
F.mse_loss(w, w)
F.smooth_l1_loss(w, w)
F.mse_loss(x, x, reduction='x')
F.nll_loss(m, w, reduction='x')
nn.L1Loss(reduction='x')(x, x)
F.binary_cross_entropy(w, w)
F.binary_cross_entropy(x, x.double())
F.binary_cross_entropy(x, w)
F.binary_cross_entropy(c, c)
F.binary_cross_entropy_with_logits(w, w)
F.kl_div(w, w)
F.kl_div(c, c)
F.hinge_embedding_loss(w, w, reduction='none').dtype
F.margin_ranking_loss(w, w, w, reduction='none').dtype
F.cosine_similarity(w, w, 0)
F.cosine_similarity(c, c, 0)
F.multilabel_soft_margin_loss(w, w)
F.multilabel_soft_margin_loss(c, c)
F.soft_margin_loss(w, w)
T.histc(T.tensor([inf, 1.0]))
T.histc(x, 4, nan, 0)
T.histc(x, 4, 3, 0)
T.histc(T.tensor([nan, 1.0]), 4, 0, 3)
x.resize_((1, 2))
x.resize_([2, 1])
x.resize_(T.Size([2]))
x.resize_(-1)
w.div(T.tensor([1, 0]), rounding_mode='floor')
w // T.tensor([0, 1])
w % T.tensor([0, 1])
w // 0
1 // T.tensor([0, 1])
2 % T.tensor([0, 1])
T.fmod(w, T.tensor(0))
w.floor_divide_(0)
w.div_(T.tensor([0, 1]), rounding_mode='trunc')
w / T.tensor([0, 1])
T.tensor([], dtype=T.int64) // T.tensor([], dtype=T.int64)
T.heaviside(x, x.double())
T.lerp(x, x.double(), 0.5)
T.lerp(x, x, x.double())
T.lerp(w, w, 0.5)
T.lerp(w, w, w)
T.addcdiv(w, w, w)
T.addcmul(w, w, w, value=2.5)
T.addcmul(b, b, b)
T.std_mean(w)
T.var_mean(w)
T.argmax(b)
T.argmin(c)
T.max(c)
T.max(c, 0)
T.amax(c)
T.aminmax(c)
T.median(b)
T.median(b, 0)
T.nanmedian(x[:0], 0)
T.median(w[:0])
T.cummax(c, 0)
T.sort(c)
T.topk(b, 1)
T.topk(c, 1)
T.kthvalue(b, 1)
T.mode(c)
T.nansum(c)
T.nanmean(c)
T.logcumsumexp(w, 0)
T.softmax(c, 0)
T.log_softmax(m * c, 0)
T.amax(x[:0], 0)
T.amax(x[:0])
T.amin(m[:0], (0, 1))
T.norm(x[:0], inf)
T.norm(m[:0], -1, 0)
T.norm(m[:0], -inf, (0, 1))
T.norm(m[:0], inf, -2)
T.linalg.vector_norm(m[:0], inf, (1, 0))
T.linalg.vector_norm(m[:0], inf, [])
T.linalg.vector_norm(m[:0], inf, 1)
T.linalg.matrix_norm(m[:0], inf)
T.linalg.matrix_norm(m[:0], -inf)
T.linalg.matrix_norm(m[:0], 1)
T.linalg.matrix_norm(m[:0], -1)
T.linalg.matrix_norm(m[:0], 2)
T.linalg.matrix_norm(m[:0], -2)
T.linalg.matrix_norm(T.ones(2, 3, 0), -1, dim=(0, 2))
T.linalg.matrix_norm(T.ones(2, 0, 3), -inf, keepdim=True)
T.linalg.matrix_norm(T.ones(2, 0, 3), inf, keepdim=True)
T.linalg.cond(m[:0])
T.linalg.cond(T.ones(2, 0, 0), 1)
T.cdist(m[:, :0], m[:, :0], inf)
T.cdist(m, m, -1)
F.pdist(m[:, :0], inf)
T.linalg.vector_norm(m[:0], inf)
T.dist(w, w)
T.quantile(w[:0], 0.5)
T.nanquantile(w, 0.5)
T.cov(b)
T.cov(w)
T.trapezoid(x[:0])
T.trapezoid(b)
T.cumulative_trapezoid(x[:0])
T.mvlgamma(b, 2)
"""


@pytest.mark.parametrize("expression", REFUSALS.strip().splitlines())
def test_what_is_refused(expression: str) -> None:
    def run(T: Any) -> Any:
        names = {"T": T, "nn": T.nn, "F": T.nn.functional, "nan": float("nan"), "inf": float("inf")}
        names |= {"x": T.ones(2), "m": T.ones(2, 2), "w": T.tensor([1, 1]), "b": T.tensor([True, False])}
        return eval(expression, names | {"c": T.tensor([1 + 1j, 2j])})

    assert outcome(flambeau, run)[0] == outcome(torch, run)[0]


DERIVED = {
    "angle": lambda T, x: T.complex(x.float(), x.float() * 0).angle(),
    "prelu": lambda T, x: T.nn.functional.prelu(x, T.tensor([0.25], dtype=x.dtype)),
    "prelu by its weight": lambda T, x: T.nn.functional.prelu(T.tensor([float("inf"), 2.0, -2.0]), x.float()[:1]),
    "multilabel": lambda T, x: T.nn.functional.multilabel_soft_margin_loss(
        T.tensor([[-float("inf")], [float("inf")], [1.0]]), x.float()[:, None], reduction="none"
    ),
    "sinc": lambda T, x: (x * 100).sinc(),
    "multi_margin": lambda T, x: T.nn.functional.multi_margin_loss(
        T.stack([x.float() / 0, x.float()]), T.tensor([0, 1]), p=2, reduction="none"
    ),
    "cosine of NaN": lambda T, x: T.nn.functional.cosine_similarity(x / x, x * 2, 0),
}


@pytest.mark.parametrize("kind", ["float32", "float16"])
@pytest.mark.parametrize("name", DERIVED)
def test_gradients_at_hard_values(name: str, kind: str) -> None:
    both: list[Any] = []
    for library in (flambeau, torch):
        x = library.tensor([1.0, 0.0, 1.0], dtype=getattr(library, kind), requires_grad=True)
        result = DERIVED[name](library, x)
        both.append([result, *library.autograd.grad(result.sum(), [x])])
    compare(both[0], both[1], rtol=5e-3, atol=1e-3)


WHOLE = """
T.trapezoid(T.tensor([200, 200, 100], dtype=T.uint8))
T.trapezoid(T.tensor([100, 100, 100], dtype=T.int8), dx=2)
T.trapezoid(T.tensor([2**31 - 1, 2**31 - 1], dtype=T.int32))
T.gradient(T.tensor([1, 2, 4], dtype=T.uint8))
T.gradient(T.tensor([1, 2, 4, 7], dtype=T.int32), spacing=2)
T.tensor([3, 2, -3, 0, 1]) ** T.tensor([100, 100, 101, 70, 1000])
T.tensor([3, 2, -3, 0, 1], dtype=T.int8) ** T.tensor([100, 100, 101, 70, 127], dtype=T.int8)
T.tensor([3, 2, 7, 0, 1], dtype=T.uint8) ** T.tensor([100, 100, 101, 70, 255], dtype=T.uint8)
T.tensor([3, 2, -7, 0, 1]) ** 65
T.tensor([3, 2, -7, 0, 1], dtype=T.int32) ** 2000000001
(-3) ** T.tensor([3, 2, 70, 101])
T.tensor([3, 2, -3, 0, -1]) ** T.tensor([-1, 0, -2, 0, -3])
T.tensor([-1 + 0j, 300 + 2j]).to(T.uint8)
T.tensor([-1 + 0j, 2.9 + 2j]).to(T.int64)
"""


@pytest.mark.parametrize("expression", WHOLE.strip().splitlines())
def test_whole_numbers(expression: str) -> None:
    found, expected = [outcome(library, lambda T: eval(expression, {"T": T}))[0] for library in (flambeau, torch)]
    assert found == expected


REFUSED_GRADIENTS = """
T.floor_divide(x, 2)
T.floor_divide(x, x)
3 // x
T.heaviside(x, x)
T.igamma(x, y)
T.igammac(x, y)
T.special.gammainc(x, y)
T.special.zeta(x, y)
"""


@pytest.mark.parametrize("expression", REFUSED_GRADIENTS.strip().splitlines())
def test_gradients_that_pytorch_refuses(expression: str) -> None:
    def run(T: Any) -> Any:
        x, y = T.tensor([1.5], requires_grad=True), T.tensor([2.5])
        result = eval(expression, {"T": T, "x": x, "y": y})
        assert result.requires_grad
        names = type(result.grad_fn).__name__ if T is torch else result.grad_fn.name()
        return names, result.sum().backward()

    found, expected = outcome(flambeau, run), outcome(torch, run)
    assert found == expected
    assert "is not implemented" in found[0]


# x is a tensor of 2 numbers, w of 2 rows and 2 columns, i of 2 classes, c of complex numbers; all but i want gradients.
CONSTANTS = """
F.soft_margin_loss(x, x)
F.nll_loss(w, i, x)
F.nll_loss(w[None], i[None], x)
F.cross_entropy(w, i, x)
F.binary_cross_entropy(x.sigmoid(), i.float(), x)
F.binary_cross_entropy_with_logits(x, i.float(), x)
F.binary_cross_entropy_with_logits(x, i.float(), pos_weight=x)
F.multi_margin_loss(w, i, weight=x)
F.batch_norm(w, x, x)
F.batch_norm(w, i.float(), x, training=True)
F.instance_norm(w[None], x, x)
F.fractional_max_pool2d(T.ones(1, 1, 4, 4), 2, output_size=2, _random_samples=x.reshape(1, 1, 2))
F.silu(c)
F.soft_margin_loss(c, i)
T.nan_to_num(c)
"""


@pytest.mark.parametrize("expression", CONSTANTS.strip().splitlines())
def test_arguments_without_gradients(expression: str) -> None:
    def run(T: Any, grad: bool) -> Any:
        names: dict[str, Any] = {"x": T.tensor([0.5, 0.25]), "w": T.tensor([[1.0, 2.0], [3.0, 5.0]])}
        names |= {"c": T.tensor([1 + 1j, 2j])}
        for item in names.values():
            item.requires_grad_(grad)
        return eval(expression, names | {"T": T, "F": T.nn.functional, "i": T.tensor([1, 0])})

    found, expected = [outcome(library, lambda T: run(T, True))[0] for library in (flambeau, torch)]
    assert found == expected
    assert "differentia" in found
    assert "Error" not in outcome(flambeau, lambda T: run(T, False))[0]


def test_poisson_nll_loss_of_counts() -> None:
    """The term for large counts makes the gradient at a count of zero NaN, as PyTorch's does."""

    def run(T: Any) -> Any:
        x = T.tensor([1.0, -2.0, 0.5, 3.0], requires_grad=True)
        target = T.tensor([0.0, 1.0, 2.0, 0.5], requires_grad=True)
        T.nn.functional.poisson_nll_loss(x, target, full=True).backward()
        return x.grad, target.grad

    compare(run(flambeau), run(torch))
