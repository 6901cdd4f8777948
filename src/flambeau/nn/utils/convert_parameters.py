"""Parameters as one vector, and back."""

from collections.abc import Iterable

from flambeau.nn.modules.members import typename
from flambeau.tensors.joining import cat
from flambeau.tensors.tensor import Tensor

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All elements of several tensors as one vector; gradients flow back to them.

    Args:
        parameters: tensors on one device.

    Returns:
        A vector of their common data type.

    Raises:
        TypeError: they are on different devices.
        ValueError: there are none.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.Linear(3, 2)
        >>> torch.nn.utils.parameters_to_vector(layer.parameters()).shape
        torch.Size([8])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.parameters_to_vector.html
    """
    given = list(parameters)
    _check_devices(given)
    return cat([item.view(-1) for item in given])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Let each of several tensors show its part of a vector; they share the vector's elements from then on.

    Args:
        vec: a vector; elements that are left over are ignored.
        parameters: tensors on one device, which keep their shapes and take the vector's data type.

    Raises:
        TypeError: ``vec`` is no tensor, or the tensors are on different devices.
        RuntimeError: the vector is too short; no tensor is changed then.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.Linear(3, 2)
        >>> torch.nn.utils.vector_to_parameters(torch.arange(8.0), layer.parameters())
        >>> layer.bias.tolist()
        [6.0, 7.0]

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.vector_to_parameters.html
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {typename(vec)}")
    given = list(parameters)
    _check_devices(given)
    parts: list[Tensor] = []
    start = 0
    for item in given:
        end = start + item.numel()
        parts.append(vec[start:end].view(item.shape).data)
        start = end
    for item, part in zip(given, parts, strict=True):
        item.data = part


def _check_devices(tensors: Iterable[Tensor]) -> None:
    """Raise TypeError, in PyTorch's words, unless all tensors are on one accelerator, or none is on any."""
    if len({item.get_device() for item in tensors}) > 1:
        raise TypeError("Found two parameters on different devices, this is currently not supported.")
