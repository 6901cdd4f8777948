"""``save`` and ``load``: PyTorch's checkpoint files.

Source: https://docs.pytorch.org/docs/stable/notes/serialization.html
"""

from flambeau.serialization.background import BackgroundSave
from flambeau.serialization.loading import load
from flambeau.serialization.saving import save

__all__ = ["BackgroundSave", "load", "save"]
