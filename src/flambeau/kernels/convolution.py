"""Convolution and its gradients as JAX primitives that have a native kernel on the CPU.

Three functions are each other's derivatives, to any order: y = forward(x, weight), the gradient with respect to x, and
the gradient with respect to the weight. Each is linear in each of its two arguments. Elsewhere than on the CPU, under
``jax.vmap`` over weights, and where there are no kernels, they are what a formula in plain XLA says.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from flambeau.kernels.layout import channels_last, layout
from flambeau.kernels.library import computes, target

__all__ = ["Geometry", "convolved", "places", "pulled_back", "serves"]

_TARGET = "flambeau_convolution"
_FORWARD, _DATA, _WEIGHTS = range(3)
_LISTS = ("stride", "dilation", "before", "after")


class Geometry(NamedTuple):
    """Sizes of a convolution.

    Attributes:
        x, weight, y: shapes (batch, channels, ...), (outputs, channels / groups, ...), (batch, outputs, ...).
        stride, dilation: steps of the window, and inside it.
        before, after: zeros on both sides of each axis.
        groups: number of groups of channels that do not see each other.
    """

    x: tuple[int, ...]
    weight: tuple[int, ...]
    y: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    groups: int

    @property
    def x_last(self) -> bool:
        """Whether the native functions have the channels of x side by side in memory."""
        return self.groups == 1 and channels_last(self.x)

    @property
    def y_last(self) -> bool:
        """Whether the native functions have the channels of y side by side in memory."""
        return self.groups == 1 and channels_last(self.y)

    @property
    def products(self) -> int:
        """Number of multiplications."""
        return prod(self.y) * prod(self.weight[1:])

    def with_batch(self, batch: int) -> "Geometry":
        """The same convolution of another number of images."""
        return self._replace(x=(batch, *self.x[1:]), y=(batch, *self.y[1:]))


# y = plain(x, weight, geometry), in operations that JAX can differentiate.
Plain = Callable[[Any, Any, Geometry], Any]


def serves(geometry: Geometry, dtype: Any) -> bool:
    """Whether these functions take a convolution of these sizes and this data type."""
    if not 3 <= len(geometry.x) <= 5 or not computes(dtype):
        return False
    empty = not (prod(geometry.x) and prod(geometry.weight) and prod(geometry.y))
    if empty or min(geometry.before + geometry.after) < 0:
        return False
    fields = zip(*geometry[3:7], strict=True)
    sizes = zip(geometry.x[2:], geometry.weight[2:], geometry.y[2:], fields, strict=True)
    return all(places(size, window, *steps) == count for size, window, count, steps in sizes)


def places(size: int, window: int, stride: int, dilation: int, before: int, after: int) -> int:
    """Number of places of a window along an axis."""
    return (size + before + after - dilation * (window - 1) - 1) // stride + 1


def convolved(x: Any, weight: Any, bias: Any | None, geometry: Geometry, plain: Plain) -> Any:
    """The convolution of x with the weight, plus the bias of each output if there is one."""
    return _forward_p.bind(x, weight, *(() if bias is None else (bias,)), geometry=geometry, plain=plain)


def pulled_back(y: Any, weight: Any, geometry: Geometry, plain: Plain) -> Any:
    """What a gradient y with respect to the result is with respect to x: the transposed convolution."""
    return _data_p.bind(y, weight, geometry=geometry, plain=plain)


def _gradients(x: Any, y: Any, geometry: Geometry, plain: Plain, bias: bool) -> list[Any]:
    """What a gradient y with respect to the result is with respect to the weight, and to the bias if there is one."""
    return _weights_p.bind(x, y, geometry=geometry, plain=plain, bias=bias)


# -- in plain XLA --------------------------------------------------------------------------------------------------


def _summed(y: Any) -> Any:
    return jnp.sum(y, (0, *range(2, y.ndim)))


def _spread(bias: Any, geometry: Geometry) -> Any:
    return jnp.broadcast_to(bias.reshape(-1, *(1,) * (len(geometry.y) - 2)), geometry.y)


def _plain_forward(x: Any, weight: Any, *bias: Any, geometry: Geometry, plain: Plain) -> Any:
    y = plain(x, weight, geometry)
    return y + _spread(bias[0], geometry) if bias else y


def _plain_data(y: Any, weight: Any, *, geometry: Geometry, plain: Plain) -> Any:
    return jax.vjp(lambda x: plain(x, weight, geometry), jnp.zeros(geometry.x, y.dtype))[1](y)[0]


def _plain_weights(x: Any, y: Any, *, geometry: Geometry, plain: Plain, bias: bool) -> list[Any]:
    (weight,) = jax.vjp(lambda weight: plain(x, weight, geometry), jnp.zeros(geometry.weight, y.dtype))[1](y)
    return [weight, _summed(y)] if bias else [weight]


# -- on the CPU ----------------------------------------------------------------------------------------------------


# Shapes of what each native function returns; a function's number is its place.
_RESULTS: tuple[Callable[[Geometry], tuple[tuple[int, ...], ...]], ...] = (
    lambda geometry: (geometry.y,),
    lambda geometry: (geometry.x,),
    lambda geometry: (geometry.weight, geometry.y[1:2]),
)


# What the arguments of each native function are (up to three), and its results.
_ROLES = (("x", "", "", "y"), ("y", "", "", "x"), ("x", "y", "", "", ""))


def _native(kind: int, formula: Callable[..., Any]) -> Callable[..., Any]:
    """What a program for the CPU computes: the native function of this number, or the formula."""

    def lowered(*arrays: Any, geometry: Geometry, **options: Any) -> Any:
        name = target(_TARGET, arrays[0].dtype)
        if name is None:
            return formula(*arrays, geometry=geometry, **options)
        shapes = _RESULTS[kind](geometry)[: 1 + options.get("bias", False)]
        lists = {field: np.array(getattr(geometry, field), np.int64) for field in _LISTS}
        layouts = {"x": layout(geometry.x, geometry.x_last), "y": layout(geometry.y, geometry.y_last)}
        roles = _ROLES[kind]
        call = jax.ffi.ffi_call(
            name,
            [jax.ShapeDtypeStruct(shape, arrays[0].dtype) for shape in shapes],
            input_layouts=[layouts.get(role) for role in roles[: len(arrays)]],
            output_layouts=[layouts.get(role) for role in roles[3 : 3 + len(shapes)]],
        )
        numbers = {"kind": kind, "groups": geometry.groups, "products": geometry.products}
        numbers |= {"x_last": geometry.x_last, "y_last": geometry.y_last}
        results = call(*arrays, **{field: np.int64(value) for field, value in numbers.items()}, **lists)
        return list(results) if kind == _WEIGHTS else results[0]

    return lowered


# -- JAX's rules ---------------------------------------------------------------------------------------------------


def _is_zero(tangent: Any) -> bool:
    return isinstance(tangent, ad.Zero)


def _total(parts: Sequence[Any], like: Any) -> Any:
    """Sum of the parts; a symbolic zero if there are none."""
    if not parts:
        return ad.Zero(ShapedArray(like.shape, like.dtype))
    return sum(parts[1:], parts[0])


def _forward_jvp(primals: Sequence[Any], tangents: Sequence[Any], **options: Any) -> tuple[Any, Any]:
    x, weight, *_ = primals
    x_dot, weight_dot, *bias_dot = tangents
    y = _forward_p.bind(*primals, **options)
    parts: list[Any] = [] if _is_zero(x_dot) else [_forward_p.bind(x_dot, weight, **options)]
    biases = [item for item in bias_dot if not _is_zero(item)]
    if not _is_zero(weight_dot):
        parts.append(_forward_p.bind(x, weight_dot, *biases, **options))
    else:
        parts.extend(_spread(item, options["geometry"]) for item in biases)
    return y, _total(parts, y)


def _forward_transpose(cotangent: Any, x: Any, weight: Any, *bias: Any, **options: Any) -> list[Any]:
    if _is_zero(cotangent):
        return [None] * (2 + len(bias))
    if ad.is_undefined_primal(x):
        return [pulled_back(cotangent, weight, **options), None]
    return [None, *_gradients(x, cotangent, **options, bias=bool(bias))]


def _data_jvp(primals: Sequence[Any], tangents: Sequence[Any], **options: Any) -> tuple[Any, Any]:
    (y, weight), (y_dot, weight_dot) = primals, tangents
    x = pulled_back(y, weight, **options)
    parts = [] if _is_zero(y_dot) else [pulled_back(y_dot, weight, **options)]
    if not _is_zero(weight_dot):
        parts.append(pulled_back(y, weight_dot, **options))
    return x, _total(parts, x)


def _data_transpose(cotangent: Any, y: Any, weight: Any, **options: Any) -> list[Any]:
    if _is_zero(cotangent):
        return [None, None]
    if ad.is_undefined_primal(y):
        return [convolved(cotangent, weight, None, **options), None]
    return [None, _gradients(cotangent, y, **options, bias=False)[0]]


def _weights_jvp(primals: Sequence[Any], tangents: Sequence[Any], *, bias: bool, **options: Any) -> tuple[Any, Any]:
    (x, y), (x_dot, y_dot) = primals, tangents
    results = _gradients(x, y, **options, bias=bias)
    parts: list[list[Any]] = [[] for _ in results]
    if not _is_zero(y_dot):
        for part, found in zip(parts, _gradients(x, y_dot, **options, bias=bias), strict=True):
            part.append(found)
    if not _is_zero(x_dot):
        parts[0] += _gradients(x_dot, y, **options, bias=False)
    return results, [_total(part, like) for part, like in zip(parts, results, strict=True)]


def _weights_transpose(cotangents: Sequence[Any], x: Any, y: Any, *, bias: bool, **options: Any) -> list[Any]:
    weight, *biases = cotangents
    biases = [item for item in biases if not _is_zero(item)]
    if ad.is_undefined_primal(x):
        return [None if _is_zero(weight) else pulled_back(y, weight, **options), None]
    if _is_zero(weight):
        return [None, _spread(biases[0], options["geometry"]) if biases else None]
    return [None, _forward_p.bind(x, weight, *biases, **options)]


def _batched(primitive: Any, formula: Callable[..., Any], images: bool) -> Callable[..., Any]:
    """The rule for ``jax.vmap``: more images for the same weight; anything else is left to plain XLA."""

    def rule(arrays: Sequence[Any], axes: Sequence[Any], *, geometry: Geometry, **options: Any) -> tuple[Any, Any]:
        if images and all(axis is None for axis in axes[1:]):
            moved = jnp.moveaxis(arrays[0], axes[0], 0)
            wide = geometry.with_batch(moved.shape[0] * geometry.x[0])
            result = primitive.bind(moved.reshape(-1, *moved.shape[2:]), *arrays[1:], geometry=wide, **options)
            return result.reshape(*moved.shape[:2], *result.shape[1:]), 0
        mapped = jax.vmap(lambda *items: formula(*items, geometry=geometry, **options), tuple(axes))(*arrays)
        return mapped, [0] * len(mapped) if primitive.multiple_results else 0

    return rule


def _defined(kind: int, name: str, formula: Any, jvp: Any, transpose: Any, avals: Any) -> Primitive:
    """A JAX primitive with all of its rules."""
    made = Primitive(name)
    made.multiple_results = kind == _WEIGHTS
    made.def_impl(formula)
    made.def_abstract_eval(avals)
    ad.primitive_jvps[made] = jvp
    ad.primitive_transposes[made] = transpose
    batching.primitive_batchers[made] = _batched(made, formula, images=kind != _WEIGHTS)
    for platform, lowered in ((None, formula), ("cpu", _native(kind, formula))):
        mlir.register_lowering(made, mlir.lower_fun(lowered, made.multiple_results), platform)
    return made


def _weights_avals(x: Any, y: Any, *, geometry: Geometry, plain: Plain, bias: bool) -> list[Any]:
    return [ShapedArray(shape, y.dtype) for shape in _RESULTS[_WEIGHTS](geometry)[: 1 + bias]]


_forward_p = _defined(
    _FORWARD,
    "convolution",
    _plain_forward,
    _forward_jvp,
    _forward_transpose,
    lambda x, weight, *bias, geometry, plain: ShapedArray(geometry.y, x.dtype),
)
_data_p = _defined(
    _DATA,
    "convolution_pulled_back",
    _plain_data,
    _data_jvp,
    _data_transpose,
    lambda y, weight, geometry, plain: ShapedArray(geometry.x, y.dtype),
)
_weights_p = _defined(
    _WEIGHTS, "convolution_gradients", _plain_weights, _weights_jvp, _weights_transpose, _weights_avals
)
