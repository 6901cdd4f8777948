"""PyTorch's ``torch.cuda``, as far as programs ask it what is there: devices, generator, memory, stream.

Source: https://docs.pytorch.org/docs/stable/cuda.html
"""

from collections.abc import Iterable

from flambeau.base.errors import OutOfMemoryError
from flambeau.cuda import amp, memory, streams
from flambeau.cuda.memory import (
    empty_cache,
    max_memory_allocated,
    max_memory_reserved,
    mem_get_info,
    memory_allocated,
    memory_reserved,
)
from flambeau.cuda.streams import Event, Stream, StreamContext, current_stream, default_stream, set_stream, stream
from flambeau.devices.backend import available, jax_device
from flambeau.devices.device import as_device, device
from flambeau.runtime.force import finish_all
from flambeau.tensors.tensor import Tensor

__all__ = [
    "Event",
    "OutOfMemoryError",
    "Stream",
    "StreamContext",
    "amp",
    "current_device",
    "current_stream",
    "default_stream",
    "device_count",
    "empty_cache",
    "get_device_capability",
    "get_device_name",
    "get_rng_state_all",
    "is_available",
    "is_bf16_supported",
    "is_initialized",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "max_memory_reserved",
    "mem_get_info",
    "memory",
    "memory_allocated",
    "memory_reserved",
    "set_device",
    "set_rng_state_all",
    "set_stream",
    "stream",
    "streams",
    "synchronize",
]

Device = str | device | int | None


def is_available() -> bool:
    """Whether JAX sees an NVIDIA GPU.

    Example:
        >>> import flambeau as torch
        >>> place = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cuda.is_available.html
    """
    return device_count() > 0


def device_count() -> int:
    """Number of NVIDIA GPUs that JAX sees.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cuda.device_count.html
    """
    return available("cuda")


def current_device() -> int:
    """Number of the GPU that ``"cuda"`` without a number means: always the first.

    Raises:
        AssertionError: there is no GPU.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cuda.current_device.html
    """
    jax_device(as_device("cuda"))
    return 0


def get_device_name(device: Device = None) -> str:
    """Name of a GPU, such as ``"NVIDIA H100 80GB HBM3"``.

    Args:
        device: which one; the first if None.

    Raises:
        AssertionError: there is no GPU.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cuda.get_device_name.html
    """
    return str(jax_device(as_device("cuda" if device is None else device)).device_kind)


def get_device_capability(device: Device = None) -> tuple[int, int]:
    """Compute capability of a GPU, such as (9, 0).

    Raises:
        AssertionError: there is no GPU.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cuda.get_device_capability.html
    """
    major, minor = jax_device(as_device("cuda" if device is None else device)).compute_capability.split(".")
    return int(major), int(minor)


def set_device(device: Device) -> None:
    """Accepted for the first GPU, which is the one that ``"cuda"`` without a number means.

    Raises:
        AssertionError: there is no GPU.
        NotImplementedError: it is another GPU.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cuda.set_device.html
    """
    place = as_device("cuda" if device is None else device)
    jax_device(place)
    if place.index:
        raise NotImplementedError(f'"cuda" always means the first GPU: name {place} where tensors are made')


def is_bf16_supported() -> bool:
    """Whether there is a GPU: XLA computes with bfloat16 on every one.

    Source: https://docs.pytorch.org/docs/stable/cuda.html
    """
    return is_available()


def is_initialized() -> bool:
    """Whether GPUs can be used: they can where there are some.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cuda.is_initialized.html
    """
    return is_available()


def synchronize(device: Device = None) -> None:
    """Run what is pending, and wait until every value is there; what a stopwatch needs.

    Args:
        device: a GPU; all devices are waited for.

    Raises:
        AssertionError: there is no GPU.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cuda.synchronize.html
    """
    jax_device(as_device("cuda" if device is None else device))
    finish_all()


def manual_seed(seed: int) -> None:
    """Accepted: ``torch.manual_seed`` seeds the one stream of random numbers there is, for all devices.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cuda.manual_seed.html
    """


def manual_seed_all(seed: int) -> None:
    """Accepted, like ``manual_seed``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cuda.manual_seed_all.html
    """


def get_rng_state_all() -> list[Tensor]:
    """States of the GPUs' generators: none, ``torch.get_rng_state`` is the state of the one stream there is.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cuda.get_rng_state_all.html
    """
    return []


def set_rng_state_all(new_states: Iterable[Tensor]) -> None:
    """Accepted: there are no generators of the GPUs' own.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cuda.set_rng_state_all.html
    """
