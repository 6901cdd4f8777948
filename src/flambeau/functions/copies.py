"""Copies of what a view would show: each is the method of the same name, and a copy of its result."""

from collections.abc import Callable
from typing import Any, cast

from flambeau.functions.making import described
from flambeau.tensors.outputs import takes_out
from flambeau.tensors.parts import view_as_complex, view_as_real
from flambeau.tensors.tensor import Tensor

__all__ = [
    "alias_copy",
    "as_strided_copy",
    "detach_copy",
    "diagonal_copy",
    "expand_copy",
    "permute_copy",
    "select_copy",
    "slice_copy",
    "split_copy",
    "split_with_sizes_copy",
    "squeeze_copy",
    "t_copy",
    "transpose_copy",
    "unbind_copy",
    "unfold_copy",
    "unsqueeze_copy",
    "view_as_complex_copy",
    "view_as_real_copy",
    "view_copy",
]


def _copied(view: Any) -> Any:
    """A copy of a view, or of each of several."""
    if isinstance(view, tuple):
        return tuple([item.clone() for item in cast("tuple[Tensor, ...]", view)])
    return view.clone()


def _copy(name: str, view: Callable[..., Any]) -> Callable[..., Any]:
    """The function that copies what a view of this name shows."""

    def function(input: Tensor, *args: Any, **kwargs: Any) -> Any:
        return _copied(view(input, *args, **kwargs))

    return takes_out()(described(function, f"{name}_copy"))


def _itself(input: Tensor) -> Tensor:
    return input


def _slice(input: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Tensor:
    """Elements from ``start`` to ``end`` along a dimension, in steps."""
    axis = dim + len(input.shape) if dim < 0 else dim
    return input[(*[slice(None)] * axis, slice(start, end, step))]


alias_copy = _copy("alias", _itself)
as_strided_copy = _copy("as_strided", Tensor.as_strided)
detach_copy = _copy("detach", Tensor.detach)
diagonal_copy = _copy("diagonal", Tensor.diagonal)
expand_copy = _copy("expand", Tensor.expand)
permute_copy = _copy("permute", Tensor.permute)
select_copy = _copy("select", Tensor.select)
slice_copy = _copy("slice", _slice)
split_copy = _copy("split", Tensor.split)
split_with_sizes_copy = _copy("split_with_sizes", Tensor.split_with_sizes)
squeeze_copy = _copy("squeeze", Tensor.squeeze)
t_copy = _copy("t", Tensor.t)
transpose_copy = _copy("transpose", Tensor.transpose)
unbind_copy = _copy("unbind", Tensor.unbind)
unfold_copy = _copy("unfold", Tensor.unfold)
unsqueeze_copy = _copy("unsqueeze", Tensor.unsqueeze)
view_as_complex_copy = _copy("view_as_complex", view_as_complex)
view_as_real_copy = _copy("view_as_real", view_as_real)
view_copy = _copy("view", Tensor.view)
