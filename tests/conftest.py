"""Options of the tests, and the list of those that are known to fail."""

from pathlib import Path

import pytest

from tests.expected_failures import read, unknown

FAILURES = Path(__file__).with_name("xfails.txt")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--full``: every case of the tests that otherwise try a sample."""
    parser.addoption("--full", action="store_true", help="every case of the tests that otherwise try a sample")


@pytest.hookimpl(tryfirst=True)  # before -k and -m take tests away
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Expect the listed tests to fail, and nothing but them; refuse a list that names a test that is not there."""
    reasons = read(FAILURES)
    for item in items:
        if item.nodeid in reasons:
            item.add_marker(pytest.mark.xfail(reason=reasons[item.nodeid], strict=True))
    whole = not any("::" in argument for argument in config.args)
    wrong = unknown(reasons, [item.nodeid for item in items]) if whole else []
    if wrong:
        raise pytest.UsageError(f"{FAILURES.name} names tests that do not exist: {', '.join(wrong)}")
