"""The names a pickle may use, and what they stand for: the whole list. Every other name is refused, never looked up."""

from typing import Final

from flambeau.base.errors import DisallowedGlobal, LoadError
from flambeau.checkpoint.attribute_values import make_namespace, make_simple_namespace
from flambeau.checkpoint.collection_values import (
    CONFIG_NODES,
    FACTORIES,
    make_chain_map,
    make_config_dict,
    make_config_list,
    make_default_dict,
    make_deque,
)
from flambeau.checkpoint.context import Permitted
from flambeau.checkpoint.elements import ELEMENTS, STORAGES
from flambeau.checkpoint.exact_values import (
    make_decimal,
    make_fraction,
    make_posix_path,
    make_pure_posix_path,
    make_pure_windows_path,
    make_uuid,
    make_windows_path,
)
from flambeau.checkpoint.nested import make_nested
from flambeau.checkpoint.numpy_values import SCALARS, make_array, make_dtype, make_filled_array, make_scalar
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
from flambeau.checkpoint.script_values import make_list, make_tagged
from flambeau.checkpoint.special_tensors import (
    SCHEMES,
    make_from_cpu,
    make_from_numpy,
    make_meta_tensor,
    make_nested_tensor,
    make_quantized_tensor,
    make_sparse_tensor,
    make_wrapper,
)
from flambeau.checkpoint.suspects import suspicion
from flambeau.checkpoint.tensors import (
    TENSOR_CLASSES,
    make_parameter,
    make_tensor,
    make_tensor_with_attributes,
    make_typed_tensor,
)
from flambeau.checkpoint.time_values import make_date, make_datetime, make_time, make_timedelta, make_timezone
from flambeau.checkpoint.torch_values import make_backend, make_device, make_layout, make_size

__all__ = ["BLOCKED", "CALLABLES", "DTYPES", "INERT", "RECORDED", "STORAGE_CLASSES", "full_name", "refusal"]

# Names that may be called: our function, and how many arguments it takes.
CALLABLES: Final[dict[str, Permitted]] = {
    "argparse.Namespace": Permitted(make_namespace, 0, 0),
    "builtins.bytearray": Permitted(make_bytearray, 0, 2),
    "builtins.bytes": Permitted(make_bytes, 0, 0),
    "builtins.complex": Permitted(make_complex, 2, 2),
    "builtins.frozenset": Permitted(make_frozenset, 0, 1),
    "builtins.range": Permitted(make_range, 3, 3),
    "builtins.set": Permitted(make_set, 0, 1),
    "builtins.slice": Permitted(make_slice, 3, 3),
    "collections.ChainMap": Permitted(make_chain_map, 0, 0),
    "collections.Counter": Permitted(make_counter, 0, 1),
    "collections.OrderedDict": Permitted(make_ordered_dict, 0, 1),
    "collections.defaultdict": Permitted(make_default_dict, 0, 2),
    "collections.deque": Permitted(make_deque, 0, 2),
    "_codecs.encode": Permitted(make_encoded, 2, 2),
    "datetime.date": Permitted(make_date, 1, 1),
    "datetime.datetime": Permitted(make_datetime, 1, 2),
    "datetime.time": Permitted(make_time, 1, 2),
    "datetime.timedelta": Permitted(make_timedelta, 3, 3),
    "datetime.timezone": Permitted(make_timezone, 1, 2),
    "decimal.Decimal": Permitted(make_decimal, 1, 1),
    "fractions.Fraction": Permitted(make_fraction, 1, 2),
    "numpy.dtype": Permitted(make_dtype, 1, 3),
    "numpy._core.multiarray._reconstruct": Permitted(make_array, 3, 3),
    "numpy._core.multiarray.scalar": Permitted(make_scalar, 2, 2),
    "numpy._core.numeric._frombuffer": Permitted(make_filled_array, 4, 4),
    "omegaconf.dictconfig.DictConfig": Permitted(make_config_dict, 0, 0),
    "omegaconf.listconfig.ListConfig": Permitted(make_config_list, 0, 0),
    "pathlib.PosixPath": Permitted(make_posix_path, 0, 64),
    "pathlib.PurePosixPath": Permitted(make_pure_posix_path, 0, 64),
    "pathlib.PureWindowsPath": Permitted(make_pure_windows_path, 0, 64),
    "pathlib.WindowsPath": Permitted(make_windows_path, 0, 64),
    "torch.Size": Permitted(make_size, 0, 1),
    "torch.device": Permitted(make_device, 1, 2),
    "torch.jit._pickle.build_boollist": Permitted(make_list, 1, 1),
    "torch.jit._pickle.build_doublelist": Permitted(make_list, 1, 1),
    "torch.jit._pickle.build_intlist": Permitted(make_list, 1, 1),
    "torch.jit._pickle.build_tensorlist": Permitted(make_list, 1, 1),
    "torch.jit._pickle.restore_type_tag": Permitted(make_tagged, 2, 2),
    "torch.nn.backends.thnn._get_thnn_function_backend": Permitted(make_backend, 0, 0),
    "torch.serialization._get_layout": Permitted(make_layout, 1, 1),
    "torch.storage._load_from_bytes": Permitted(make_nested, 1, 1),
    "torch._tensor._rebuild_from_type_v2": Permitted(make_tensor_with_attributes, 4, 4),
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": Permitted(make_from_cpu, 4, 4),
    "torch._utils._rebuild_device_tensor_from_numpy": Permitted(make_from_numpy, 4, 4),
    "torch._utils._rebuild_meta_tensor_no_storage": Permitted(make_meta_tensor, 4, 4),
    "torch._utils._rebuild_nested_tensor": Permitted(make_nested_tensor, 4, 4),
    "torch._utils._rebuild_parameter": Permitted(make_parameter, 3, 3),
    "torch._utils._rebuild_parameter_with_state": Permitted(make_parameter, 4, 4),
    "torch._utils._rebuild_qtensor": Permitted(make_quantized_tensor, 7, 7),
    "torch._utils._rebuild_sparse_tensor": Permitted(make_sparse_tensor, 2, 2),
    "torch._utils._rebuild_tensor": Permitted(make_tensor, 4, 4),
    "torch._utils._rebuild_tensor_v2": Permitted(make_tensor, 6, 7),
    "torch._utils._rebuild_tensor_v3": Permitted(make_typed_tensor, 7, 8),
    "torch._utils._rebuild_wrapper_subclass": Permitted(make_wrapper, 2, 9),
    "types.SimpleNamespace": Permitted(make_simple_namespace, 0, 0),
    "uuid.UUID": Permitted(make_uuid, 0, 0),
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
INERT: Final = (
    TENSOR_CLASSES
    | SCHEMES
    | SCALARS
    | FACTORIES.keys()
    | {"numpy.ndarray", "torch.nn.parameter.Parameter"}
    | {f"typing.{name}" for name in ("Any", "Dict", "List", "Optional", "Tuple", "Union")}
)

# Classes and functions whose objects become records wherever they are met: nothing is lost, and nothing is called.
RECORDED: Final = CONFIG_NODES | {"functools.partial", "omegaconf.base.ContainerMetadata", "omegaconf.base.Metadata"}

# Modules whose names nobody can allow.
BLOCKED: Final = frozenset(("sys", "os", "posix", "nt"))

# Modules that have, or had, other names in files.
_MODULES: Final[dict[str, str]] = {
    "__builtin__": "builtins",
    "copy_reg": "copyreg",
    "numpy.core.multiarray": "numpy._core.multiarray",
    "numpy.core.numeric": "numpy._core.numeric",
    "pathlib._local": "pathlib",
    "torch.tensor": "torch._tensor",
}


def full_name(module: str, name: str) -> str:
    """Name a class or function by today's name of its module."""
    if (module, name) == ("__builtin__", "xrange"):
        return "builtins.range"
    return f"{_MODULES.get(module, module)}.{name}"


def refusal(file: str, name: str) -> LoadError:
    """Make the error for a name that is not on the list, in the words people search for."""
    shown = name.removeprefix("builtins.")
    shown = shown if shown.isprintable() else ascii(shown)
    module = name.rpartition(".")[0]
    if module in BLOCKED:
        return DisallowedGlobal(
            f"Weights only load failed. {file}: Trying to load unsupported GLOBAL {shown} whose module {module} is "
            f"blocked. {_HARMFUL}"
        )
    fact = f"Weights only load failed. {file}: Unsupported global: GLOBAL {shown} was not an allowed global by default."
    harm = suspicion(name)
    if harm is not None:
        return DisallowedGlobal(f"{fact} It {harm}. {_HARMFUL}")
    return DisallowedGlobal(
        f"{fact} Please use `torch.serialization.add_safe_globals([{shown}])` or the "
        f"`torch.serialization.safe_globals([{shown}])` context manager to allowlist this global if you trust this "
        'class/function; or load(..., unknown="record") to get what the file says about it as an inert record, without '
        "any code. weights_only=False changes nothing here: no class that a file names is imported."
    )


_HARMFUL: Final = (
    "No checkpoint needs that: the file was most likely made to do harm, of which nothing was done. "
    'load(..., unknown="record") shows what it holds, as inert records.'
)
