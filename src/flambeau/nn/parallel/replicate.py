"""``replicate``: copies of a module whose parameters are the original's."""

from collections.abc import Sequence

from flambeau.nn.modules.module import Module
from flambeau.nn.parallel.accelerators import Place, check_single

__all__ = ["replicate"]


def replicate(network: Module, devices: Sequence[Place], detach: bool = False) -> list[Module]:
    """A copy of a module for a device: modules of its own that show the original's parameters and buffers.

    Args:
        network: the module; it is on the device already.
        devices: one device.
        detach: whether gradients do not flow to the original's parameters.

    Raises:
        NotImplementedError: several devices are named.

    Source: https://docs.pytorch.org/docs/stable/nn.html#dataparallel-layers-multi-gpu-distributed
    """
    check_single(devices, "replicate()")
    replicas = {module: module._replicate_for_data_parallel() for module in network.modules()}  # pyright: ignore[reportPrivateUsage]  # PyTorch's protocol for this
    for module, replica in replicas.items():
        for name, child in module.named_children():
            setattr(replica, name, replicas[child])
        for name, parameter in module.named_parameters(recurse=False):
            replica.__dict__[name] = parameter.detach() if detach else parameter
    return [replicas[network]]
