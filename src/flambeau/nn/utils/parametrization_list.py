"""``ParametrizationList``: the parametrizations of one tensor, and what they compute it from."""

from collections.abc import Sequence
from typing import Any, cast

from flambeau.differentiation.modes import no_grad
from flambeau.nn.modules.container import ModuleList
from flambeau.nn.modules.module import Module
from flambeau.nn.parameter import Parameter
from flambeau.tensors.tensor import Tensor

__all__ = ["ParametrizationList", "register_tensor"]


def register_tensor(module: Module, name: str, tensor: Any) -> None:
    """Register a tensor as what it is: a parameter or a buffer."""
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


_NOT_A_SEQUENCE = "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). Got {}"


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, in the order of their application, and what it is computed from.

    Args:
        modules: the parametrizations.
        original: the tensor as it was.
        unsafe: whether they may change the tensor's shape and data type.

    Attributes:
        original: what the first parametrization is called with; or ``original0``, ``original1``, ..., if the
            ``right_inverse`` methods returned several tensors.
        is_tensor: whether it is one tensor.
        ntensors: how many there are.

    Raises:
        ValueError: there is no parametrization, or one returns what it may not.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.parametrize.ParametrizationList.html
    """

    original: Tensor
    unsafe: bool
    is_tensor: bool
    ntensors: int

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False) -> None:
        if len(modules) == 0:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        before = original.detach()
        inverse = self._inverted(original)
        self.is_tensor = isinstance(inverse, Tensor)
        self.ntensors = 1 if self.is_tensor else len(inverse)
        try:
            if self.is_tensor:
                self._keep(original, inverse)
            else:
                self._keep_several(original, inverse)
            if not unsafe:
                self._check(before)
        except BaseException:
            original.data = before
            raise

    @no_grad()
    def _inverted(self, value: Any) -> Any:
        """What the parametrizations would have to be called with; one without ``right_inverse`` leaves it as it is."""
        for module in reversed(list(self)):
            if hasattr(module, "right_inverse"):
                try:
                    value = cast("Any", module).right_inverse(value)
                except NotImplementedError:
                    continue
        if not isinstance(value, (Tensor, Sequence)):
            raise ValueError(_NOT_A_SEQUENCE.format(type(value).__name__))
        return cast("Any", value)

    def _keep(self, original: Tensor, inverse: Tensor) -> None:
        """Keep one tensor: the same object as before, so that optimizers go on knowing it."""
        for what in ("dtype", "device"):
            own, new = getattr(original, what), getattr(inverse, what)
            if own != new:
                raise ValueError(
                    f"When `right_inverse` outputs one tensor, it may not change the {what}.\n"
                    f"original.{what}: {own}\nright_inverse(original).{what}: {new}"
                )
        original.data = inverse
        register_tensor(self, "original", original)

    def _keep_several(self, original: Tensor, inverse: Sequence[Any]) -> None:
        """Keep several tensors, parameters if the tensor was one."""
        for position, given in enumerate(inverse):
            if not isinstance(given, Tensor):
                kind = type(given).__name__
                raise ValueError(_NOT_A_SEQUENCE.format(f"element {position} of the sequence with type {kind}."))
            kept = Parameter(given, original.requires_grad) if isinstance(original, Parameter) else given
            kept.requires_grad_(original.requires_grad)
            register_tensor(self, f"original{position}", kept)

    def _check(self, before: Tensor) -> None:
        """Raise ValueError, in PyTorch's words, where the tensor would become another kind of thing."""
        value: Any = self()
        if not isinstance(value, Tensor):
            raise ValueError(f"A parametrization must return a tensor. Got {type(value).__name__}.")
        for what in ("dtype", "shape"):
            own, new = getattr(before, what), getattr(value, what)
            if own != new:
                raise ValueError(
                    f"Registering a parametrization may not change the {what} of the tensor, unless `unsafe` flag is "
                    f"enabled.\nunparametrized {what}: {own}\nparametrized {what}: {new}"
                )

    @no_grad()
    def right_inverse(self, value: Tensor) -> None:
        """Give the originals the values from which the parametrizations compute ``value``.

        Args:
            value: what the parametrized tensor shall be.

        Raises:
            RuntimeError: a parametrization has no ``right_inverse``.
            ValueError: ``right_inverse`` returns other tensors than are kept.
        """
        inverse: Any = value
        for module in reversed(list(self)):
            if not hasattr(module, "right_inverse"):
                raise RuntimeError(f"parametrization {type(module).__name__} does not implement right_inverse.")
            inverse = cast("Any", module).right_inverse(inverse)
        if self.is_tensor:
            _check_one(inverse, self.original)
            self.original.data = inverse
            return
        if not isinstance(inverse, Sequence):
            raise ValueError(f"'right_inverse' must return a sequence of tensors. Got {type(inverse).__name__}.")
        tensors = cast("Sequence[Any]", inverse)
        if len(tensors) != self.ntensors:
            lengths = f"of length {self.ntensors}. Got a sequence of length {len(tensors)}."
            raise ValueError(f"'right_inverse' must return a sequence of tensors {lengths}")
        originals = self._originals()
        for position, (tensor, original) in enumerate(zip(tensors, originals, strict=True)):
            _check_element(position, tensor, original)
        for tensor, original in zip(tensors, originals, strict=True):
            original.data = tensor

    def _originals(self) -> list[Tensor]:
        """What the first parametrization is called with."""
        if self.is_tensor:
            return [self.original]
        return [getattr(self, f"original{position}") for position in range(self.ntensors)]

    def forward(self) -> Tensor:
        """The parametrized tensor."""
        first, *others = self
        value = first(*self._originals())
        for module in others:
            value = module(value)
        return value


def _check_one(inverse: Any, original: Tensor) -> None:
    if not isinstance(inverse, Tensor):
        raise ValueError(f"`right_inverse` should return a tensor. Got {type(inverse).__name__}")
    if inverse.dtype != original.dtype:
        raise ValueError(
            f"The tensor returned by `right_inverse` has dtype {inverse.dtype} while `original` has dtype "
            f"{original.dtype}"
        )


def _check_element(position: int, tensor: Any, original: Tensor) -> None:
    if not isinstance(tensor, Tensor):
        raise ValueError(
            "'right_inverse' must return a sequence of tensors or reference-type opaques. Got element "
            f"{position} of type {type(tensor).__name__}."
        )
    if tensor.dtype != original.dtype:
        raise ValueError(
            f"Tensor {position} returned by `right_inverse` has dtype {tensor.dtype} while `original{position}` has "
            f"dtype {original.dtype}"
        )
