"""The list of what is left out, by name: asking for one says so, and none is there after all."""

import pytest

import flambeau
from flambeau.base.unsupported import FUNCTIONS, METHODS, MODULES, PROCESSES


@pytest.mark.parametrize("name", [*FUNCTIONS, *MODULES])
def test_name_of_the_package(name: str) -> None:
    assert name not in flambeau.__all__
    assert not hasattr(flambeau, name)
    with pytest.raises(NotImplementedError, match=rf"^torch\.{name} is not supported: "):
        getattr(flambeau, name)


@pytest.mark.parametrize("name", METHODS)
def test_method(name: str) -> None:
    tensor = flambeau.ones(1)
    assert not hasattr(flambeau.Tensor, name)
    assert not hasattr(tensor, name)
    with pytest.raises(NotImplementedError, match=rf"^Tensor\.{name} is not supported: "):
        getattr(tensor, name)


@pytest.mark.parametrize("name", PROCESSES)
def test_name_of_several_processes(name: str) -> None:
    assert not hasattr(flambeau.distributed, name)
    with pytest.raises(NotImplementedError, match=rf"^torch\.distributed\.{name} is not supported: a program is one"):
        getattr(flambeau.distributed, name)


def test_any_other_name_is_an_ordinary_error() -> None:
    with pytest.raises(AttributeError, match=r"^'Tensor' object has no attribute 'no_such_name'$") as caught:
        flambeau.ones(1).no_such_name  # pyright: ignore[reportAttributeAccessIssue]
    assert not isinstance(caught.value, NotImplementedError)
    for module in (flambeau, flambeau.distributed):
        with pytest.raises(
            AttributeError, match=r"^module 'flambeau[.\w]*' has no attribute 'no_such_name'$"
        ) as caught:
            module.no_such_name  # pyright: ignore[reportAttributeAccessIssue]
        assert not isinstance(caught.value, NotImplementedError)


def test_names_are_names_of_pytorch() -> None:
    torch = pytest.importorskip("torch")
    assert [name for name in [*FUNCTIONS, *MODULES] if not hasattr(torch, name)] == []
    assert [name for name in PROCESSES if not hasattr(torch.distributed, name)] == []
    assert [name for name in METHODS if not hasattr(torch.Tensor, name)] == []
