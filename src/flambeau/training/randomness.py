"""The random generators of the process: ours, Python's and NumPy's, which data sets draw from."""

import random
from typing import Any

import numpy as np

from flambeau.tensors.creation import from_numpy
from flambeau.tensors.random import get_rng_state, set_rng_state

__all__ = ["generator_states", "set_generator_states"]


def generator_states() -> dict[str, Any]:
    """The states of the default generator, of ``random`` and of ``numpy.random``, as values a checkpoint holds."""
    name, words, position, has_gauss, gauss = np.random.get_state()
    version, internal, gauss_next = random.getstate()
    return {
        "default": get_rng_state(),
        "python": {"version": version, "words": from_numpy(np.array(internal, np.int64)), "gauss_next": gauss_next},
        "numpy": {
            "name": name,
            "words": from_numpy(np.asarray(words).astype(np.int64)),
            "position": int(position),
            "has_gauss": int(has_gauss),
            "gauss": float(gauss),
        },
    }


def set_generator_states(states: dict[str, Any]) -> None:
    """Set the three generators to what ``generator_states`` returned."""
    python, array = states["python"], states["numpy"]
    random.setstate((python["version"], tuple(python["words"].tolist()), python["gauss_next"]))
    words = array["words"].host().astype(np.uint32)
    np.random.set_state((array["name"], words, array["position"], array["has_gauss"], array["gauss"]))
    set_rng_state(states["default"])
