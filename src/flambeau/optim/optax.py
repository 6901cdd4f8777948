"""``Optax``: a gradient transformation of Optax as an optimizer."""

from collections.abc import Callable
from typing import Any

from flambeau.differentiation.modes import no_grad
from flambeau.differentiation.tape import Tracked
from flambeau.graph.node import Aval
from flambeau.graph.record import record
from flambeau.optim.applying import dispatch, value_of, zeros_of
from flambeau.optim.optimizer import Optimizer, ParamsT
from flambeau.primitives.primitive import picks
from flambeau.primitives.transformation import Begin, Transform
from flambeau.tensors.core import call
from flambeau.tensors.tensor import Tensor

__all__ = ["Optax"]

_KEY = "optax"  # of the state: it belongs to the transformation, not to single parameters


class Optax(Optimizer):
    """Updates parameters by a gradient transformation of Optax, or anything with its ``init`` and ``update``.

    A step is recorded as one operation and compiled as part of one program. The state begins at the first step; its
    arrays are tensors, ``state_dict()["state"]["optax"]``, by their places in the transformation's state. The learning
    rate and its schedule belong to the transformation: there is no ``lr`` in the group, so no ``lr_scheduler``. A
    transformation that asks for the loss (``value``) gets what the closure of ``step`` returns.

    Optax is not a dependency of Flambeau: ``pip install optax``.

    Args:
        params: parameters, or pairs (name, parameter). The transformation sees a list, or a dictionary by name, which
            its masks and labels can go by.
        transformation: such as ``optax.adam(1e-3)``.

    Raises:
        TypeError: ``transformation`` is no gradient transformation.
        ValueError: there are several groups.

    Example:
        >>> import flambeau as torch
        >>> from typing import NamedTuple
        >>> class Descent(NamedTuple):  # what optax.sgd(0.25) is
        ...     init = staticmethod(lambda params: ())
        ...     update = staticmethod(lambda gradients, state, params: ([-0.25 * g for g in gradients], state))
        >>> weight = torch.tensor([1.0, -2.0], requires_grad=True)
        >>> optimizer = torch.optim.Optax([weight], Descent())
        >>> (weight * weight).sum().backward()
        >>> optimizer.step()
        >>> weight
        tensor([ 0.5000, -1.0000], requires_grad=True)

    Source: https://optax.readthedocs.io/en/latest/api/transformations.html
    """

    def __init__(self, params: ParamsT, transformation: Any) -> None:
        if not all(callable(getattr(transformation, name, None)) for name in ("init", "update")):
            raise TypeError(
                "Optax: transformation has to be a gradient transformation of Optax, with functions init and update, "
                f"but got {type(transformation).__name__}; make one with Optax (pip install optax), such as "
                "optax.adam(1e-3)"
            )
        self.transformation = transformation
        self._operations: tuple[Begin, Transform] | None = None
        super().__init__(params, {})

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Take the parameters; a second group is refused.

        Raises:
            ValueError: there is a group already.
        """
        if getattr(self, "param_groups", None):
            raise ValueError(
                "Optax doesn't support per-parameter options (parameter groups); give all parameters in one group, "
                "with names, and tell them apart with optax.partition or optax.masked"
            )
        super().add_param_group(param_group)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "transformation": self.transformation}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._operations = None
        found = self.state.get(_KEY)
        if found is not None:
            self.state[_KEY] = self._fitted(found)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter, those without a gradient with a gradient of zeros.

        Args:
            closure: computes the loss anew, with gradients, before the update.

        Returns:
            What ``closure`` returned, or None.
        """
        loss = value_of(closure)
        params = self._params
        if all(param.grad is None for param in params):
            return loss
        with no_grad():
            self._update(params, loss)
        dispatch(params)
        return loss

    @property
    def _params(self) -> list[Tensor]:
        return self.param_groups[0]["params"]

    def _update(self, params: list[Tensor], loss: Any) -> None:
        """Record a step, and write parameters and state."""
        begin, transform = self._recorded()
        if _KEY not in self.state:
            self.state[_KEY] = self._begun(begin, params)
        state: dict[str, Tensor] = self.state[_KEY]
        gradients = [zeros_of(param) if param.grad is None else param.grad for param in params]
        has_loss = transform.takes_loss and isinstance(loss, Tensor)
        inputs = [*params, *gradients, *state.values(), *([loss] if has_loss else [])]
        node = record(transform, tuple([item.read() for item in inputs]), (len(params), has_loss))
        del gradients, inputs
        for tensor, part in zip((*params, *state.values()), picks(node), strict=True):
            tensor.write(Tracked(part, None))

    def _recorded(self) -> tuple[Begin, Transform]:
        """The transformation's operations for these parameters."""
        if self._operations is None:
            group = self.param_groups[0]
            begin = Begin(self.transformation, group.get("param_names"), [param.aval for param in group["params"]])
            self._operations = begin, Transform(begin)
        return self._operations

    def _begun(self, begin: Begin, params: list[Tensor]) -> dict[str, Tensor]:
        """The state before the first step, started, so that the first step is the same program as the later ones."""
        if not begin.names:
            return {}
        tensors: tuple[Tensor, ...] = call(begin, params)
        dispatch(tensors)
        return dict(zip(begin.names, tensors, strict=True))

    def _fitted(self, found: dict[str, Tensor]) -> dict[str, Tensor]:
        """A loaded state in the order and place of this one; raises ValueError, naming all differences."""
        begin, _ = self._recorded()
        params = self._params
        expected: dict[str, Aval] = dict(zip(begin.names, begin.results([param.aval for param in params]), strict=True))
        wrong = [
            *[f"{name} is missing" for name in expected if name not in found],
            *[f"{name} is unexpected" for name in found if name not in expected],
            *[
                f"{name} has shape {tuple(found[name].shape)}, not {tuple(aval.shape)}"
                for name, aval in expected.items()
                if name in found and found[name].shape != aval.shape
            ],
        ]
        if wrong:
            raise ValueError(f"loaded state dict: this is the state of another transformation: {'; '.join(wrong)}")
        return {name: found[name].to(dtype=aval.dtype, device=aval.device) for name, aval in expected.items()}
