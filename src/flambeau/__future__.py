"""PyTorch's ``torch.__future__``: how ``module.to(...)`` and its like put converted tensors into a module.

By default a parameter stays the same object and shows the converted elements, unless it gains or loses its values (to
and from the meta device).

Source: https://docs.pytorch.org/docs/stable/future_mod.html
"""

from typing import Final

__all__ = [
    "get_overwrite_module_params_on_conversion",
    "get_swap_module_params_on_conversion",
    "set_overwrite_module_params_on_conversion",
    "set_swap_module_params_on_conversion",
]

_ON: Final = {"overwrite": False, "swap": False}


def set_overwrite_module_params_on_conversion(value: bool) -> None:
    """Set whether conversions make new parameters, so that references to the old ones keep the old elements.

    Source: https://docs.pytorch.org/docs/stable/future_mod.html#torch.__future__.set_overwrite_module_params_on_conversion
    """
    _ON["overwrite"] = value


def get_overwrite_module_params_on_conversion() -> bool:
    """Whether conversions make new parameters.

    Source: https://docs.pytorch.org/docs/stable/future_mod.html#torch.__future__.get_overwrite_module_params_on_conversion
    """
    return _ON["overwrite"]


def set_swap_module_params_on_conversion(value: bool) -> None:
    """Set whether parameters stay the same objects in every case: to and from meta, and under ``assign=True``.

    Source: https://docs.pytorch.org/docs/stable/future_mod.html#torch.__future__.set_swap_module_params_on_conversion
    """
    _ON["swap"] = value


def get_swap_module_params_on_conversion() -> bool:
    """Whether parameters stay the same objects in every case.

    Source: https://docs.pytorch.org/docs/stable/future_mod.html#torch.__future__.get_swap_module_params_on_conversion
    """
    return _ON["swap"]
