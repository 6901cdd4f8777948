"""Files inside the file: a storage that was pickled without `torch.save` holds a whole file of its own."""

from flambeau.base.errors import BadCall, LimitExceeded
from flambeau.checkpoint.context import Context

__all__ = ["make_nested"]


def make_nested(context: Context, data: object) -> object:
    """Read a file of bytes inside the file, which may hold no further one."""
    if not isinstance(data, bytes) or context.nested is None:
        raise context.error(
            BadCall, "torch.storage._load_from_bytes is called with something other than bytes, or inside itself"
        )
    if context.nested_left == 0:
        raise context.error(LimitExceeded, "it holds too many files inside the file")
    context.nested_left -= 1
    # Each has a budget of its own, in proportion to its bytes, of which this one pays the fixed part.
    context.budget.charge(len(data))
    return context.nested(data)
