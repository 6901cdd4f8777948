"""PyTorch's ``torch.utils.hooks``: handles of hooks, and the mark of hooks that a pickled tensor may lose.

Source: https://docs.pytorch.org/docs/stable/generated/torch.utils.hooks.RemovableHandle.html
"""

import warnings
from collections.abc import Callable
from typing import Any, TypeVar, cast

from flambeau.base.hooks import RemovableHandle
from flambeau.tensors.tensor import Tensor

__all__ = ["RemovableHandle", "unserializable_hook", "warn_if_has_hooks"]

_Hook = TypeVar("_Hook", bound=Callable[..., Any])


def unserializable_hook(f: _Hook) -> _Hook:
    """Mark a hook as one that is meant to be lost when its tensor is pickled; returns it.

    Source: https://docs.pytorch.org/docs/stable/notes/serialization.html
    """
    cast("Any", f).__torch_unserializable__ = True
    return f


def warn_if_has_hooks(tensor: Tensor) -> None:
    """Warn of each hook of a tensor that pickling would lose, unless ``unserializable_hook`` marked it.

    Source: https://docs.pytorch.org/docs/stable/notes/serialization.html
    """
    for hook in (tensor._backward_hooks or {}).values():  # pyright: ignore[reportPrivateUsage]  # PyTorch's name
        if not hasattr(hook, "__torch_unserializable__"):
            warnings.warn(
                f"backward hook {hook!r} on tensor will not be serialized.  If this is expected, you can decorate the "
                "function with @torch.utils.hooks.unserializable_hook to suppress this warning",
                UserWarning,
                stacklevel=2,
            )
