"""``functionalize`` and ``debug_unwrap``, which have nothing to do: programs never write, tensors have no wrapper."""

import functools
from collections.abc import Callable
from typing import Any

from flambeau.tensors.tensor import Tensor

__all__ = ["debug_unwrap", "functionalize"]


def functionalize(func: Callable[..., Any], *, remove: str = "mutations") -> Callable[..., Any]:
    """The function itself: writing in place is already recorded as a new value, so no program has any.

    PyTorch uses it to take writes and views out of what it traces. Here a view is a chain of steps and a write points
    the storage at another node, before anything is compiled.

    Args:
        func: any function.
        remove: ``"mutations"`` or ``"mutations_and_views"``; there is neither in a program.

    Raises:
        RuntimeError: ``remove`` is something else.

    Example:
        >>> import flambeau as torch
        >>> torch.func.functionalize(lambda x: x.clone().add_(1))(torch.zeros(2))
        tensor([1., 1.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.func.functionalize.html
    """
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(
            f"functionalize(f, remove='mutations'): received invalid argument for remove={remove}. Valid options are: "
            "remove='mutations' and remove='mutations_and_views'; programs have neither writes nor views."
        )

    @functools.wraps(func, updated=())
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return func(*args, **kwargs)

    return wrapped


def debug_unwrap(tensor: Tensor, *, recurse: bool = True) -> Tensor:
    """The tensor itself: inside a transform it is a tensor like any other.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.func.debug_unwrap.html
    """
    return tensor
