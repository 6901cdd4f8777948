"""What optimizers share that update each of their groups by a formula of its own."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from flambeau.devices.device import device
from flambeau.optim.applying import stepped
from flambeau.optim.counting import STEP, complete, count_place
from flambeau.optim.optimizer import Optimizer
from flambeau.tensors.tensor import Tensor

__all__ = ["GroupedOptimizer"]


def _step_of(name: str) -> Callable[..., Any]:
    def step(self: "GroupedOptimizer", closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient.

        Args:
            closure: computes the loss anew, with gradients, before the update.

        Returns:
            What ``closure`` returned, or None.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.Optimizer.step.html
        """
        return stepped(self.param_groups, closure, self._update)  # pyright: ignore[reportPrivateUsage]  # a method

    step.__qualname__ = f"{name}.step"
    return step


class GroupedOptimizer(Optimizer):
    """An optimizer whose step records an update of each group; a class of its own writes ``_update``."""

    _added: ClassVar[Mapping[str, Any]] = {}
    """Settings that files of older versions lack, and their values."""

    _scalars: ClassVar[tuple[str, ...]] = STEP
    """States of a parameter that are single numbers."""

    def __init_subclass__(cls, **options: Any) -> None:
        """Give a class its ``step``, by its own name: messages show it, as PyTorch's do."""
        if GroupedOptimizer in cls.__bases__:
            cls.step = _step_of(cls.__qualname__)
        super().__init_subclass__(**options)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        complete(self, self._added, self._scalars, self._place)

    def _update(self, group: dict[str, Any]) -> list[Tensor]:
        """Record a group's update; returns a parameter of each operation."""
        raise NotImplementedError(f"{type(self).__name__} defines no update of a group")

    @staticmethod
    def _place(group: Mapping[str, Any], param: Tensor) -> device:
        """Where the single numbers are kept."""
        return count_place(group, param)
