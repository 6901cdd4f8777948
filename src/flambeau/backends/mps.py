"""PyTorch's ``torch.backends.mps``: Apple's GPUs, which are not among the devices here.

Example:
    >>> import flambeau as torch
    >>> place = "mps" if torch.backends.mps.is_available() else "cpu"

Source: https://docs.pytorch.org/docs/stable/backends.html#torch-backends-mps
"""

__all__ = ["is_available", "is_built"]


def is_available() -> bool:
    """Whether there is such a GPU: no.

    Source: https://docs.pytorch.org/docs/stable/backends.html#torch.backends.mps.is_available
    """
    return False


def is_built() -> bool:
    """Whether the package could use one: no.

    Source: https://docs.pytorch.org/docs/stable/backends.html#torch.backends.mps.is_built
    """
    return False
