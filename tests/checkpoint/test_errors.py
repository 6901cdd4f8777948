"""The exception tree: what its picture says is what the classes are."""

import inspect
import re

import pytest

from flambeau.base import errors


def drawn() -> dict[str, tuple[str | None, str | None]]:
    """Read the picture: each class with the class above it and the built-in class beside it."""
    found, above = {}, {}
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^([│├└─ ]*)(\w+)\s+\((\w+)\)|^([│├└─ ]*)([A-Z]\w+)(?:\s{3,}|$)", line)
        if match is None or "```" in line:
            continue
        lead, name = match[1] if match[2] else match[4], match[2] or match[5]
        depth = len(lead) // 4
        above[depth] = name
        found[name] = (above.get(depth - 1), match[3])
    return found


def test_every_class_is_drawn_and_public():
    classes = {name for name, value in vars(errors).items() if inspect.isclass(value)}
    assert set(drawn()) == classes == set(errors.__all__)


@pytest.mark.parametrize("name", errors.__all__)
def test_class_hangs_where_it_is_drawn(name):
    above, beside = drawn()[name]
    kind = getattr(errors, name)
    assert {base.__name__ for base in kind.__bases__} == {above or "Exception", beside or above or "Exception"}
    assert inspect.getdoc(kind)


def test_an_error_with_a_code_of_the_system():
    error = errors.WriteFailed(28, "No space left on device", "a.pt")
    assert (error.errno, error.filename) == (28, "a.pt")
    assert str(error) == "[Errno 28] No space left on device: 'a.pt'"
