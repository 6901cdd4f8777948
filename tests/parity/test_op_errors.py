"""Errors against PyTorch's own examination of its operations: inputs that it refuses, by class and whole text."""

import warnings

import pytest

from tests.parity.exclusions import ERRORS, EXCLUDED
from tests.parity.op_db import INFOS, error_cases, error_problem

TRIED = [
    name for name, info in INFOS.items() if info.error_inputs_func is not None and not {name, info.name} & set(EXCLUDED)
]


@pytest.mark.parametrize("name", TRIED)
def test_errors_are_those_of_pytorch(name: str) -> None:
    """All that differ are listed, and all that are listed differ."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {case.number: error_problem(case) for case in error_cases(INFOS[name])}
    listed = {number for owner, number in ERRORS if owner == name}
    assert {number: problem for number, problem in found.items() if problem is not None and number not in listed} == {}
    assert {number for number in listed if found.get(number) is None} == set()


def test_listed_errors_are_of_operations() -> None:
    assert {name for name, _ in ERRORS} <= set(TRIED)
