"""Attention layers and transformers against PyTorch: initial values, text, state, results, gradients, errors."""

import copy
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import flambeau
from flambeau.testing import compilations
from tests.parity.oracle import compare, flat, torch, weights
from tests.parity.outcomes import same

RANDOM = np.random.default_rng(4)


def draw(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


QUERY, KEY, NARROW = draw(3, 2, 4), draw(3, 2, 4), draw(3, 2, 2)
CAUSAL = np.triu(np.ones((3, 3), bool), 1)
PADDING = np.array([[False, False, True], [False, False, False]])
NUMBERS = draw(3, 3)

# The layer, then the arguments of its call.
LAYERS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "MultiheadAttention(4, 2)": ((QUERY, KEY, KEY), {"key_padding_mask": PADDING}),
    "MultiheadAttention(4, 1, bias=False, batch_first=True)": ((QUERY,) * 3, {"need_weights": False}),
    "MultiheadAttention(4, 2, add_bias_kv=True, add_zero_attn=True)": (
        (QUERY, KEY, KEY + 1),
        {"attn_mask": CAUSAL, "key_padding_mask": PADDING, "average_attn_weights": False},
    ),
    "MultiheadAttention(4, 2, kdim=2, vdim=2)": (
        (QUERY, NARROW, NARROW),
        {"need_weights": False, "attn_mask": NUMBERS, "key_padding_mask": np.where(PADDING, -np.inf, 0).astype("f4")},
    ),
    "MultiheadAttention(4, 2, dtype=torch.float64)": (
        (QUERY[:, 0].astype(np.float64),) * 3,
        {"need_weights": False, "attn_mask": CAUSAL, "is_causal": True},
    ),
    "TransformerEncoderLayer(4, 2, 8, 0.0, batch_first=True)": ((QUERY,), {}),
    "TransformerEncoderLayer(4, 2, 8, 0.0, 'gelu', norm_first=True, bias=False)": ((QUERY,), {"src_mask": CAUSAL}),
    "TransformerDecoderLayer(4, 2, 8, 0.0, nn.functional.silu)": (
        (QUERY, KEY),
        {"tgt_mask": CAUSAL, "tgt_is_causal": True},
    ),
    "TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, 0.0, batch_first=True), 2, nn.LayerNorm(4))": (
        (QUERY.swapaxes(0, 1),),
        {"src_key_padding_mask": PADDING},
    ),
    "Transformer(4, 2, 1, 1, 8, 0.0, nn.GELU(), batch_first=True, norm_first=True)": (
        (QUERY, KEY),
        {"tgt_mask": CAUSAL[:2, :2]},
    ),
}


def made(library: Any, expression: str) -> Any:
    library.manual_seed(7)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "enable_nested_tensor is True")
        return eval(f"nn.{expression}", {"nn": library.nn, "torch": library})


def called(library: Any, layer: Any, args: Any, kwargs: Any) -> tuple[list[Any], list[Any]]:
    """Results of a call, and the gradients of everything; equal arrays are one tensor."""
    tensors = {id(item): library.tensor(item.copy()).requires_grad_() for item in args}
    given = {name: library.tensor(item) if isinstance(item, np.ndarray) else item for name, item in kwargs.items()}
    results = flat(layer(*[tensors[id(item)] for item in args], **given))
    roots = [item for item in results if item is not None]
    sum((item * weights(library, item)).sum() for item in roots).backward()  # pyright: ignore[reportAttributeAccessIssue]
    return results, [item.grad for item in (*tensors.values(), *layer.parameters())]


@pytest.mark.parametrize("expression", LAYERS)
def test_made_as_in_pytorch(expression: str) -> None:
    mine, theirs = made(flambeau, expression), made(torch, expression)
    assert repr(mine) == repr(theirs)
    for own, other in zip(mine.modules(), theirs.modules(), strict=True):
        assert getattr(own, "__constants__", None) == getattr(other, "__constants__", None)
        assert own.__dict__.keys() == other.__dict__.keys()
        assert list(own._parameters) == list(other._parameters)
        for name, value in other.__dict__.items():
            if isinstance(value, (int, float, bool)):
                assert own.__dict__[name] == value, name
    assert list(mine.state_dict()) == list(theirs.state_dict())
    for name, value in theirs.state_dict().items():
        np.testing.assert_array_equal(mine.state_dict()[name].host(), value.numpy(), err_msg=name)
    for again in (copy.deepcopy(mine), pickle.loads(pickle.dumps(mine))):
        assert repr(again) == repr(mine)


@pytest.mark.parametrize("expression", LAYERS)
def test_computes_as_in_pytorch(expression: str) -> None:
    args, kwargs = LAYERS[expression]
    expected, expected_gradients = called(torch, made(torch, expression), args, kwargs)
    for limit in (None, 0):
        with compilations(at_most=limit):
            found, found_gradients = called(flambeau, made(flambeau, expression), args, kwargs)
            compare(found, expected)
            compare(found_gradients, expected_gradients, rtol=1e-4, atol=3e-5, what="gradient")


def test_evaluation_without_gradients() -> None:
    """Where PyTorch takes its fast path: the same values, but for padded places, which it fills with zeros."""
    expression = "TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), 1)"
    results: list[Any] = []
    for library in (flambeau, torch):
        layer = made(library, expression).eval()
        with library.no_grad():
            x = library.tensor(np.ascontiguousarray(QUERY.swapaxes(0, 1)))
            results.append(layer(x, src_key_padding_mask=library.tensor(PADDING)).numpy())
    np.testing.assert_allclose(results[0][~PADDING], results[1][~PADDING], rtol=1e-5, atol=1e-5)
    assert (results[1][PADDING] == 0).all()
    assert (results[0][PADDING] != 0).all()


def attend(library: Any, *args: Any, **kwargs: Any) -> Any:
    """Attention without weights of its own."""
    unit = library.eye(4)
    given: dict[str, Any] = {"in_proj_weight": library.cat([unit] * 3), "bias_k": None, "bias_v": None, **kwargs}
    first = [given.pop(name) for name in ("in_proj_weight", "bias_k", "bias_v")]
    tensors = [library.tensor(item) if isinstance(item, np.ndarray) else item for item in args]
    return library.nn.functional.multi_head_attention_forward(
        *tensors, 4, 2, first[0], None, first[1], first[2], False, 0.0, unit, None, **given
    )


def test_static_keys_and_values() -> None:
    results = [
        attend(library, QUERY, KEY, KEY, static_k=library.tensor(STATIC), static_v=library.tensor(STATIC * 2))
        for library in (flambeau, torch)
    ]
    compare(flat(results[0]), flat(results[1]))


STATIC = draw(4, 3, 2)
MASKS: dict[str, Callable[[Any], Any]] = {
    "causal": lambda torch: torch.nn.Transformer.generate_square_subsequent_mask(3),
    "causal double": lambda torch: torch.nn.Transformer.generate_square_subsequent_mask(2, dtype=torch.float64),
    "default dtype": lambda torch: torch.nn.Transformer.generate_square_subsequent_mask(1, "cpu").dtype,
    "merge padding": lambda torch: attention(torch).merge_masks(None, torch.zeros(2, 3), torch.zeros(2, 3, 4)),
    "merge both": lambda torch: attention(torch).merge_masks(torch.eye(3), torch.ones(2, 3), torch.zeros(2, 3, 4)),
    "merge 3-D": lambda torch: attention(torch).merge_masks(torch.ones(4, 3, 3), None, torch.zeros(2, 3, 4)),
    "merge nothing": lambda torch: attention(torch).merge_masks(None, None, torch.zeros(2, 3, 4)),
}


def attention(library: Any) -> Any:
    return library.nn.MultiheadAttention(4, 2)


@pytest.mark.parametrize("name", MASKS)
def test_masks(name: str) -> None:
    same(MASKS[name])


@pytest.mark.parametrize("hint", [None, True, False])
def test_the_causal_mask_is_recognized(hint: bool | None) -> None:
    """Layers are told whether the mask is the causal one."""

    def told(library: Any, mask: Any) -> list[bool]:
        nn = library.nn
        encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), 1)
        decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(4, 2, 8, batch_first=True), 1)
        seen: list[bool] = []
        encoder.layers[0].self_attn.register_forward_pre_hook(
            lambda _, __, k: seen.append(k["is_causal"]), with_kwargs=True
        )
        decoder.layers[0].self_attn.register_forward_pre_hook(
            lambda _, __, k: seen.append(k["is_causal"]), with_kwargs=True
        )
        x = library.zeros(2, 3, 4)
        encoder(x, mask, is_causal=hint)
        decoder(x, x, mask, tgt_is_causal=hint)
        return seen

    for build in (
        lambda library: library.nn.Transformer.generate_square_subsequent_mask(3),
        lambda library: library.triu(library.full((3, 3), float("-inf")), diagonal=1),
        lambda library: library.zeros(3, 3),
    ):
        assert told(flambeau, build(flambeau)) == told(torch, build(torch))


# -- errors ----------------------------------------------------------------------------------------------------------


def call(library: Any, *shapes: tuple[int, ...], **masks: Any) -> Any:
    return attention(library)(*[library.zeros(shape) for shape in shapes], **masks)


def model(library: Any, *args: Any, **kwargs: Any) -> Any:
    return library.nn.Transformer(4, 2, 1, 1, 8, *args, **kwargs)


def layer(library: Any, **kwargs: Any) -> Any:
    return library.nn.TransformerEncoderLayer(4, kwargs.pop("nhead", 2), 8, **kwargs)


BATCHED, ALONE = ((3, 2, 4),) * 3, ((3, 4),) * 3

ERRORS: dict[str, Callable[[Any], Any]] = {
    "sizes": lambda torch: torch.nn.MultiheadAttention(0, 2),
    "heads": lambda torch: torch.nn.MultiheadAttention(5, 2),
    "rank 1": lambda torch: call(torch, *((4,),) * 3),
    "rank of key": lambda torch: call(torch, (3, 2, 4), (3, 4), (3, 4)),
    "rank of lone key": lambda torch: call(torch, (3, 4), (3, 2, 4), (3, 4)),
    "rank of padding": lambda torch: call(torch, *BATCHED, key_padding_mask=torch.zeros(3)),
    "rank of lone padding": lambda torch: call(torch, *ALONE, key_padding_mask=torch.zeros(1, 3)),
    "rank of mask": lambda torch: call(torch, *BATCHED, attn_mask=torch.zeros(3)),
    "rank of lone mask": lambda torch: call(torch, *ALONE, attn_mask=torch.zeros(3)),
    "shape of lone mask": lambda torch: call(torch, *ALONE, attn_mask=torch.zeros(1, 3, 3)),
    "shape of mask": lambda torch: call(torch, *BATCHED, attn_mask=torch.zeros(3, 2)),
    "shape of 3-D mask": lambda torch: call(torch, *BATCHED, attn_mask=torch.zeros(2, 3, 3)),
    "shape of padding": lambda torch: call(torch, *BATCHED, key_padding_mask=torch.zeros(2, 4)),
    "batch of padding": lambda torch: call(torch, *BATCHED, key_padding_mask=torch.zeros(3, 3)),
    "type of mask": lambda torch: call(torch, *BATCHED, attn_mask=torch.zeros(3, 3, dtype=torch.int64)),
    "type of padding": lambda torch: call(torch, *BATCHED, key_padding_mask=torch.zeros(2, 3, dtype=torch.int64)),
    "mismatched masks": lambda torch: (
        call(torch, *BATCHED, attn_mask=torch.zeros(3, 3), key_padding_mask=torch.zeros(2, 3, dtype=torch.bool))[
            1
        ].shape
    ),
    "causal without mask": lambda torch: call(torch, *BATCHED, is_causal=True),
    "embedding": lambda torch: call(torch, *((3, 2, 6),) * 3),
    "key and value": lambda torch: call(torch, (3, 2, 4), (3, 2, 4), (5, 2, 4)),
    "separate key and value": lambda torch: torch.nn.MultiheadAttention(4, 2, kdim=2)(
        torch.zeros(3, 2, 4), torch.zeros(3, 2, 2), torch.zeros(5, 2, 4)
    ),
    "separate size": lambda torch: torch.nn.MultiheadAttention(4, 2, kdim=2)(*[torch.zeros(3, 2, 4)] * 3),
    "no weight": lambda torch: attend(torch, QUERY, KEY, KEY, in_proj_weight=None),
    "no separate weight": lambda torch: attend(torch, QUERY, KEY, KEY, use_separate_proj_weight=True),
    "bias of keys alone": lambda torch: attend(torch, QUERY, KEY, KEY, bias_k=torch.zeros(1, 1, 4)),
    "bias of values alone": lambda torch: attend(torch, QUERY, KEY, KEY, bias_v=torch.zeros(1, 1, 4)),
    "static heads": lambda torch: attend(torch, QUERY, KEY, KEY, static_k=torch.zeros(3, 3, 2)),
    "static size": lambda torch: attend(torch, QUERY, KEY, KEY, static_v=torch.zeros(4, 3, 3)),
    "activation": lambda torch: layer(torch, activation="tanh"),
    "batches": lambda torch: model(torch, batch_first=True)(torch.zeros(2, 3, 4), torch.zeros(3, 3, 4)),
    "batches second": lambda torch: model(torch)(torch.zeros(3, 2, 4), torch.zeros(3, 3, 4)),
    "features": lambda torch: model(torch, batch_first=True)(torch.zeros(2, 3, 6), torch.zeros(2, 3, 4)),
    "not nested: another layer": lambda torch: torch.nn.TransformerEncoder(torch.nn.Linear(2, 2, bias=False), 0),
    **{
        f"not nested: {change}": lambda torch, change=change: torch.nn.TransformerEncoder(layer(torch, **change), 0)
        for change in (
            {"batch_first": False},
            {"batch_first": True, "norm_first": True},
            {"batch_first": True, "bias": False},
            {"batch_first": True, "nhead": 1},
            {"batch_first": True, "activation": abs},
            {"batch_first": True},
        )
    },
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_and_warnings(name: str) -> None:
    same(ERRORS[name])


def test_old_pickles() -> None:
    for library in (flambeau, torch):
        for kind in ("TransformerEncoderLayer", "TransformerDecoderLayer", "MultiheadAttention"):
            old = made(library, f"{kind}(4, 2)")
            state = old.__getstate__()
            again = object.__new__(type(old))
            again.__setstate__(
                {key: value for key, value in state.items() if key not in ("activation", "_qkv_same_embed_dim")}
            )
            assert getattr(again, "activation", library.nn.functional.relu) is library.nn.functional.relu
            assert getattr(again, "_qkv_same_embed_dim", True)
