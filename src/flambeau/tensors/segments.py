"""Runs of neighbors reduced to one element each."""

from typing import TYPE_CHECKING

from flambeau.base.shapes import normalize_axis
from flambeau.primitives.segments import NEUTRAL
from flambeau.primitives.segments import segment_reduce as primitive
from flambeau.runtime.force import host_value
from flambeau.tensors.core import call
from flambeau.tensors.outputs import takes_out

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["segment_reduce"]

_OTHER_NAMES = {"amax": "max", "amin": "min"}


@takes_out()
def segment_reduce(
    data: "Tensor",
    reduce: str,
    *,
    lengths: "Tensor | None" = None,
    indices: "Tensor | None" = None,
    offsets: "Tensor | None" = None,
    axis: int = 0,
    unsafe: bool = False,
    initial: float | None = None,
) -> "Tensor":
    """Segments along an axis, reduced to one element each.

    Args:
        data: floating-point numbers, ``(..., n, ...)``.
        reduce: ``"sum"``, ``"mean"``, ``"prod"``, ``"max"`` or ``"min"`` (or ``"amax"``, ``"amin"``).
        lengths: how long the segments are, ``(..., segments)``, up to and with the axis; int64 or int32.
        indices: not supported, as in PyTorch.
        offsets: instead, where the segments begin and where the last one ends, ``(..., segments + 1)``.
        axis: along which the segments lie.
        unsafe: whether to take lengths as they are; otherwise waits for them, to see whether they fit.
        initial: what each segment is combined with; of a mean, what is added to the sum.

    Returns:
        ``(..., segments, ...)``. Without ``initial``, an empty segment gives 0, NaN (mean), 1, or infinity.

    Raises:
        RuntimeError: lengths and offsets are missing or do not fit, or there is no such reduction.
        NotImplementedError: ``data`` is not floating-point, or lengths are no whole numbers.

    Example:
        >>> import flambeau as torch
        >>> torch.segment_reduce(torch.tensor([1.0, 2.0, 4.0]), "sum", lengths=torch.tensor([1, 2]))
        tensor([1., 6.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.segment_reduce.html
    """
    name = "segment_reduce()"
    axis = normalize_axis(axis, len(data.shape))
    if indices is not None:
        raise RuntimeError(f"{name}: indices based reduction is not supported yet.")
    label, bounds = ("lengths", lengths) if offsets is None else ("offsets", offsets)
    if bounds is None:
        raise RuntimeError(f"{name}: Either lengths or offsets must be defined.")
    kind = _OTHER_NAMES.get(reduce, reduce)
    if kind not in NEUTRAL:
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    if axis != len(bounds.shape) - 1:
        raise RuntimeError(f"{name}: Expected axis to be the last dimension of {label} but got {axis}.")
    if bounds.dtype.name not in ("int32", "int64"):
        kernel = f"_segment_reduce_{label}_cpu_kernel1"
        given = bounds.dtype.tensor_type.removesuffix("Tensor")
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{given}'")
    if offsets is None and not unsafe:
        _check_lengths(bounds, data.shape[axis])
    start = NEUTRAL[kind] if initial is None else float(initial)
    empty = float("nan") if initial is None else None
    return call(primitive, (data, bounds, start), (kind, offsets is None, empty))


def _check_lengths(lengths: "Tensor", size: int) -> None:
    """Raise RuntimeError, in PyTorch's words, unless lengths that are known divide an axis of this size."""
    node = lengths.read()
    if node.aval.mapped or node.aval.device.type == "meta":
        return
    found = host_value(node)
    if (found < 0).any():
        raise RuntimeError("lengths contains negative value!")
    if (found.sum(-1) != size).any():
        fitting = "Expected all rows of lengths along axis to sum to data.size(lengths.dim()-1) when !unsafe."
        raise RuntimeError(f"segment_reduce(): {fitting}")
