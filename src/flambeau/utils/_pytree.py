"""PyTorch's ``torch.utils._pytree``: functions of structures of tuples, lists and dictionaries.

What is no container is a leaf, None too. ``is_leaf`` says of a container that it is a leaf as well.

Source: https://github.com/pytorch/pytorch/blob/v2.13.0/torch/utils/_pytree.py
"""

from collections.abc import Callable, Iterable, Iterator
from types import UnionType
from typing import Any

from flambeau.base.tree import TreeSpec, flatten, is_container, register

__all__ = [
    "PyTree",
    "TreeSpec",
    "register_pytree_node",
    "tree_all",
    "tree_all_only",
    "tree_any",
    "tree_any_only",
    "tree_flatten",
    "tree_is_leaf",
    "tree_iter",
    "tree_leaves",
    "tree_map",
    "tree_map_",
    "tree_map_only",
    "tree_map_only_",
    "tree_structure",
    "tree_unflatten",
]

PyTree = Any
Kinds = type[Any] | tuple[type[Any], ...] | UnionType
Test = Callable[[Any], bool]


def register_pytree_node(
    cls: type[Any], flatten_fn: Callable[[Any], Any], unflatten_fn: Callable[[Any, Any], Any], **names: Any
) -> None:
    """Have a class be a container.

    Args:
        cls: the class; classes derived from it are not meant.
        flatten_fn: gives an instance's items, and whatever else it takes to rebuild it.
        unflatten_fn: gives an instance of both.
        names: accepted: how the class is written in files, and what its items are called.

    Raises:
        ValueError: it is one.
    """
    register(cls, flatten_fn, unflatten_fn)


def tree_is_leaf(tree: PyTree, is_leaf: Test | None = None) -> bool:
    """Whether a value is a leaf."""
    return not is_container(tree) or (is_leaf is not None and is_leaf(tree))


def tree_flatten(tree: PyTree, is_leaf: Test | None = None) -> tuple[list[Any], TreeSpec]:
    """The leaves of a structure, in order, and the structure without them.

    Example:
        >>> from flambeau.utils._pytree import tree_flatten, tree_unflatten
        >>> leaves, spec = tree_flatten({"a": 1, "b": (2, None)})
        >>> leaves
        [1, 2, None]
        >>> spec
        TreeSpec(dict, ['a', 'b'], [*,
          TreeSpec(tuple, None, [*,
            *])])
        >>> tree_unflatten("xyz", spec)
        {'a': 'x', 'b': ('y', 'z')}
    """
    return flatten(tree, is_leaf)


def tree_unflatten(leaves: Iterable[Any], treespec: TreeSpec) -> PyTree:
    """The structure with these leaves; the two may be exchanged.

    Raises:
        ValueError: there are more leaves, or fewer.
        TypeError: neither is a structure.
    """
    if not isinstance(treespec, TreeSpec):
        if not isinstance(leaves, TreeSpec):
            kind: Any = type(treespec)
            raise TypeError(f"Expected `treespec` to be an instance of PyTreeSpec but got item of type {kind}.")
        leaves, treespec = treespec, leaves
    return treespec.unflatten(leaves)


def tree_iter(tree: PyTree, is_leaf: Test | None = None) -> Iterator[Any]:
    """The leaves of a structure, one after the other."""
    return iter(flatten(tree, is_leaf)[0])


def tree_leaves(tree: PyTree, is_leaf: Test | None = None) -> list[Any]:
    """The leaves of a structure, in order."""
    return flatten(tree, is_leaf)[0]


def tree_structure(tree: PyTree, is_leaf: Test | None = None) -> TreeSpec:
    """The structure without its leaves."""
    return flatten(tree, is_leaf)[1]


def tree_map(func: Callable[..., Any], tree: PyTree, *rests: PyTree, is_leaf: Test | None = None) -> PyTree:
    """The structure with every leaf replaced by ``func(leaf, ...)``.

    Args:
        func: gets a leaf, and what stands in the other structures in its place.
        tree: the structure.
        rests: others; each has the form of the first, and may have more below its leaves.
        is_leaf: says of a container that it is a leaf as well.

    Raises:
        ValueError: another structure has not the form of the first.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.utils._pytree import tree_map
        >>> tree_map(lambda x: x.shape, [torch.ones(2), {"a": torch.ones(1, 3)}])
        [torch.Size([2]), {'a': torch.Size([1, 3])}]
    """
    leaves, spec = flatten(tree, is_leaf)
    others = [spec.flatten_up_to(rest) for rest in rests]
    return spec.unflatten(map(func, leaves, *others))


def tree_map_(func: Callable[..., Any], tree: PyTree, *rests: PyTree, is_leaf: Test | None = None) -> PyTree:
    """Call ``func(leaf, ...)`` for every leaf, as ``tree_map`` does; returns the structure as it is."""
    tree_map(func, tree, *rests, is_leaf=is_leaf)
    return tree


def _meant(which: Kinds | Test) -> Test:
    """The test that a class, classes or a test stand for; raises TypeError in PyTorch's words."""
    if isinstance(which, (type, tuple, UnionType)):
        return lambda leaf: isinstance(leaf, which)
    if not callable(which):
        raise TypeError("Argument must be a type, a tuple of types, or a callable.")
    return which


def tree_map_only(
    type_or_types_or_pred: Kinds | Test,
    /,
    func: Callable[[Any], Any],
    tree: PyTree,
    is_leaf: Test | None = None,
) -> PyTree:
    """The structure with the leaves of some classes, or of which something is true, replaced by ``func(leaf)``.

    Raises:
        TypeError: the first argument is no class, no tuple of them, and cannot be called.

    Example:
        >>> from flambeau.utils._pytree import tree_map_only
        >>> tree_map_only(int, str, [1, 2.0, "x"])
        ['1', 2.0, 'x']
    """
    test = _meant(type_or_types_or_pred)

    def chosen(leaf: Any) -> Any:
        return func(leaf) if test(leaf) else leaf

    return tree_map(chosen, tree, is_leaf=is_leaf)


def tree_map_only_(
    type_or_types_or_pred: Kinds | Test,
    /,
    func: Callable[[Any], Any],
    tree: PyTree,
    is_leaf: Test | None = None,
) -> PyTree:
    """Call ``func(leaf)`` for the leaves that ``tree_map_only`` means; returns the structure as it is."""
    tree_map_only(type_or_types_or_pred, func, tree, is_leaf)
    return tree


def tree_all(pred: Test, tree: PyTree, is_leaf: Test | None = None) -> bool:
    """Whether something is true of all leaves."""
    return all(map(pred, tree_iter(tree, is_leaf)))


def tree_any(pred: Test, tree: PyTree, is_leaf: Test | None = None) -> bool:
    """Whether something is true of a leaf."""
    return any(map(pred, tree_iter(tree, is_leaf)))


def tree_all_only(type_or_types: Kinds, /, pred: Test, tree: PyTree, is_leaf: Test | None = None) -> bool:
    """Whether something is true of all leaves of some classes."""
    return all(pred(leaf) for leaf in tree_iter(tree, is_leaf) if isinstance(leaf, type_or_types))


def tree_any_only(type_or_types: Kinds, /, pred: Test, tree: PyTree, is_leaf: Test | None = None) -> bool:
    """Whether something is true of a leaf of some classes."""
    return any(pred(leaf) for leaf in tree_iter(tree, is_leaf) if isinstance(leaf, type_or_types))
