"""An optimizer's state as a dictionary of plain values, and back."""

import warnings
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, cast

from flambeau.dtypes.kinds import DTYPES
from flambeau.tensors.tensor import Tensor

__all__ = ["packed", "unpacked"]

Group = dict[str, Any]


def packed(groups: Sequence[Group], state: Mapping[Any, Any]) -> dict[str, Any]:
    """Groups and state with an index in place of each parameter."""
    index: dict[Any, int] = {}
    places = 0
    packed_groups: list[Group] = []
    for group in groups:
        for place, param in enumerate(group["params"], places):
            index.setdefault(param, place)
        places += len(group["params"])
        settings = {name: value for name, value in group.items() if name != "params"}
        packed_groups.append({**settings, "params": [index[param] for param in group["params"]]})
    return {
        "state": {index[key] if isinstance(key, Tensor) else key: value for key, value in state.items()},
        "param_groups": packed_groups,
    }


def unpacked(state_dict: Mapping[str, Any], groups: Sequence[Group]) -> tuple[dict[Any, Any], list[Group]]:
    """State and groups of a packed dictionary, for these groups' parameters; nothing of theirs is changed.

    Raises:
        ValueError: the groups do not match.
    """
    saved_groups: list[Group] = deepcopy(state_dict["param_groups"])
    if len(groups) != len(saved_groups):
        raise ValueError("loaded state dict has a different number of parameter groups")
    if any(len(group["params"]) != len(saved["params"]) for group, saved in zip(groups, saved_groups, strict=True)):
        raise ValueError(
            "loaded state dict contains a parameter group that doesn't match the size of optimizer's group"
        )
    owner = _owners(saved_groups, groups)
    state: dict[Any, Any] = {}
    for key, value in state_dict["state"].items():
        param = owner.get(key)
        if param is None:
            state[key] = value
        else:
            state[param[0]] = _fitted(value, *param)
    kept = ("params", "param_names")
    return state, [
        {**saved, **{name: group[name] for name in kept if name in group}}
        for group, saved in zip(groups, saved_groups, strict=True)
    ]


def _owners(saved_groups: Sequence[Group], groups: Sequence[Group]) -> dict[Any, tuple[Tensor, Group]]:
    """For each index in a packed dictionary, the parameter it now stands for, and the settings saved with it.

    By name where both sides have names; PyTorch goes by position even then, and gives a reordered model wrong state.
    """
    saved = [(key, group) for group in saved_groups for key in group["params"]]
    params: list[Tensor] = [param for group in groups for param in group["params"]]
    old_names, new_names = _names(saved_groups), _names(groups)
    if old_names is not None and new_names is not None and old_names != new_names:
        if sorted(old_names) == sorted(new_names):
            by_name = dict(zip(new_names, params, strict=True))
            params = [by_name[name] for name in old_names]
        else:
            missing = sorted(set(new_names) - set(old_names))
            unexpected = sorted(set(old_names) - set(new_names))
            warnings.warn(
                f"the names in the loaded state dict are not this optimizer's (missing: {missing}, unexpected: "
                f"{unexpected}), so state is matched by position; rename the entries of 'param_names' to match by name",
                stacklevel=4,
            )
    return {key: (param, group) for (key, group), param in zip(saved, params, strict=True)}


def _names(groups: Sequence[Group]) -> list[str] | None:
    """The names of all parameters; None unless each has one of its own."""
    if not all("param_names" in group for group in groups):
        return None
    names = [name for group in groups for name in group["param_names"]]
    return names if len(names) == len(set(names)) else None


def _fitted(value: Any, param: Tensor, group: Group, key: Any = None) -> Any:
    """State with its tensors in the parameter's type and place; a count of steps keeps its own."""
    if isinstance(value, Tensor):
        if key == "step":
            if group.get("capturable") or group.get("fused"):
                return value.to(dtype=DTYPES["float32"], device=param.device)
            return value
        if param.is_floating_point():
            return value.to(dtype=param.dtype, device=param.device)
        return value.to(device=param.device)
    kind = cast("Any", type(value))
    if issubclass(kind, Mapping):
        return {name: _fitted(item, param, group, name) for name, item in value.items()}
    if issubclass(kind, (list, tuple)):
        return cast("Any", kind)(_fitted(item, param, group, key) for item in value)
    return value
