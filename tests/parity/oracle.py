"""The one comparison with PyTorch: value, shape, dtype, gradients, and that a second call compiles nothing."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import pytest

import flambeau
from flambeau.runtime.report import COMPILATIONS

torch = pytest.importorskip("torch")

TOLERANCES = {"float64": (1e-7, 1e-7), "float32": (1.3e-6, 1e-5), "float16": (1e-3, 1e-3), "bfloat16": (1.6e-2, 1e-2)}


def check(
    function: Callable[..., Any],
    *inputs: Any,
    gradients: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
) -> None:
    """Run ``function(torch_or_flambeau, *tensors)`` with both libraries and compare everything.

    Args:
        function: takes the library and the inputs as its tensors; returns a tensor, or a tuple or list of them.
        inputs: arrays of NumPy become tensors, floating ones with gradients; anything else is passed as it is.
        gradients: whether to compare the gradients of a weighted sum of the floating results.
        rtol, atol: tolerances; by default PyTorch's own for the data type.
    """
    expected, expected_gradients = run(torch, function, inputs, gradients)
    found, found_gradients = run(flambeau, function, inputs, gradients)
    compare(found, expected, rtol, atol)
    compare(found_gradients, expected_gradients, rtol, atol, what="gradient")
    compiled = len(COMPILATIONS)
    run(flambeau, function, inputs, gradients)
    assert len(COMPILATIONS) == compiled, f"compiled again: {COMPILATIONS[compiled:]}"


def run(
    library: Any, function: Callable[..., Any], inputs: Sequence[Any], gradients: bool
) -> tuple[list[Any], list[Any]]:
    """Results and gradients of one library."""
    tensors = [library.tensor(item) if isinstance(item, np.ndarray) else item for item in inputs]
    leaves = [
        item.requires_grad_()
        for item in tensors
        if gradients and hasattr(item, "requires_grad_") and (item.is_floating_point() or item.is_complex())
    ]
    results = flat(function(library, *tensors))
    roots = [item for item in results if getattr(item, "requires_grad", False)]
    if leaves and roots:
        total = cast("Any", sum((item * weights(library, item)).sum() for item in roots))
        (total.abs() if total.is_complex() else total).backward()
    return results, [leaf.grad for leaf in leaves]


def weights(library: Any, tensor: Any) -> Any:
    """Fixed weights of a tensor's shape, so that gradients differ from element to element."""
    numbers = np.cos(np.arange(tensor.numel(), dtype=np.float64)).reshape(tuple(tensor.shape))
    return library.tensor(numbers).to(tensor.dtype)


def flat(results: Any) -> list[Any]:
    """Results as one list."""
    if isinstance(results, (tuple, list)) and not hasattr(results, "numel"):
        return [item for part in results for item in flat(part)]
    return [results]


def compare(
    found: Sequence[Any],
    expected: Sequence[Any],
    rtol: float | None = None,
    atol: float | None = None,
    what: str = "result",
) -> None:
    """Equal in number, shape, dtype, and within tolerance in value."""
    assert len(found) == len(expected)
    for index, (mine, theirs) in enumerate(zip(found, expected, strict=True)):
        label = f"{what} {index}"
        if theirs is None or not hasattr(theirs, "dtype"):
            assert mine == theirs, label
            continue
        assert mine is not None, f"{label} is None"
        assert tuple(mine.shape) == tuple(theirs.shape), f"{label}: shape {mine.shape}, expected {theirs.shape}"
        assert str(mine.dtype) == str(theirs.dtype), f"{label}: {mine.dtype}, expected {theirs.dtype}"
        low, high = TOLERANCES.get(str(theirs.dtype).removeprefix("torch."), (1.3e-6, 1e-5))
        wide = np.complex128 if theirs.is_complex() else np.float64
        np.testing.assert_allclose(
            mine.detach().host().astype(wide),
            theirs.detach().to(torch.complex128 if theirs.is_complex() else torch.float64).numpy(),
            rtol=low if rtol is None else rtol,
            atol=high if atol is None else atol,
            err_msg=label,
        )
