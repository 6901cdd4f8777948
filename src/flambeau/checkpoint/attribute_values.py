"""Objects that are only a bag of attributes: argparse's and types' namespaces, which hold a run's settings."""

from argparse import Namespace
from types import SimpleNamespace
from typing import Final

from flambeau.base.errors import BadPickle
from flambeau.checkpoint.context import Context
from flambeau.checkpoint.narrowing import as_dict, shown

__all__ = ["build_namespace", "make_namespace", "make_simple_namespace"]

# Names that an attribute set by a file would hide.
_TAKEN: Final = frozenset(dir(Namespace)) | frozenset(dir(SimpleNamespace))
_NAMESPACE, _ITEM = 400, 32  # estimated bytes of Python objects, for the budget


def make_namespace(context: Context) -> object:
    """Make an empty argparse.Namespace."""
    context.budget.charge(_NAMESPACE)
    return Namespace()


def make_simple_namespace(context: Context) -> object:
    """Make an empty types.SimpleNamespace."""
    context.budget.charge(_NAMESPACE)
    return SimpleNamespace()


def build_namespace(context: Context, target: object, state: object) -> None:
    """Set the attributes of a namespace."""
    attributes = as_dict(state)
    if attributes is None:
        raise context.error(BadPickle, "the state of a namespace is not a dictionary")
    context.budget.charge(_ITEM * len(attributes))
    for name, value in attributes.items():
        if not isinstance(name, str) or name in _TAKEN:
            raise context.error(BadPickle, f"a namespace cannot have the attribute {shown(name)}")
        vars(target)[name] = value
