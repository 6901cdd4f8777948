"""``save`` and ``load``: PyTorch's checkpoint files.

Source: https://docs.pytorch.org/docs/stable/notes/serialization.html
"""

from flambeau.serialization.background import BackgroundSave
from flambeau.serialization.loading import load
from flambeau.serialization.options import (
    LoadEndianness,
    SourceChangeWarning,
    StorageType,
    check_module_version_greater_or_equal,
    get_crc32_options,
    get_default_load_endianness,
    get_default_mmap_options,
    mkdtemp,
    normalize_storage_type,
    set_crc32_options,
    set_default_load_endianness,
    set_default_mmap_options,
    skip_data,
    storage_to_tensor_type,
)
from flambeau.serialization.places import (
    default_restore_location,
    location_tag,
    register_package,
    validate_cuda_device,
    validate_hpu_device,
)
from flambeau.serialization.registry import add_safe_globals, clear_safe_globals, get_safe_globals, safe_globals
from flambeau.serialization.safetensors import load_safetensors, save_safetensors, save_shards
from flambeau.serialization.saving import save
from flambeau.serialization.scanning import get_unsafe_globals_in_checkpoint, scan

__all__ = [
    "BackgroundSave",
    "LoadEndianness",
    "SourceChangeWarning",
    "StorageType",
    "add_safe_globals",
    "check_module_version_greater_or_equal",
    "clear_safe_globals",
    "default_restore_location",
    "get_crc32_options",
    "get_default_load_endianness",
    "get_default_mmap_options",
    "get_safe_globals",
    "get_unsafe_globals_in_checkpoint",
    "load",
    "load_safetensors",
    "location_tag",
    "mkdtemp",
    "normalize_storage_type",
    "register_package",
    "safe_globals",
    "save",
    "save_safetensors",
    "save_shards",
    "scan",
    "set_crc32_options",
    "set_default_load_endianness",
    "set_default_mmap_options",
    "skip_data",
    "storage_to_tensor_type",
    "validate_cuda_device",
    "validate_hpu_device",
]
