"""What the tests of kernels share."""

import jax.numpy as jnp
import pytest

from flambeau.kernels import library


@pytest.fixture(scope="module")
def kernels() -> None:
    """Skip, with the reason, where the kernels cannot be used."""
    if library.target(library.TARGETS[0]) is None:
        pytest.skip(f"CPU kernels: {library.status()}")


@pytest.fixture
def halves() -> None:
    """Skip, with the reason, where the kernels do not take bfloat16."""
    if library.target(library.TARGETS[0], jnp.bfloat16) is None:
        pytest.skip(f"the processor has no instructions for bfloat16; CPU kernels: {library.status()}")
