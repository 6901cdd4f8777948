"""Layers against PyTorch's own examination of its layers: a sample of each class's inputs, or all with ``--full``."""

import pytest

from tests.parity.module_db import ASPECTS, INFOS, PRESENT, problems


@pytest.mark.parametrize("aspect", ASPECTS)
@pytest.mark.parametrize("name", PRESENT)
def test_layer(name: str, aspect: str, request: pytest.FixtureRequest) -> None:
    full = bool(request.config.getoption("--full"))
    found = [item for training in (False, True) for item in problems(name, aspect, training, full)]
    assert found
    assert [f"{case}: {problem}" for case, problem in found if problem is not None] == []


def test_how_many_classes_there_are() -> None:
    """PyTorch examines 114 classes, and at least these are here."""
    assert len(INFOS) == 114
    assert len(PRESENT) >= 88
