"""``DataParallel``: a module inside a module, with PyTorch's ``module.`` keys."""

from collections.abc import Sequence
from itertools import chain
from typing import Any, cast

from flambeau.devices.device import device
from flambeau.nn.modules.module import Module
from flambeau.nn.parallel.accelerators import Place, accelerator, check_single, index_of
from flambeau.nn.parallel.parallel_apply import parallel_apply
from flambeau.nn.parallel.replicate import replicate
from flambeau.nn.parallel.scatter_gather import gather, scatter_kwargs

__all__ = ["DataParallel", "data_parallel"]


class DataParallel(Module):
    """A module on an accelerator, its inputs moved there; without an accelerator, the module as it is.

    The model runs on one device: the one named, or the first. Its ``state_dict`` keys begin with ``module.``, as in
    PyTorch; ``model.module.state_dict()`` has the plain ones.

    Args:
        module: the module.
        device_ids: the device, in a list; None means the first.
        output_device: where outputs go; by default they stay.
        dim: dimension of the batch.

    Attributes:
        module: the module.
        device_ids: numbers of the devices used; empty without an accelerator.

    Raises:
        NotImplementedError: several devices are named.
        RuntimeError: at a call, the module is on another device.

    Example:
        >>> import flambeau as torch
        >>> model = torch.nn.DataParallel(torch.nn.Linear(2, 1))
        >>> list(model.state_dict())
        ['module.weight', 'module.bias']

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.DataParallel.html
    """

    module: Module
    device_ids: list[int]

    def __init__(
        self,
        module: Module,
        device_ids: Sequence[Place] | None = None,
        output_device: Place | None = None,
        dim: int = 0,
    ) -> None:
        super().__init__()
        kind = accelerator()
        self.module = module
        if kind is None:
            self.device_ids = []
            return
        places = [0] if device_ids is None else [index_of(place) for place in device_ids]
        check_single(places, "DataParallel")
        self.dim = dim
        self.device_ids = places
        self.output_device = places[0] if output_device is None else index_of(output_device)
        self.src_device_obj = device(kind, places[0])
        module.to(self.src_device_obj)

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """What the module gives for these arguments."""
        if not self.device_ids:
            return self.module(*inputs, **kwargs)
        _check_place(self.module, self.src_device_obj)
        moved, named = self.scatter(inputs, kwargs, self.device_ids)
        output = self.module(*moved[0], **named[0])
        return output if self.output_device == self.device_ids[0] else self.gather([output], self.output_device)

    def replicate(self, module: Module, device_ids: Sequence[Place]) -> list[Module]:
        """See ``nn.parallel.replicate``."""
        return replicate(module, device_ids)

    def scatter(self, inputs: tuple[Any, ...], kwargs: dict[str, Any] | None, device_ids: Sequence[Place]) -> Any:
        """See ``nn.parallel.scatter``; positional and named arguments."""
        return scatter_kwargs(inputs, kwargs, device_ids, self.dim)

    def parallel_apply(self, replicas: Sequence[Module], inputs: Sequence[Any], kwargs: Any) -> list[Any]:
        """See ``nn.parallel.parallel_apply``."""
        return parallel_apply(replicas, inputs, kwargs)

    def gather(self, outputs: Any, output_device: Place) -> Any:
        """See ``nn.parallel.gather``."""
        return gather(outputs, output_device, self.dim)


def _check_place(module: Module, place: device) -> None:
    """Raise RuntimeError, in PyTorch's words, unless all of a module is on a device."""
    for member in chain(module.parameters(), module.buffers()):
        if member.device != place:
            raise RuntimeError(
                f"module must have its parameters and buffers on device {place} (device_ids[0]) but found one of them "
                f"on device: {member.device}"
            )


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Sequence[Place] | None = None,
    output_device: Place | None = None,
    dim: int = 0,
    module_kwargs: dict[str, Any] | None = None,
) -> Any:
    """One call of a module on an accelerator: ``DataParallel`` as a function.

    Args:
        module: the module, on that device.
        inputs: a tuple of arguments, one argument, or None.
        device_ids: the device, in a list; None means the first.
        output_device: where outputs go, -1 for the CPU; by default they stay.
        dim: dimension of the batch.
        module_kwargs: named arguments.

    Raises:
        RuntimeError: there is no accelerator, or the module is on another device.
        NotImplementedError: several devices are named.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.parallel.data_parallel.html
    """
    kind = accelerator()
    if kind is None:
        raise RuntimeError("device type could not be determined")
    places = [0] if device_ids is None else [index_of(place) for place in device_ids]
    _check_place(module, device(kind, places[0]))
    arguments = cast("Any", inputs if type(inputs) is tuple else () if inputs is None else (inputs,))
    moved, named = scatter_kwargs(arguments, module_kwargs, places, dim)
    output = module(*moved[0], **named[0])
    return gather([output], places[0] if output_device is None else output_device, dim)
