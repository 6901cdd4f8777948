"""PyTorch's ``torch.amp``: mixed precision.

Source: https://docs.pytorch.org/docs/stable/amp.html
"""

from flambeau.amp import autocast_mode, grad_scaler
from flambeau.amp.autocast_mode import autocast, custom_bwd, custom_fwd, is_autocast_available
from flambeau.amp.grad_scaler import GradScaler

__all__ = [
    "GradScaler",
    "autocast",
    "autocast_mode",
    "custom_bwd",
    "custom_fwd",
    "grad_scaler",
    "is_autocast_available",
]
