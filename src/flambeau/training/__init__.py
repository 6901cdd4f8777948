"""The whole state of a training run in one call: saved, kept, found again, and resumed bit for bit.

PyTorch has nothing of the kind; the files are ordinary checkpoints, which PyTorch reads.
"""

from flambeau.training.checkpoints import Checkpoints
from flambeau.training.state import Restored

__all__ = ["Checkpoints", "Restored"]
