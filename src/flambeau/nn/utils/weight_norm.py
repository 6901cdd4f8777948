"""The older ``torch.nn.utils.weight_norm``: a hook computes the weight before every forward pass."""

import warnings
from typing import Any, TypeVar

from flambeau.nn.modules.module import Module
from flambeau.nn.parameter import Parameter
from flambeau.nn.utils.computing import compute
from flambeau.tensors.norms import norm_except_dim
from flambeau.tensors.norms import weight_norm as weight_of
from flambeau.tensors.tensor import Tensor

__all__ = ["WeightNorm", "remove_weight_norm", "weight_norm"]

AnyModule = TypeVar("AnyModule", bound=Module)

_DEPRECATED = "`torch.nn.utils.weight_norm` is deprecated in favor of `torch.nn.utils.parametrizations.weight_norm`."


class WeightNorm:
    """The hook: makes ``<name>`` of ``<name>_g`` and ``<name>_v``."""

    def __init__(self, name: str, dim: int | None) -> None:
        self.name = name
        self.dim = -1 if dim is None else dim

    def compute_weight(self, module: Module) -> Tensor:
        """The weight: size times direction."""
        return weight_of(getattr(module, f"{self.name}_v"), getattr(module, f"{self.name}_g"), self.dim)

    def remove(self, module: Any) -> None:
        """Make the weight an ordinary parameter again."""
        weight = Parameter(self.compute_weight(module).detach())
        delattr(module, self.name)
        del module._parameters[f"{self.name}_g"], module._parameters[f"{self.name}_v"]
        setattr(module, self.name, weight)
        compute([weight])

    def __call__(self, module: Module, inputs: Any) -> None:  # noqa: D102  (the class documents it)
        setattr(module, self.name, self.compute_weight(module))


def _hook_of(module: Any, name: str) -> tuple[int, WeightNorm] | None:
    """Key and hook of a weight, if it has one."""
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, WeightNorm) and hook.name == name:
            return key, hook
    return None


def weight_norm(module: AnyModule, name: str = "weight", dim: int | None = 0) -> AnyModule:
    """Learn a weight's size and direction separately: ``w = g * v / |v|``. Deprecated.

    The parameters are ``<name>_g`` and ``<name>_v``; a hook makes the weight of them before every forward pass.

    Args:
        module: the module.
        name: name of the weight.
        dim: the dimension whose slices have a size of their own; None gives the weight one size.

    Returns:
        The module.

    Raises:
        RuntimeError: the weight has such a hook already.

    Warns:
        FutureWarning: use ``nn.utils.parametrizations.weight_norm``.

    Source: Salimans and Kingma (2016); https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.weight_norm.html
    """
    warnings.warn(_DEPRECATED, FutureWarning, stacklevel=2)
    if _hook_of(module, name) is not None:
        raise RuntimeError(f"Cannot register two weight_norm hooks on the same parameter {name}")
    hook = WeightNorm(name, dim)
    weight = getattr(module, name)
    size = Parameter(norm_except_dim(weight, 2, hook.dim).detach())
    del vars(module)["_parameters"][name]
    module.register_parameter(f"{name}_g", size)
    module.register_parameter(f"{name}_v", Parameter(weight.detach()))
    compute([size])
    setattr(module, name, hook.compute_weight(module))
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: AnyModule, name: str = "weight") -> AnyModule:
    """Undo ``weight_norm``: the weight is a parameter again, with its present value.

    Raises:
        ValueError: the weight has no such hook.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.remove_weight_norm.html
    """
    found = _hook_of(module, name)
    if found is None:
        raise ValueError(f"weight_norm of '{name}' not found in {module}")
    found[1].remove(module)
    del vars(module)["_forward_pre_hooks"][found[0]]
    return module
