"""Memory formats of convolutions' weights: accepted, since XLA orders memory by itself."""

from typing import Any, TypeVar

from flambeau.dtypes.layouts import memory_format as MemoryFormat
from flambeau.nn.modules.conv import Conv2d, Conv3d, ConvTranspose2d, ConvTranspose3d
from flambeau.nn.modules.module import Module

__all__ = ["convert_conv2d_weight_memory_format", "convert_conv3d_weight_memory_format"]

Converted = TypeVar("Converted", bound=Module)


def convert_conv2d_weight_memory_format(module: Converted, memory_format: MemoryFormat | None) -> Converted:
    """Accept a memory format for the weights of all ``Conv2d`` and ``ConvTranspose2d`` in a module.

    Values and strides stay: XLA chooses how a program keeps its arrays, whatever format is asked for.

    Args:
        module: a layer or a model.
        memory_format: such as ``torch.channels_last``.

    Returns:
        The module itself.

    Raises:
        TypeError: it is no memory format.
        RuntimeError: it is one for another number of dimensions.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.convert_conv2d_weight_memory_format.html
    """
    return _accepted(module, memory_format, (Conv2d, ConvTranspose2d))


def convert_conv3d_weight_memory_format(module: Converted, memory_format: MemoryFormat | None) -> Converted:
    """Accept a memory format for the weights of all ``Conv3d`` and ``ConvTranspose3d`` in a module; see above.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.convert_conv3d_weight_memory_format.html
    """
    return _accepted(module, memory_format, (Conv3d, ConvTranspose3d))


def _accepted(module: Converted, wanted: Any, kinds: tuple[type[Module], ...]) -> Converted:
    """Check a format against every weight it is meant for."""
    for item in module.modules():
        if not isinstance(item, kinds):
            continue
        if wanted is not None and not isinstance(wanted, MemoryFormat):
            kind = type(wanted).__name__
            raise TypeError(f"clone(): argument 'memory_format' must be torch.memory_format, not {kind}")
        item.weight.to(memory_format=wanted)
    return module
