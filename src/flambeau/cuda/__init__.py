"""PyTorch's ``torch.cuda``, as far as programs ask it what is there: devices, their number, their generator.

Source: https://docs.pytorch.org/docs/stable/cuda.html
"""

from flambeau.cuda import amp
from flambeau.devices.backend import available, jax_device
from flambeau.devices.device import as_device, device
from flambeau.runtime.force import finish_all

__all__ = [
    "amp",
    "current_device",
    "device_count",
    "get_device_name",
    "is_available",
    "manual_seed",
    "manual_seed_all",
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
