"""Operations against PyTorch's own examination of them: a few samples of each, or all with ``--full``."""

from typing import Any

import pytest

from tests.parity.exclusions import EXCLUDED
from tests.parity.op_db import INFOS, MOST, examine

FEW = 3  # samples of an operation
TRIED = [name for name, info in INFOS.items() if not {name, info.name} & set(EXCLUDED)]


@pytest.mark.parametrize("name", TRIED)
def test_operation(name: str, request: pytest.FixtureRequest) -> None:
    full = bool(request.config.getoption("--full"))
    found: dict[str, Any] = examine(INFOS[name], MOST if full else FEW, errors=False)
    assert found["samples"] or INFOS[name].name in WITHOUT_SAMPLES
    assert found["failures"] == []


WITHOUT_SAMPLES = {"nn.functional.batch_norm"}  # one variant has data types of CUDA only


def test_how_many_operations_there_are() -> None:
    """PyTorch examines 702 operations of 636 names."""
    assert len(INFOS) == 702
    assert len({info.name for info in INFOS.values()}) == 636


def test_exclusions_are_operations() -> None:
    names = set(INFOS) | {info.name for info in INFOS.values()}
    assert set(EXCLUDED) <= names
