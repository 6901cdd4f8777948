"""PyTorch's ``torch.backends.mkldnn``: settings, kept and read back.

Source: https://docs.pytorch.org/docs/stable/backends.html#torch-backends-mkldnn
"""

from flambeau.kernels.library import wanted

__all__ = ["deterministic", "enabled", "is_available"]

enabled = True
deterministic = False


def is_available() -> bool:
    """Whether native CPU kernels, made on oneDNN, are asked for.

    Source: https://docs.pytorch.org/docs/stable/backends.html#torch.backends.mkldnn.is_available
    """
    return wanted()
