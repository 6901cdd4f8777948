"""``Conversion``: a module to another data type or device; its parameters stay the same objects."""

import warnings
from collections.abc import Callable
from typing import Any, Self

from flambeau.devices.device import as_device, device
from flambeau.differentiation.modes import no_grad
from flambeau.dtypes.kinds import DTYPES, dtype
from flambeau.nn.modules.traversal import Traversal
from flambeau.nn.parameter import Parameter
from flambeau.tensors.creation import empty
from flambeau.tensors.tensor import Tensor

__all__ = ["Conversion"]

Place = str | device | int | None

_COMPLEX = (
    "Complex modules are a new feature under active development whose design may change, and some modules might not "
    "work as expected when using complex tensors as parameters or buffers. Please file an issue at "
    "https://github.com/pytorch/pytorch/issues/new?template=bug-report.yml if a complex module does not work as "
    "expected."
)


class Conversion(Traversal):
    """Methods that convert and move."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Put every parameter, gradient and buffer through a function."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        with no_grad():
            for name, parameter in self._parameters.items():
                if parameter is not None:
                    self._apply_to_parameter(fn, name, parameter)
            for name, buffer in self._buffers.items():
                if buffer is not None:
                    self._buffers[name] = fn(buffer)
        return self

    def _apply_to_parameter(self, fn: Callable[[Tensor], Tensor], name: str, parameter: Parameter) -> None:
        """A parameter shows the new elements and stays the same object, unless it gains or loses its values."""
        gradient = parameter.grad
        converted = fn(parameter)
        if converted.is_meta == parameter.is_meta:
            if converted is not parameter:
                parameter.grad = None
                parameter.data = converted
        else:
            parameter = Parameter(converted, parameter.requires_grad)
            self._parameters[name] = parameter
        if gradient is None:
            return
        new = fn(gradient)
        if new.is_meta == gradient.is_meta:
            if new is not gradient:
                gradient.data = new
        else:
            gradient = new.requires_grad_(gradient.requires_grad)
        parameter.grad = gradient

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Move to a device, or convert floating parameters and buffers to a data type; returns the module.

        Called as ``to(device=None, dtype=None, non_blocking=False)``, ``to(dtype)``, ``to(tensor)`` or
        ``to(memory_format=...)``.

        Raises:
            TypeError: the data type holds whole numbers.
            NotImplementedError: the module has no values yet: see ``to_empty``.

        Example:
            >>> import flambeau as torch
            >>> module = torch.nn.Module()
            >>> module.weight = torch.nn.Parameter(torch.ones(2))
            >>> module.to(torch.float64).weight.dtype
            torch.float64

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.to
        """
        place, kind = _destination(args, kwargs)
        if kind is not None:
            if not (kind.is_floating_point or kind.is_complex):
                raise TypeError(
                    f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={kind}"
                )
            if kind.is_complex:
                warnings.warn(_COMPLEX, UserWarning, stacklevel=2)

        def convert(tensor: Tensor) -> Tensor:
            counts = tensor.is_floating_point() or tensor.is_complex()
            try:
                return tensor.to(device=place, dtype=kind if counts else None)
            except NotImplementedError as error:
                if str(error) != "Cannot copy out of meta tensor; no data!":
                    raise
                raise NotImplementedError(
                    f"{error} Please use torch.nn.Module.to_empty() instead of torch.nn.Module.to() when moving module "
                    "from meta to a different device."
                ) from None

        return self._apply(convert)

    def to_empty(self, *, device: Place, recurse: bool = True) -> Self:
        """Move to a device without copying values: they are unspecified afterwards.

        Args:
            device: where to.
            recurse: whether the modules inside are moved, too.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.to_empty
        """
        place = as_device(device)
        return self._apply(lambda tensor: empty(tensor.shape, dtype=tensor.dtype, device=place), recurse=recurse)

    def cpu(self) -> Self:
        """Move to the CPU.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.cpu
        """
        return self._apply(lambda tensor: tensor.cpu())

    def cuda(self, device: "int | device | None" = None) -> Self:
        """Move to a GPU.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.cuda
        """
        return self._apply(lambda tensor: tensor.cuda(device))

    def ipu(self, device: "int | device | None" = None) -> Self:
        """Move to an IPU.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.ipu
        """
        return self._apply(lambda tensor: tensor.to(_numbered("ipu", device)))

    def xpu(self, device: "int | device | None" = None) -> Self:
        """Move to an XPU.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.xpu
        """
        return self._apply(lambda tensor: tensor.to(_numbered("xpu", device)))

    def mtia(self, device: "int | device | None" = None) -> Self:
        """Move to an MTIA.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.mtia
        """
        return self._apply(lambda tensor: tensor.to(_numbered("mtia", device)))

    def type(self, dst_type: "dtype | str") -> Self:
        """Convert all parameters and buffers, whole numbers included, to a data type.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.type
        """
        return self._apply(lambda tensor: tensor.type(dst_type))

    def float(self) -> Self:
        """Convert floating parameters and buffers to ``float32``.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.float
        """
        return self._apply(_floating_to(DTYPES["float32"]))

    def double(self) -> Self:
        """Convert floating parameters and buffers to ``float64``.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.double
        """
        return self._apply(_floating_to(DTYPES["float64"]))

    def half(self) -> Self:
        """Convert floating parameters and buffers to ``float16``.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.half
        """
        return self._apply(_floating_to(DTYPES["float16"]))

    def bfloat16(self) -> Self:
        """Convert floating parameters and buffers to ``bfloat16``.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.bfloat16
        """
        return self._apply(_floating_to(DTYPES["bfloat16"]))

    def share_memory(self) -> Self:
        """Not supported: values of XLA cannot be shared between processes.

        Raises:
            NotImplementedError: always; save the state and load it in the other process.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.share_memory
        """
        raise NotImplementedError(
            "Module.share_memory() is not supported: tensors cannot be shared between processes; pass state_dict() to "
            "the other process instead"
        )


def _numbered(kind: str, number: Any) -> Any:
    """A device of a kind, from the number or the device a user gives."""
    return number if isinstance(number, device) else device(kind, number)


def _floating_to(kind: dtype) -> Callable[[Tensor], Tensor]:
    def convert(tensor: Tensor) -> Tensor:
        return tensor.to(kind) if tensor.is_floating_point() else tensor

    return convert


def _destination(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[device | None, dtype | None]:
    """Device and data type that the arguments of ``to`` name."""
    place, kind = kwargs.get("device"), kwargs.get("dtype")
    for argument in (*args[:2], kwargs.get("tensor")):
        if isinstance(argument, dtype):
            kind = argument
        elif isinstance(argument, Tensor):
            place, kind = argument.device, argument.dtype
        elif isinstance(argument, (str, device)) or type(argument) is int:
            place = argument
    return None if place is None else as_device(place), kind
