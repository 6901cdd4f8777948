"""PyTorch's ``torch.utils``.

Source: https://docs.pytorch.org/docs/stable/data.html
"""

from flambeau.utils import _pytree as _pytree
from flambeau.utils import checkpoint, data, hooks

__all__ = ["checkpoint", "data", "hooks"]
