"""PyTorch's ``torch.nn.utils``.

Source: https://docs.pytorch.org/docs/stable/nn.html#utilities
"""

from flambeau.nn.utils import parametrizations, parametrize, prune
from flambeau.nn.utils.spectral_norm import remove_spectral_norm, spectral_norm
from flambeau.nn.utils.weight_norm import remove_weight_norm, weight_norm

__all__ = [
    "parametrizations",
    "parametrize",
    "prune",
    "remove_spectral_norm",
    "remove_weight_norm",
    "spectral_norm",
    "weight_norm",
]
