"""Values of TorchScript, whose pickles write the type of a container as a call."""

from flambeau.base.errors import BadCall
from flambeau.checkpoint.context import Context

__all__ = ["make_list", "make_tagged"]


def make_list(context: Context, values: object) -> object:
    """Give a list, whose element type is the name of the function."""
    if type(values) is not list:
        raise context.error(BadCall, "a list of TorchScript is made of something other than a list")
    return values  # pyright: ignore[reportUnknownVariableType]  # a list of whatever the file holds


def make_tagged(context: Context, value: object, tag: object) -> object:
    """Give a value without the name of its type in TorchScript."""
    if not isinstance(tag, str):
        raise context.error(BadCall, "the type of a TorchScript value is not a string")
    return value
