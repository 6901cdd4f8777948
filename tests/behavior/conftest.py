"""Every test of this folder runs twice: with Flambeau, and with PyTorch where it is installed."""

import importlib
from typing import Any

import pytest


@pytest.fixture(params=["flambeau", "torch"])
def torch(request: pytest.FixtureRequest) -> Any:
    """The library under test; its random numbers start from the same seed each time."""
    library = importlib.import_module("flambeau") if request.param == "flambeau" else pytest.importorskip("torch")
    library.manual_seed(0)
    return library
