"""Structures of containers: taken apart, put together, and written as PyTorch writes them."""

from collections import OrderedDict, defaultdict, deque, namedtuple
from typing import Any

import pytest

import flambeau as torch
from flambeau.base.tree import broadcast_to, flatten, leaves_of, mapped, unflatten

Pair = namedtuple("Pair", "first second")

TREES: dict[str, tuple[Any, list[Any], str]] = {
    "leaf": (1, [1], "*"),
    "none": (None, [None], "*"),
    "tuple": ((1, (2, 3)), [1, 2, 3], "TreeSpec(tuple, None, [*,\n  TreeSpec(tuple, None, [*,\n    *])])"),
    "list": ([1], [1], "TreeSpec(list, None, [*])"),
    "empty": ((), [], "TreeSpec(tuple, None, [])"),
    "dict": ({"b": 1, "a": 2}, [1, 2], "TreeSpec(dict, ['b', 'a'], [*,\n  *])"),
    "ordered": (OrderedDict(a=1), [1], "TreeSpec(OrderedDict, ['a'], [*])"),
    "default": (defaultdict(list, a=1), [1], "TreeSpec(defaultdict, [<class 'list'>, ['a']], [*])"),
    "deque": (deque([1, 2], 3), [1, 2], "TreeSpec(deque, 3, [*,\n  *])"),
    "named": (Pair(1, 2), [1, 2], f"TreeSpec(namedtuple, {Pair}, [*,\n  *])"),
    "size": (torch.Size([1, 2]), [1, 2], "TreeSpec(Size, None, [*,\n  *])"),
}


@pytest.mark.parametrize("name", TREES)
def test_apart_and_together(name: str) -> None:
    tree, leaves, text = TREES[name]
    found, spec = flatten(tree)
    assert found == leaves
    assert repr(spec) == text
    rebuilt = unflatten(found, spec)
    assert rebuilt == tree
    assert type(rebuilt) is type(tree)


def test_results_with_names() -> None:
    result = torch.tensor([3, 1]).sort()
    doubled = mapped(lambda item: item * 2, result)
    assert type(doubled) is type(result)
    assert doubled.values.tolist() == [2, 6]


def test_classes_derived_from_containers_are_leaves() -> None:
    class Own(dict[str, int]):
        pass

    own = Own(a=1)
    assert leaves_of([own]) == [own]


def test_order_of_keys_is_part_of_the_structure() -> None:
    assert flatten({"a": 1, "b": 2})[1] != flatten({"b": 1, "a": 2})[1]
    assert flatten({"a": 1, "b": (2,)})[1] == flatten({"a": 3, "b": (4,)})[1]


def test_pretty() -> None:
    assert flatten({"a": [1, 2], "b": (3,)})[1].pretty() == "{'a': [*, *], 'b': (*,)}"


@pytest.mark.parametrize(
    ("prefix", "tree", "expected"),
    [
        (0, (1, [2, 3]), [0, 0, 0]),
        ((0, None), (1, [2, 3]), [0, None, None]),
        ((0, [1, 2]), (1, [2, 3]), [0, 1, 2]),
        ({"b": 0, "a": 1}, {"a": 5, "b": 6}, [1, 0]),
        ((0,), (1, 2), None),
        ([0, 1], (1, 2), None),
        ({"a": 0}, {"b": 1}, None),
        ((0, (1, 2)), (1, 2), None),
        ((), (), []),
    ],
)
def test_broadcast(prefix: Any, tree: Any, expected: Any) -> None:
    assert broadcast_to(prefix, flatten(tree)[1]) == expected
