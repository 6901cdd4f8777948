"""``autocast`` and ``GradScaler`` against PyTorch's on the CPU: types of results, gradients, training, errors."""

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import flambeau
from tests.parity.oracle import compare, torch
from tests.parity.outcomes import same

RNG = np.random.default_rng(0)
A, B, V, W = (RNG.uniform(0.1, 0.9, shape).astype(np.float32) for shape in ((3, 3), (3, 3), (3,), (3,)))
X, K = RNG.uniform(0.1, 0.9, (2, 3, 4, 4)).astype(np.float32), RNG.uniform(0.1, 0.9, (3, 3, 2, 2)).astype(np.float32)
CUBE = RNG.uniform(0.1, 0.9, (1, 1, 2, 2, 2)).astype(np.float32)
EYE = np.eye(2, dtype=np.float32)

# What is computed of float32 tensors.
WHOLE: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "linear": (lambda lib, a, b, v: lib.nn.functional.linear(a, b, v), (A, B, V)),
    "conv2d": (lambda lib, x, k: lib.nn.functional.conv2d(x, k), (X, K)),
    "conv_transpose2d": (lambda lib, x, k: lib.nn.functional.conv_transpose2d(x, k), (X, K)),
    "matmul": (lambda lib, a, b: a @ b, (A, B)),
    "matmul of a vector": (lambda lib, a, v: a @ v, (A, V)),
    "mv": (lambda lib, a, v: a.mv(v), (A, V)),
    "dot": (lambda lib, v, w: v.dot(w), (V, W)),
    "bmm": (lambda lib, a, b: a[None].bmm(b[None]), (A, B)),
    "addmm": (lambda lib, a, b: lib.addmm(a, a, b), (A, B)),
    "addbmm": (lambda lib, a, b: lib.addbmm(a, a[None], b[None]), (A, B)),
    "baddbmm": (lambda lib, a, b: lib.baddbmm(a[None], a[None], b[None]), (A, B)),
    "addmv": (lambda lib, a, v: lib.addmv(v, a, v), (A, V)),
    "addr": (lambda lib, a, v: lib.addr(a, v, v), (A, V)),
    "einsum": (lambda lib, a, b: lib.einsum("ij,jk->ik", a, b), (A, B)),
    "einsum of a diagonal": (lambda lib, a: lib.einsum("ii->i", a), (A,)),
    "einsum of products": (lambda lib, a, b: lib.einsum("ij,ij->ij", a, b), (A, B)),
    "tensordot": (lambda lib, a, b: lib.tensordot(a, b, 1), (A, B)),
    "multi_dot": (lambda lib, a, b: lib.linalg.multi_dot([a, b, a]), (A, B)),
    "inner": (lambda lib, a, b: lib.inner(a, b), (A, B)),
    "kron": (lambda lib, a, b: lib.kron(a, b), (A, B)),
    "matrix_power": (lambda lib, a: lib.linalg.matrix_power(a, 3), (A,)),
    "bilinear": (lambda lib, a, b: lib.nn.functional.bilinear(a, b, lib.stack([a, b])), (A, B)),
    "attention": (lambda lib, x: lib.nn.functional.scaled_dot_product_attention(x, x, x), (X,)),
    "vecdot": (lambda lib, a, b: lib.linalg.vecdot(a, b), (A, B)),
    "in place": (lambda lib, a, b: a.clone().addmm_(a, b), (A, B)),
    "double": (lambda lib, a, b: a.double() @ b.double(), (A, B)),
    "whole numbers": (lambda lib, a, b: a.long() @ b.long(), (A, B)),
}

# What is computed of bfloat16 tensors.
HALF: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "softmax": (lambda lib, a: a.softmax(1), (A,)),
    "sum": (lambda lib, a: a.sum(), (A,)),
    "pow": (lambda lib, a: a**2, (A,)),
    "prod": (lambda lib, v: v.prod(), (V,)),
    "norm": (lambda lib, v: v.norm(), (V,)),
    "layer_norm": (lambda lib, a, v: lib.nn.functional.layer_norm(a, (3,), v.float(), v.float()), (A, V)),
    "group_norm": (lambda lib, x, v: lib.nn.functional.group_norm(x, 3, v.float(), v.float()), (X, V)),
    "batch_norm": (lambda lib, x, v: lib.nn.functional.batch_norm(x, v.float(), v.float(), v.float()), (X, V)),
    "instance_norm": (lambda lib, x, v: lib.nn.functional.instance_norm(x, weight=v.float(), bias=v.float()), (X, V)),
    "mse_loss": (lambda lib, a, b: lib.nn.functional.mse_loss(a, b), (A, B)),
    "l1_loss": (lambda lib, a, b: lib.nn.functional.l1_loss(a, b), (A, B)),
    "smooth_l1_loss": (lambda lib, a, b: lib.nn.functional.smooth_l1_loss(a, b), (A, B)),
    "huber_loss": (lambda lib, a, b: lib.nn.functional.huber_loss(a, b), (A, B)),
    "cross_entropy": (lambda lib, a: lib.nn.functional.cross_entropy(a, lib.tensor([0, 1, 2])), (A,)),
    "cross_entropy of probabilities": (lambda lib, a, b: lib.nn.functional.cross_entropy(a, b), (A, B)),
    "nll_loss": (lambda lib, a: lib.nn.functional.nll_loss(a, lib.tensor([0, 1, 2])), (A,)),
    "binary_cross_entropy": (lambda lib, a, b: lib.nn.functional.binary_cross_entropy(a, b), (A, B)),
    "logits": (lambda lib, a, b: lib.nn.functional.binary_cross_entropy_with_logits(a, b), (A, B)),
    "kl_div": (lambda lib, a, b: lib.nn.functional.kl_div(a, b, reduction="sum"), (A, B)),
    "poisson_nll_loss": (lambda lib, a, b: lib.nn.functional.poisson_nll_loss(a, b), (A, B)),
    "gaussian_nll_loss": (lambda lib, a, b: lib.nn.functional.gaussian_nll_loss(a, b, b), (A, B)),
    "hinge": (lambda lib, v: lib.nn.functional.hinge_embedding_loss(v, lib.tensor([1, -1, 1])), (V,)),
    "ranking": (lambda lib, v, w: lib.nn.functional.margin_ranking_loss(v, w, lib.tensor([1, -1, 1])), (V, W)),
    "cosine": (lambda lib, a, b: lib.nn.functional.cosine_embedding_loss(a, b, lib.tensor([1, -1, 1])), (A, B)),
    "triplet": (lambda lib, a, b: lib.nn.functional.triplet_margin_loss(a, b, a), (A, B)),
    "soft_margin_loss": (lambda lib, a, b: lib.nn.functional.soft_margin_loss(a, b), (A, B)),
    "multi_margin_loss": (lambda lib, a: lib.nn.functional.multi_margin_loss(a, lib.tensor([0, 1, 2])), (A,)),
    "multilabel": (lambda lib, a, b: lib.nn.functional.multilabel_soft_margin_loss(a, b), (A, B)),
    "multilabel margin": (
        lambda lib, a: lib.nn.functional.multilabel_margin_loss(a, lib.tensor([[0, 1, -1]] * 3)),
        (A,),
    ),
    "grid_sample": (
        lambda lib, x: lib.nn.functional.grid_sample(x, x[:, 0, :, :2, None].expand(2, 4, 2, 2), align_corners=False),
        (X,),
    ),
    "max_unpool2d": (lambda lib, x: lib.nn.functional.max_unpool2d(x, x.long() * 0, 2), (X,)),
    "ctc_loss": (
        lambda lib, a: lib.nn.functional.ctc_loss(a[:, None], lib.tensor([[1, 2]]), lib.tensor([3]), lib.tensor([2])),
        (A,),
    ),
    "cosine_similarity": (lambda lib, a, b: lib.nn.functional.cosine_similarity(a, b), (A, B)),
    "cdist": (lambda lib, a, b: lib.cdist(a, b), (A, B)),
    "trace": (lambda lib, a: a.trace(), (A,)),
    "quantile": (lambda lib, v: v.quantile(0.5), (V,)),
    "polar": (lambda lib, v, w: lib.polar(v, w), (V, W)),
    "cholesky": (lambda lib, a: lib.linalg.cholesky(a), (EYE,)),
    "inverse": (lambda lib, a: lib.linalg.inv(a), (EYE,)),
    "solve": (lambda lib, a: lib.linalg.solve(a, a), (EYE,)),
    "svdvals": (lambda lib, a: lib.linalg.svdvals(a), (EYE,)),
    "qr": (lambda lib, a: lib.linalg.qr(a), (EYE,)),
    "eigvalsh": (lambda lib, a: lib.linalg.eigvalsh(a), (EYE,)),
    "max_pool2d": (lambda lib, x: lib.nn.functional.max_pool2d(x, 2), (X,)),
    "max_pool3d": (lambda lib, x: lib.nn.functional.max_pool3d(x, 2), (CUBE,)),
    "avg_pool3d": (lambda lib, x: lib.nn.functional.avg_pool3d(x, 2), (CUBE,)),
    "adaptive_avg_pool3d": (lambda lib, x: lib.nn.functional.adaptive_avg_pool3d(x, 1), (CUBE,)),
    "reflect": (lambda lib, x: lib.nn.functional.pad(x, (1, 1, 1, 1), "reflect"), (X,)),
    "reflect in 3d": (lambda lib, x: lib.nn.functional.pad(x, (1,) * 6, "reflect"), (CUBE,)),
    "replicate in 3d": (lambda lib, x: lib.nn.functional.pad(x, (1,) * 6, "replicate"), (CUBE,)),
    "constant": (lambda lib, x: lib.nn.functional.pad(x, (1, 1)), (X,)),
    "cat": (lambda lib, v, w: lib.cat([v, w]), (V, W)),
    "cat of two types": (lambda lib, v, w: lib.cat([v, w.float()]), (V, W)),
    "stack": (lambda lib, v, w: lib.stack([v, w.float()]), (V, W)),
    "index_copy": (lambda lib, v, w: v.float().index_copy(0, lib.tensor([0]), w[:1]), (V, W)),
    "add": (lambda lib, v, w: v + w.float(), (V, W)),
}


def types(lib: Any, function: Callable[..., Any], arrays: Any, half: bool) -> list[str]:
    tensors = [lib.tensor(item) for item in arrays]
    with lib.autocast("cpu"):
        result = function(lib, *[item.bfloat16() for item in tensors] if half else tensors)
    return [str(item.dtype) for item in (result if isinstance(result, (tuple, list)) else [result])]


@pytest.mark.parametrize("name", WHOLE)
def test_types_of_results_of_float32(name: str) -> None:
    assert types(flambeau, *WHOLE[name], False) == types(torch, *WHOLE[name], False)


@pytest.mark.parametrize("name", HALF)
def test_types_of_results_of_bfloat16(name: str) -> None:
    assert types(flambeau, *HALF[name], True) == types(torch, *HALF[name], True)


def nested(lib: Any) -> Any:
    a, found = lib.ones(2, 2), []

    @lib.autocast("cpu", dtype=lib.float16)
    def decorated(x: Any) -> Any:
        found.append((x @ x).dtype)
        return lib.is_autocast_enabled("cpu")

    with lib.autocast("cpu"):
        found.append((a @ a).dtype)
        with lib.autocast("cpu", enabled=False):
            found.append((a @ a).dtype)
        with lib.amp.autocast("cpu", lib.float16):
            found += [(a @ a).dtype, lib.get_autocast_dtype("cpu")]
        found.append(decorated(a))
        found += [(a @ a).dtype, lib.get_autocast_dtype("cpu"), lib.is_autocast_enabled("cpu")]
    return [*found, (a @ a).dtype, lib.is_autocast_enabled("cpu"), decorated.__name__]


def switched(lib: Any) -> Any:
    lib.set_autocast_enabled("cpu", True)
    lib.set_autocast_dtype("cpu", lib.float16)
    found = [(lib.ones(2, 2) @ lib.ones(2, 2)).dtype, lib.is_autocast_cache_enabled()]
    lib.set_autocast_enabled("cpu", False)
    lib.set_autocast_dtype("cpu", lib.bfloat16)
    nesting = lib.autocast_increment_nesting(), lib.autocast_decrement_nesting(), lib.clear_autocast_cache()
    return found, nesting, (lib.ones(2, 2) @ lib.ones(2, 2)).dtype


@pytest.mark.parametrize(
    "case",
    [
        nested,
        switched,
        lambda lib: [lib.get_autocast_dtype(kind) for kind in ("cpu", "cuda", "mps")],
        lambda lib: [lib.amp.is_autocast_available(kind) for kind in ("cpu", "cuda")],
        lambda lib: lib.is_autocast_enabled(),
        lambda lib: lib.get_autocast_dtype("meta"),
        lambda lib: lib.autocast(3),
        lambda lib: lib.autocast("meta"),
        lambda lib: lib.autocast("cpu", lib.float32)._enabled,
        lambda lib: lib.autocast("cuda")._enabled,
        lambda lib: lib.autocast("cuda", enabled=False)._enabled,
        lambda lib: lib.cuda.amp.autocast(enabled=False).fast_dtype,
        lambda lib: lib.cuda.amp.GradScaler(enabled=False).is_enabled(),
        lambda lib: lib.cuda.amp.custom_fwd(lambda x: x).__name__,
        lambda lib: lib.cuda.amp.custom_fwd(cast_inputs=lib.float16)(lambda x: x).__name__,
        lambda lib: lib.cuda.amp.custom_bwd(lambda x: x).__name__,
        lambda lib: lib.amp.custom_fwd(lambda x: x),
        lambda lib: lib.amp.custom_fwd(lambda x: x, device_type=3),
        lambda lib: lib.amp.custom_bwd(lambda x: x, device_type=3),
    ],
)
def test_outcomes(case: Callable[[Any], Any]) -> None:
    same(case)


@pytest.mark.parametrize("cast_inputs", [None, "bfloat16", "float32"])
def test_custom_functions(cast_inputs: str | None) -> None:
    def outcome(lib: Any, on: bool) -> Any:
        kind = None if cast_inputs is None else getattr(lib, cast_inputs)
        seen: list[Any] = []

        class Product(lib.autograd.Function):
            @staticmethod
            @lib.amp.custom_fwd(device_type="cpu", cast_inputs=kind)
            def forward(ctx: Any, x: Any, others: Any) -> Any:
                ctx.save_for_backward(x, others[0])
                seen.extend([x.dtype, others[0].dtype, (x @ x).dtype])
                return x @ others[0]

            @staticmethod
            @lib.amp.custom_bwd(device_type="cpu")
            def backward(ctx: Any, g: Any) -> Any:
                x, y = ctx.saved_tensors
                seen.extend([g.dtype, (x @ x).dtype])
                return g @ y.t(), None

        x = lib.ones(2, 2, requires_grad=True)
        with lib.autocast("cpu", enabled=on):
            y = Product.apply(x, [lib.ones(2, 2)])
        y.float().sum().backward()
        return seen, y.dtype, x.grad

    same(lambda lib: outcome(lib, True))
    same(lambda lib: outcome(lib, False))


def trained(lib: Any, scaler: Any, dtype: Any) -> tuple[list[float], list[Any]]:
    """Losses and gradients' types of a small training under autocast."""
    lib.manual_seed(0)
    model = lib.nn.Sequential(lib.nn.Linear(4, 8), lib.nn.LayerNorm(8), lib.nn.ReLU(), lib.nn.Linear(8, 3))
    optimizer = lib.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    x, y = lib.randn(16, 4), lib.arange(16) % 3
    losses = []
    for _ in range(6):
        optimizer.zero_grad()
        with lib.autocast("cpu", dtype=dtype):
            loss = lib.nn.functional.cross_entropy(model(x), y)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
    return losses, [parameter.grad.dtype for parameter in model.parameters()]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_losses_of_a_training(dtype: str) -> None:
    found, expected = (
        trained(lib, lib.amp.GradScaler("cpu", init_scale=256.0), getattr(lib, dtype)) for lib in (flambeau, torch)
    )
    np.testing.assert_allclose(found[0], expected[0], rtol=0.02)
    assert expected[0][-1] < expected[0][0] * 0.9
    assert [str(item) for item in found[1]] == [str(item) for item in expected[1]]


def made(lib: Any, **options: Any) -> tuple[Any, Any, Any]:
    """A scaler, a leaf and its optimizer."""
    w = lib.tensor([1.0, 2.0], requires_grad=True)
    return lib.amp.GradScaler("cpu", **{"init_scale": 4.0, **options}), w, lib.optim.SGD([w], lr=0.1)


def steps(lib: Any, factors: list[float], **options: Any) -> Any:
    """Steps with losses times these factors; the scale, and the leaf, after each."""
    scaler, w, optimizer = made(lib, **options)
    found = []
    for factor in factors:
        optimizer.zero_grad()
        scaler.scale((w * w).sum() * factor).backward()
        scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
        found += [scaler.get_scale(), scaler.state_dict(), w.detach().tolist()]
    return found


def after(act: Callable[[Any, Any, Any], Any]) -> Callable[[Any], Any]:
    """What a scaler that has scaled a loss does."""

    def case(lib: Any) -> Any:
        scaler, w, optimizer = made(lib)
        scaler.scale((w * w).sum()).backward()
        return act(scaler, w, optimizer), w.grad, w

    return case


INF = float("inf")


@pytest.mark.parametrize(
    "case",
    [
        lambda lib: steps(lib, [1.0, 1.0, 1.0], growth_interval=2),
        lambda lib: steps(lib, [1.0, INF, 1.0, 1.0, float("nan"), 1.0], growth_interval=2, backoff_factor=0.25),
        lambda lib: steps(lib, [1.0, 1.0], growth_interval=1, init_scale=3e38, growth_factor=1e3),
        lambda lib: made(lib, growth_factor=0.5),
        lambda lib: made(lib, backoff_factor=1.5),
        lambda lib: lib.amp.GradScaler().is_enabled(),
        lambda lib: lib.amp.GradScaler("cpu", enabled=False).state_dict(),
        lambda lib: lib.amp.GradScaler("cpu", enabled=False).scale(3),
        lambda lib: lib.amp.GradScaler("cpu", enabled=False).get_scale(),
        lambda lib: lib.amp.GradScaler("cpu").state_dict(),
        lambda lib: lib.amp.GradScaler("cpu").update(),
        lambda lib: lib.amp.GradScaler("cpu").unscale_(None),
        lambda lib: lib.amp.GradScaler("cpu").load_state_dict({}),
        lambda lib: made(lib)[0].scale(3),
        lambda lib: made(lib)[0].scale([lib.ones(1), (lib.ones(2),)]),
        after(lambda scaler, w, optimizer: scaler.unscale_(optimizer)),
        after(lambda scaler, w, optimizer: (scaler.unscale_(optimizer), scaler.unscale_(optimizer))),
        after(lambda scaler, w, optimizer: (scaler.step(optimizer), scaler.step(optimizer))),
        after(lambda scaler, w, optimizer: (scaler.step(optimizer), scaler.unscale_(optimizer))),
        after(lambda scaler, w, optimizer: scaler.step(optimizer, closure=lambda: 0)),
        after(lambda scaler, w, optimizer: scaler.update()),
        after(lambda scaler, w, optimizer: (optimizer.zero_grad(), scaler.step(optimizer))),
        after(lambda scaler, w, optimizer: (scaler.update(8.0), scaler.get_scale())),
        after(lambda scaler, w, optimizer: (scaler.update(w.detach()[1]), scaler.get_scale())),
        after(lambda scaler, w, optimizer: (scaler.unscale_(optimizer), pickle.dumps(scaler))),
        after(lambda scaler, w, optimizer: pickle.loads(pickle.dumps(scaler)).state_dict()),
        after(lambda scaler, w, optimizer: (scaler.set_growth_interval(3), scaler.get_growth_interval())),
        after(lambda scaler, w, optimizer: (scaler.set_growth_factor(3.0), scaler.get_growth_factor())),
        after(lambda scaler, w, optimizer: (scaler.set_backoff_factor(0.1), scaler.get_backoff_factor())),
    ],
)
def test_scaler(case: Callable[[Any], Any]) -> None:
    same(case)


def test_state_of_a_scaler_goes_both_ways() -> None:
    state = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=5).state_dict()
    scaler, w, _ = made(flambeau)
    scaler.scale(w.sum())
    scaler.load_state_dict(state)
    assert scaler.state_dict() == state
    theirs = torch.amp.GradScaler("cpu")
    theirs.load_state_dict(scaler.state_dict())
    assert theirs.state_dict() == state


def test_gradients_through_autocast() -> None:
    def grads(lib: Any) -> list[Any]:
        a, b = (lib.tensor(item, requires_grad=True) for item in (A, B))
        with lib.autocast("cpu"):
            y = lib.nn.functional.mse_loss((a @ b).relu(), b)
        y.backward()
        return [y, a.grad, b.grad]

    compare(grads(flambeau), grads(torch), rtol=2e-2, atol=1e-2)
