"""``Muon``: momentum made orthogonal, for the matrices of hidden layers."""

from typing import Any

from flambeau.devices.device import device
from flambeau.optim.applying import Rows, found_once, update, zeros_of
from flambeau.optim.grouped import GroupedOptimizer
from flambeau.optim.optimizer import ParamsT
from flambeau.optim.settings import check_rate
from flambeau.primitives.matrix_updates import muon_update
from flambeau.tensors.tensor import Tensor

__all__ = ["Muon"]

_ADJUSTMENTS = (None, "original", "match_rms_adamw")


class Muon(GroupedOptimizer):
    """Muon: each step goes along a nearly orthogonal matrix, found from the momentum by Newton-Schulz iterations.

    With parameter ``p`` of shape (rows, columns), gradient ``g``, learning rate ``lr`` and weight decay ``w``::

        b = momentum * b + (1 - momentum) * g
        u = momentum * b + (1 - momentum) * g if nesterov else b
        x = u / max(norm(u), eps)                   (in bfloat16, ns_steps times, with coefficients a, b, c:)
        y = x @ x.T;  x = a * x + (b * y + c * y @ y) @ x
        p = p * (1 - lr * w) - lr * sqrt(max(1, rows / columns)) * x

    Biases, embeddings and other parameters that are no matrices of hidden layers go to another optimizer.

    Args:
        params: parameters, pairs (name, parameter), or groups; each of two dimensions.
        lr: learning rate, not negative.
        weight_decay: shrinks the parameters, not negative.
        momentum: how much of the old direction is kept, not negative.
        nesterov: look ahead along the momentum.
        ns_coefficients: the three coefficients of an iteration.
        eps: keeps the norm away from zero.
        ns_steps: number of iterations, below 100.
        adjust_lr_fn: how the shape changes the learning rate: ``"original"`` (the default, above), or
            ``"match_rms_adamw"``, ``0.2 * sqrt(max(rows, columns))``, for learning rates and decays made for AdamW.

    Raises:
        ValueError: a setting is out of its range, or a parameter has not two dimensions.

    Example:
        >>> import flambeau as torch
        >>> weight = torch.tensor([[1.0, 0.0], [0.0, 4.0]], requires_grad=True)
        >>> optimizer = torch.optim.Muon([weight], lr=0.5, weight_decay=0.0)
        >>> (weight * weight).sum().backward()
        >>> optimizer.step()
        >>> weight  # both by about the same, though one gradient was four times the other
        tensor([[0.6348, 0.0000],
                [0.0000, 3.6348]], requires_grad=True)

    Source: https://kellerjordan.github.io/posts/muon/,
        https://docs.pytorch.org/docs/stable/generated/torch.optim.Muon.html
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        check_rate(lr, "Learning rate should be >= 0 but is: {}")
        if not 0.0 <= momentum:
            raise ValueError(f"momentum should be >= 0 but is: {momentum}")
        if not 0.0 <= weight_decay:
            raise ValueError(f"weight decay should be >= 0 but is: {weight_decay}")
        if adjust_lr_fn not in _ADJUSTMENTS:
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:
            for param in group["params"]:
                if param.dim() != 2:
                    raise ValueError(
                        f"Muon only supports 2D parameters whereas we found a parameter with size: {param.size()}"
                    )

    def _update(self, group: dict[str, Any]) -> list[Tensor]:
        """Record a group's update; returns a parameter of each operation."""
        rate, momentum = float(group["lr"]), float(group["momentum"])
        coefficients = [float(item) for item in group["ns_coefficients"]]
        shrink = 1 - rate * float(group["weight_decay"])
        numbers = (rate, shrink, momentum, 1 - momentum, float(group["eps"]), *coefficients)
        flags = (bool(group["nesterov"]), group["ns_steps"], group["adjust_lr_fn"])
        found = found_once(lambda: self._rows(group))
        if found:
            _check_iterations(group["ns_steps"], coefficients)
        return [update(muon_update, numbers, rows, flags) for rows in found.values()]

    def _rows(self, group: dict[str, Any]) -> dict[device, Rows]:
        """Parameters, gradients and momentum buffers, by device."""
        found: dict[device, Rows] = {}
        for param in group["params"]:
            if param.grad is None:
                continue
            if param.is_complex():
                raise RuntimeError("Muon does not support complex parameters")
            state = self.state[param]
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = zeros_of(param)
            found.setdefault(param.device, []).append((param, param.grad, state["momentum_buffer"]))
        return found


def _check_iterations(steps: int, coefficients: list[float]) -> None:
    """Raise ValueError, in PyTorch's words, unless a matrix can be made orthogonal so."""
    if steps >= 100:
        raise ValueError("Number of steps must be less than 100 for computational efficiency")
    if len(coefficients) != 3:
        raise ValueError("Coefficients must be a tuple of exactly 3 values")
