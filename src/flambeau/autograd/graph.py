"""PyTorch's ``torch.autograd.graph``: the tape's entries, and what is not supported of hooks on saved tensors.

Source: https://docs.pytorch.org/docs/stable/autograd.html#autograd-graph
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

from flambeau.differentiation.tape import GradFn
from flambeau.tensors.tensor import Tensor

__all__ = [
    "UNSUPPORTED",
    "Node",
    "disable_saved_tensors_hooks",
    "increment_version",
    "save_on_cpu",
    "saved_tensors_hooks",
]

Node = GradFn

_NOT_KEPT = (
    "what backward needs is not kept tensor by tensor: a program computes forward and backward together; to save "
    "memory use torch.utils.checkpoint"
)
UNSUPPORTED: Final = {
    "GradientEdge": "take the tensor itself",
    "allow_mutation_on_saved_tensors": "clone a tensor before writing it",
    "get_gradient_edge": "take the tensor itself",
    "region_activation_memory_budget": _NOT_KEPT,
    "register_multi_grad_hook": "register a hook on each tensor",
    "save_on_cpu": _NOT_KEPT,
    "saved_tensors_hooks": _NOT_KEPT,
}
"""Names of PyTorch's module that are not supported, with the reason or what to do."""


def _unsupported(name: str) -> NotImplementedError:
    return NotImplementedError(f"torch.autograd.graph.{name} is not supported: {UNSUPPORTED[name]}")


class saved_tensors_hooks:  # noqa: N801  (PyTorch's name)
    """Not supported.

    Raises:
        NotImplementedError: always.
    """

    def __init__(self, pack_hook: Any, unpack_hook: Any) -> None:
        raise _unsupported("saved_tensors_hooks")


class save_on_cpu:  # noqa: N801  (PyTorch's name)
    """Not supported.

    Raises:
        NotImplementedError: always.
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        raise _unsupported("save_on_cpu")


@contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Generator[None]:
    """Accepted: there are no hooks on saved tensors."""
    yield


def increment_version(tensor: Tensor | list[Tensor] | tuple[Tensor, ...]) -> None:
    """Count a write to a tensor that was not done by one of its operations, for the checks of backward.

    Source: https://docs.pytorch.org/docs/stable/autograd.html#torch.autograd.graph.increment_version
    """
    for item in (tensor,) if isinstance(tensor, Tensor) else tensor:
        item.guard()[0].version += 1


def __getattr__(name: str) -> Any:
    if name in UNSUPPORTED:
        raise _unsupported(name)
    raise AttributeError(f"module 'flambeau.autograd.graph' has no attribute '{name}'")
