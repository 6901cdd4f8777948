"""Functions for JAX that have a native kernel on the CPU, and a native kernel for their gradients."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from flambeau.kernels.library import target

__all__ = ["NativeFunction", "aval", "defined"]

Which = tuple[int, ...]


class NativeFunction:
    """A function of arrays with one result, which is a formula in plain XLA except where a native kernel serves.

    The value and the first gradients are native in programs for the CPU. The formula stands for all else: other
    platforms, derivatives forwards, second derivatives, ``jax.vmap``. The type of the first array says whether the
    kernels serve.

    Attributes:
        name: what JAX calls it in its programs.
        formula: ``formula(*arrays, **options)``, in operations that JAX can differentiate.
        value: ``value(name, *arrays, **options)``, a call of the library's function of this name.
        gradients: ``gradients(name, which, cotangent, *arrays, **options)``, the same for the gradients with respect
            to the arrays at the positions ``which``; None if the formula has to do.
        targets: the library's two functions.
        cacheable: whether JAX may write one native program for all calls with arrays of the same shapes; not where it
            depends on what the arrays come from.
    """

    def __init__(
        self,
        name: str,
        formula: Callable[..., Any],
        value: Callable[..., Any],
        gradients: Callable[..., Sequence[Any] | None],
        targets: tuple[str, str],
        cacheable: bool = True,
    ) -> None:
        self.name = name
        self.formula = formula
        self.value = value
        self.gradients = gradients
        self.targets = targets
        self._value = defined(name, formula, self._native_value, self._value_jvp, cacheable)
        self._tangent = defined(f"{name}_tangent", self._plain_tangent)
        self._gradients = defined(f"{name}_gradients", self._plain_gradients, self._native_gradients, None, cacheable)
        ad.primitive_transposes[self._tangent] = self._transposed

    def __call__(self, *arrays: Any, **options: Any) -> Any:
        """The function itself; options are hashable."""
        return self._value.bind(*arrays, **options)[0]

    # -- what is computed ----------------------------------------------------------------------------------------------

    def _native_value(self, *arrays: Any, **options: Any) -> Any:
        name = target(self.targets[0], arrays[0].dtype)
        return self.formula(*arrays, **options) if name is None else self.value(name, *arrays, **options)

    def _plain_tangent(self, *arrays: Any, which: Which, **options: Any) -> Any:
        """The derivative along the last arrays, which are directions of the arrays at the positions ``which``."""
        count = len(arrays) - len(which)
        run, primals = _of_some(self.formula, which, arrays[:count], options)
        return jax.jvp(run, primals, arrays[count:])[1]

    def _plain_gradients(self, cotangent: Any, *arrays: Any, which: Which, **options: Any) -> list[Any]:
        run, primals = _of_some(self.formula, which, arrays, options)
        return list(jax.vjp(run, *primals)[1](cotangent))

    def _native_gradients(self, cotangent: Any, *arrays: Any, which: Which, **options: Any) -> Sequence[Any]:
        name = target(self.targets[1], arrays[0].dtype)
        found = None if name is None else self.gradients(name, which, cotangent, *arrays, **options)
        return self._plain_gradients(cotangent, *arrays, which=which, **options) if found is None else found

    # -- JAX's rules ---------------------------------------------------------------------------------------------------

    def _value_jvp(self, primals: Sequence[Any], tangents: Sequence[Any], **options: Any) -> tuple[Any, Any]:
        result = self._value.bind(*primals, **options)
        which = tuple(index for index, item in enumerate(tangents) if not isinstance(item, ad.Zero))
        directions = [tangents[index] for index in which]
        if not which:
            return result, [ad.Zero(ShapedArray(item.shape, item.dtype)) for item in result]
        return result, self._tangent.bind(*primals, *directions, which=which, **options)

    def _transposed(self, cotangents: Sequence[Any], *arrays: Any, which: Which, **options: Any) -> list[Any]:
        count = len(arrays) - len(which)
        if isinstance(cotangents[0], ad.Zero):
            return [None] * len(arrays)
        found = self._gradients.bind(cotangents[0], *arrays[:count], which=which, **options)
        return [None] * count + list(found)


def defined(
    name: str, plain: Callable[..., Any], native: Any = None, jvp: Any = None, cacheable: bool = True
) -> Primitive:
    """A JAX primitive with its rules, whose value is a list of results.

    Args:
        name: what JAX calls it in its programs.
        plain: the formula, in operations that JAX can differentiate; ``jax.vmap`` and other platforms use it.
        native: what programs for the CPU compute instead.
        jvp: JAX's rule of its derivative; by default that of the formula.
        cacheable: whether ``native`` is the same for all arrays of the same shapes.
    """

    def listed(function: Callable[..., Any]) -> Callable[..., list[Any]]:
        def run(*arrays: Any, **options: Any) -> list[Any]:
            result = function(*arrays, **options)
            return list(result) if isinstance(result, (list, tuple)) else [result]

        return run

    formula = listed(plain)

    def derived(primals: Sequence[Any], tangents: Sequence[Any], **options: Any) -> Any:
        which = tuple(index for index, item in enumerate(tangents) if not isinstance(item, ad.Zero))
        run, active = _of_some(formula, which, primals, options)
        return jax.jvp(run, active, tuple(tangents[index] for index in which))

    def mapped(arrays: Sequence[Any], axes: Sequence[Any], **options: Any) -> tuple[list[Any], list[int]]:
        results = jax.vmap(partial(formula, **options), tuple(axes))(*arrays)
        return results, [0] * len(results)

    def avals(*arrays: Any, **options: Any) -> list[ShapedArray]:
        return [*map(aval, jax.eval_shape(partial(formula, **options), *map(_abstract, arrays)))]

    made = Primitive(name)
    made.multiple_results = True
    made.def_impl(formula)
    made.def_abstract_eval(avals)
    ad.primitive_jvps[made] = jvp or derived
    batching.primitive_batchers[made] = mapped
    mlir.register_lowering(made, mlir.lower_fun(formula, multiple_results=True))
    if native is not None:
        rule = mlir.lower_fun(listed(native), multiple_results=True)
        mlir.register_lowering(made, rule, platform="cpu", cacheable=cacheable)
    return made


def _of_some(
    formula: Callable[..., Any], which: Which, arrays: Sequence[Any], options: dict[str, Any]
) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """The formula as a function of the arrays at the positions ``which`` alone, and those."""

    def run(*active: Any) -> Any:
        values = list(arrays)
        for position, value in zip(which, active, strict=True):
            values[position] = value
        return formula(*values, **options)

    return run, tuple(arrays[position] for position in which)


def aval(array: Any) -> ShapedArray:
    """What JAX knows of an array."""
    return ShapedArray(array.shape, array.dtype)


def _abstract(array: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(array.shape, array.dtype)
