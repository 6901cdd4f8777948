"""PyTorch's values and functions turned into Flambeau's, for the databases of inputs that PyTorch has for itself."""

import dataclasses
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import flambeau

torch = pytest.importorskip("torch")
testing_utils = pytest.importorskip("torch.testing._utils")

# Where functions that samples and lambdas name stand, in both libraries.
_HOMES = (
    "nn.functional",
    "linalg",
    "fft",
    "special",
    "masked",
    "signal.windows",
    "sparse",
    "",
    "Tensor",
    "nn",
)


def found(library: Any, path: str) -> Any:
    """The object at a dotted path."""
    for part in path.split("."):
        library = getattr(library, part) if part else library
    return library


def _paths() -> dict[int, str]:
    """Where each function of PyTorch stands, by identity."""
    paths: dict[int, str] = {}
    for home in _HOMES:
        owner = found(torch, home)
        names = dir(owner) if home == "Tensor" else vars(owner)
        for name in sorted(names, key=lambda name: name.startswith("_")):  # the public one of two names
            value = getattr(owner, name, None)
            if callable(value) and not isinstance(value, types.ModuleType):
                paths.setdefault(id(value), f"{home}.{name}".lstrip("."))
    paths[id(testing_utils.freeze_rng_state)] = "random.fork_rng"
    return paths


_PATHS = _paths()


def path_of(function: Any) -> str | None:
    """Where a function of PyTorch stands below ``torch``, None if nowhere."""
    return _PATHS.get(id(function))


def mine(value: Any) -> Any:
    """What stands in Flambeau for a value of PyTorch."""
    if isinstance(value, torch.Tensor):
        return _tensor(value)
    if isinstance(value, (torch.dtype, torch.memory_format, torch.layout)):
        return getattr(flambeau, str(value).removeprefix("torch."))
    if isinstance(value, torch.device):
        return flambeau.device(str(value))
    if isinstance(value, torch.Generator):
        return flambeau.Generator().manual_seed(value.initial_seed())
    if isinstance(value, torch.Size):
        return flambeau.Size(value)
    if isinstance(value, slice):
        return slice(*map(mine, (value.start, value.stop, value.step)))
    if isinstance(value, dict):
        return {key: mine(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(mine(item) for item in value)
    if isinstance(value, torch.nn.LinearCrossEntropyOptions):
        return flambeau.nn.LinearCrossEntropyOptions(**dataclasses.asdict(value))
    if isinstance(value, torch.nn.TransformerEncoderLayer):
        return _layer(value)
    if isinstance(value, torch.nn.PairwiseDistance):
        return flambeau.nn.PairwiseDistance(value.norm, value.eps, value.keepdim)
    return mine_function(value) if callable(value) and not isinstance(value, type) else value


def _tensor(value: Any) -> Any:
    """A leaf with the same elements; ``bfloat16``, which NumPy lacks, by way of ``float32``."""
    if value.device.type == "meta":
        return flambeau.empty(tuple(value.shape), dtype=mine(value.dtype), device="meta")
    plain = value.detach().resolve_conj().resolve_neg()
    if plain.layout is not torch.strided:
        return flambeau.zeros(tuple(plain.shape), layout=mine(plain.layout))
    wide = plain.float() if plain.dtype is torch.bfloat16 or "float8" in str(plain.dtype) else plain
    result = flambeau.tensor(wide.numpy().copy())
    if wide is not plain:
        result = result.to(mine(plain.dtype))
    if isinstance(value, torch.nn.Parameter):
        return flambeau.nn.Parameter(result)
    return result.requires_grad_() if value.requires_grad else result


def mine_function(function: Any) -> Any:
    """The same function of Flambeau; a helper of PyTorch's tests is run again with Flambeau as its ``torch``.

    Raises:
        AttributeError: Flambeau has no such function.
    """
    path = path_of(function)
    if path is not None:
        return found(flambeau, "nn.functional.threshold" if path == "nn.functional._threshold" else path)
    if isinstance(function, types.FunctionType) and function.__module__.startswith("torch.testing"):
        return _again(function)
    if (getattr(function, "__module__", None) or "").startswith("torch._ops"):
        raise AttributeError(f"module 'flambeau.ops' has no attribute '{function}'")
    return function


def _again(function: types.FunctionType) -> Callable[..., Any]:
    """A function with the same code, whose global names are Flambeau's."""
    names = {
        name: _global(function.__globals__[name]) for name in _names(function.__code__) & set(function.__globals__)
    }
    closure = tuple(types.CellType(_global(cell.cell_contents)) for cell in function.__closure__ or ())
    made = types.FunctionType(
        function.__code__,
        {"__builtins__": __builtins__, **names},
        function.__name__,
        tuple(map(_global, function.__defaults__ or ())),
        closure,
    )
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def _names(code: types.CodeType) -> set[str]:
    """Global names that code and the functions inside it may use."""
    inner = [_names(item) for item in code.co_consts if isinstance(item, types.CodeType)]
    return set(code.co_names).union(*inner)


def _global(value: Any) -> Any:
    """What a global name of a helper means when it is run again; what is missing is missed when it is used."""
    try:
        if not isinstance(value, types.ModuleType):
            return mine(value)
        library, _, path = value.__name__.partition(".")
        return found(flambeau, path) if library == "torch" and not path.startswith("testing") else value
    except AttributeError:
        return value


def _layer(layer: Any) -> Any:
    """The same encoder layer, with the same weights."""
    attention = layer.self_attn
    result = flambeau.nn.TransformerEncoderLayer(
        attention.embed_dim,
        attention.num_heads,
        layer.linear1.out_features,
        layer.dropout.p,
        mine(layer.activation),
        layer.norm1.eps,
        attention.batch_first,
        layer.norm_first,
        layer.linear1.bias is not None,
    )
    result.load_state_dict({name: mine(value) for name, value in layer.state_dict().items()})
    return result


def theirs(value: Any) -> Any:
    """A value of PyTorch, copied so that nothing is shared from case to case."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone().requires_grad_(value.requires_grad)
    if isinstance(value, torch.Generator):
        return torch.Generator().manual_seed(value.initial_seed())
    if isinstance(value, slice):
        return slice(*map(theirs, (value.start, value.stop, value.step)))
    if isinstance(value, dict):
        return {key: theirs(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(theirs(item) for item in value)
    return value


def precise(value: Any) -> Any:
    """The same with 64 bits for 32."""
    if isinstance(value, torch.Tensor):
        wide = {torch.float32: torch.float64, torch.complex64: torch.complex128}.get(value.dtype, value.dtype)
        return value.detach().to(wide, copy=True).requires_grad_(value.requires_grad)
    if isinstance(value, torch.dtype):
        return {torch.float32: torch.float64, torch.complex64: torch.complex128}.get(value, value)
    if isinstance(value, dict):
        return {key: precise(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(precise(item) for item in value)
    return theirs(value)


def leaves(value: Any) -> Iterator[Any]:
    """Tensors in arguments that gather gradients."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from leaves(item)
    elif getattr(value, "requires_grad", False) and getattr(value, "is_leaf", False):
        yield value
