"""``Conversion``: a module to another data type or device; its parameters stay the same objects."""

import warnings
import weakref
from collections.abc import Callable
from typing import Any, Self, cast

from flambeau.__future__ import (
    get_overwrite_module_params_on_conversion,
    get_swap_module_params_on_conversion,
)
from flambeau.devices.backend import jax_device
from flambeau.devices.device import as_device, device
from flambeau.differentiation.modes import no_grad
from flambeau.dtypes.kinds import DTYPES, dtype
from flambeau.nn.modules.traversal import Traversal
from flambeau.nn.parameter import Parameter
from flambeau.tensors.conversion import destination
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


class _Converting:
    """A function as one conversion of a module applies it: tensors that are one under several names stay one."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self._function = function
        self._replaced: dict[int, tuple[weakref.ref[Tensor], Tensor]] = {}

    def __call__(self, tensor: Tensor) -> Tensor:
        return self._function(tensor)

    def parameter(self, parameter: Parameter) -> Parameter:
        """The parameter, showing its converted elements; another one where it cannot or shall not stay the same."""
        known = self._known(parameter)
        if known is not None:
            return cast("Parameter", known)
        gradient = parameter.grad
        converted = self(parameter)
        swap = get_swap_module_params_on_conversion()
        result = parameter
        if not swap and (get_overwrite_module_params_on_conversion() or converted.is_meta != parameter.is_meta):
            result = Parameter(converted, parameter.requires_grad)
            self._replaced[id(parameter)] = weakref.ref(parameter), result
        elif converted is not parameter:
            parameter.grad = None
            parameter.data = converted
        if gradient is not None:
            result.grad = self._gradient(gradient, swap)
        return result

    def _gradient(self, gradient: Tensor, swap: bool) -> Tensor:
        converted = self(gradient)
        if not swap and (get_overwrite_module_params_on_conversion() or converted.is_meta != gradient.is_meta):
            return converted.requires_grad_(gradient.requires_grad)
        if converted is not gradient:
            gradient.data = converted
        return gradient

    def buffer(self, buffer: Tensor) -> Tensor:
        """The converted buffer."""
        known = self._known(buffer)
        if known is not None:
            return known
        converted = self(buffer)
        if converted is not buffer:
            self._replaced[id(buffer)] = weakref.ref(buffer), converted
        return converted

    def _known(self, tensor: Tensor) -> Tensor | None:
        """What took the place of a tensor found before, under another name."""
        before, after = self._replaced.get(id(tensor), (None, None))
        return after if before is not None and before() is tensor else None


class Conversion(Traversal):
    """Methods that convert and move."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Put every parameter, gradient and buffer through a function."""
        converting = fn if isinstance(fn, _Converting) else _Converting(fn)
        if recurse:
            for module in self.children():
                module._apply(converting)
        with no_grad():
            for name, parameter in self._parameters.items():
                if parameter is not None:
                    self._parameters[name] = converting.parameter(parameter)
            for name, buffer in self._buffers.items():
                if buffer is not None:
                    self._buffers[name] = converting.buffer(buffer)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Move to a device, or convert floating parameters and buffers to a data type; returns the module.

        Called as ``to(device=None, dtype=None, non_blocking=False)``, ``to(dtype)``, ``to(tensor)`` or
        ``to(memory_format=...)``.

        Raises:
            TypeError: the data type holds whole numbers, or the arguments are none of these.
            RuntimeError: a copy is asked for.
            NotImplementedError: the module has no values yet: see ``to_empty``.

        Example:
            >>> import flambeau as torch
            >>> module = torch.nn.Module()
            >>> module.weight = torch.nn.Parameter(torch.ones(2))
            >>> module.to(torch.float64).weight.dtype
            torch.float64

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.to
        """
        if "tensor" in kwargs:
            args, kwargs = (kwargs["tensor"], *args), {key: kwargs[key] for key in kwargs if key != "tensor"}
        kind, place, copy = destination(args, kwargs)
        if copy:
            raise RuntimeError(".to() does not accept copy argument")
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

        Raises:
            AssertionError: there is no such device.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.to_empty
        """
        place = as_device(device)
        if place.type not in ("cpu", "meta"):
            jax_device(place)  # raises, before anything is moved, where there is none
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
