"""Mistakes that programs make, against PyTorch: what is raised or warned of, and in which words."""

import warnings
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import flambeau

pytorch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def _every_warning():
    """PyTorch gives some of its warnings once only."""
    before = pytorch.is_warn_always_enabled()
    pytorch.set_warn_always(True)
    yield
    pytorch.set_warn_always(before)


def taped(t: ModuleType) -> Any:
    return t.tensor([1.0, 2.0], requires_grad=True)


def assigned(target: Any, index: Any, value: Any) -> Any:
    target[index] = value
    return target


def inferred(t: ModuleType) -> Any:
    with t.inference_mode():
        return t.tensor([3.0, 4.0])


CASES: dict[str, Any] = {
    "inference in a product": lambda t: inferred(t) * taped(t),
    "inference in a sum": lambda t: inferred(t) + taped(t),
    "inference in a layer": lambda t: t.nn.Linear(2, 1)(inferred(t)),
    "inference in a layer with a bias alone": lambda t: t.nn.functional.linear(
        inferred(t), t.ones(1, 2), t.ones(1, requires_grad=True)
    ).detach(),
    "inference in a layer's weight": lambda t: t.nn.functional.linear(taped(t), inferred(t)[None]),
    "inference viewed": lambda t: t.outer(inferred(t), taped(t)),
    "inference detached": lambda t: inferred(t).detach() * taped(t),
    "views of inference tensors": lambda t: [item.is_inference() for item in (inferred(t)[0], inferred(t).data)],
    "views in inference mode": lambda t: t.inference_mode()(lambda x: x[:1].is_inference())(t.ones(2)),
    "inference cloned": lambda t: (inferred(t).clone() * taped(t)).detach(),
    "grad of what is no leaf": lambda t: (taped(t) * 2).grad,
    "grad of a leaf": lambda t: taped(t).grad,
    "grad of a view": lambda t: taped(t)[0].grad,
    "float of a loss": lambda t: float(taped(t).sum()),
    "complex of a loss": lambda t: complex(taped(t).sum()),
    "int of a loss": lambda t: int(taped(t).sum()),
    "item of a loss": lambda t: taped(t).sum().item(),
    "float without gradients": lambda t: t.no_grad()(lambda: float(taped(t).sum()))(),
    "loss in a text": lambda t: f"{taped(t).sum():.2f}",
    "T of a vector": lambda t: t.ones(2).T,
    "T of a number": lambda t: t.tensor(1.0).T,
    "T of a batch": lambda t: t.ones(1, 2, 3).T.shape,
    "T of a matrix": lambda t: t.ones(2, 3).T.shape,
    "mT of a vector": lambda t: t.ones(2).mT,
    "mT of a number": lambda t: t.tensor(1.0).mT,
    "mH of a number": lambda t: t.tensor(1.0).mH,
    "H of a number": lambda t: t.tensor(1.0).H,
    "adjoint of a number": lambda t: t.tensor(1.0).adjoint(),
    "mH of a vector": lambda t: t.ones(2).mH,
    "adjoint of a vector": lambda t: t.ones(2).adjoint(),
    "meshgrid": lambda t: t.meshgrid(t.arange(2), t.arange(3)),
    "meshgrid with indexing": lambda t: t.meshgrid(t.arange(2), t.arange(3), indexing="xy"),
    "range": lambda t: t.range(0, 2),
    "bytes as a mask": lambda t: t.arange(2)[t.tensor([1, 0], dtype=t.uint8)],
    "bytes as a condition": lambda t: t.where(t.tensor([1, 0], dtype=t.uint8), 1.0, 2.0),
    "copy of another length": lambda t: t.ones(2).copy_(t.ones(3)),
    "copy of a matrix": lambda t: t.ones(2, 3).copy_(t.ones(2, 2)),
    "copy of more dimensions": lambda t: t.ones(2).copy_(t.ones(2, 2)),
    "copy into a view": lambda t: t.ones(2, 3)[0].copy_(t.ones(2)),
    "fill with several": lambda t: t.ones(2).fill_(t.ones(2)),
    "assigned another length": lambda t: assigned(t.ones(2, 3), 0, t.ones(2)),
    "view with a fraction": lambda t: t.ones(4).view(2, 4 / 2),
    "view with a fraction in a tuple": lambda t: t.ones(4).view((2, 2.0)),
    "view with a size of NumPy": lambda t: t.ones(4).view(np.int64(2), -1),
    "view with a size of a tensor": lambda t: t.ones(4).view(t.tensor(2), -1),
    "reshape with a fraction": lambda t: t.ones(4).reshape(2, 2.0),
    "expand by a fraction": lambda t: t.ones(1).expand(2.0),
    "repeat by a fraction": lambda t: t.ones(1).repeat(2.0),
    "topk of a fraction": lambda t: t.ones(4).topk(4 / 2),
    "function topk of a fraction": lambda t: t.topk(t.ones(4), 4 / 2),
    "function kthvalue of a fraction": lambda t: t.kthvalue(t.ones(4), 4 / 2),
    "function matrix power of a fraction": lambda t: t.matrix_power(t.eye(2), 2.0),
    "matrix power of linalg of a fraction": lambda t: t.linalg.matrix_power(t.eye(2), 2.0),
    "topk of a truth value": lambda t: t.ones(4).topk(True),
    "kthvalue of a fraction": lambda t: t.ones(4).kthvalue(4 / 2),
    "randperm of a fraction": lambda t: t.randperm(6 / 2),
    "randperm of a fraction of NumPy": lambda t: t.randperm(np.float64(3)),
    "eye of a size of NumPy": lambda t: t.eye(np.int64(2)),
    "eye of a fraction": lambda t: t.eye(4 / 2),
    "steps of NumPy": lambda t: t.linspace(0, 1, np.int64(2)),
    "matrix power of a fraction": lambda t: t.eye(2).matrix_power(2.0),
    "polygamma of a fraction": lambda t: t.ones(1).polygamma(1.0),
    "zeros of a fraction": lambda t: t.zeros(4 / 2),
    "zeros of fractions": lambda t: t.zeros(2, 4 / 2),
    "zeros of a truth value": lambda t: t.zeros(True),
    "zeros of a truth value at the end": lambda t: t.zeros(2, True),
    "resized to a fraction": lambda t: t.ones(4).resize_((4 / 2,)),
    "logits and classes": lambda t: t.nn.functional.binary_cross_entropy_with_logits(t.ones(2), t.ones(2).long()),
    "logits and truth values": lambda t: t.nn.functional.binary_cross_entropy_with_logits(t.ones(2), t.ones(2) > 0),
    "logits and doubles": lambda t: t.nn.functional.binary_cross_entropy_with_logits(t.ones(2), t.ones(2).double()),
    "divergence from whole numbers": lambda t: t.nn.functional.kl_div(t.ones(2), t.ones(2).long(), reduction="sum"),
    "dot of two types": lambda t: t.ones(2) @ t.ones(2).double(),
    "product of two types": lambda t: t.ones(2, 2) @ t.ones(2, 2).double(),
    "sum of a list": lambda t: t.sum([1.0, 2.0]),
    "mean of a list": lambda t: t.mean([1.0, 2.0]),
    "sum of an array": lambda t: t.sum(np.ones(2)),
    "exp of an array": lambda t: t.exp(np.ones(2)),
    "cumsum of an array": lambda t: t.cumsum(np.ones(2), 0),
    "round of an array": lambda t: t.round(np.ones(2)),
    "dot of an array": lambda t: t.dot(np.ones(2), np.ones(2)),
    "take from an array": lambda t: t.take(np.ones(2), t.tensor([1])),
    "squeeze of an array": lambda t: t.squeeze(np.ones(2)),
    "add to an array": lambda t: t.add(np.ones(2), 1),
    "add to a list": lambda t: t.add([1.0], t.ones(1)),
    "add a list": lambda t: t.add(t.ones(1), [1.0]),
    "maximum with an array": lambda t: t.maximum(t.ones(2), np.ones(2)),
    "solve with an array": lambda t: t.linalg.solve(t.eye(2), np.ones(2)),
    "vecdot with an array": lambda t: t.linalg.vecdot(t.ones(2), np.ones(2)),
    "diagonal of an array": lambda t: t.linalg.diagonal(np.eye(2)),
    "dot with an array": lambda t: t.dot(t.ones(2), np.ones(2)),
    "tan of an array in place": lambda t: t.tan_(np.ones(2)),
    "hypot with an array": lambda t: t.hypot(t.ones(2), np.ones(2)),
    "matmul with an array": lambda t: t.matmul(t.ones(2), np.ones(2)),
    "linear of an array": lambda t: t.nn.Linear(2, 1)(np.ones((1, 2), np.float32)),
    "stack of arrays": lambda t: t.stack([np.ones(2)]),
    "tensor of vectors": lambda t: t.tensor([t.ones(2), t.ones(2)]),
    "tensor of vectors of whole numbers": lambda t: t.tensor([t.ones(2).long(), t.ones(2).long()]),
    "bytes of a negative fraction": lambda t: t.tensor([1, -1.0], dtype=t.uint8),
    "bytes of a negative number": lambda t: t.tensor([1.5, -2], dtype=t.uint8),
    "bytes of a fraction too large": lambda t: t.tensor([255.5], dtype=t.uint8),
    "whole numbers of fractions": lambda t: t.tensor([1.5, -2.7], dtype=t.int32),
    "whole numbers of no number": lambda t: t.tensor([float("nan")], dtype=t.int64),
    "tensor of numbers": lambda t: t.tensor([t.tensor(1.0), t.tensor(2.0)]),
}


def outcome(torch: ModuleType, name: str) -> list[str]:
    """What is warned of, then the result or the error."""
    torch.manual_seed(0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = str(CASES[name](torch))
        except (TypeError, ValueError, RuntimeError, IndexError) as error:
            result = f"{type(error).__name__}: {error}"
    warned = [f"{item.category.__name__}: {item.message}".partition(" (Triggered")[0] for item in caught]
    return [*warned, result]


@pytest.mark.parametrize("name", CASES)
def test_same_words_as_pytorch(name: str) -> None:
    assert outcome(flambeau, name) == outcome(pytorch, name)


@pytest.mark.parametrize("name", ["grad of what is no leaf", "float of a loss", "T of a vector", "meshgrid", "range"])
def test_a_warning_names_the_callers_line(name: str) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        CASES[name](flambeau)
    assert [item.filename for item in caught] == [__file__]


ACCEPTED: dict[str, Any] = {  # rows of docs/differences.md, with what Flambeau gives
    "product of truth values": (lambda t: t.tensor([True, False]) @ t.tensor([True, True]), "tensor(True)"),
    "numbers assigned by bytes": (
        lambda t: assigned(t.zeros(2), t.tensor([0, 1], dtype=t.uint8), 5.0),
        "tensor([0., 5.])",
    ),
    "an array backwards": (lambda t: t.from_numpy(np.arange(3)[::-1]), "tensor([2, 1, 0])"),
}


@pytest.mark.filterwarnings("ignore:indexing with dtype torch.uint8")
@pytest.mark.parametrize("name", ACCEPTED)
def test_what_pytorch_refuses(name: str) -> None:
    function, expected = ACCEPTED[name]
    assert str(function(flambeau)) == expected
    with pytest.raises(
        (TypeError, RuntimeError, ValueError), match=r"not implemented|only supports boolean masks|stride"
    ):
        function(pytorch)


def test_more_samples_than_are_possible() -> None:
    weights = [1.0, 0.0]
    with pytest.raises(RuntimeError, match="not enough non-negative category to sample"):
        flambeau.multinomial(flambeau.tensor(weights), 2)
    assert sorted(pytorch.multinomial(pytorch.tensor(weights), 2).tolist()) == [0, 1]
