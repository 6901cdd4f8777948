"""``out=`` against PyTorch: one sample of every operation of ``op_db`` that takes it, written into many tensors."""

import functools
import re
import warnings
from typing import Any

import numpy as np
import pytest

import flambeau
from flambeau.runtime.force import force

torch = pytest.importorskip("torch")
common = pytest.importorskip("torch.testing._internal.common_methods_invocations")

INFOS: dict[str, Any] = {info.full_name: info for info in common.op_db if info.supports_out}
# Operations whose function here takes no ``out``: the reason is in the table of what is unsupported, or their family's.
EXCLUDED = re.compile(
    r"torch\._|sparse|_batch_norm|equal|normal.*number_mean|reduction_no_dim|pinv\.hermitian"
    r"|histogramdd"  # PyTorch's own takes none, whatever its database says
)
# Whose result depends on a generator or on nothing, or has no certain signs: only shape and type are compared.
LOOSE = re.compile(r"empty|randn|polygamma|multinomial|bernoulli|normal|eig|svd|qr|qrf")
# How ``out`` differs from the result; a shape in front, or another type.
CHANGES = ("right", "zero", "wrong", "int64", "float64", "float16", "complex64", "bool", "grad")
# What differs on purpose, or because PyTorch does not follow its own rule: operation and kind of ``out``.
KNOWN = {
    ("nn.functional.linear", "right"),  # PyTorch gives a result of one dimension less another shape than without out
    ("nn.functional.linear", "wrong"),
    ("heaviside", "complex64"),  # another text of the same error
    ("bernoulli", "complex64"),
    ("std", "complex64"),
    ("var", "complex64"),
    ("diag", "int64"),
    ("diag", "bool"),
    ("kthvalue", "wrong"),  # PyTorch warns twice
    ("mode", "wrong"),
    ("cumsum", "bool"),  # PyTorch has no kernel
    ("cumprod", "bool"),
    *[("norm.nuc", change) for change in CHANGES],  # another text of the same error
}
# Operations whose samples begin with the second argument.
TURNED = {"polygamma", "special.polygamma", "where"}


def find(library: Any, name: str) -> Any:
    """The function of this name, or None."""
    for part in name.removeprefix("torch.").split("."):
        library = getattr(library, part, None)
    if name in TURNED:
        return lambda first, second, *rest, **named: library(second, first, *rest, **named)
    return library


PRESENT = [name for name, info in INFOS.items() if not EXCLUDED.search(name) and find(flambeau, info.name) is not None]


def mine(value: Any) -> Any:
    """A sample's argument as Flambeau's."""
    if isinstance(value, torch.Tensor):
        made = flambeau.tensor(value.detach().clone().numpy())
        return made.requires_grad_() if value.requires_grad else made
    if isinstance(value, (tuple, list)):
        return type(value)([mine(item) for item in value])
    if isinstance(value, dict):
        return {key: mine(item) for key, item in value.items()}
    return getattr(flambeau, str(value).removeprefix("torch.")) if isinstance(value, torch.dtype) else value


@functools.cache
def sample_of(name: Any) -> Any:
    """The first sample with results of several elements, and these results."""
    info = INFOS[name]
    kind = torch.float32 if torch.float32 in info.dtypes else min(info.dtypes, key=str)
    first = None
    for sample in info.sample_inputs("cpu", kind):
        result = info.op(sample.input, *sample.args, **sample.kwargs)
        results = list(result) if isinstance(result, (tuple, list)) else [result]
        first = first or (sample, results)
        if all(item.numel() > 1 for item in results):
            return sample, results
    return first


def outs(results: Any, change: str) -> list[Any]:
    """Tensors to write results into."""
    if change in ("right", "grad"):
        return [torch.ones(item.shape, dtype=item.dtype) for item in results]
    if change == "zero":
        return [torch.ones(0, dtype=item.dtype) for item in results]
    if change == "wrong":
        return [torch.ones((2, *item.shape), dtype=item.dtype) for item in results]
    return [torch.ones(item.shape, dtype=getattr(torch, change)) for item in results]


def outcome(library: Any, function: Any, sample: Any, targets: list[Any], several: bool) -> Any:
    """What a library writes or raises, and what it warns of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            library.manual_seed(0)
            given = tuple(targets) if several else targets[0]
            got = function(sample[0], *sample[1], **sample[2], out=given)
            back = targets if got is None else list(got) if several else [got]  # unbind_copy returns nothing in PyTorch
            assert all(one is other for one, other in zip(back, targets, strict=True)), "another tensor came back"
            value: Any = targets
        except Exception as error:  # noqa: BLE001  (any error is an outcome)
            value = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    texts = [str(item.message) for item in caught if "resized" in str(item.message)]
    return value, sorted([re.sub(r" \(Triggered.*", "", text) for text in texts])


def given(name: str, change: str) -> Any:
    """A sample's input, with gradients if it is about them; None where there is nothing to try."""
    sample, results = sample_of(name)
    if change != "grad":
        return sample.input
    several = isinstance(sample.input, (tuple, list))
    tensors = sample.input if several else [sample.input]
    if not all(isinstance(item, torch.Tensor) and item.is_floating_point() for item in [*tensors, results[0]]):
        return None
    grown = [item.detach().clone().requires_grad_() for item in tensors]
    return type(sample.input)(grown) if several else grown[0]


def attempts(name: str, change: str) -> Any:
    """What both libraries make of one operation and one kind of ``out``."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sample, results = sample_of(name)
        first = given(name, change)
    if first is None:
        return None
    values = (first, sample.args, sample.kwargs)
    theirs = outs(results, change)
    own = mine(theirs)
    function = find(flambeau, INFOS[name].name)
    found = outcome(flambeau, function, mine(values), own, len(results) > 1)
    return found, outcome(torch, INFOS[name].op, values, theirs, len(results) > 1)


def brief(outcome: Any) -> str:
    """An outcome in one line."""
    return str(outcome if isinstance(outcome[0], str) else (["tensors", outcome[1]]))


def differs(name: str, found: Any, expected: Any) -> str:
    """What differs between outcomes; empty if nothing."""
    if isinstance(expected[0], str) or isinstance(found[0], str) or found[1] != expected[1]:
        return "" if found == expected else " expected ".join(brief(item) for item in (found, expected))
    for one, other in zip(found[0], expected[0], strict=True):
        if tuple(one.shape) != tuple(other.shape) or str(one.dtype) != str(other.dtype):
            return f"{one.shape} {one.dtype}, expected {other.shape} {other.dtype}"
        wide = np.complex128 if other.is_complex() else np.float64
        low = 1e-2 if str(other.dtype) == "torch.float16" else 1e-4
        numbers = [item.astype(wide) for item in (one.detach().host(), other.detach().numpy())]
        if not LOOSE.search(name) and not np.allclose(numbers[0], numbers[1], low, low, equal_nan=True):
            return f"other values of shape {list(other.shape)}"
    return ""


@pytest.mark.parametrize("change", CHANGES)
def test_every_operation_writes_its_result(change):
    names = [name for name in PRESENT if (name, change) not in KNOWN]
    pairs = {name: pair for name in names if (pair := attempts(name, change)) is not None}
    force([item.read() for found, _ in pairs.values() if not isinstance(found[0], str) for item in found[0]])
    problems = [f"{name}: {text}" for name, pair in pairs.items() if (text := differs(name, *pair))]
    assert not problems, f"{len(problems)} of {len(pairs)}:\n" + "\n".join(problems)
