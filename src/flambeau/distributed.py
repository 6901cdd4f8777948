"""PyTorch's ``torch.distributed`` as a build without it has it: programs ask, and are told that there is one process.

Source: https://docs.pytorch.org/docs/stable/distributed.html
"""

from typing import NoReturn

from flambeau.base.unsupported import PROCESSES, missing

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
    raise missing(".distributed", name, PROCESSES)
