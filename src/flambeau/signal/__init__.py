"""PyTorch's ``torch.signal``: windows.

Source: https://docs.pytorch.org/docs/stable/signal.html
"""

from flambeau.signal import windows

__all__ = ["windows"]
