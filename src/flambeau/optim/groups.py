"""Parameter groups: what may be in one, checked in PyTorch's words."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from flambeau.tensors.tensor import Tensor

__all__ = ["REQUIRED", "as_groups", "checked_group"]


class _Required:
    """Stands for a setting that has no default."""

    def __repr__(self) -> str:
        return "<required parameter>"


REQUIRED = _Required()


def as_groups(params: Any) -> list[dict[str, Any]]:
    """The groups a user means: dictionaries as they are, tensors or pairs (name, tensor) as one group."""
    if isinstance(params, Tensor):
        raise TypeError(
            "params argument given to the optimizer should be an iterable of Tensors or dicts, but got " + params.type()
        )
    groups = list(params)
    if not groups:
        raise ValueError("optimizer got an empty parameter list")
    return groups if isinstance(groups[0], dict) else [{"params": groups}]


def checked_group(group: Any, defaults: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A group made ready: its tensors as a list, names apart, defaults filled in.

    Args:
        group: what the user gave; a dictionary is changed in place, as in PyTorch.
        defaults: settings for what the group does not say.
        others: the groups the optimizer has already.

    Raises:
        TypeError: the group or its parameters are of the wrong kind.
        ValueError: a parameter is not a leaf, is in another group, or only some parameters have names.
    """
    if not issubclass(type(group), dict):
        raise TypeError(f"param_group must be a dict, but got {type(group)}")
    entries = _entries(group["params"])
    group["params"], names = _split(entries)
    if names:
        group["param_names"] = names
    _check_names(group, others)
    _check_tensors(group["params"])
    for name, default in defaults.items():
        if default is REQUIRED and name not in group:
            raise ValueError(f"parameter group didn't specify a value of required optimization parameter {name}")
        group.setdefault(name, default)
    if len(group["params"]) != len(set(group["params"])):
        warnings.warn(
            "optimizer contains a parameter group with duplicate parameters; in future, this will cause an error; "
            "see github.com/pytorch/pytorch/issues/40967 for more information",
            stacklevel=4,
        )
    _check_against(group, others)
    return group


def _entries(params: Any) -> list[Any]:
    if isinstance(params, Tensor):
        return [params]
    if isinstance(params, set):
        raise TypeError(
            "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in sets "
            "will change between runs. Please use a list instead."
        )
    return list(params)


def _check_names(group: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> None:
    """All groups have names, or none has."""
    if others and ("param_names" in group) != ("param_names" in others[0]):
        mine = "with names" if "param_names" in group else "without names"
        raise ValueError(
            f"all optimizer param groups should be with/without names. cannot add param group {mine} to the optimizer"
        )


def _split(entries: Iterable[Any]) -> tuple[list[Any], list[str]]:
    """Tensors and names of a group whose entries are tensors, or pairs (name, tensor)."""
    entries = list(entries)
    named = [isinstance(entry, tuple) for entry in entries]
    if not any(named):
        return entries, []
    if not all(named):
        raise ValueError("all optimizer params should be with/without names. Some param names are missing")
    return [entry[1] for entry in entries], [entry[0] for entry in entries]


def _check_tensors(params: Sequence[Any]) -> None:
    for param in params:
        if not isinstance(param, Tensor):
            raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {_typename(param)}")
        if not (param.is_leaf or param.retains_grad):
            raise ValueError("can't optimize a non-leaf Tensor")


def _typename(value: Any) -> str:
    kind = cast("type[Any]", type(value))
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _check_against(group: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> None:
    """Check a group against those that are there: no parameter twice."""
    taken = {param for other in others for param in other["params"]}
    if not taken.isdisjoint(group["params"]):
        raise ValueError("some parameters appear in more than one parameter group")
