"""PyTorch's ``torch.accelerator``: the kind of device beside the CPU, whatever it is.

Source: https://docs.pytorch.org/docs/stable/accelerator.html
"""

from flambeau.devices.backend import available
from flambeau.devices.device import device
from flambeau.runtime.force import finish_all

__all__ = ["current_accelerator", "current_device_index", "device_count", "is_available", "synchronize"]

_KINDS = ("cuda", "tpu")
_NONE = "Cannot access accelerator device when none is available."


def current_accelerator(check_available: bool = False) -> device | None:
    """The accelerator of this machine, without a number; None if JAX sees none.

    Args:
        check_available: accepted: what is returned is there.

    Example:
        >>> import flambeau as torch
        >>> place = torch.accelerator.current_accelerator() or torch.device("cpu")

    Source: https://docs.pytorch.org/docs/stable/generated/torch.accelerator.current_accelerator.html
    """
    return next((device(kind) for kind in _KINDS if available(kind)), None)


def is_available() -> bool:
    """Whether JAX sees an accelerator.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.accelerator.is_available.html
    """
    return current_accelerator() is not None


def device_count() -> int:
    """Number of accelerators of the current kind.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.accelerator.device_count.html
    """
    found = current_accelerator()
    return 0 if found is None else available(found.type)


def current_device_index() -> int:
    """Number of the accelerator that a device without a number means: always the first.

    Raises:
        RuntimeError: there is none.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.accelerator.current_device_index.html
    """
    if current_accelerator() is None:
        raise RuntimeError(_NONE)
    return 0


def synchronize(device: device | str | int | None = None) -> None:
    """Run what is pending, and wait until every value is there.

    Args:
        device: an accelerator; all devices are waited for.

    Raises:
        RuntimeError: there is none.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.accelerator.synchronize.html
    """
    if current_accelerator() is None:
        raise RuntimeError(_NONE)
    finish_all()
