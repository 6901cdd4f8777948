"""``save`` and ``load``: PyTorch's checkpoint files.

Source: https://docs.pytorch.org/docs/stable/notes/serialization.html
"""

from flambeau.serialization.background import BackgroundSave
from flambeau.serialization.loading import load
from flambeau.serialization.safetensors import load_safetensors, save_safetensors, save_shards
from flambeau.serialization.saving import save

__all__ = ["BackgroundSave", "load", "load_safetensors", "save", "save_safetensors", "save_shards"]
