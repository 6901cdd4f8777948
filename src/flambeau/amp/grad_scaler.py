"""``GradScaler``: a loss is scaled so that the small gradients of 16 bits do not vanish.

Source: https://docs.pytorch.org/docs/stable/amp.html#gradient-scaling
"""

import warnings
from collections import defaultdict
from collections.abc import Iterable
from enum import Enum
from typing import Any, cast

from flambeau.amp.state import is_present
from flambeau.devices.device import device as Device
from flambeau.differentiation.modes import no_grad
from flambeau.differentiation.tape import Tracked
from flambeau.dtypes.kinds import DTYPES
from flambeau.primitives import scaling as p
from flambeau.tensors.core import call
from flambeau.tensors.creation import full
from flambeau.tensors.tensor import Tensor

__all__ = ["GradScaler", "OptState"]

_FLOAT32, _INT32 = DTYPES["float32"], DTYPES["int32"]


class OptState(Enum):
    """What has been done with an optimizer since the last ``update``."""

    READY = 0
    UNSCALED = 1
    STEPPED = 2


class _Progress:
    """An optimizer's place in an iteration.

    Attributes:
        stage: what has been done.
        broken: for each device 1 if a gradient there was infinite or NaN, else 0.
    """

    def __init__(self) -> None:
        self.stage = OptState.READY
        self.broken: dict[Device, Tensor] = {}


class GradScaler:
    """Scales losses, takes gradients back, skips steps with infinite gradients, and adapts the scale.

    The scale is a tensor and everything done with it is recorded; the one value that is read is whether to step, in
    ``step``, as in PyTorch.

    Args:
        device: kind of device that the model is on.
        init_scale: the first scale.
        growth_factor: what multiplies the scale after ``growth_interval`` good steps in a row.
        backoff_factor: what multiplies it after a step with infinite or NaN gradients.
        growth_interval: see ``growth_factor``.
        enabled: False makes every method hand over what it is given.

    Warns:
        UserWarning: there is no such device; the scaler is off.

    Raises:
        AssertionError: a factor is on the wrong side of 1.

    Example:
        >>> import flambeau as torch
        >>> weight = torch.ones(2, requires_grad=True)
        >>> optimizer = torch.optim.SGD([weight], lr=0.5)
        >>> scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
        >>> scaler.scale((weight * weight).sum()).backward()
        >>> scaler.step(optimizer)
        >>> scaler.update()
        >>> weight.tolist(), scaler.get_scale()
        ([0.0, 0.0], 1024.0)

    Source: https://docs.pytorch.org/docs/stable/amp.html#torch.amp.GradScaler
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        self._device = device
        self._enabled = enabled
        if enabled and not is_present(device):
            name = f"torch.{device}.amp.GradScaler is enabled, but {device.upper()} is not available.  Disabling."
            warnings.warn(name, stacklevel=2)
            self._enabled = False
        if self._enabled:
            if growth_factor <= 1.0:
                raise AssertionError("The growth factor must be > 1.0.")
            if backoff_factor >= 1.0:
                raise AssertionError("The backoff factor must be < 1.0.")
        self._init_scale = init_scale
        self._growth_factor = growth_factor
        self._backoff_factor = backoff_factor
        self._growth_interval = growth_interval
        self._init_growth_tracker = 0
        self._scale: Tensor | None = None
        self._growth_tracker: Tensor | None = None
        self._progress: defaultdict[int, _Progress] = defaultdict(_Progress)

    # -- an iteration ----------------------------------------------------------------------------------------------

    def scale(self, outputs: Any) -> Any:
        """A loss, or a list or tuple of them, times the scale.

        Raises:
            ValueError: something is no tensor.

        Source: https://docs.pytorch.org/docs/stable/amp.html#torch.amp.GradScaler.scale
        """
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            return outputs * self._scale_for(outputs)
        if isinstance(outputs, Iterable):
            kind = cast("Any", type(outputs))  # pyright: ignore[reportUnknownArgumentType]
            found = [self.scale(item) for item in cast("Iterable[Any]", outputs)]
            if isinstance(outputs, (list, tuple)):
                return kind(*found) if hasattr(kind, "_fields") else kind(found)
            return iter(found)
        raise ValueError("outputs must be a Tensor or an iterable of Tensors")

    def _scale_for(self, output: Tensor) -> Tensor:
        if self._scale is None:
            place = output.device
            self._scale = full((), self._init_scale, dtype=_FLOAT32, device=place)
            self._growth_tracker = full((), self._init_growth_tracker, dtype=_INT32, device=place)
        return self._scale.to(output.device)

    @no_grad()
    def unscale_(self, optimizer: Any) -> None:
        """Divide the gradients of an optimizer's parameters by the scale, in place; to clip them before the step.

        Raises:
            RuntimeError: it was done already since the last ``update``, or the step was.
            AssertionError: nothing was scaled yet.
            ValueError: a gradient is of float16.

        Source: https://docs.pytorch.org/docs/stable/amp.html#torch.amp.GradScaler.unscale_
        """
        if not self._enabled:
            return
        self._scale_and_tracker("unscale_")
        progress = self._progress[id(optimizer)]
        if progress.stage is OptState.UNSCALED:
            raise RuntimeError("unscale_() has already been called on this optimizer since the last update().")
        if progress.stage is OptState.STEPPED:
            raise RuntimeError("unscale_() is being called after step().")
        self._unscale(optimizer, progress)
        progress.stage = OptState.UNSCALED

    def _unscale(self, optimizer: Any, progress: _Progress) -> None:
        """Record, for each device, one operation on all gradients there."""
        assert self._scale is not None
        gradients: dict[Device, dict[int, Tensor]] = {}
        for group in optimizer.param_groups:
            for item in group["params"]:
                if item.grad is not None:
                    if item.grad.dtype is DTYPES["float16"]:
                        raise ValueError("Attempting to unscale FP16 gradients.")
                    gradients.setdefault(item.grad.device, {})[id(item.grad)] = item.grad
        for place, found in gradients.items():
            items = list(found.values())
            broken, *results = call(p.unscaled, (self._scale.to(place), *items))
            for item, result in zip(items, results, strict=True):
                item.write(Tracked(result.read(), None))
            progress.broken[place] = broken

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """Take the optimizer's step, unless a gradient is infinite or NaN; unscales first if that is not done.

        Returns:
            What the optimizer's ``step`` returned; None if it was skipped.

        Raises:
            RuntimeError: a closure was given, or the step was taken already since the last ``update``.
            AssertionError: no parameter has a gradient.

        Source: https://docs.pytorch.org/docs/stable/amp.html#torch.amp.GradScaler.step
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        self._scale_and_tracker("step")
        progress = self._progress[id(optimizer)]
        if progress.stage is OptState.STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        if progress.stage is OptState.READY:
            self.unscale_(optimizer)
        if not progress.broken:
            raise AssertionError("No inf checks were recorded for this optimizer.")
        bad = any(broken.item() for broken in progress.broken.values())
        result = None if bad else optimizer.step(*args, **kwargs)
        progress.stage = OptState.STEPPED
        return result

    @no_grad()
    def update(self, new_scale: "float | Tensor | None" = None) -> None:
        """Adapt the scale, or set another one; once at the end of an iteration. Nothing is read.

        Args:
            new_scale: the scale from now on.

        Raises:
            AssertionError: there was no ``step`` nor ``unscale_``.

        Source: https://docs.pytorch.org/docs/stable/amp.html#torch.amp.GradScaler.update
        """
        if not self._enabled:
            return
        scale, tracker = self._scale_and_tracker("update")
        if new_scale is not None:
            given = new_scale if isinstance(new_scale, Tensor) else full((), float(new_scale))
            scale.copy_(given)
        else:
            self._adapt(scale, tracker)
        self._progress = defaultdict(_Progress)

    def _adapt(self, scale: Tensor, tracker: Tensor) -> None:
        found = [broken.to(scale.device) for item in self._progress.values() for broken in item.broken.values()]
        if not found:
            raise AssertionError("No inf checks were recorded prior to update.")
        total = found[0]
        for item in found[1:]:
            total = total + item
        numbers = (float(self._growth_factor), float(self._backoff_factor), int(self._growth_interval))
        for target, result in zip((scale, tracker), call(p.next_scale, (scale, tracker, total, *numbers)), strict=True):
            target.write(Tracked(result.read(), None))

    def _scale_and_tracker(self, name: str) -> tuple[Tensor, Tensor]:
        if self._scale is None or self._growth_tracker is None:
            raise AssertionError(
                f"Attempted {name} but _scale is None.  This may indicate your script did not use scaler.scale(loss or "
                "outputs) earlier in the iteration."
            )
        return self._scale, self._growth_tracker

    # -- settings and state ----------------------------------------------------------------------------------------

    def is_enabled(self) -> bool:
        """Whether the scaler does anything."""
        return self._enabled

    def get_scale(self) -> float:
        """The scale, which is waited for; 1 if the scaler is off."""
        if not self._enabled:
            return 1.0
        return self._init_scale if self._scale is None else cast("float", self._scale.item())

    def get_growth_factor(self) -> float:
        """What multiplies the scale after enough good steps."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Set what multiplies the scale after enough good steps."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What multiplies the scale after a bad step."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Set what multiplies the scale after a bad step."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """How many good steps in a row it takes for the scale to grow."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Set how many good steps in a row it takes for the scale to grow."""
        self._growth_interval = new_interval

    def _get_growth_tracker(self) -> int:
        """Number of good steps in a row so far."""
        if not self._enabled:
            return 0
        return self._init_growth_tracker if self._growth_tracker is None else int(self._growth_tracker.item())

    def state_dict(self) -> dict[str, Any]:
        """The scaler's state as plain numbers, in PyTorch's form; empty if it is off.

        Source: https://docs.pytorch.org/docs/stable/amp.html#torch.amp.GradScaler.state_dict
        """
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._get_growth_tracker(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the state that ``state_dict`` returned.

        Raises:
            RuntimeError: the state is empty, as of a scaler that is off.

        Source: https://docs.pytorch.org/docs/stable/amp.html#torch.amp.GradScaler.load_state_dict
        """
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled instance of GradScaler."
            )
        names = ("scale", "growth_factor", "backoff_factor", "growth_interval", "_growth_tracker")
        scale, growth, backoff, interval, tracker = [state_dict[name] for name in names]
        self._init_scale, self._growth_factor, self._backoff_factor = scale, growth, backoff
        self._growth_interval, self._init_growth_tracker = interval, tracker
        if self._scale is not None and self._growth_tracker is not None:
            self._scale.fill_(scale)
            self._growth_tracker.fill_(tracker)

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        if self._enabled:
            if self._progress:
                raise AssertionError(
                    "A GradScaler instance may only be pickled at the beginning of an iteration, or at the end after "
                    "scaler.update()."
                )
            state.update(
                _init_scale=self.get_scale(), _init_growth_tracker=self._get_growth_tracker(), _scale=None,
                _growth_tracker=None,
            )  # fmt: skip
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
