"""torch.nn.utils against PyTorch: clipping, vectors of parameters, fusing, and the small helpers."""

import warnings
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

from tests.parity.failures import same_error
from tests.parity.oracle import check
from tests.parity.outcomes import same

torch = pytest.importorskip("torch")

INF = float("inf")
SHAPES = ((3, 2), (4,), ())
RNG = np.random.default_rng(0)


def arrays(kind: Any = np.float32) -> list[Any]:
    drawn = [RNG.normal(size=shape) * 3 for shape in SHAPES]
    if np.dtype(kind).kind == "c":
        drawn = [item + 1j * RNG.normal(size=item.shape) for item in drawn]
    return [np.asarray(item).astype(kind) for item in drawn]


def with_gradients(library: Any, gradients: Any) -> list[Any]:
    """Parameters that have these gradients, and one that has none."""
    params = [library.zeros(item.shape, dtype=item.dtype, requires_grad=True) for item in gradients]
    for param, gradient in zip(params, gradients, strict=True):
        param.grad = gradient.clone()
    return [*params, library.zeros(2, requires_grad=True)]


def clipped(library: Any, gradients: Any, clip: Any) -> list[Any]:
    """What clipping returns, and the gradients after it."""
    params = with_gradients(library, gradients)
    result = clip(library.nn.utils, params)
    return [item for item in (result, *[param.grad for param in params]) if item is not None]


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.float16, np.complex64])
@pytest.mark.parametrize("order", [2.0, 1, 3.5, INF, -INF, 0, -1, "inf"])
def test_norm(kind: Any, order: Any):
    def total(t: Any, *gradients: Any) -> Any:
        return t.nn.utils.get_total_norm(list(gradients), order)

    check(total, *arrays(kind), gradients=False)


def test_norm_of_mixed_types_is_of_the_common_type():
    half, single, double = (arrays(kind)[0] for kind in (np.float16, np.float32, np.float64))
    check(lambda t, *x: t.nn.utils.get_total_norm(x), half, single, gradients=False)
    check(lambda t, *x: t.nn.utils.get_total_norm(x, 3), half, double, single, gradients=False)
    check(lambda t, x, y: t.nn.utils.get_total_norm([x, y.bfloat16()]), half, single, gradients=False)


CLIPS: dict[str, Any] = {
    "norm": lambda u, p: u.clip_grad_norm_(p, 1.0),
    "norm that is small already": lambda u, p: u.clip_grad_norm_(p, 1e6),
    "infinity norm": lambda u, p: u.clip_grad_norm_(iter(p), 0.5, "inf", foreach=True),
    "1-norm": lambda u, p: u.clip_grad_norm_((x for x in p), 2, 1, error_if_nonfinite=True),
    "a single parameter": lambda u, p: u.clip_grad_norm_(p[0], 1.0, foreach=False),
    "norm given": lambda u, p: u.clip_grads_with_norm_(p, 1.0, u.get_total_norm([x.grad for x in p[:2]])),
    "a parameter twice": lambda u, p: u.clip_grad_norm_([p[0], *p, p[0]], 1.0),
}
VALUES: dict[str, Any] = {
    "value": lambda u, p: u.clip_grad_value_(p, 0.7),
    "whole value": lambda u, p: u.clip_grad_value_(iter(p), 1, foreach=True),
    "value below zero": lambda u, p: u.clip_grad_value_(p[1], -0.25),
}


@pytest.mark.parametrize("kind", [np.float32, np.float16, np.complex64])
@pytest.mark.parametrize("clip", CLIPS.values(), ids=CLIPS.keys())
def test_clip_norm(clip: Any, kind: Any):
    check(lambda t, *x: clipped(t, x, clip), *arrays(kind), gradients=False)


@pytest.mark.parametrize("kind", [np.float32, np.float16])
@pytest.mark.parametrize("clip", VALUES.values(), ids=VALUES.keys())
def test_clip_value(clip: Any, kind: Any):
    check(lambda t, *x: clipped(t, x, clip), *arrays(kind), gradients=False)


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_gradients_that_are_not_finite(odd: float):
    x = np.array([odd, 1.0, -2.0], np.float32)
    for clip in (CLIPS["norm"], CLIPS["infinity norm"], VALUES["value"]):
        check(lambda t, x, clip=clip: clipped(t, [x], clip), x, gradients=False)


def test_a_norm_that_is_not_the_gradients():
    def clip(t: Any, x: Any, norm: Any) -> Any:
        return clipped(t, [x], lambda u, p: u.clip_grads_with_norm_(p, t.tensor(1.0), norm))

    x = arrays()[0]
    for norm in (np.float64(9), np.float32(0), np.float32("nan"), np.int64(7)):
        check(clip, x, np.asarray(norm), gradients=False)


def test_nothing_to_clip():
    same(lambda t: t.nn.utils.get_total_norm([]))
    same(lambda t: t.nn.utils.clip_grad_norm_([], 1.0))
    same(lambda t: t.nn.utils.clip_grad_norm_([t.zeros(2)], 1.0))
    same(lambda t: t.nn.utils.clip_grad_norm_((x for x in ()), 1.0))  # which warns
    same(lambda t: t.nn.utils.clip_grad_norm_(iter([]), 1.0))  # which does not
    same(lambda t: t.nn.utils.clip_grads_with_norm_([], 1.0, 5))


def test_the_older_name_warns():
    same(lambda t: t.nn.utils.clip_grad_norm(with_gradients(t, [t.tensor([3.0, 4.0])]), 1.0))


def test_warnings_point_at_the_caller():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        from flambeau.nn.utils import clip_grad_norm, clip_grad_norm_

        clip_grad_norm_((x for x in ()), 1.0)
        clip_grad_norm([], 1.0)
    assert [item.filename for item in caught] == [__file__, __file__]


ERRORS: dict[str, Any] = {
    "no finite norm": lambda t, x: t.nn.utils.get_total_norm([x / 0], 2, error_if_nonfinite=True),
    "no finite infinity norm": lambda t, x: t.nn.utils.get_total_norm([x / 0], INF, True),
    "whole numbers": lambda t, x: t.nn.utils.get_total_norm([x.long()]),
    "an empty tensor's smallest": lambda t, x: t.nn.utils.get_total_norm([x[:0], x], -1),
    "an empty tensor's largest": lambda t, x: t.nn.utils.get_total_norm([x[:0], x], INF, foreach=False),
    "no norm": lambda t, x: t.nn.utils.get_total_norm([x], "x"),
    "a number": lambda t, x: t.nn.utils.get_total_norm(3),
    "meta": lambda t, x: t.nn.utils.get_total_norm([x.to("meta")], foreach=True),
    "a norm with dimensions": lambda t, x: t.nn.utils.clip_grads_with_norm_(with_gradients(t, [x]), 1, x),
    "no number": lambda t, x: t.nn.utils.clip_grads_with_norm_(with_gradients(t, [x]), "x", x.sum()),
    "no value": lambda t, x: t.nn.utils.clip_grad_value_(with_gradients(t, [x]), "x"),
    "complex value": lambda t, x: t.nn.utils.clip_grad_value_(with_gradients(t, [x * 1j]), 1),
    "no parameters": lambda t, x: t.nn.utils.clip_grad_norm_([None], 1),
    "vector of nothing": lambda t, x: t.nn.utils.parameters_to_vector([]),
    "vector of a list": lambda t, x: t.nn.utils.vector_to_parameters([1.0], [x]),
    "short vector": lambda t, x: t.nn.utils.vector_to_parameters(x[:1], [x]),
    "skipping no module": lambda t, x: t.nn.utils.skip_init(int, 3),
    "skipping without device": lambda t, x: t.nn.utils.skip_init(t.nn.ReLU),
    "skipping with too little": lambda t, x: t.nn.utils.skip_init(t.nn.Linear, 2),
    "no format": lambda t, x: t.nn.utils.convert_conv2d_weight_memory_format(t.nn.Conv2d(1, 1, 1), 3),
    "another rank's format": lambda t, x: t.nn.utils.convert_conv3d_weight_memory_format(
        t.nn.Sequential(t.nn.Conv3d(1, 1, 1)), t.channels_last
    ),
    "training convolution": lambda t, x: t.nn.utils.fuse_conv_bn_eval(t.nn.Conv1d(1, 1, 1), t.nn.BatchNorm1d(1)),
    "training linear": lambda t, x: t.nn.utils.fuse_linear_bn_eval(t.nn.Linear(1, 1), t.nn.BatchNorm1d(1).eval()),
    "no statistics": lambda t, x: t.nn.utils.fuse_conv_bn_eval(
        t.nn.Conv1d(1, 1, 1).eval(), t.nn.BatchNorm1d(1, track_running_stats=False).eval()
    ),
    "other features": lambda t, x: t.nn.utils.fuse_linear_bn_eval(t.nn.Linear(2, 3).eval(), t.nn.BatchNorm1d(2).eval()),
}


@pytest.mark.parametrize("case", ERRORS.values(), ids=ERRORS.keys())
def test_errors(case: Any):
    same_error(case, np.array([1.0, -2.0], np.float32))


# -- vectors -------------------------------------------------------------------------------------------------------


def test_parameters_to_vector():
    check(lambda t, *x: t.nn.utils.parameters_to_vector(iter(x)), *arrays())
    check(lambda t, x, y: t.nn.utils.parameters_to_vector([x, y.double()]), *arrays()[:2])


def test_vector_to_parameters_shares_the_vector():
    def shared(t: Any) -> Any:
        vector = t.arange(9.0, dtype=t.float64)
        params = [t.nn.Parameter(t.zeros(2, 3)), t.zeros(2)]
        t.nn.utils.vector_to_parameters(vector, iter(params))
        vector[0] = 50.0
        return params

    same(shared)


def test_vector_and_back_in_a_model():
    def moved(t: Any) -> Any:
        t.manual_seed(0)
        model = t.nn.Sequential(t.nn.Linear(3, 2), t.nn.Linear(2, 1))
        vector = t.nn.utils.parameters_to_vector(model.parameters()).detach()
        t.nn.utils.vector_to_parameters(vector * 2, model.parameters())
        model(t.ones(1, 3)).sum().backward()
        return [vector, *model.state_dict().values(), *[param.grad for param in model.parameters()]]

    check(moved, gradients=False)


# -- fusing --------------------------------------------------------------------------------------------------------


def settled(t: Any, norm: Any) -> Any:
    """A normalization in evaluation, with statistics and parameters that are not the first ones."""
    t.manual_seed(1)
    for item in (norm.running_mean, norm.running_var, norm.weight, norm.bias):
        if item is not None:
            with t.no_grad():
                item.copy_(t.rand(item.shape) + 0.5)
    return norm.eval()


FUSED: dict[str, Any] = {
    "conv1d": lambda t: (t.nn.Conv1d(2, 4, 3), t.nn.BatchNorm1d(4), (2, 2, 7)),
    "conv2d": lambda t: (t.nn.Conv2d(2, 4, 3, groups=2), t.nn.BatchNorm2d(4), (2, 2, 5, 5)),
    "without bias": lambda t: (t.nn.Conv2d(2, 4, 3, bias=False), t.nn.BatchNorm2d(4), (2, 2, 5, 5)),
    "without weight": lambda t: (t.nn.Conv2d(2, 4, 3), t.nn.BatchNorm2d(4, affine=False, eps=0.1), (2, 2, 5, 5)),
    "transposed": lambda t: (t.nn.ConvTranspose2d(2, 4, 3), t.nn.BatchNorm2d(4), (2, 2, 5, 5), True),
    "linear": lambda t: (t.nn.Linear(3, 4), t.nn.BatchNorm1d(4), (2, 3)),
    "linear without bias": lambda t: (t.nn.Linear(3, 4, bias=False), t.nn.BatchNorm1d(4), (2, 3)),
    "linear in half": lambda t: (t.nn.Linear(3, 4).half(), t.nn.BatchNorm1d(4).half(), (2, 3)),
}


@pytest.mark.parametrize("case", FUSED.values(), ids=FUSED.keys())
def test_fused(case: Any):
    def fused(t: Any) -> Any:
        t.manual_seed(0)
        layer, norm, shape, *transpose = case(t)
        layer.eval()
        fuse = t.nn.utils.fuse_linear_bn_eval if isinstance(layer, t.nn.Linear) else t.nn.utils.fuse_conv_bn_eval
        made = fuse(layer, settled(t, norm), *transpose)
        x = t.rand(shape).to(layer.weight.dtype)
        assert type(made) is type(layer)
        assert made is not layer
        assert made.weight.is_leaf
        difference = (made(x).double() - norm(layer(x)).double()).abs().max().item()
        assert difference < (1e-2 if layer.weight.dtype == t.float16 else 1e-5)
        return [made.weight, made.bias, t.tensor([made.weight.requires_grad, made.bias.requires_grad])]

    check(fused, gradients=False)


def test_fused_with_one_feature():
    def fused(t: Any) -> Any:
        t.manual_seed(0)
        linear = t.nn.Linear(3, 4).eval()
        made = t.nn.utils.fuse_linear_bn_eval(linear, settled(t, t.nn.BatchNorm1d(1)))
        return [made.weight, made.bias]

    check(fused, gradients=False)


# -- small helpers -------------------------------------------------------------------------------------------------


def test_skip_init_draws_nothing():
    same(lambda t: (t.manual_seed(0), t.nn.utils.skip_init(t.nn.Linear, 5, out_features=2), t.rand(2))[1:])
    same(lambda t: t.nn.utils.skip_init(t.nn.Linear, 2, 3, device="meta").weight.device)


def test_memory_formats_are_accepted():
    def converted(t: Any) -> Any:
        model = t.nn.Sequential(
            t.nn.Conv2d(2, 3, 3), t.nn.Sequential(t.nn.ConvTranspose2d(3, 1, 2)), t.nn.Conv3d(1, 1, 1)
        )
        assert t.nn.utils.convert_conv2d_weight_memory_format(model, t.channels_last) is model
        assert t.nn.utils.convert_conv3d_weight_memory_format(model, t.channels_last_3d) is model
        return [model, t.nn.utils.convert_conv2d_weight_memory_format(model[0], None)]

    same(converted)


PREFIXED = (
    ({"module.a": 1, "b": 2, "module.module.c": 3}, "module."),
    ({"a": 1}, "module."),
    ({"module_a": 1, "module.b": 2}, "module"),
)


@pytest.mark.parametrize(("state", "prefix"), PREFIXED)
def test_consume_prefix(state: Any, prefix: str):
    def consumed(t: Any) -> Any:
        given = OrderedDict(state)
        given._metadata = OrderedDict({"": 0, "module": 1, "module.sub": 2, "other": 3})  # pyright: ignore[reportAttributeAccessIssue]  # as state_dict() sets it
        t.nn.modules.utils.consume_prefix_in_state_dict_if_present(given, prefix)
        plain = dict(state)
        t.nn.modules.utils.consume_prefix_in_state_dict_if_present(plain, prefix)
        return list(given.items()), list(given._metadata.items()), plain  # pyright: ignore[reportAttributeAccessIssue]  # as above

    same(consumed)


def test_tuples_of_numbers():
    same(lambda t: [getattr(t.nn.modules.utils, name)(3) for name in ("_single", "_pair", "_triple", "_quadruple")])
    same(lambda t: [t.nn.modules.utils._pair(value) for value in ([1, 2], (1, 2, 3), "ab", None)])
    same(lambda t: t.nn.modules.utils._ntuple(2, "name").__name__)
