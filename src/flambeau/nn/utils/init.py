"""Making a module without drawing its first weights."""

from collections.abc import Callable
from inspect import signature
from typing import Any, TypeVar, cast

from flambeau.nn.modules.module import Module

__all__ = ["skip_init"]

Made = TypeVar("Made", bound=Module)


def skip_init(module_cls: Callable[..., Made], *args: Any, **kwargs: Any) -> Made:
    """Make a module whose parameters and buffers are not initialized (they are zeros here); nothing is drawn.

    Args:
        module_cls: a module's class, whose constructor takes ``device`` and hands it to all it makes.
        args, kwargs: arguments of the constructor; ``device`` says where the module lives, the CPU by default.

    Returns:
        The module.

    Raises:
        RuntimeError: it is no module's class, or its constructor takes no ``device``.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.utils.skip_init(torch.nn.Linear, 2, 1)
        Linear(in_features=2, out_features=1, bias=True)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.skip_init.html
    """
    if not issubclass(cast("Any", module_cls), Module):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    if "device" not in signature(module_cls).parameters:
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    place = kwargs.pop("device", "cpu")
    return module_cls(*args, **kwargs, device="meta").to_empty(device=place)
