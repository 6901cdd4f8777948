"""Renaming: rules by which the paths of a ``state_dict`` become those of a module, found from paths and shapes alone.

A rule replaces a piece of text in a path that stands between dots, ``^.encoder.0.weight.``, where ``^`` is the start.
Rules are taken from pairs of paths whose tensors have one shape; the one that explains most is taken first, and only
if no other that explains as many says something else.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import NamedTuple

from flambeau.base.shapes import Size

__all__ = ["Renaming", "renamings"]

_MOST_RULES = 4
_SAMPLE = (
    24  # paths that rules are taken from and tried on, so that big dictionaries take hardly longer than small ones
)
_NEAREST = 4  # partners that are tried for each
_TRIED = 8  # rules that are tried on all paths

Shapes = Mapping[str, Size]


class Rule(NamedTuple):
    """Text in a path between dots, and what it becomes; the simpler kinds of rules have lower ranks."""

    rank: int
    old: str
    new: str

    def apply(self, path: str) -> str | None:
        """The path renamed, or None where the rule says nothing of it."""
        dotted = f"^.{path}."
        renamed = dotted.replace(self.old, self.new, 1)
        return None if renamed == dotted else renamed[2:-1]


class Renaming(NamedTuple):
    """A rule's texts, and the paths it explains with their new names."""

    old: str
    new: str
    pairs: dict[str, str]


def renamings(strange: Sequence[str], absent: Sequence[str], given: Shapes, model: Shapes) -> list[Renaming]:
    """Rules that turn strange paths of a dictionary into absent ones of a module, the strongest first.

    Args:
        strange: paths that only the dictionary has.
        absent: paths that only the module has.
        given: shapes of the dictionary's tensors.
        model: shapes of the module's.
    """
    found: list[Renaming] = []
    left, wanted = list(strange), list(absent)
    for _ in range(_MOST_RULES):
        best = _best(left, wanted, given, model) if left and wanted else None
        if best is None:
            break
        found.append(best)
        taken = set(best.pairs.values())
        left = [path for path in left if path not in best.pairs]
        wanted = [path for path in wanted if path not in taken]
    return found


def _best(left: list[str], wanted: list[str], given: Shapes, model: Shapes) -> Renaming | None:
    """The rule that explains most paths, unless another explains as many differently."""
    sample = _spread(left)
    targets = {path: model[path] for path in wanted}
    rules = {rule for old, new in _partners(sample, wanted, given, model) for rule in _rules(old, new)}
    tried = {rule: _explained(rule, sample, given, targets) for rule in rules}
    strongest = sorted((rule for rule in rules if tried[rule]), key=lambda rule: (-len(tried[rule]), _order(rule)))
    if len(sample) < len(left):
        tried = {rule: _explained(rule, left, given, targets) for rule in strongest[:_TRIED]}
        strongest = sorted(tried, key=lambda rule: (-len(tried[rule]), _order(rule)))
    for rule in strongest:
        pairs = tried[rule]
        rivals = (tried[other] for other in strongest if other != rule and len(tried[other]) >= len(pairs))
        if not any(_disagree(pairs, other) for other in rivals):
            return Renaming(rule.old, rule.new, pairs)
    return None


def _spread(paths: list[str]) -> list[str]:
    """A few of many paths: by chance, lest a regularity of theirs be missed, but always the same."""
    return paths if len(paths) <= _SAMPLE else [paths[place] for place in Random(0).sample(range(len(paths)), _SAMPLE)]


def _order(rule: Rule) -> tuple[int, int, str, str]:
    """Simpler rules first."""
    return rule.rank, len(rule.old) + len(rule.new), rule.old, rule.new


def _explained(rule: Rule, paths: Iterable[str], given: Shapes, targets: Shapes) -> dict[str, str]:
    """Paths that a rule turns into absent ones of the same shape; none if it names two the same."""
    pairs: dict[str, str] = {}
    for path in paths:
        new = rule.apply(path)
        if new is not None and targets.get(new) == given[path]:
            pairs[path] = new
    return pairs if len(set(pairs.values())) == len(pairs) else {}


def _disagree(one: dict[str, str], other: dict[str, str]) -> bool:
    """Whether two rules give one path two names, or two paths one name."""
    back = {new: old for old, new in one.items()}
    return any(one.get(old, new) != new or back.get(new, old) != old for old, new in other.items())


def _partners(sample: list[str], wanted: list[str], given: Shapes, model: Shapes) -> Iterator[tuple[str, str]]:
    """Pairs of a path and one it may have become: alike in shape, and near in their ends or their beginnings."""
    near: dict[tuple[str, str], list[str]] = {}
    shaped: dict[Size, list[str]] = {}
    for path in wanted:
        shaped.setdefault(model[path], []).append(path)
        for key in _ends(path):
            near.setdefault(key, []).append(path)
    for path in sample:
        shape = given[path]
        several = shaped.get(shape, [])
        partners = dict.fromkeys(several if len(several) <= _NEAREST else ())
        for side in (0, 1):
            count = 0
            for key in _ends(path)[side::2]:
                for other in near.get(key, ())[: 4 * _NEAREST]:
                    if count < _NEAREST and model[other] == shape and other not in partners:
                        partners[other] = None
                        count += 1
        for other in partners:
            yield path, other


def _ends(path: str) -> list[tuple[str, str]]:
    """Ends and beginnings of a path, in whole names, in turn, the longest first."""
    names = path.split(".")
    found: list[tuple[str, str]] = []
    for count in range(min(len(names), 6), 0, -1):
        found += [("end", ".".join(names[-count:])), ("start", ".".join(names[:count]))]
    return found


def _rules(old: str, new: str) -> Iterator[Rule]:
    """Rules under which one path becomes another."""
    before, after = old.split("."), new.split(".")
    lead = _common(before, after)
    shared = before[:lead]
    tail = _common(before[lead:][::-1], after[lead:][::-1])
    rest = before[len(before) - tail :]
    one, other = ".".join(before[lead : len(before) - tail]), ".".join(after[lead : len(after) - tail])
    if not shared:
        yield Rule(0, f"^.{one}." if one else "^.", f"^.{other}." if other else "^.")
    if one and other:
        if shared and (one.isdigit() or other.isdigit()):
            one, other = f"{shared[-1]}.{one}", f"{shared[-1]}.{other}"
        yield Rule(1, f".{one}.", f".{other}.")
        yield from _inside(one, other)
        return
    if one:
        yield Rule(1, f".{one}.", ".")
    for name, around in ((rest[:1], "{1}.{0}"), (shared[-1:], "{0}.{1}")):
        if name:
            pieces = [around.format(name[0], text) if text else name[0] for text in (one, other)]
            yield Rule(3, f".{pieces[0]}.", f".{pieces[1]}.")


def _inside(old: str, new: str) -> Iterator[Rule]:
    """Rules about what differs inside of two names: ``linear1`` and ``fc1`` tell that ``linear`` becomes ``fc``."""
    lead = _common(old, new)
    left, old, new = old[:lead], old[lead:], new[lead:]
    tail = _common(old[::-1], new[::-1])
    right, old, new = old[len(old) - tail :], old[: len(old) - tail], new[: len(new) - tail]
    after = "." if not right else "" if old else right
    yield Rule(2, (left or ".") + old + after, (left or ".") + new + after)
    if left and old:
        yield Rule(4, old + after, new + after)


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many items two sequences have in common from their beginnings."""
    count = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        count += 1
    return count
