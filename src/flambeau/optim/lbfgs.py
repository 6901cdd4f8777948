"""``LBFGS``: steps along directions that the last gradients have taught; its decisions are made on the host."""

from collections.abc import Callable
from typing import Any

from flambeau.differentiation.modes import enable_grad, no_grad
from flambeau.differentiation.tape import Tracked
from flambeau.graph.record import record
from flambeau.optim.applying import dispatch, zeros_of
from flambeau.optim.history import History, number
from flambeau.optim.line_search import Point, strong_wolfe
from flambeau.optim.optimizer import Optimizer, ParamsT
from flambeau.optim.settings import check_rate
from flambeau.primitives import quasi_newton as p
from flambeau.primitives.primitive import picks
from flambeau.tensors.core import call
from flambeau.tensors.tensor import Tensor

__all__ = ["LBFGS"]


class LBFGS(Optimizer):
    """L-BFGS, a quasi-Newton method for smooth losses that are computed from all data, with few parameters.

    A step evaluates the loss several times. It remembers up to ``history_size`` changes of the parameters and of their
    gradient, each as large as all parameters together.

    Args:
        params: parameters, pairs (name, parameter), or one group.
        lr: size of a step, or without a line search of every step but the first; not negative.
        max_iter: largest number of iterations in a step.
        max_eval: largest number of evaluations in a step; by default ``max_iter * 1.25``.
        tolerance_grad: a gradient with no element larger than this ends a step.
        tolerance_change: a change of the parameters or of the loss smaller than this ends a step.
        history_size: how many changes are remembered.
        line_search_fn: ``"strong_wolfe"``, or None to take steps of size ``lr``.

    Raises:
        ValueError: the learning rate is negative, or there are several groups.

    Example:
        >>> import flambeau as torch
        >>> weight = torch.tensor([5.0, -3.0], requires_grad=True)
        >>> optimizer = torch.optim.LBFGS([weight], line_search_fn="strong_wolfe")
        >>> def loss():
        ...     optimizer.zero_grad()
        ...     value = ((weight - torch.tensor([1.0, 2.0])) ** 2).sum()
        ...     value.backward()
        ...     return value
        >>> optimizer.step(loss)
        tensor(41., grad_fn=<SumBackward0>)
        >>> weight.round()
        tensor([1., 2.], grad_fn=<RoundBackward0>)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.LBFGS.html
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_rate(lr)
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    @property
    def _params(self) -> list[Tensor]:
        return self.param_groups[0]["params"]

    def step(self, closure: Callable[[], Any]) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]  # PyTorch's
        """Up to ``max_iter`` iterations.

        Args:
            closure: clears the gradients, computes the loss and its gradients, and returns the loss.

        Returns:
            The loss before the step.

        Raises:
            RuntimeError: ``line_search_fn`` is unknown.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.LBFGS.html#torch.optim.LBFGS.step
        """
        with no_grad():
            return self._step(closure)

    def _step(self, closure: Callable[[], Any]) -> Any:
        group = self.param_groups[0]
        state = self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first_loss, here, peak = self._evaluated(closure)
        state["func_evals"] += 1
        if peak <= group["tolerance_grad"]:
            return first_loss
        history = History(state)
        used = 1
        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            history.learn(here.gradient, state, group["history_size"])
            before = here.loss
            slope = number(here.gradient.dot(history.direction))
            history.size = _first_size(here.gradient, state["n_iter"], group["lr"])
            history.loss = before
            if slope > -group["tolerance_change"]:
                break
            start = Point(0, before, here.gradient, slope)
            last = iteration == group["max_iter"]
            here, peak, more = self._advance(closure, history, start, peak, last, group["max_eval"] - used)
            used += more
            state["func_evals"] += more
            if last or used >= group["max_eval"] or peak <= group["tolerance_grad"]:
                break
            if number((history.direction * float(history.size)).abs().max()) <= group["tolerance_change"]:
                break
            if abs(here.loss - before) < group["tolerance_change"]:
                break
        history.store(state)
        dispatch(self._params)
        return first_loss

    def _advance(
        self, closure: Callable[[], Any], history: "History", start: Point, peak: Any, last: bool, most: int
    ) -> tuple[Point, Any, int]:
        """Move along the direction; returns where that leads, the gradient's largest element, and the evaluations."""
        search = self.param_groups[0]["line_search_fn"]
        if search is None:
            self._move(history.size, history.direction)
            if last:  # nobody would look at the gradient
                return start, peak, 0
            _, here, peak = self._evaluated(closure)
            return here, peak, 1
        if search != "strong_wolfe":
            raise RuntimeError("only 'strong_wolfe' is supported")
        here, used = self._search(closure, history, start, most)
        history.size = here.size
        self._move(here.size, history.direction)
        return here, number(here.gradient.abs().max()), used

    def _search(self, closure: Callable[[], Any], history: "History", start: Point, most: int) -> tuple[Point, int]:
        """Find how far to go along the direction; the parameters stay where they are."""
        params, direction = self._params, history.direction
        before = [param.read() for param in params]

        def evaluate(size: Any) -> Point:
            self._move(size, direction)
            loss, gradient = self._loss_and_gradient(closure)
            slope = gradient.dot(direction)  # recorded before the loss is read, so that both are in one program
            here = Point(size, float(loss), gradient, number(slope))
            for param, node in zip(params, before, strict=True):
                param.write(Tracked(node, None))
            return here

        return strong_wolfe(evaluate, start, history.size, number(direction.abs().max()), most)

    def _evaluated(self, closure: Callable[[], Any]) -> tuple[Any, Point, Any]:
        """The loss as it came, the place without size and slope, and the gradient's largest element."""
        loss, gradient = self._loss_and_gradient(closure)
        peak = gradient.abs().max()
        return loss, Point(0, float(loss), gradient, 0.0), number(peak)

    def _loss_and_gradient(self, closure: Callable[[], Any]) -> tuple[Any, Tensor]:
        """What the closure returns, and all gradients as one vector, recorded."""
        with enable_grad():
            loss = closure()
        gradients = [zeros_of(param) if param.grad is None else param.grad for param in self._params]
        return loss, call(p.flattened, gradients)

    def _move(self, size: Any, direction: Tensor) -> None:
        """Record a step along a direction."""
        params = self._params
        node = record(p.moved, (float(size), direction.read(), *[param.read() for param in params]))
        for param, part in zip(params, picks(node), strict=True):
            param.write(Tracked(part, None))


def _first_size(gradient: Tensor, iteration: int, lr: Any) -> Any:
    """The size that an iteration tries: the learning rate, and of the very first less for a large gradient."""
    rate = number(lr) if isinstance(lr, Tensor) else lr
    return min(1.0, 1.0 / number(gradient.abs().sum())) * rate if iteration == 1 else rate
