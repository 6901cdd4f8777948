"""What every source file of the package keeps to."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "flambeau"
SOURCES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imported_names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module


def test_there_are_sources():
    assert SOURCES


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_file_has_a_module_docstring(path: Path):
    assert ast.get_docstring(tree_of(path)), f"{name_of(path)} does not say what it is"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_file_does_not_import_pytorch(path: Path):
    roots = {name.partition(".")[0] for name in imported_names(tree_of(path))}
    assert not roots & {"torch", "torchvision", "functorch"}


def attribute_files(*names: str) -> list[str]:
    """Return the files that use an attribute, or import a name, of one of these spellings."""
    return [
        name_of(path)
        for path in SOURCES
        for node in ast.walk(tree_of(path))
        if (isinstance(node, ast.Attribute) and node.attr in names)
        or (isinstance(node, ast.ImportFrom) and any(alias.name in names for alias in node.names))
    ]


def test_there_is_one_jit():
    """docs/decisions/one-jit.md: every computation goes through the runtime's one `jax.jit`."""
    assert attribute_files("jit", "pjit", "pmap") == ["runtime/compiling.py"]


def test_the_environment_is_read_in_one_place():
    assert set(attribute_files("environ", "environb", "getenv")) == {"base/config.py"}


def test_every_folder_is_a_package():
    folders = {path.parent for path in SOURCES}
    assert [name_of(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []
