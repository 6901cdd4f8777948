"""``parallel_apply``: several modules, each on inputs of its own."""

from collections.abc import Sequence
from typing import Any, cast

from flambeau.nn.modules.module import Module
from flambeau.nn.parallel.accelerators import Place

__all__ = ["parallel_apply"]


def parallel_apply(
    modules: Sequence[Module],
    inputs: Sequence[Any],
    kwargs_tup: Sequence[dict[str, Any]] | None = None,
    devices: Sequence[Place | None] | None = None,
) -> list[Any]:
    """Call every module with its inputs. The calls are recorded one after another and run as one program.

    Args:
        modules: the modules.
        inputs: for each of them a tuple or list of arguments, or one argument.
        kwargs_tup: for each of them its named arguments.
        devices: accepted; everything stays where the inputs are.

    Raises:
        AssertionError: the sequences differ in length.

    Example:
        >>> import flambeau as torch
        >>> same = torch.nn.Identity()
        >>> torch.nn.parallel.parallel_apply([same, same], [torch.ones(1), torch.zeros(1)])
        [tensor([1.]), tensor([0.])]

    Source: https://docs.pytorch.org/docs/stable/nn.html#dataparallel-layers-multi-gpu-distributed
    """
    for name, items in (("inputs", inputs), ("kwargs_tup", kwargs_tup), ("devices", devices)):
        if items is not None and len(items) != len(modules):
            raise AssertionError(
                f"The number of modules {len(modules)} is not equal to the number of {name} {len(items)}"
            )
    named = cast("Sequence[dict[str, Any]]", kwargs_tup or [{}] * len(modules))
    return [
        module(*(given if isinstance(given, (list, tuple)) else (given,)), **more)
        for module, given, more in zip(modules, inputs, named, strict=True)
    ]
