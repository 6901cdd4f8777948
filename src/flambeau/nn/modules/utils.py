"""PyTorch's ``torch.nn.modules.utils``: mending the paths of a ``state_dict``."""

from typing import Any

__all__ = ["consume_prefix_in_state_dict_if_present"]


def consume_prefix_in_state_dict_if_present(state_dict: dict[str, Any], prefix: str) -> None:
    """Take a prefix off the paths of a ``state_dict`` that have it, in place; the versions of its modules follow.

    Paths that lose the prefix move to the end of the dictionary, in their order.

    Args:
        state_dict: what is to be loaded, such as the state of a ``DataParallel``.
        prefix: what to take off, with its dot: ``"module."``, ``"_orig_mod."``.

    Example:
        >>> from flambeau.nn.modules.utils import consume_prefix_in_state_dict_if_present
        >>> state = {"module.weight": 1, "step": 2}
        >>> consume_prefix_in_state_dict_if_present(state, "module.")
        >>> state
        {'step': 2, 'weight': 1}

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.modules.utils.consume_prefix_in_state_dict_if_present.html
    """
    _take_off(prefix, state_dict)
    versions = getattr(state_dict, "_metadata", None)
    if versions is not None:
        _take_off(prefix, versions, prefix.replace(".", ""))


def _take_off(prefix: str, paths: dict[str, Any], whole: str | None = None) -> None:
    """Take a prefix off a dictionary's keys, in place; the key ``whole`` is the prefix without its dot."""
    for path in list(paths):
        if path.startswith(prefix) or path == whole:
            paths[path[len(prefix) :]] = paths.pop(path)
