"""PyTorch's small helpers of its layers: numbers as tuples, and prefixes of state dictionaries.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.modules.utils.consume_prefix_in_state_dict_if_present.html
"""

from collections.abc import Callable, Iterable
from typing import Any, cast

__all__ = ["consume_prefix_in_state_dict_if_present"]


def _ntuple(n: int, name: str = "parse") -> Callable[[Any], tuple[Any, ...]]:
    """A function that makes a tuple of ``n`` equal items, or of what it is given if that is a sequence already."""

    def parse(x: Any) -> tuple[Any, ...]:
        return tuple(cast("Iterable[Any]", x)) if isinstance(x, Iterable) else (x,) * n

    parse.__name__ = name
    return parse


# Layers that people write import these.
_single = _ntuple(1, "_single")
_pair = _ntuple(2, "_pair")
_triple = _ntuple(3, "_triple")
_quadruple = _ntuple(4, "_quadruple")


def consume_prefix_in_state_dict_if_present(state_dict: dict[str, Any], prefix: str) -> None:
    """Remove a prefix from the names in a state dictionary, in place, and from those in its metadata.

    Args:
        state_dict: what ``state_dict()`` of a wrapped model returned; names without the prefix stay.
        prefix: such as ``"module."``, which ``DataParallel`` puts before every name.

    Example:
        >>> from flambeau.nn.modules.utils import consume_prefix_in_state_dict_if_present
        >>> state = {"module.weight": 1, "step": 2}
        >>> consume_prefix_in_state_dict_if_present(state, "module.")
        >>> state
        {'step': 2, 'weight': 1}

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.modules.utils.consume_prefix_in_state_dict_if_present.html
    """
    for name in [name for name in state_dict if name.startswith(prefix)]:
        state_dict[name[len(prefix) :]] = state_dict.pop(name)
    metadata: dict[str, Any] = getattr(state_dict, "_metadata", {})
    wrapped = prefix.replace(".", "")  # the wrapped module itself, under its name alone
    for name in [name for name in metadata if name and (name == wrapped or name.startswith(prefix))]:
        metadata[name[len(prefix) :]] = metadata.pop(name)
