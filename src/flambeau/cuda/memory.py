"""PyTorch's ``torch.cuda.memory``: what is in use on a GPU, as JAX's allocator counts it; zeros where there is no GPU.

Source: https://docs.pytorch.org/docs/stable/cuda.html#memory-management
"""

from typing import Any

from flambeau.devices.backend import available, jax_device
from flambeau.devices.device import as_device, device
from flambeau.runtime.force import finish_all

__all__ = [
    "empty_cache",
    "max_memory_allocated",
    "max_memory_reserved",
    "mem_get_info",
    "memory_allocated",
    "memory_reserved",
]

Device = device | str | int | None


def _count(name: str, place: Device) -> int:
    """One of the allocator's numbers, in bytes, when everything pending is done."""
    if not available("cuda"):
        return 0
    finish_all()
    counts: dict[str, Any] = jax_device(as_device("cuda" if place is None else place)).memory_stats() or {}
    return int(counts.get(name, 0))


def memory_allocated(device: Device = None) -> int:
    """Bytes that values take on a GPU.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cuda.memory.memory_allocated.html
    """
    return _count("bytes_in_use", device)


def max_memory_allocated(device: Device = None) -> int:
    """Most bytes that values took on a GPU since the process began.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cuda.memory.max_memory_allocated.html
    """
    return _count("peak_bytes_in_use", device)


def memory_reserved(device: Device = None) -> int:
    """Bytes that the allocator holds on a GPU.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cuda.memory.memory_reserved.html
    """
    return _count("pool_bytes", device)


def max_memory_reserved(device: Device = None) -> int:
    """Most bytes that the allocator held on a GPU.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cuda.memory.max_memory_reserved.html
    """
    return _count("peak_pool_bytes", device)


def mem_get_info(device: Device = None) -> tuple[int, int]:
    """Bytes that are left on a GPU for this process, and all that it may take.

    Raises:
        AssertionError: there is no GPU.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cuda.memory.mem_get_info.html
    """
    jax_device(as_device("cuda" if device is None else device))
    total = _count("bytes_limit", device)
    return total - _count("bytes_in_use", device), total


def empty_cache() -> None:
    """Accepted: what is freed stays with JAX's allocator, for this process to take again.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cuda.memory.empty_cache.html
    """
