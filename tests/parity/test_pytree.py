"""``torch.utils._pytree`` against PyTorch: structures taken apart, put together and mapped, and what is refused."""

import importlib
from collections import OrderedDict, defaultdict, deque, namedtuple
from types import ModuleType
from typing import Any

import pytest

import flambeau

torch = pytest.importorskip("torch")

Pair = namedtuple("Pair", "first second")


class Derived(list[Any]):
    """A class that is no container, though it derives from one."""


def structures(t: ModuleType) -> list[Any]:
    return [
        1,
        None,
        (),
        [[], {}],
        {"b": 1, "a": [2, (3, None)]},
        OrderedDict(x=1, a=(2,)),
        Pair(1, [2, 3]),
        deque([1, 2], maxlen=3),
        defaultdict(list, a=1),
        Derived([1]),
        {1, 2},
        t.tensor([2, 1]).sort(),
    ]


def described(spec: Any) -> Any:
    facts = spec.num_leaves, spec.num_nodes, spec.num_children, spec.is_leaf()
    return str(spec), facts, [described(child) for child in spec.children()]


def test_structures_are_pytorchs() -> None:
    found = []
    for t in (torch, flambeau):
        tree = importlib.import_module(f"{t.__name__}.utils._pytree")
        rows = []
        for item in structures(t):
            leaves, spec = tree.tree_flatten(item)
            again = tree.tree_unflatten(leaves, spec)
            equal = (spec == tree.tree_structure(again), hash(spec) == hash(tree.tree_structure(again)))
            rows.append((str(leaves), described(spec), type(again).__name__, equal, tree.tree_is_leaf(item)))
        found.append(rows)
    assert found[1] == found[0]


def test_a_size_stays_one() -> None:
    apart = [importlib.import_module(f"{name}.utils._pytree").tree_flatten for name in ("torch", "flambeau")]
    specs = [apart[0](torch.Size([2, 3]))[1], apart[1](flambeau.Size([2, 3]))[1]]
    assert str(specs[0]) == str(specs[1])
    assert [type(spec.unflatten([4, 5])) for spec in specs] == [tuple, flambeau.Size]


CASES: dict[str, Any] = {
    "map": lambda p: p.tree_map(lambda x: x + 1, {"a": 1, "b": (2, [3])}),
    "map of two": lambda p: p.tree_map(lambda x, y: (x, y), [1, (2, 3)], ["a", (["b"], None)]),
    "map of dictionaries in another order": lambda p: p.tree_map(
        lambda x, y: x * y, {"a": 1, "b": 2}, OrderedDict(b=3, a=4)
    ),
    "map of queues": lambda p: p.tree_map(lambda x, y: x * y, deque([1, 2], 3), deque([3, 4], 5)),
    "map with leaves": lambda p: p.tree_map(len, {"a": (1, 2), "b": (3,)}, is_leaf=lambda x: isinstance(x, tuple)),
    "map in place": lambda p: p.tree_map_(lambda x: None, [1, 2]),
    "map of floats": lambda p: p.tree_map_only(float, str, [1, 2.0, (3.5, "x")]),
    "map of two classes": lambda p: p.tree_map_only((int, float), str, [1, 2.0, "x"]),
    "map of a union": lambda p: p.tree_map_only(int | str, repr, [1, 2.0, "x"]),
    "map of what is true": lambda p: p.tree_map_only(lambda x: x > 1, str, [1, 2]),
    "map of some in place": lambda p: p.tree_map_only_(int, str, [1, 2.0]),
    "map of no class": lambda p: p.tree_map_only(3, str, [1]),
    "all": lambda p: [p.tree_all(bool, tree) for tree in ([1, (2, 0)], [1, (2,)], [])],
    "any": lambda p: [p.tree_any(bool, tree) for tree in ([0, (2, 0)], [0, (0,)], [])],
    "all of a class": lambda p: p.tree_all_only(int, lambda x: x > 0, [1, "x", -1.0]),
    "any of a class": lambda p: p.tree_any_only(float, lambda x: x > 0, [1, "x", -1.0]),
    "leaves": lambda p: [p.tree_leaves([1, {"a": (2, None)}]), list(p.tree_iter((1, [2])))],
    "leaves that are lists": lambda p: p.tree_leaves([[1], ([2],)], is_leaf=lambda x: x == [2]),
    "exchanged": lambda p: p.tree_unflatten(p.tree_structure([1, 2]), [3, 4]),
    "up to": lambda p: p.tree_structure((1, [2])).flatten_up_to(((1, 2), [[3]])),
    "child": lambda p: p.tree_structure((1, [2])).child(1),
    "context": lambda p: [p.tree_structure(tree).context for tree in ((1,), {"a": 1}, deque([1], 2), Pair(1, 2))],
    "too few leaves": lambda p: p.tree_unflatten([1], p.tree_structure([1, 2])),
    "too many leaves": lambda p: p.tree_unflatten([1, 2, 3], p.tree_structure([1, 2])),
    "no structure": lambda p: p.tree_unflatten([1], [2]),
    "another class": lambda p: p.tree_map(max, [1, 2], (3, 4)),
    "no container": lambda p: p.tree_map(max, [1, 2], 3),
    "another length": lambda p: p.tree_map(max, [1, 2], [3]),
    "other keys": lambda p: p.tree_map(max, {"a": 1, "b": 2}, {"a": 1, "c": 2}),
    "a leaf": lambda p: p.tree_structure(1).unflatten([]),
}


def outcome(name: str, library: str) -> str:
    try:
        return str(CASES[name](importlib.import_module(f"{library}.utils._pytree")))
    except (TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("name", CASES)
def test_same_as_pytorch(name: str) -> None:
    assert outcome(name, "flambeau") == outcome(name, "torch")


def test_a_class_of_ones_own() -> None:
    for library in ("torch", "flambeau"):
        tree = importlib.import_module(f"{library}.utils._pytree")

        class Box:
            def __init__(self, *items: Any) -> None:
                self.items = items

        kind: Any = Box
        tree.register_pytree_node(kind, lambda box: (box.items, "note"), lambda items, context, kind=kind: kind(*items))
        assert tree.tree_leaves([kind(1, (2,))]) == [1, 2]
        assert str(tree.tree_structure(kind(1))) == "TreeSpec(Box, note, [*])"
        assert tree.tree_map(lambda x: x + 1, kind(1, 2)).items == (2, 3)
        with pytest.raises(ValueError, match="Box'> is already registered as pytree node"):
            tree.register_pytree_node(kind, list, list)
        with pytest.raises(ValueError, match=r"^Type mismatch; expected <class '.*Box'>, but got <class 'list'>\.$"):
            tree.tree_map(max, kind(1), [1])
