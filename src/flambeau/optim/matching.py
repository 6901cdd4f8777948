"""Which parameter each entry of a saved optimizer state belongs to: by name where both sides have names."""

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

from flambeau.tensors.tensor import Tensor

__all__ = ["Match", "match"]

Group = dict[str, Any]


class Match(NamedTuple):
    """How a saved state fits an optimizer.

    Attributes:
        owners: for each index in the saved state the parameter it stands for, with the group it was saved in.
        settings: for each of the optimizer's groups the saved group whose settings it takes; None keeps its own.
        names: the parameters' names, by index in the saved state; empty where it is matched by position.
    """

    owners: dict[Any, tuple[Tensor, Group]]
    settings: list[Group | None]
    names: dict[Any, str]


def match(saved: Sequence[Group], groups: Sequence[Group]) -> Match:
    """Match a saved state's groups with an optimizer's.

    Where both sides have names, each parameter takes what was saved under its own, in whatever order or group; PyTorch
    goes by position even then, and gives a reordered model the wrong state. Where none of the names agree, or a side
    has none, position decides.

    Raises:
        ValueError: position decides, and the groups differ in number or size.

    Warns:
        UserWarning: names are missing on one side, or the groups were formed anew, so that they keep their settings.
    """
    old, new = _names(saved), _names(groups)
    if old is None or new is None or old.keys().isdisjoint(new):
        if old is not None and new is not None and (old or new):
            _warn(
                f"none of the names in the loaded state dict (such as {next(iter(old), None)!r}) is one of this "
                f"optimizer's (such as {next(iter(new), None)!r}), so state is matched by position; rename the entries "
                "of 'param_names' to match by name"
            )
        return _by_position(saved, groups)
    return _by_name(saved, groups, old, new)


def _by_position(saved: Sequence[Group], groups: Sequence[Group]) -> Match:
    if len(groups) != len(saved):
        raise ValueError("loaded state dict has a different number of parameter groups")
    if any(len(group["params"]) != len(other["params"]) for group, other in zip(groups, saved, strict=True)):
        raise ValueError(
            "loaded state dict contains a parameter group that doesn't match the size of optimizer's group"
        )
    keys = [(key, group) for group in saved for key in group["params"]]
    params: list[Tensor] = [param for group in groups for param in group["params"]]
    owners = {key: (param, group) for (key, group), param in zip(keys, params, strict=True)}
    return Match(owners, list(saved), {})


def _by_name(saved: Sequence[Group], groups: Sequence[Group], old: dict[str, Any], new: dict[str, Any]) -> Match:
    missing, unexpected = [name for name in new if name not in old], [name for name in old if name not in new]
    if missing or unexpected:
        _warn(
            "the names in the loaded state dict are not all of this optimizer's: the rest is matched by name, "
            f"parameters without saved state begin anew ({missing}), and state without a parameter is left out "
            f"({unexpected})"
        )
    homes = {key: group for group in saved for key in group["params"]}
    owners = {key: (new[name], homes[key]) for name, key in old.items() if name in new}
    return Match(owners, _settings(saved, groups, set(missing)), {key: name for name, key in old.items()})


def _settings(saved: Sequence[Group], groups: Sequence[Group], fresh: set[str]) -> list[Group | None]:
    """For each group the saved one of the same parameters; none for all where the groups were formed anew."""
    homes = {name: number for number, group in enumerate(saved) for name in group["param_names"]}
    sources = [{homes[name] for name in group["param_names"] if name not in fresh} for group in groups]
    taken = [number for source in sources for number in source]
    if any(len(source) > 1 for source in sources) or len(taken) != len(set(taken)):
        _warn(
            "the parameter groups are not those of the loaded state dict: each parameter has taken its own state, and "
            "each group keeps the settings it has (lr, weight_decay, ...)"
        )
        return [None] * len(groups)
    return [saved[next(iter(source))] if source else None for source in sources]


def _names(groups: Sequence[Group]) -> dict[str, Any] | None:
    """The groups' parameters, or indexes, by name; None unless each has a name of its own."""
    if not all("param_names" in group for group in groups):
        return None
    pairs = [pair for group in groups for pair in zip(group["param_names"], group["params"], strict=False)]
    found = dict(pairs)
    return found if len(found) == len(pairs) == sum(len(group["params"]) for group in groups) else None


def _warn(text: str) -> None:
    warnings.warn(text, UserWarning, stacklevel=7)
