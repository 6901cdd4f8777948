"""``rearrange``: dimensions reordered, merged and split, as a pattern of their names tells.

Source: https://einops.rocks/api/rearrange/
"""

import re
from collections.abc import Sequence
from math import prod
from typing import NamedTuple

from flambeau.tensors.joining import stack
from flambeau.tensors.tensor import Tensor

__all__ = ["rearrange"]

_TOKEN = re.compile(r"\.\.\.|[A-Za-z_]\w*|1|[()]|\s+")
_REST = "..."

Groups = list[list[str]]


class _Pattern(NamedTuple):
    """Both sides of a pattern: for each dimension, the names it is made of."""

    left: Groups
    right: Groups


def _side(text: str) -> Groups:
    """The dimensions of one side; raises ValueError for what is no pattern."""
    groups: Groups = []
    inside = False
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise ValueError(f"Unknown character '{text[place]}'")
        token, place = match.group(), match.end()
        if token.isspace():
            continue
        if token in "()":
            if inside is (token == "("):
                raise ValueError(f"Imbalanced parentheses in expression: '{text}'")
            inside = token == "("
            if inside:
                groups.append([])
            continue
        if token.startswith("_") or token.endswith("_"):
            rule = "axis name should should not start or end with underscore"
            raise ValueError(f"Invalid axis identifier: {token}\n{rule}")
        names = [] if token == "1" else [token]
        if inside:
            groups[-1].extend(names)
        else:
            groups.append(names)
    if inside:
        raise ValueError(f"Imbalanced parentheses in expression: '{text}'")
    return groups


def _names(groups: Groups) -> list[str]:
    """All names of one side; raises ValueError if one is there twice."""
    found = [name for group in groups for name in group]
    for name in found:
        if found.count(name) > 1:
            raise ValueError(f"Indexing expression contains duplicate dimension '{name}'")
    return found


def _parsed(pattern: str, sizes: dict[str, int]) -> _Pattern:
    """A pattern; raises ValueError where it makes no sense."""
    sides = pattern.split("->")
    if len(sides) != 2:
        raise ValueError("Pattern must contain a single '->' separator")
    left, right = _side(sides[0]), _side(sides[1])
    if any(_REST in group and len(group) > 1 for group in left) or re.search(r"\(\s*\.\.\.\s*\)", sides[0]):
        raise ValueError(f"Ellipsis is parenthesis in the left side is not allowed: {pattern}")
    single = set(_names(left)) ^ set(_names(right))
    if single:
        rule = "Identifiers only on one side of rearrange expression (should be on both)"
        raise ValueError(f"{rule}: {single}")
    unknown = set(sizes) - set(_names(left))
    if unknown:
        raise ValueError(f"Identifiers not found in rearrange expression: {unknown}")
    return _Pattern(left, right)


def _split(names: Sequence[str], size: int, sizes: dict[str, int]) -> None:
    """Work out the sizes of the names a dimension is made of; raises ValueError if that cannot be."""
    unknown = [name for name in names if name not in sizes]
    known = prod(sizes[name] for name in names if name in sizes)
    if len(unknown) > 1:
        raise ValueError(f"cannot infer the sizes of two dimensions at once {unknown[0]} and {unknown[1]}")
    if unknown and known and size % known == 0:
        sizes[unknown[0]] = size // known
    elif unknown:
        raise ValueError(f"inferred dimension does not evenly fit into larger dimension: {size} vs {known}")
    elif known != size:
        raise ValueError(f"Dimension sizes to do not match ({size} != {known}) when matching dimension {list(names)}")


def _check_rank(left: Groups, rank: int) -> None:
    several = any(_REST in group for group in left)
    count = len(left) - several
    if several and count > rank:
        rule = "must be less than or equal to the number of dimensions in the tensor"
        raise ValueError(f"Number of dimensions in pattern ({count}) {rule} ({rank})")
    if not several and count != rank:
        rule = "must be equal to the number of dimensions in the tensor"
        raise ValueError(f"Number of dimensions in pattern ({count}) {rule} ({rank})")


def rearrange(tensor: Tensor | list[Tensor] | tuple[Tensor, ...], pattern: str, **axes_lengths: int) -> Tensor:
    """Reorder, merge and split dimensions.

    Args:
        tensor: any shape; several of one shape are stacked first.
        pattern: the dimensions' names before and after, as ``"a b (c d) -> (a d) b c"``. Parentheses enclose what one
            dimension is made of, ``1`` and ``()`` are a dimension of size 1, ``...`` all dimensions not named.
        axes_lengths: sizes of names that do not follow from the shape.

    Raises:
        ValueError: the pattern makes no sense, or does not fit the shape.

    Example:
        >>> import flambeau as torch
        >>> torch.func.rearrange(torch.arange(6).view(2, 3), "a b -> b a")
        tensor([[0, 3],
                [1, 4],
                [2, 5]])

    Source: https://einops.rocks/api/rearrange/
    """
    x = tensor if isinstance(tensor, Tensor) else stack(list(tensor))
    sizes = dict(axes_lengths)
    left, right = _parsed(pattern, sizes)
    rank = len(x.shape)
    _check_rank(left, rank)
    rest = [f"{_REST}{index}" for index in range(rank - len(left) + 1)]  # names of the dimensions not named
    full = [part for group in left for part in ([[name] for name in rest] if group == [_REST] else [group])]
    for group, size in zip(full, x.shape, strict=True):
        _split(group, size, sizes)
    before = [name for group in full for name in group]
    wanted: Groups = []
    for group in right:
        if group == [_REST] and not re.search(r"\(\s*\.\.\.\s*\)", pattern):
            wanted.extend([name] for name in rest)
        else:
            wanted.append([part for name in group for part in (rest if name == _REST else [name])])
    order = [before.index(name) for group in wanted for name in group]
    parts = x.reshape([sizes[name] for name in before]).permute(order)
    return parts.reshape([prod(sizes[name] for name in group) for group in wanted])
