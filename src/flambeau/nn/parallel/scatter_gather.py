"""``scatter`` and ``gather``: nested inputs onto a device, and nested outputs from it."""

from collections.abc import Sequence
from typing import Any, cast

from flambeau.nn.parallel.accelerators import Place, check_single, index_of
from flambeau.tensors.joining import cat
from flambeau.tensors.tensor import Tensor

__all__ = ["gather", "scatter", "scatter_kwargs"]


def scatter(inputs: Any, target_gpus: Sequence[Place], dim: int = 0) -> Any:
    """Tensors in a nested structure, moved to a device; everything else is passed on.

    Args:
        inputs: tensors, and tuples, lists, named tuples and dictionaries of them.
        target_gpus: one device.
        dim: dimension that PyTorch would split between several.

    Returns:
        One structure for the device, in a tuple for a tensor, else in a list.

    Raises:
        NotImplementedError: several devices are named.

    Source: https://docs.pytorch.org/docs/stable/nn.html#dataparallel-layers-multi-gpu-distributed
    """
    check_single(target_gpus, "scatter()")
    if isinstance(inputs, Tensor):
        return (_moved(inputs, target_gpus[0]),)
    return [_mapped(inputs, target_gpus[0])]


def _mapped(item: Any, place: Place) -> Any:
    """A nested structure with its tensors on a device."""
    kind = type(cast("object", item))
    if isinstance(item, Tensor):
        return _moved(item, place)
    if issubclass(kind, tuple):
        return _like(item, [_mapped(part, place) for part in item])
    if issubclass(kind, list):
        return [_mapped(part, place) for part in item]
    if issubclass(kind, dict):
        return cast("Any", kind)((key, _mapped(value, place)) for key, value in item.items())
    return item


def _like(item: Any, parts: list[Any]) -> Any:
    """Parts as a sequence of an item's kind."""
    return type(item)(*parts) if hasattr(item, "_fields") else type(item)(parts)


def _moved(tensor: Tensor, place: Place) -> Tensor:
    """A tensor on a device; as it is if it is there."""
    return tensor.to("cpu" if index_of(place) < 0 else place)


def scatter_kwargs(
    inputs: tuple[Any, ...], kwargs: dict[str, Any] | None, target_gpus: Sequence[Place], dim: int = 0
) -> tuple[tuple[Any, ...], tuple[dict[str, Any], ...]]:
    """``scatter`` of positional and of named arguments, one pair for the device."""
    return tuple(scatter(inputs, target_gpus, dim)), tuple(scatter(kwargs or {}, target_gpus, dim))


def gather(outputs: Any, target_device: Place, dim: int = 0) -> Any:
    """Join the outputs of several calls, on one device.

    Args:
        outputs: one structure for each call, all alike: tensors, None, and tuples, lists, named tuples and
            dictionaries of them.
        target_device: where the result is; -1 is the CPU.
        dim: dimension along which tensors are joined; numbers without dimensions become a vector.

    Returns:
        One structure like the outputs.

    Raises:
        ValueError: dictionaries among the outputs differ in size.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.parallel.gather([torch.ones(1, 2), torch.zeros(1, 2)], "cpu")
        tensor([[1., 1.],
                [0., 0.]])

    Source: https://docs.pytorch.org/docs/stable/nn.html#dataparallel-layers-multi-gpu-distributed
    """
    first = outputs[0]
    kind = type(cast("object", first))
    if isinstance(first, Tensor):
        return _joined([_moved(item, target_device) for item in outputs], dim)
    if first is None:
        return None
    if issubclass(kind, dict):
        if any(len(item) != len(first) for item in outputs):
            raise ValueError("All dicts must have the same number of keys")
        return cast("Any", kind)((key, gather([item[key] for item in outputs], target_device, dim)) for key in first)
    return _like(first, [gather(items, target_device, dim) for items in zip(*outputs, strict=True)])


def _joined(tensors: Sequence[Tensor], dim: int) -> Tensor:
    """Tensors one after another."""
    alone = all(tensor.dim() == 0 for tensor in tensors)
    parts = [tensor.unsqueeze(0) if alone else tensor for tensor in tensors]
    return parts[0] if len(parts) == 1 else cat(parts, 0 if alone else dim)
