"""PyTorch's ``torch.distributed`` as a build without it has it: programs ask, and are told that there is one process.

Source: https://docs.pytorch.org/docs/stable/distributed.html
"""

from typing import NoReturn

from flambeau.base.unsupported import UnsupportedName

__all__ = ["is_available", "is_initialized"]


def is_available() -> bool:
    """Whether processes can work together: no.

    Example:
        >>> import flambeau.distributed as dist
        >>> dist.is_available() and dist.is_initialized()
        False

    Source: https://docs.pytorch.org/docs/stable/distributed.html#torch.distributed.is_available
    """
    return False


def is_initialized() -> bool:
    """Whether this process works together with others: no.

    Source: https://docs.pytorch.org/docs/stable/distributed.html#torch.distributed.is_initialized
    """
    return False


def __getattr__(name: str) -> NoReturn:
    if name.startswith("_"):
        raise AttributeError(f"module 'flambeau.distributed' has no attribute '{name}'")
    raise UnsupportedName(f"torch.distributed.{name} is not supported: a program is one process")
