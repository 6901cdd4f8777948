"""``LambdaLR`` and ``MultiplicativeLR``: the learning rate follows the user's functions."""

from collections.abc import Callable, Sequence
from typing import Any

from flambeau.base.constructors import own_constructor
from flambeau.optim.lr_scheduler.scheduler import LRScheduler
from flambeau.optim.optimizer import Optimizer

__all__ = ["LambdaLR", "MultiplicativeLR"]

Factor = Callable[[int], float]


class _ByFunction(LRScheduler):
    """A schedule by one function for each group; functions that are objects are part of its state."""

    def __init__(self, optimizer: Optimizer, lr_lambda: Factor | Sequence[Factor], last_epoch: int = -1) -> None:
        count = len(optimizer.param_groups)
        functions: list[Factor] = list(lr_lambda) if isinstance(lr_lambda, (list, tuple)) else [lr_lambda] * count  # pyright: ignore[reportAssignmentType, reportUnknownArgumentType]  # PyTorch tells lists from functions
        if len(functions) != count:
            raise ValueError(f"Expected {count} lr_lambdas, but got {len(functions)}")
        self.optimizer = optimizer
        self.lr_lambdas = functions
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer; of the functions only the attributes of those that are objects."""
        state = {name: value for name, value in self.__dict__.items() if name not in ("optimizer", "lr_lambdas")}
        state["lr_lambdas"] = [
            None if hasattr(function, "__code__") else function.__dict__.copy() for function in self.lr_lambdas
        ]
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what ``state_dict`` returned; plain functions stay as they are."""
        self.__dict__.update({name: value for name, value in state_dict.items() if name != "lr_lambdas"})
        for function, attributes in zip(self.lr_lambdas, state_dict["lr_lambdas"], strict=True):
            if attributes is not None:
                function.__dict__.update(attributes)


@own_constructor
class LambdaLR(_ByFunction):
    """Sets the learning rate to ``base * lr_lambda(epoch)``.

    Args:
        optimizer: whose learning rates are set.
        lr_lambda: a function of the epoch's number, or one for each group.
        last_epoch: number of the last epoch of the training that is resumed; -1 for a new one.

    Raises:
        ValueError: there are not as many functions as groups.

    Example:
        >>> import flambeau as torch
        >>> optimizer = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=1.0)
        >>> scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch))
        >>> optimizer.step()
        >>> scheduler.step()
        >>> scheduler.get_last_lr()
        [0.5]

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.LambdaLR.html
    """

    def get_lr(self) -> list[Any]:
        """The learning rate of each group in this epoch."""
        self._warn_outside_step()
        return [base * function(self.last_epoch) for base, function in zip(self.base_lrs, self.lr_lambdas, strict=True)]


@own_constructor
class MultiplicativeLR(_ByFunction):
    """Multiplies the learning rate by ``lr_lambda(epoch)`` every epoch.

    Args:
        optimizer: whose learning rates are set.
        lr_lambda: a function of the epoch's number, or one for each group.
        last_epoch: number of the last epoch of the training that is resumed; -1 for a new one.

    Raises:
        ValueError: there are not as many functions as groups.

    Example:
        >>> import flambeau as torch
        >>> optimizer = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=1.0)
        >>> scheduler = torch.optim.lr_scheduler.MultiplicativeLR(optimizer, lambda epoch: 0.5)
        >>> optimizer.step()
        >>> scheduler.step()
        >>> scheduler.get_last_lr()
        [0.5]

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.MultiplicativeLR.html
    """

    def get_lr(self) -> list[Any]:
        """The next learning rate of each group, from the present one."""
        self._warn_outside_step()
        if self._is_initial:
            return self._rates()
        return [rate * function(self.last_epoch) for rate, function in zip(self._rates(), self.lr_lambdas, strict=True)]
