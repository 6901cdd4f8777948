"""PyTorch's ``torch.utils``.

Source: https://docs.pytorch.org/docs/stable/data.html
"""

from flambeau.utils import data, hooks

__all__ = ["data", "hooks"]
