"""An optimizer's state as a dictionary of plain values, and back."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, cast

from flambeau.dtypes.kinds import DTYPES
from flambeau.optim.matching import match
from flambeau.tensors.tensor import Tensor

__all__ = ["PER_ELEMENT", "packed", "unpacked"]

# What optimizers remember of every element of a parameter, and so in its shape.
PER_ELEMENT = frozenset(
    "acc_delta ax exp_avg exp_avg_sq exp_inf grad_avg max_exp_avg_sq momentum_buffer prev square_avg step_size sum "
    "variance".split()
)

# Names among them that an optimizer of the user's may well give to a single number.
COMMON_NAMES = frozenset(("step_size", "sum", "variance"))

# What Adafactor remembers of the rows and columns of a matrix: its shape with one length left out.
PER_LINE: dict[str, int] = {"row_var": -1, "col_var": -2}

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
        ValueError: the groups do not match, or what was saved for a parameter has another shape.
    """
    saved: list[Group] = deepcopy(state_dict["param_groups"])
    matched = match(saved, groups)
    state: dict[Any, Any] = {}
    for key, value in state_dict["state"].items():
        owner = matched.owners.get(key)
        if owner is not None:
            _check_shapes(value, owner[0], matched.names.get(key, key))
            state[owner[0]] = _fitted(value, *owner)
        elif key not in matched.names:
            state[key] = value
    kept = ("params", "param_names")
    return state, [
        {**(group if source is None else source), **{name: group[name] for name in kept if name in group}}
        for group, source in zip(groups, matched.settings, strict=True)
    ]


def _check_shapes(value: Any, param: Tensor, name: Any) -> None:
    """Refuse state of another shape than its parameter, which would fail, or worse, in the next step."""
    for kind in (PER_ELEMENT | PER_LINE.keys()) & value.keys() if isinstance(value, dict) else ():
        item = cast("dict[str, Any]", value)[kind]
        if not isinstance(item, Tensor) or (kind in COMMON_NAMES and item.dim() == 0):
            continue
        if tuple(item.shape) != _shape_of(kind, param):
            raise ValueError(
                f"loaded state dict: {kind!r} of parameter {name!r} has shape {tuple(item.shape)}, but the parameter "
                f"has shape {tuple(param.shape)}; nothing was loaded. Leave the parameter's entry out of 'state' to "
                "begin it anew"
            )


def _shape_of(kind: str, param: Tensor) -> tuple[int, ...]:
    """The shape of what is remembered of a parameter."""
    shape = list(param.shape)
    if kind in PER_LINE:
        if len(shape) < 2:
            return ()
        shape[PER_LINE[kind]] = 1
    return tuple(shape)


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
