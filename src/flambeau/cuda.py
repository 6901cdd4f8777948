"""PyTorch's ``torch.cuda``: which GPUs there are, as far as that is a fact here.

Memory is XLA's business and there are no streams, so what PyTorch has for these is absent.

Source: https://docs.pytorch.org/docs/stable/cuda.html
"""

from typing import Any

from flambeau.devices.backend import available, jax_device
from flambeau.devices.device import device as Device
from flambeau.runtime.force import finish_all
from flambeau.tensors import generator

__all__ = [
    "current_device",
    "device_count",
    "get_device_name",
    "is_available",
    "is_initialized",
    "manual_seed",
    "manual_seed_all",
    "synchronize",
]


def is_available() -> bool:
    """Whether there is a GPU that XLA can use.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cuda.is_available.html
    """
    return device_count() > 0


def device_count() -> int:
    """Number of GPUs that XLA can use.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cuda.device_count.html
    """
    return available("cuda")


def is_initialized() -> bool:
    """Whether the GPUs are set up: asking sets them up, so this is whether there are any.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cuda.is_initialized.html
    """
    return is_available()


def current_device() -> int:
    """Number of the GPU that ``"cuda"`` means: always the first.

    Raises:
        AssertionError: there is none.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cuda.current_device.html
    """
    jax_device(Device("cuda", 0))
    return 0


def get_device_name(device: "Device | str | int | None" = None) -> str:
    """What a GPU is called by its maker.

    Args:
        device: which one; the first by default.

    Raises:
        AssertionError: there is none.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cuda.get_device_name.html
    """
    return jax_device(_place(device)).device_kind


def synchronize(device: "Device | str | int | None" = None) -> None:
    """Run everything recorded, and wait until every device is done; what a stopwatch needs.

    Args:
        device: accepted; all are waited for.

    Raises:
        AssertionError: there is no GPU.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cuda.synchronize.html
    """
    jax_device(_place(device))
    finish_all()


def manual_seed(seed: int) -> None:
    """Seed the random numbers drawn for GPUs; without a GPU, nothing, as in PyTorch.

    One stream of random numbers serves all devices, so with a GPU this is ``torch.manual_seed``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cuda.manual_seed.html
    """
    if is_available():
        generator.manual_seed(int(seed))


def manual_seed_all(seed: int) -> None:
    """Same as ``manual_seed``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cuda.manual_seed_all.html
    """
    manual_seed(seed)


def _place(given: Any) -> Device:
    """A GPU, from what a user gives; raises ValueError in PyTorch's words for another kind of device."""
    place = Device("cuda", 0) if given is None else Device(given)
    if place.type != "cuda":
        raise ValueError(f"Expected a cuda device, but got: {place}")
    return Device("cuda", place.index or 0)
