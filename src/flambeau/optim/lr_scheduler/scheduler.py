"""``LRScheduler``: what every learning rate schedule has in common."""

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from flambeau.graph.observing import observer
from flambeau.optim.optimizer import Optimizer
from flambeau.tensors.tensor import Tensor

__all__ = ["LRScheduler"]

ORDER = (
    "Detected call of `lr_scheduler.step()` before `optimizer.step()`. In PyTorch 1.1.0 and later, you should call "
    "them in the opposite order: `optimizer.step()` before `lr_scheduler.step()`.  Failure to do this will result in "
    "PyTorch skipping the first value of the learning rate schedule. "
    "See more details at https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate"
)
OVERRIDDEN = (
    "Seems like `optimizer.step()` has been overridden after learning rate scheduler initialization. Please, make sure "
    "to call `optimizer.step()` before `lr_scheduler.step()`. "
    "See more details at https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate"
)
EPOCH = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where possible. Please use "
    "`scheduler.step()` to step the scheduler. During the deprecation, if epoch is different from None, the closed "
    "form is used instead of the new chainable form, where available."
)
INITIAL = (
    "param 'initial_lr' is not specified in param_groups[{index}] when resuming scheduler with last_epoch >= 0.\n"
    "This typically happens when:\n"
    "1. You're trying to resume training from a checkpoint but haven't properly loaded the optimizer state\n"
    "2. You're using last_epoch >= 0 for a fresh training run (not recommended)"
)


def watched(step: Callable[..., Any]) -> Callable[..., Any]:
    """A schedule's step which a function that is compiled takes as a whole: a replay calls it again."""

    @functools.wraps(step)
    def watched_step(self: Any, *args: Any, **kwargs: Any) -> Any:
        watching = observer()
        if watching is None:
            return step(self, *args, **kwargs)
        repeatable = not any(isinstance(item, Tensor) for item in (*args, *kwargs.values()))
        return watching.scheduled(lambda: step(self, *args, **kwargs), repeatable=repeatable)

    return watched_step


class LRScheduler:
    """Base class of learning rate schedules; a subclass defines ``get_lr``.

    Args:
        optimizer: whose learning rates are set.
        last_epoch: number of the last epoch of the training that is resumed; -1 for a new one.

    Attributes:
        optimizer: the optimizer.
        base_lrs: the learning rate of each group before the first epoch.
        last_epoch: number of calls of ``step`` so far.

    Raises:
        TypeError: ``optimizer`` is none.
        KeyError: ``last_epoch`` is given, but the groups do not know their initial learning rate.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.LRScheduler.html
    """

    observed_as = "schedule"  # what a function that is compiled takes it for
    _get_lr_called_within_step: bool = False
    _is_initial: bool = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.optimizer = checked_optimizer(optimizer)
        for index, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", copied(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(INITIAL.format(index=index))
        self.base_lrs: list[Any] = [copied(group["initial_lr"]) for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        _watch_steps(optimizer)
        self._initial_step()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "step" in cls.__dict__:
            cls.step = watched(cls.__dict__["step"])

    def _initial_step(self) -> None:
        """The step that sets the first epoch's learning rates."""
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.LRScheduler.html
        """
        return {name: value for name, value in self.__dict__.items() if name != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what ``state_dict`` returned.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.LRScheduler.html
        """
        self.__dict__.update(state_dict)

    def get_last_lr(self) -> list[Any]:
        """The present learning rate of each group."""
        return self._last_lr

    def get_lr(self) -> list[Any]:
        """The next learning rate of each group, from the present one; ``step`` calls it.

        Raises:
            NotImplementedError: the class defines no schedule.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no get_lr(); write one in the subclass")

    @watched
    def step(self, epoch: int | None = None) -> None:
        """Go on to the next epoch and set its learning rates; call it after ``optimizer.step()``.

        Args:
            epoch: number of an epoch to jump to; deprecated.

        Warns:
            UserWarning: the optimizer has not stepped yet; ``epoch`` is given.

        Source: https://docs.pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate
        """
        if self._step_count == 1:
            _check_order(self.optimizer)
        self._step_count += 1
        if epoch is not None:
            warnings.warn(EPOCH, UserWarning, stacklevel=3)
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        self._get_lr_called_within_step = True
        try:
            if epoch is None:
                self.last_epoch += 1
                rates = self.get_lr()
            else:
                self.last_epoch = epoch
                closed: Callable[[], list[Any]] = getattr(self, "_get_closed_form_lr", self.get_lr)
                rates = closed()
        finally:
            self._get_lr_called_within_step = False
        self._set_lrs(rates)

    def _set_lrs(self, rates: Sequence[Any]) -> None:
        """Give each group its learning rate, and remember them."""
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            set_rate(group, rate)
        self._last_lr = self._rates()

    def _rates(self) -> list[Any]:
        """The present learning rate of each group."""
        return [copied(group["lr"]) for group in self.optimizer.param_groups]

    def _warn_outside_step(self) -> None:
        """Warn if ``get_lr`` is called by anybody but ``step``: it computes the next rates, not the present ones."""
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use `get_last_lr()`.", stacklevel=3
            )


def checked_optimizer(optimizer: Any) -> Optimizer:
    """The optimizer; raises TypeError if it is none."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
    return optimizer


def copied(value: Any) -> Any:
    """A setting; a copy of it if it is a tensor."""
    return value.clone() if isinstance(value, Tensor) else value


def set_rate(group: dict[str, Any], value: Any, name: str = "lr") -> None:
    """Set a group's learning rate, in place if it is a tensor."""
    if isinstance(group[name], Tensor):
        group[name].fill_(float(value))
    else:
        group[name] = value


def per_group(optimizer: Optimizer, value: Any, name: str) -> list[Any]:
    """A setting for each group, given as one value or as a list of them; raises ValueError if the length is wrong."""
    count = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [value] * count
    values: list[Any] = list(value)  # pyright: ignore[reportUnknownArgumentType]
    if len(values) != count:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. {name} has {len(values)} values, "
            f"param_groups has {count}."
        )
    return values


def _step_of(optimizer: Optimizer) -> Any:
    """The function behind ``optimizer.step``."""
    return getattr(optimizer.step, "__func__", optimizer.step)


def _watch_steps(optimizer: Optimizer) -> None:
    """Have it known from now on whether the optimizer steps before the schedule does."""
    if "_scheduled_step" not in optimizer.__dict__:  # steps before the first schedule do not count
        optimizer.__dict__["_opt_called"] = False
    optimizer.__dict__["_scheduled_step"] = _step_of(optimizer)


def _check_order(optimizer: Optimizer) -> None:
    """Warn if the schedule steps before the optimizer ever did."""
    watched = optimizer.__dict__.get("_scheduled_step")
    if watched is not None and watched is not _step_of(optimizer):
        warnings.warn(OVERRIDDEN, UserWarning, stacklevel=4)
    elif not optimizer.__dict__.get("_opt_called", False):
        warnings.warn(ORDER, UserWarning, stacklevel=4)
