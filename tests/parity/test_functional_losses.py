"""CTC, margins, bags of embeddings, distances and grouped products against PyTorch: a line each."""

from typing import Any

import numpy as np
import pytest

import flambeau
from tests.parity.oracle import check, run, torch

RANDOM = np.random.default_rng(6)


def draw(*shape: int) -> np.ndarray:
    """Numbers with two decimals, so that ties occur."""
    return RANDOM.normal(size=shape).round(2).astype(np.float32)


def logs(*shape: int) -> np.ndarray:
    return np.log(RANDOM.dirichlet(np.ones(shape[-1]), shape[:-1])).astype(np.float32)


X = draw(3, 4)
TABLE = draw(5, 3)
STEPS = logs(6, 3, 4)
LABELS = np.array([[1, 1, 3], [3, 2, 3], [2, 0, 1]])
BAGS = np.array([0, 2, 4, 2, 2, 1])
STARTS = np.array([0, 0, 2, 5, 6])
WORDS = np.array([[1, 3, -1, 0], [-1, 1, 2, 3], [0, 0, 2, -1]])
EXPERTS = draw(2, 4, 3)
ENDS = np.array([1, 4], np.int32)


def ctc(x: np.ndarray, *arguments: Any, **named: Any) -> tuple[Any, ...]:
    """A case of ctc_loss; arrays among the arguments become tensors."""

    def function(t: Any, x: Any) -> Any:
        tensors = [t.tensor(item) if isinstance(item, np.ndarray) else item for item in arguments]
        return t.nn.functional.ctc_loss(x, *tensors, **named)

    return function, x


def bag(mode: str, **named: Any) -> tuple[Any, ...]:
    return (lambda t, w, i, o: t.nn.functional.embedding_bag(i, w, o, mode=mode, **named), TABLE, BAGS, STARTS)


CASES: dict[str, tuple[Any, ...]] = {
    "ctc": ctc(STEPS, LABELS, np.array([6, 5, 4]), np.array([3, 2, 1])),
    "ctc sum": ctc(STEPS, LABELS, (6, 5, 4), (3, 2, 1), reduction="sum"),
    "ctc none": ctc(STEPS, LABELS, (6, 5, 6), (3, 0, 1), reduction="none"),
    "ctc double": ctc(STEPS.astype(np.float64), LABELS % 3, (6, 5, 4), (3, 1, 1), blank=3),
    "ctc joined": ctc(STEPS, np.array([1, 1, 3, 2, 3]), np.array([6, 5, 6]), np.array([3, 0, 2])),
    "ctc joined nothing": ctc(STEPS, np.array([], np.int64), (6, 5, 6), (0, 0, 0), reduction="none"),
    "ctc lone": ctc(STEPS[:, 0], LABELS[0], (6,), (3,)),
    "ctc lone none": ctc(STEPS[:, 0], LABELS[0], np.array(6), np.array(3), reduction="none"),
    "ctc impossible": ctc(STEPS, LABELS, (3, 5, 0), (3, 2, 1), reduction="none"),
    "ctc impossible zero": ctc(STEPS, LABELS, (3, 5, 0), (3, 2, 1), zero_infinity=True),
    "ctc no steps": ctc(STEPS, LABELS, (0, 5, 6), (0, 2, 1), reduction="none"),
    "ctc through softmax": (
        lambda t, x: t.nn.functional.ctc_loss(x.log_softmax(2), t.tensor(LABELS), (6, 5, 4), (3, 2, 1)), draw(6, 3, 4)),
    "bag sum": bag("sum"),
    "bag mean": bag("mean"),
    "bag max": bag("max"),
    "bag sum end": bag("sum", include_last_offset=True),
    "bag mean end": bag("mean", include_last_offset=True),
    "bag max padding": bag("max", padding_idx=2),
    "bag mean padding": bag("mean", padding_idx=-3),
    "bag rows": (
        lambda t, w, i: [t.nn.functional.embedding_bag(i, w, mode=mode) for mode in ("sum", "mean", "max")],
        TABLE, BAGS.reshape(2, 3)),
    "bag factors": (
        lambda t, w, i, o, s: t.nn.functional.embedding_bag(i, w, o, mode="sum", per_sample_weights=s),
        TABLE, BAGS, STARTS, draw(6)),
    "bag factors padding": (
        lambda t, w, i, s: t.nn.functional.embedding_bag(i, w, mode="sum", per_sample_weights=s, padding_idx=2),
        TABLE, BAGS.reshape(2, 3), draw(2, 3)),
    "bag max_norm": (
        lambda t, w, i: t.nn.functional.embedding_bag(i, w * 1, max_norm=1.0, norm_type=1), TABLE, BAGS.reshape(2, 3)),
    "bag int32": (
        lambda t, w, i, o: t.nn.functional.embedding_bag(i, w, o), TABLE, BAGS.astype(np.int32),
        STARTS.astype(np.int32)),
    "multilabel_margin_loss": (lambda t, x: t.nn.functional.multilabel_margin_loss(x, t.tensor(WORDS)), X),
    "multilabel_margin_loss none": (
        lambda t, x: [t.nn.functional.multilabel_margin_loss(x, t.tensor(WORDS), reduction=how)
                      for how in ("none", "sum")], X),
    "multilabel_margin_loss lone": (
        lambda t, x: [t.nn.functional.multilabel_margin_loss(x, t.tensor(WORDS[0]), reduction=how)
                      for how in ("none", "mean")], X[0]),
    "triplet distance": (
        lambda t, x, y, z: t.nn.functional.triplet_margin_with_distance_loss(
            x, y, z, distance_function=lambda a, b: 1 - t.nn.functional.cosine_similarity(a, b), swap=True,
            reduction="sum"), X, draw(3, 4), draw(3, 4)),
    "pdist": (lambda t, x: t.nn.functional.pdist(x), X),
    "pdist equal rows": (lambda t, x: t.nn.functional.pdist(x), np.repeat(X, 2, 0)),
    "pdist orders": (
        lambda t, x: [t.nn.functional.pdist(x, p) for p in (0.0, 0.5, 1.0, 1.5, 3.0, float("inf"))], X.astype(float)),
    "pdist few": (lambda t, x: [t.nn.functional.pdist(x[:1]), t.nn.functional.pdist(x[:, :0])], X),
    "linear_cross_entropy": (
        lambda t, x, w, b: t.nn.functional.linear_cross_entropy(x, w, t.tensor([4, 0, 2]), linear_bias=b),
        X, draw(5, 4), draw(5)),
    "linear_cross_entropy lone": (
        lambda t, x, w: t.nn.functional.linear_cross_entropy(x, w, t.tensor(4), reduction="none"), X[0], draw(5, 4)),
    "linear_cross_entropy probabilities": (
        lambda t, x, w, y: t.nn.functional.linear_cross_entropy(x, w, y, label_smoothing=0.1),
        X, draw(4, 4), logs(3, 4)),
    "linear_cross_entropy chunks": (
        lambda t, x, w, b, v: [
            t.nn.functional.linear_cross_entropy(
                x, w, t.tensor([4, 0, 2]), linear_bias=b, weight=v.detach(), ignore_index=0, reduction=how,
                options=t.nn.LinearCrossEntropyOptions(batch_chunk_size=2, allow_retain_graph=True))
            for how in ("mean", "sum", "none")], X, draw(5, 4), draw(5), np.abs(draw(5))),
    "linear_cross_entropy chunk lone": (
        lambda t, x, w: t.nn.functional.linear_cross_entropy(
            x, w, t.tensor(4), reduction="none", options=t.nn.LinearCrossEntropyOptions()), X[0], draw(5, 4)),
    "grouped_mm batches": (lambda t, x, y: t.nn.functional.grouped_mm(x, y), draw(2, 8, 4), draw(2, 4, 8)),
}  # fmt: skip

# PyTorch's name is of a step that we do not record, or the other way round.
OTHER_NAMES = {
    "ctc lone none", "ctc impossible zero", "bag max_norm", "triplet distance", "linear_cross_entropy lone",
    "linear_cross_entropy probabilities", "linear_cross_entropy chunks", "linear_cross_entropy chunk lone",
    "grouped_mm batches", "multilabel_margin_loss lone", "pdist few",
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_value_shape_type_gradient_and_compilations(name: str) -> None:
    function, *inputs = CASES[name]
    check(function, *inputs)


@pytest.mark.parametrize("name", [name for name in CASES if name not in OTHER_NAMES])
def test_name_of_grad_fn(name: str) -> None:
    function, *inputs = CASES[name]
    names = []
    for library in (torch, flambeau):
        results, _ = run(library, function, inputs, gradients=True)
        names.append([item.grad_fn.name() for item in results if item.requires_grad])
    assert names[1] == names[0]


# PyTorch's own gradient of grouped products fails on the CPU for sizes that are no multiples of 16 bytes.
GROUPS: dict[str, tuple[Any, ...]] = {
    "rows": (draw(4, 4), draw(2, 4, 4), [(slice(0, 1), 0), (slice(1, 4), 1)]),
    "columns": (draw(2, 4, 4), draw(4, 4), [(slice(0, 1), 0), (slice(1, 4), 1)]),
    "inner": (draw(3, 4), draw(4, 4), [(slice(0, 1), 0), (slice(1, 4), 1)]),
}


def grouped(name: str, x: Any, y: Any, parts: list[tuple[slice, int]]) -> Any:
    """The products one by one."""
    if name == "rows":
        return flambeau.cat([x[rows] @ y[group] for rows, group in parts])
    if name == "columns":
        return flambeau.cat([x[group] @ y[:, columns] for columns, group in parts], 1)
    return flambeau.stack([x[:, inner] @ y[inner] for inner, _ in parts])


@pytest.mark.parametrize("name", GROUPS)
def test_grouped_products(name: str) -> None:
    first, second, parts = GROUPS[name]
    x, y = flambeau.tensor(first, requires_grad=True), flambeau.tensor(second, requires_grad=True)
    ends = flambeau.tensor(ENDS)
    found = flambeau.nn.functional.grouped_mm(x, y, offs=ends)
    expected = grouped(name, x, y, parts)
    np.testing.assert_allclose(found.detach().numpy(), expected.detach().numpy(), rtol=1e-5, atol=1e-6)
    gradients = flambeau.autograd.grad((found * found).sum(), (x, y))
    wanted = flambeau.autograd.grad((expected * expected).sum(), (x, y))
    for own, other in zip(gradients, wanted, strict=True):
        np.testing.assert_allclose(own.numpy(), other.numpy(), rtol=1e-5, atol=1e-5)
    with torch.no_grad():
        theirs = torch.nn.functional.grouped_mm(torch.tensor(first), torch.tensor(second), offs=torch.tensor(ENDS))
    np.testing.assert_allclose(found.detach().numpy(), theirs.numpy(), rtol=1e-5, atol=1e-6)


def test_rows_past_the_last_group_are_zero() -> None:
    ends = flambeau.tensor([1, 2], dtype=flambeau.int32)
    found = flambeau.nn.functional.grouped_mm(flambeau.ones(4, 4), flambeau.ones(2, 4, 4), offs=ends)
    assert found.sum(1).tolist() == [16, 16, 0, 0]


@pytest.mark.parametrize("hard", [False, True])
def test_gumbel_softmax_draws_pytorchs_sample(hard: bool) -> None:
    def function(t: Any, x: Any) -> Any:
        t.manual_seed(3)
        return t.nn.functional.gumbel_softmax(x, tau=0.7, hard=hard, dim=0)

    check(function, draw(5, 4))


def test_new_lengths_of_labels_need_no_new_program() -> None:
    counts = []
    for lengths in ((6, 5, 4), (5, 6, 3)):
        x = flambeau.tensor(STEPS, requires_grad=True)
        with flambeau.testing.compilations() as compiled:
            flambeau.nn.functional.ctc_loss(x, flambeau.tensor(LABELS), lengths, (3, 2, 1)).backward()
            x.grad.tolist()
        counts.append(len(compiled))
    assert counts[1] == 0


def test_ctc_gradients_in_32_bits_are_those_of_64() -> None:
    random = np.random.default_rng(0)
    scores = random.normal(size=(50, 3, 15)).astype(np.float32)
    targets = random.integers(1, 15, (3, 20))

    def slope(library: Any, kind: str) -> Any:
        log_probs = library.tensor(scores).to(getattr(library, kind)).log_softmax(-1).detach().requires_grad_()
        lengths = [library.tensor([size] * 3) for size in (50, 20)]
        library.nn.functional.ctc_loss(log_probs, library.tensor(targets), *lengths, reduction="sum").backward()
        return log_probs.grad.numpy()

    np.testing.assert_allclose(slope(flambeau, "float32"), slope(torch, "float64"), rtol=0, atol=2e-6)
