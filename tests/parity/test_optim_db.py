"""PyTorch's own table of optimizers (``optim_db``): every valid configuration, and every error it expects.

All configurations share their shapes, so that most are programs seen before.
"""

import copy
import itertools
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flambeau
from tests.parity.oracle import TOLERANCES

torch = pytest.importorskip("torch")
database = pytest.importorskip("torch.testing._internal.common_optimizers")

STEPS = 5
SHAPES = ((7, 5), (5,))
MATRICES = ((7, 5), (5, 7))
# L-BFGS divides differences of gradients by each other: what float32 rounds away grows a thousandfold in a few steps.
KINDS = {"LBFGS": "float64"}

INFOS = {info.name: info for info in database.optim_db}
CONFIGURATIONS = {
    f"{name}: {entry.desc}": (name, entry)
    for name, info in INFOS.items()
    for entry in info.optim_inputs_func("cpu", torch.float32)
}
ERRORS = {
    f"{name}: {entry.optimizer_error_input.desc} ({number})": (name, entry)
    for name, info in INFOS.items()
    for number, entry in enumerate(info.optim_error_inputs_func("cpu", torch.float32))
}


def test_the_table_is_complete() -> None:
    assert (len(INFOS), len(CONFIGURATIONS), len(ERRORS)) == (15, 91, 124)


# -- the same for both libraries -----------------------------------------------------------------------------------


def converted(library: Any, value: Any) -> Any:
    """A value of the table with PyTorch's tensors as the library's, each of them once."""
    made: dict[int, Any] = {}

    def convert(item: Any) -> Any:
        if isinstance(item, torch.Tensor):
            if id(item) not in made:
                made[id(item)] = own(item)
            return made[id(item)]
        if isinstance(item, dict):
            return {name: convert(part) for name, part in item.items()}
        if isinstance(item, (list, tuple)):
            return type(item)(convert(part) for part in item)
        return item

    def own(item: Any) -> Any:
        if library is torch:
            return item
        if item.layout is not torch.strided:
            return flambeau.zeros(tuple(item.shape), layout=flambeau.sparse_coo)
        tensor = flambeau.tensor(item.detach().numpy())
        if isinstance(item, torch.nn.Parameter):
            tensor = flambeau.nn.Parameter(tensor)
        if item.grad is not None:
            tensor.grad = flambeau.tensor(item.grad.numpy())
        return tensor

    return convert(value)


def optimizer_of(library: Any, name: str, settings: Any) -> Any:
    random = np.random.default_rng(0)
    kind = KINDS.get(name, "float32")
    arrays = [random.standard_normal(shape).astype(kind) for shape in (MATRICES if name == "Muon" else SHAPES)]
    params = [library.tensor(array).requires_grad_() for array in arrays]
    return getattr(library.optim, name)(params, **converted(library, settings))


def trained(library: Any, name: str, optimizer: Any, steps: range) -> None:
    """Take steps with gradients that depend on their numbers; L-BFGS minimizes a function."""
    params = optimizer.param_groups[0]["params"]
    if name == "LBFGS":
        for _ in steps:
            optimizer.step(lambda: objective(library, optimizer, params))
        return
    for number in steps:
        random = np.random.default_rng(number + 1)
        for param in params:
            gradient = library.tensor(random.standard_normal(tuple(param.shape)).astype("float32"))
            param.grad = gradient.to_sparse() if name == "SparseAdam" else gradient
        optimizer.step()


def objective(library: Any, optimizer: Any, params: list[Any]) -> Any:
    optimizer.zero_grad()
    scales = [library.tensor(1.0 + np.arange(param.numel()).reshape(tuple(param.shape))) for param in params]
    loss = sum(((param - 0.5) ** 2 * scale).sum() for param, scale in zip(params, scales, strict=True))
    loss.backward()  # pyright: ignore[reportAttributeAccessIssue]  # a tensor: there are parameters
    return loss


def same_values(found: Any, expected: Any, label: str) -> None:
    """Equal in structure, order of keys, type and shape, and within PyTorch's tolerances in value."""
    if isinstance(expected, torch.Tensor):
        assert isinstance(found, flambeau.Tensor), f"{label}: {type(found)}"
        assert (str(found.dtype), tuple(found.shape)) == (str(expected.dtype), tuple(expected.shape)), label
        rtol, atol = TOLERANCES[str(expected.dtype).removeprefix("torch.")]
        np.testing.assert_allclose(found.detach().numpy(), expected.detach().numpy(), rtol, atol, err_msg=label)
    elif isinstance(expected, dict):
        assert list(found) == list(expected), label
        for key in expected:
            same_values(found[key], expected[key], f"{label}.{key}")
    elif isinstance(expected, (list, tuple)):
        assert (type(found), len(found)) == (type(expected), len(expected)), label
        for index, (mine, theirs) in enumerate(zip(found, expected, strict=True)):
            same_values(mine, theirs, f"{label}.{index}")
    elif label.endswith((".t", ".prev_loss")):
        assert (type(found), found) == (type(expected), pytest.approx(expected, rel=1e-7))
    else:
        assert (type(found), found) == (type(expected), expected), label


def same_optimizers(mine: Any, theirs: Any) -> None:
    same_values(mine.param_groups[0]["params"], theirs.param_groups[0]["params"], "parameters")
    same_values(mine.state_dict(), theirs.state_dict(), "state_dict")


# -- valid configurations ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CONFIGURATIONS)
def test_configuration(case: str) -> None:
    name, entry = CONFIGURATIONS[case]
    mine, theirs = (optimizer_of(library, name, entry.kwargs) for library in (flambeau, torch))
    assert repr(mine) == repr(theirs)
    assert list(mine.defaults) == list(theirs.defaults)
    for number in range(STEPS):
        for library, optimizer in ((flambeau, mine), (torch, theirs)):
            trained(library, name, optimizer, range(number, number + 1))
        same_optimizers(mine, theirs)


@pytest.mark.parametrize("name", [name for name in INFOS if name != "SparseAdam"])
def test_files_go_both_ways(name: str, tmp_path: Path) -> None:
    settings = {"LBFGS": {"line_search_fn": "strong_wolfe", "max_iter": 3}, "RMSprop": {"momentum": 0.5}}.get(name, {})
    for writer, reader in itertools.permutations((flambeau, torch)):
        first, second = (optimizer_of(library, name, settings) for library in (writer, reader))
        trained(writer, name, first, range(3))
        params = [param.detach() for param in first.param_groups[0]["params"]]
        writer.save({"optimizer": first.state_dict(), "params": params}, tmp_path / "file.pt")
        loaded = reader.load(tmp_path / "file.pt")
        second.load_state_dict(loaded["optimizer"])
        for param, value in zip(second.param_groups[0]["params"], loaded["params"], strict=True):
            param.data = value
        for library, optimizer in ((writer, first), (reader, second)):
            trained(library, name, optimizer, range(3, 5))
        same_optimizers(*((first, second) if writer is flambeau else (second, first)))


# -- errors --------------------------------------------------------------------------------------------------------


def outcome(library: Any, name: str, entry: Any) -> list[Any]:
    """Class and text of the error, and of each warning."""
    given = entry.optimizer_error_input
    params = given.params if given.params is not None else [torch.nn.Parameter(torch.ones(2, 2))]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            optimizer = getattr(library.optim, name)(
                **converted(library, {"params": params, **copy.copy(given.kwargs)})
            )
            optimizer.step()
            found: Any = None
        except Exception as error:  # noqa: BLE001  (any error is an outcome)
            found = (type(error).__name__, str(error))
    return [found, [(item.category.__name__, str(item.message)) for item in caught]]


@pytest.mark.parametrize("case", ERRORS)
def test_error(case: str) -> None:
    name, entry = ERRORS[case]
    expected = outcome(torch, name, entry)
    assert expected != [None, []]
    assert outcome(flambeau, name, entry) == expected
