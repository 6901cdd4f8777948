"""``vmap`` against PyTorch's: values, gradients through it, nesting, draws, errors; nothing is compiled twice."""

from typing import Any

import numpy as np
import pytest

import flambeau
from tests.parity.failures import same_error
from tests.parity.oracle import check

RANDOM = np.random.default_rng(5)
X, W = (RANDOM.standard_normal(shape).astype(np.float32) for shape in ((4, 3), (3, 2)))
IMAGES = RANDOM.standard_normal((3, 2, 6, 6)).astype(np.float32)
KERNEL = RANDOM.standard_normal((2, 2, 3, 3)).astype(np.float32)
LABELS = np.array([1, 0, 1])


def _untaped(T: Any, x: Any) -> Any:
    with T.no_grad():
        return x * 2


def _written(x: Any) -> Any:
    x[0] = x[1] * 3
    return x.mul_(2)


BATCHED = {
    "one": lambda T, x, w: T.vmap(lambda a: a.sum() * a)(x),
    "shared": lambda T, x, w: T.vmap(lambda a: (a @ w).tanh())(x),
    "shared argument": lambda T, x, w: T.vmap(lambda a, b: (a @ b).tanh(), (0, None))(x, w),
    "in_dims": lambda T, x, w: T.vmap(lambda a, b: a.outer(b), (-1, 0))(x, w),
    "out_dims": lambda T, x, w: T.vmap(lambda a: (a * 2, a.sum()), out_dims=(-1, 0))(x),
    "nested in_dims": lambda T, x, w: T.vmap(lambda a, p: a * p["w"].sum() + p["n"], (0, {"w": None, "n": None}))(
        x, {"w": w, "n": 2}
    ),
    "structures": lambda T, x, w: T.vmap(lambda p: {"s": p[0] + p[1], "d": (p[0] - p[1],)})((x, x * 2))["d"],
    "constant result": lambda T, x, w: T.vmap(lambda a: (a, w, T.ones(2)), out_dims=0)(x),
    "unmapped result": lambda T, x, w: T.vmap(lambda a: (a, w * 2), out_dims=(0, None))(x),
    "twice": lambda T, x, w: T.vmap(T.vmap(lambda a, b: a * b.sum(), (0, None)), (None, 0))(x, x),
    "twice, along": lambda T, x, w: T.vmap(T.vmap(lambda a: a.exp() * 2), in_dims=1, out_dims=1)(x),
    "chunks": lambda T, x, w: T.vmap(lambda a: (a @ w).tanh(), chunk_size=3)(x),
    "detached": lambda T, x, w: T.vmap(lambda a: a.detach() * a)(x),
    "off the tape": lambda T, x, w: T.vmap(lambda a: a * _untaped(T, a))(x),
    "written": lambda T, x, w: T.vmap(lambda a: _written(a * 1))(x),
    "written to new": lambda T, x, w: T.vmap(lambda a: _copied(a.new_zeros(3), a))(x),
    "shared mask": lambda T, x, w: T.vmap(lambda a: a[T.tensor([True, False, True])])(x.detach()),
    "where": lambda T, x, w: T.vmap(lambda a: T.where(a > 0, a, a * 2))(x),
    "views": lambda T, x, w: T.vmap(lambda a: a[1:].unsqueeze(0).expand(2, 2).t() + a.flip(0)[:2])(x),
    "sorted": lambda T, x, w: T.vmap(lambda a: a.sort()[0][-1] + a.max(0)[0] + a.topk(2)[0].sum())(x),
    "normalized": lambda T, x, w: T.vmap(lambda a: T.nn.functional.layer_norm(a, (3,)).softmax(0))(x),
    "stacked": lambda T, x, w: T.vmap(lambda a: T.stack([a, a * 2]) @ T.cat([w, w], 1))(x),
    "einsum": lambda T, x, w: T.vmap(lambda a: T.einsum("i,ij->j", a, w))(x),
    "dtypes": lambda T, x, w: T.vmap(lambda a: a.double() + (a > 0).sum())(x),
    "gradients of ties": lambda T, x, w: T.func.grad(lambda a: (T.vmap(T.median)(a) ** 2).sum())(x),
    "grad inside": lambda T, x, w: T.vmap(T.func.grad(lambda a: (a @ w).exp().sum()))(x),
    "grad of the shared": lambda T, x, w: T.vmap(T.func.grad(lambda b, a: (a @ b).exp().sum()), (None, 0))(w, x),
    "grad twice inside": lambda T, x, w: T.vmap(T.func.grad(lambda a: T.func.grad(lambda b: (b**3).sum())(a).sum()))(x),
    "grad outside": lambda T, x, w: T.func.grad(lambda b: T.vmap(lambda a: (a @ b).exp().sum())(x).sum())(w),
    "grad outside, twice": lambda T, x, w: T.func.grad(
        lambda c: T.func.grad(lambda b: T.vmap(lambda a: (a @ b).exp().sum())(x).sum())(c).sin().sum()
    )(w),
    "jacobian of": lambda T, x, w: T.func.jacrev(lambda b: T.vmap(lambda a: (a @ b).tanh())(x).sum(0))(w),
    "jacobians": lambda T, x, w: T.vmap(T.func.jacrev(lambda a: (a @ w).tanh()))(x),
    "jacobians, forward": lambda T, x, w: T.vmap(T.func.jacfwd(lambda a: (a @ w).tanh()))(x),
    "hessians": lambda T, x, w: T.vmap(T.func.hessian(lambda a: (a @ w).tanh().sum()))(x),
    "jvp inside": lambda T, x, w: T.vmap(lambda a: T.func.jvp(lambda b: (b @ w).sin(), (a,), (a * 2,)))(x),
    "jvp outside": lambda T, x, w: T.func.jvp(lambda b: T.vmap(lambda a: (a @ b).sin())(x), (w,), (w * 2,)),
    "vjp outside": lambda T, x, w: T.func.vjp(lambda b: T.vmap(lambda a: (a @ b).sin())(x), w)[1](x[:, :2])[0],
}


def _copied(target: Any, source: Any) -> Any:
    target[1:] = source[:2]
    return target


@pytest.mark.parametrize("name", BATCHED)
def test_vmap(name: str) -> None:
    check(BATCHED[name], X, W, rtol=2e-5, atol=2e-5)


LAYERS = {
    "convolution": lambda T, x, k: T.vmap(lambda a, b: T.nn.functional.conv2d(a, b, padding=1), (0, None))(
        x.unsqueeze(1), k
    ),
    "convolution, both": lambda T, x, k: T.vmap(T.nn.functional.conv2d)(x.unsqueeze(1), T.stack([k, k * 2, k.sin()])),
    "pooling": lambda T, x, k: T.vmap(lambda a: T.nn.functional.max_pool2d(a, 2))(x.unsqueeze(1)),
    "weight gradients": lambda T, x, k: T.vmap(
        T.func.grad(lambda b, a: T.nn.functional.conv2d(a, b).tanh().sum()), (None, 0)
    )(k, x.unsqueeze(1)),
    "embedding": lambda T, x, k: T.vmap(lambda i: T.nn.functional.embedding(i, k.reshape(4, 9)), 1)(
        T.tensor([[0, 1, 2], [3, 3, 0]])
    ),
    "attention": lambda T, x, k: T.vmap(lambda a: T.nn.functional.scaled_dot_product_attention(a, a, a))(x[:, :, None]),
    "one hot": lambda T, x, k: T.vmap(lambda i: T.nn.functional.one_hot(i, 3))(T.tensor(LABELS)),
    "losses": lambda T, x, k: T.vmap(lambda a, t: T.nn.functional.cross_entropy(a.reshape(1, 72), t.reshape(1)))(
        x, T.tensor(LABELS)
    ),
    "batch norm": lambda T, x, k: T.vmap(lambda a: T.nn.functional.batch_norm(a[None], None, None, training=True))(x),
}


@pytest.mark.filterwarnings("ignore:There is a performance drop")
@pytest.mark.parametrize("name", LAYERS)
def test_vmap_of_layers(name: str) -> None:
    check(LAYERS[name], IMAGES, KERNEL, rtol=1e-4, atol=1e-4)


def test_dropout_inside_vmap() -> None:
    x = flambeau.ones(200, 50)
    drop = flambeau.nn.functional.dropout
    same_for_all = flambeau.vmap(drop, randomness="same")(x)
    assert (same_for_all == same_for_all[0]).all()
    different = flambeau.vmap(drop, randomness="different")(x)
    assert not (different == different[0]).all()
    assert abs(different.mean().item() - 1) < 0.05


def _twice(T: Any, function: Any, outer: str, inner: str) -> Any:
    """A function of a row and an element, over all rows and over the elements of the first."""
    return lambda x: T.vmap(lambda a: T.vmap(lambda b: function(a, b), randomness=inner)(x[0]), randomness=outer)(x)


DRAWS = {
    "different": lambda T, x: T.vmap(lambda a: a * 0 + T.randn(3), randomness="different")(x),
    "same": lambda T, x: T.vmap(lambda a: a * 0 + T.randn(3), randomness="same")(x),
    "like": lambda T, x: T.vmap(T.rand_like, randomness="different")(x),
    "twice": lambda T, x: T.vmap(T.vmap(lambda a: a * 0 + T.rand(2), randomness="different"), randomness="different")(
        x
    ),
    "same, different": lambda T, x: T.vmap(
        T.vmap(lambda a: a * 0 + T.rand(2), randomness="different"), randomness="same"
    )(x),
    "in place": lambda T, x: T.vmap(lambda a: (a * 1).normal_(), randomness="different")(x),
    "permutations": lambda T, x: T.vmap(lambda a: a * 0 + T.randperm(3), randomness="same")(x),
    "chunks": lambda T, x: T.vmap(lambda a: a * 0 + T.rand(3), randomness="same", chunk_size=3)(x),
    "poisson": lambda T, x: T.vmap(lambda a: T.poisson(a.exp()), 1, randomness="different")(x),
    "poisson of the same": lambda T, x: T.vmap(lambda a: T.poisson(T.ones(2)), randomness="different")(x),
    "poisson, chunks": lambda T, x: T.vmap(lambda a: T.poisson(a.exp()), randomness="different", chunk_size=3)(x),
    "binomial": lambda T, x: T.vmap(lambda a: T.binomial(a * 0 + 9, a.sigmoid()), randomness="different")(x),
    "bernoulli": lambda T, x: T.vmap(lambda a: T.bernoulli(a.sigmoid()), randomness="different")(x),
    "bernoulli in place": lambda T, x: T.vmap(lambda a: (a * 1).bernoulli_(a.sigmoid()), randomness="different")(x),
    "normal": lambda T, x: T.vmap(lambda a: T.normal(a, a.exp()), randomness="different")(x),
    "normal of the same": lambda T, x: T.vmap(lambda a: T.normal(T.ones(3), a.exp()[:1]), randomness="different")(x),
    "normal of all": lambda T, x: T.vmap(lambda a: T.normal(T.ones(3), 1.0), randomness="same")(x),
    "multinomial": lambda T, x: T.vmap(lambda a: T.multinomial(a.exp(), 2), randomness="different")(x),
    "multinomial, again": lambda T, x: T.vmap(lambda a: T.multinomial(a.exp(), 5, True), randomness="different")(x),
    "multinomial of the same": lambda T, x: T.vmap(lambda a: T.multinomial(T.ones(2, 5), 2), randomness="different")(x),
    "drawn with drawn": lambda T, x: T.vmap(lambda a: T.poisson(T.rand(2) * a[:2].exp()), randomness="different")(x),
    "inner parameters": lambda T, x: _twice(T, lambda a, b: T.poisson(b.exp()), "different", "different")(x),
    "outer parameters": lambda T, x: _twice(T, lambda a, b: T.poisson(a.exp()), "different", "different")(x),
    "both parameters": lambda T, x: _twice(T, lambda a, b: T.poisson((a * b).exp()), "different", "different")(x),
    "same for all": lambda T, x: _twice(T, lambda a, b: T.poisson(b.exp()), "same", "different")(x),
}


@pytest.mark.parametrize("name", DRAWS)
def test_draws(name: str) -> None:
    def function(T: Any, x: Any) -> Any:
        T.manual_seed(3)
        return DRAWS[name](T, x)

    check(function, X, gradients=False)


def test_writing_to_an_argument() -> None:
    def function(T: Any, x: Any) -> Any:
        y = x.clone()
        return T.vmap(lambda a: a[1:].mul_(2).sum())(y), y

    check(function, X, gradients=False)


ERRORS = {
    "item": lambda T, x: T.vmap(lambda a: a.sum().item())(x),
    "float": lambda T, x: T.vmap(lambda a: float(a.sum()))(x),
    "bool": lambda T, x: T.vmap(lambda a: a if a.sum() > 0 else -a)(x),
    "one hot": lambda T, x: T.vmap(T.nn.functional.one_hot)(T.tensor(LABELS)),
    "nonzero": lambda T, x: T.vmap(lambda a: a.nonzero())(x),
    "mask": lambda T, x: T.vmap(lambda a: a[a > 0])(x),
    "unique": lambda T, x: T.vmap(T.unique)(x),
    "randn": lambda T, x: T.vmap(lambda a: a + T.randn(3))(x),
    "dropout": lambda T, x: T.vmap(T.nn.functional.dropout)(x),
    "poisson": lambda T, x: T.vmap(T.poisson)(x.exp()),
    "normal": lambda T, x: T.vmap(lambda a: T.normal(T.ones(2), 1.0))(x),
    "poisson alike": lambda T, x: T.vmap(T.poisson, randomness="same")(x.exp()),
    "bernoulli alike": lambda T, x: T.vmap(T.bernoulli, randomness="same")(x.sigmoid()),
    "outer alike": lambda T, x: _twice(T, lambda a, b: T.poisson(a.exp()), "same", "different")(x),
    "randomness": lambda T, x: T.vmap(lambda a: a, randomness="x"),
    "different in place": lambda T, x: T.vmap(lambda a: a + x.normal_(), randomness="different")(x.clone()),
    "written": lambda T, x: T.vmap(lambda a: _copied(x[0], a))(x),
    "copied": lambda T, x: T.vmap(x[0].copy_)(x),
    "in_dims kind": lambda T, x: T.vmap(lambda a: a, in_dims="a")(x),
    "in_dims none": lambda T, x: T.vmap(lambda a: a, in_dims=None)(x),
    "in_dims structure": lambda T, x: T.vmap(lambda a: a, in_dims=(0, (1, {"a": 2})))(x),
    "in_dim high": lambda T, x: T.vmap(lambda a: a, in_dims=3)(x),
    "in_dim low": lambda T, x: T.vmap(lambda a: a, in_dims=-3)(x),
    "in_dim float": lambda T, x: T.vmap(lambda a, b: a, in_dims=(0, 0.5))(x, x),
    "in_dim of a number": lambda T, x: T.vmap(lambda a, b: a)(x, 2),
    "sizes": lambda T, x: T.vmap(lambda a, b: a, in_dims=(0, 1))(x, x),
    "no inputs": lambda T, x: T.vmap(lambda a: a)(),
    "nothing mapped": lambda T, x: T.vmap(lambda a: a, in_dims=(None,))(x),
    "number returned": lambda T, x: T.vmap(lambda a: 3)(x),
    "none returned": lambda T, x: T.vmap(lambda a: None)(x),
    "out_dims none": lambda T, x: T.vmap(lambda a: a, out_dims=None)(x),
    "out_dim high": lambda T, x: T.vmap(lambda a: a, out_dims=2)(x),
    "out_dims structure": lambda T, x: T.vmap(lambda a: (a, a), out_dims=(0, 1, 1))(x),
    "out_dims kind": lambda T, x: T.vmap(lambda a: a, out_dims="s")(x),
    "chunk_size": lambda T, x: T.vmap(lambda a: a, chunk_size=0)(x),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    same_error(ERRORS[name], X)
