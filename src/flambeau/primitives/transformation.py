"""Gradient transformations of Optax as operations: the beginning of their state, and a step of all parameters.

A transformation is a pair of pure JAX functions, ``init(params)`` and ``update(gradients, state, params)``, of trees of
arrays. Optax itself is not imported: whoever has made a transformation has it.
"""

import inspect
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from flambeau.graph.node import Aval
from flambeau.primitives.primitive import Array, Primitive

__all__ = ["Begin", "Transform"]


class Begin(Primitive):
    """A transformation's state before its first step, from the parameters.

    Attributes:
        names: what each array of the state is called: its place in the state's tree.
        structure: the state's tree, without its arrays.
        generators: for each array the kind of a random key, which is kept as plain numbers; None if it is no key.
    """

    __slots__ = ("generators", "keys", "names", "structure", "transformation")

    def __init__(self, transformation: Any, keys: Sequence[str] | None, params: Sequence[Aval]) -> None:
        super().__init__("optax_init", self._lower, variadic=True, differentiable=False)
        self.transformation = transformation
        self.keys = keys
        with jax.enable_x64(True):
            shapes = [jax.ShapeDtypeStruct(aval.shape, aval.dtype.numpy) for aval in params]
            jax.eval_shape(self._examine, tree_of(keys, shapes))

    def _examine(self, params: Any) -> None:
        """Note what the state is made of, while JAX traces its beginning."""
        paths, self.structure = jax.tree_util.tree_flatten_with_path(self.transformation.init(params))
        self.names = tuple(jax.tree_util.keystr(path) for path, _ in paths)
        self.generators = tuple(_generator(leaf) for _, leaf in paths)

    def results(self, params: Sequence[Aval]) -> tuple[Aval, ...]:
        """Shape, type and place of each array of the state."""
        return self.evaluate((), tuple(params)) if self.names else ()

    def _lower(self, inputs: tuple[Array, ...]) -> tuple[Array, ...]:
        return self.arrays(self.transformation.init(tree_of(self.keys, inputs)))

    def arrays(self, state: Any) -> tuple[Array, ...]:
        """The state's arrays."""
        leaves = jax.tree.leaves(state)
        return tuple(
            leaf if kind is None else jax.random.key_data(leaf)
            for leaf, kind in zip(leaves, self.generators, strict=True)
        )

    def state(self, arrays: Sequence[Array]) -> Any:
        """The reverse."""
        leaves = [
            array if kind is None else jax.random.wrap_key_data(array, impl=kind)
            for array, kind in zip(arrays, self.generators, strict=True)
        ]
        return jax.tree.unflatten(self.structure, leaves)


class Transform(Primitive):
    """A transformation's step: (parameters..., gradients..., state..., loss if any) -> (parameters..., state...).

    Its static arguments are the number of parameters and whether there is a loss.
    """

    __slots__ = ("begin", "takes_loss")

    def __init__(self, begin: Begin) -> None:
        super().__init__("optax_update", self._lower, variadic=True, differentiable=False)
        self.begin = begin
        kinds = [item.kind for item in inspect.signature(begin.transformation.update).parameters.values()]
        self.takes_loss = inspect.Parameter.VAR_KEYWORD in kinds

    def evaluate(self, static: tuple[Any, ...], inputs: tuple[Any, ...]) -> Any:
        """Results have the shapes and types of the inputs they replace: parameters and state."""
        count: int = static[0]
        return inputs[:count] + inputs[2 * count : 2 * count + len(self.begin.names)]

    def _lower(self, inputs: tuple[Array, ...], count: int, has_loss: bool) -> tuple[Array, ...]:
        begin = self.begin
        parameters, gradients, rest = inputs[:count], inputs[count : 2 * count], inputs[2 * count :]
        before = rest[: len(begin.names)]
        more = {"value": rest[-1]} if has_loss else {}
        updates, state = begin.transformation.update(
            tree_of(begin.keys, gradients),
            begin.state(before),
            tree_of(begin.keys, parameters),
            **more,
        )
        moved = jax.tree.map(lambda parameter, change: parameter + change, tree_of(begin.keys, parameters), updates)
        after = (*leaves_of(begin.keys, moved), *begin.arrays(state))
        return tuple(jnp.asarray(new, old.dtype) for new, old in zip(after, (*parameters, *before), strict=True))


def tree_of(keys: Sequence[str] | None, items: Sequence[Any]) -> Any:
    """Parameters, or something for each, as the transformation sees them: a dictionary by name, or a list."""
    return list(items) if keys is None else dict(zip(keys, items, strict=True))


def leaves_of(keys: Sequence[str] | None, tree: Any) -> list[Any]:
    """The reverse: in the parameters' order, which is not that of JAX, who sorts dictionaries."""
    return list(tree) if keys is None else [tree[key] for key in keys]


def _generator(leaf: Any) -> Any:
    """The kind of a random key; None for anything else."""
    kind = getattr(leaf, "dtype", None)  # a Python number has none
    is_key = kind is not None and jnp.issubdtype(kind, jax.dtypes.prng_key)
    return jax.random.key_impl(leaf) if is_key else None
