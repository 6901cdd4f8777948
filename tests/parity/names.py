"""PyTorch's public names, area by area, and which of them are here."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import pytest

import flambeau
from flambeau.base.unsupported import FUNCTIONS, METHODS

torch = pytest.importorskip("torch")
pytest.importorskip("torch.masked")

# Of torch.nn.functional's functions, those that are tools of its own code.
_TOOLS = {
    "Optional",
    "assert_int_or_pair",
    "boolean_dispatch",
    "handle_torch_function",
    "has_torch_function",
    "has_torch_function_unary",
    "has_torch_function_variadic",
}


class Area(NamedTuple):
    """Names of one area: those of PyTorch, those left out on purpose, and those that are missing."""

    title: str
    names: list[str]
    excluded: list[str]
    missing: list[str]

    @property
    def present(self) -> int:
        return len(self.names) - len(self.excluded) - len(self.missing)


def _area(title: str, names: Iterable[str], path: str, excluded: Iterable[str] = ()) -> Area:
    """Which names stand at a path below the package."""
    own: Any = flambeau
    for part in filter(None, path.split(".")):
        own = getattr(own, part, None)
    wanted = sorted(set(names))
    here = {name for name in wanted if own is not None and hasattr(own, name)}
    out = sorted((set(wanted) & set(excluded)) - here)
    return Area(title, wanted, out, sorted(set(wanted) - here - set(out)))


def _public(owner: Any, kind: Callable[[Any], bool]) -> list[str]:
    return [name for name in dir(owner) if not name.startswith("_") and kind(getattr(owner, name))]


def _is_module_class(value: Any) -> bool:
    return inspect.isclass(value) and issubclass(value, torch.nn.Module)


def _is_optimizer(value: Any) -> bool:
    return inspect.isclass(value) and issubclass(value, torch.optim.Optimizer)


def _is_function(value: Any) -> bool:
    return inspect.isbuiltin(value) or inspect.isfunction(value)


def _is_called(value: Any) -> bool:
    return callable(value) and not inspect.isclass(value)


def areas() -> list[Area]:
    """Every area that is counted."""
    nn, methods = torch.nn, _public(torch.Tensor, lambda _: True)
    functional = set(_public(nn.functional, _is_called)) - _TOOLS
    data = [name for name in torch.utils.data.__all__ if name not in _PIPES]
    return [
        _area("`torch.nn` module classes", _public(nn, _is_module_class), "nn"),
        _area("`torch.nn.functional`", functional, "nn.functional"),
        _area("`torch.nn.init`", nn.init.__all__, "nn.init"),
        _area("`torch.nn.utils`", nn.utils.__all__, "nn.utils"),
        _area("`torch.optim` classes", _public(torch.optim, _is_optimizer), "optim"),
        _area("`torch.optim.lr_scheduler`", torch.optim.lr_scheduler.__all__, "optim.lr_scheduler"),
        _area("`torch.optim.swa_utils`", torch.optim.swa_utils.__all__, "optim.swa_utils"),
        _area("`torch.utils.data` without data pipes", data, "utils.data"),
        _area("`Tensor`, not in place", [item for item in methods if not item.endswith("_")], "Tensor", METHODS),
        _area("`Tensor`, in place", [item for item in methods if item.endswith("_")], "Tensor", METHODS),
        _area("`torch` functions", _public(torch, _is_function), "", FUNCTIONS),
        _area("`torch.linalg`", _public(torch.linalg, _is_called), "linalg"),
        _area("`torch.fft`", _public(torch.fft, _is_called), "fft"),
        _area("`torch.special`", _public(torch.special, _is_called), "special"),
    ]


# Names of torch.utils.data that belong to data pipes.
_PIPES = {
    "DFIterDataPipe",
    "DataChunk",
    "IterDataPipe",
    "MapDataPipe",
    "argument_validation",
    "functional_datapipe",
    "guaranteed_datapipes_determinism",
    "non_deterministic",
    "runtime_validation",
    "runtime_validation_disabled",
    "_DatasetKind",
}
