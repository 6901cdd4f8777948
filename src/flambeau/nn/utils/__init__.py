"""PyTorch's ``torch.nn.utils``.

Source: https://docs.pytorch.org/docs/stable/nn.html#utilities
"""

from flambeau.nn.utils import stateless

__all__ = ["stateless"]
