"""The names a pickle may use, and what they stand for: the whole list. Every other name is refused, never looked up."""

from typing import Final

from flambeau.base.errors import DisallowedGlobal, LoadError, UnsupportedTensor
from flambeau.checkpoint.context import Permitted
from flambeau.checkpoint.elements import ELEMENTS, STORAGES
from flambeau.checkpoint.numpy_values import make_array, make_dtype, make_scalar
from flambeau.checkpoint.plain_values import (
    make_bytearray,
    make_bytes,
    make_complex,
    make_counter,
    make_encoded,
    make_frozenset,
    make_ordered_dict,
    make_range,
    make_set,
    make_slice,
)
from flambeau.checkpoint.tensors import (
    TENSOR_CLASSES,
    make_parameter,
    make_tensor,
    make_tensor_with_attributes,
    make_typed_tensor,
)
from flambeau.checkpoint.torch_values import make_device, make_layout, make_size

__all__ = ["CALLABLES", "DTYPES", "INERT", "STORAGE_CLASSES", "full_name", "refusal"]

# Names that may be called: our function, and how many arguments it takes.
CALLABLES: Final[dict[str, Permitted]] = {
    "builtins.bytearray": Permitted(make_bytearray, 0, 2),
    "builtins.bytes": Permitted(make_bytes, 0, 0),
    "builtins.complex": Permitted(make_complex, 2, 2),
    "builtins.frozenset": Permitted(make_frozenset, 0, 1),
    "builtins.range": Permitted(make_range, 3, 3),
    "builtins.set": Permitted(make_set, 0, 1),
    "builtins.slice": Permitted(make_slice, 3, 3),
    "collections.Counter": Permitted(make_counter, 0, 1),
    "collections.OrderedDict": Permitted(make_ordered_dict, 0, 1),
    "_codecs.encode": Permitted(make_encoded, 2, 2),
    "numpy.dtype": Permitted(make_dtype, 1, 3),
    "numpy._core.multiarray._reconstruct": Permitted(make_array, 3, 3),
    "numpy._core.multiarray.scalar": Permitted(make_scalar, 2, 2),
    "torch.Size": Permitted(make_size, 0, 1),
    "torch.device": Permitted(make_device, 1, 2),
    "torch.serialization._get_layout": Permitted(make_layout, 1, 1),
    "torch._tensor._rebuild_from_type_v2": Permitted(make_tensor_with_attributes, 4, 4),
    "torch._utils._rebuild_parameter": Permitted(make_parameter, 3, 3),
    "torch._utils._rebuild_parameter_with_state": Permitted(make_parameter, 4, 4),
    "torch._utils._rebuild_tensor": Permitted(make_tensor, 4, 4),
    "torch._utils._rebuild_tensor_v2": Permitted(make_tensor, 6, 7),
    "torch._utils._rebuild_tensor_v3": Permitted(make_typed_tensor, 7, 8),
}

# Storage classes -> element type. The CUDA ones are how old versions named them; the location tells the device.
STORAGE_CLASSES: Final[dict[str, str]] = {
    **{f"torch.{storage}": dtype for storage, dtype in STORAGES.items()},
    **{f"torch.cuda.{storage}": dtype for storage, dtype in STORAGES.items()},
    "torch.UntypedStorage": "uint8",
    "torch.storage.UntypedStorage": "uint8",
}

# Element types.
DTYPES: Final[dict[str, str]] = {f"torch.{name}": name for name in ELEMENTS}

# Classes that are only mentioned, as arguments.
INERT: Final = TENSOR_CLASSES | {"numpy.ndarray", "torch.nn.parameter.Parameter"}

# Known functions that rebuild a kind of tensor that is not read.
_UNSUPPORTED: Final[dict[str, str]] = {
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": "a tensor of a device that PyTorch saves through the CPU",
    "torch._utils._rebuild_device_tensor_from_numpy": "a tensor of a device that PyTorch saves through NumPy",
    "torch._utils._rebuild_meta_tensor_no_storage": "a tensor on the meta device, which has no values",
    "torch._utils._rebuild_nested_tensor": "a nested tensor",
    "torch._utils._rebuild_qtensor": "a quantized tensor",
    "torch._utils._rebuild_sparse_tensor": "a sparse tensor",
    "torch._utils._rebuild_wrapper_subclass": "a tensor subclass",
}

# Modules that have, or had, other names in files.
_MODULES: Final[dict[str, str]] = {
    "__builtin__": "builtins",
    "numpy.core.multiarray": "numpy._core.multiarray",
    "torch.tensor": "torch._tensor",
}


def full_name(module: str, name: str) -> str:
    """Name a class or function by today's name of its module."""
    if (module, name) == ("__builtin__", "xrange"):
        return "builtins.range"
    return f"{_MODULES.get(module, module)}.{name}"


def refusal(file: str, name: str) -> LoadError:
    """Make the error for a name that is not on the list, in the words people search for."""
    if name in _UNSUPPORTED:
        return UnsupportedTensor(f"{file}: the file holds {_UNSUPPORTED[name]} ({name}), which is not read")
    shown = name.removeprefix("builtins.")
    shown = shown if shown.isprintable() else ascii(shown)
    return DisallowedGlobal(
        f"Weights only load failed. {file}: Unsupported global: GLOBAL {shown} was not an allowed global by default. "
        "Flambeau builds no class and calls no function that a file names. Open the file once where that class is "
        "defined, with PyTorch, save the object's state_dict() instead of the object, and load that."
    )
