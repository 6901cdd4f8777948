"""PyTorch's ``torch.random``: the default generator, and a way to leave it as it was.

Source: https://docs.pytorch.org/docs/stable/random.html
"""

from flambeau.tensors.generator import default_generator, fork_rng, thread_safe_generator
from flambeau.tensors.random import get_rng_state, initial_seed, manual_seed, seed, set_rng_state

__all__ = [
    "default_generator",
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "seed",
    "set_rng_state",
    "thread_safe_generator",
]
