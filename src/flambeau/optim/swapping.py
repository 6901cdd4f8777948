"""``swap_in_optimizer_params_and_state``: an optimizer that works on other parameters for a while."""

from collections import defaultdict
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from flambeau.optim.optimizer import Optimizer
from flambeau.tensors.tensor import Tensor

__all__ = ["swap_in_optimizer_params_and_state"]

_NAME = "swap_in_optimizer_params_and_state requires"


@contextmanager
def swap_in_optimizer_params_and_state(
    optimizer: Optimizer, swapin_parameters: Mapping[str, Tensor], swapin_optim_state: dict[str, Any]
) -> Generator[None]:
    """Inside ``with``, the optimizer has these parameters, state and settings; afterwards its own again.

    ``load_state_dict`` replaces state and settings for good, and leaves the parameters. Tensors of the given state are
    changed in place; what is put into it anew inside is forgotten.

    Args:
        optimizer: an optimizer that has state.
        swapin_parameters: parameters by name, in the order of the optimizer's own.
        swapin_optim_state: what ``state_dict`` of such an optimizer returns.

    Raises:
        RuntimeError: the optimizer has no state yet, or what is given does not fit it; nothing is swapped then.

    Example:
        >>> import flambeau as torch
        >>> weight = torch.ones(2, requires_grad=True)
        >>> optimizer = torch.optim.SGD([weight], lr=0.5, momentum=0.5)
        >>> weight.grad = torch.ones(2)
        >>> optimizer.step()
        >>> other = torch.zeros(2, requires_grad=True)
        >>> other.grad = torch.ones(2)
        >>> state = optimizer.state_dict()
        >>> with torch.optim.swap_in_optimizer_params_and_state(optimizer, {"weight": other}, state):
        ...     optimizer.step()
        >>> other.tolist(), weight.tolist()
        ([-0.75, -0.75], [0.5, 0.5])

    Source: https://docs.pytorch.org/docs/stable/optim.html
    """
    state, groups, params = _checked(optimizer, swapin_parameters, swapin_optim_state)
    before = optimizer.state, [dict(group) for group in optimizer.param_groups]
    swapped: defaultdict[Any, Any] = defaultdict(dict)
    for group, given, mine in zip(optimizer.param_groups, groups, params, strict=True):
        group.update(given, params=mine)
        for param, index in zip(mine, given["params"], strict=True):
            swapped[param] = dict(state.get(index, {}))
    optimizer.state = swapped
    try:
        yield
    finally:
        for group, own in zip(optimizer.param_groups, before[1], strict=True):
            group.clear()
            group.update(own)
        optimizer.state = before[0]


def _checked(
    optimizer: Optimizer, parameters: Mapping[str, Tensor], given: Any
) -> tuple[dict[Any, Any], list[dict[str, Any]], list[list[Tensor]]]:
    """State, groups, and each group's parameters; raises RuntimeError, in PyTorch's words, if they do not fit."""
    if not optimizer.state:
        raise RuntimeError(f"{_NAME} initialized optimizer state.")
    if not isinstance(given, dict):
        raise RuntimeError(f"{_NAME} a DCP-style optimizer state_dict.")
    found = cast("dict[str, Any]", given)
    state = _checked_state(found.get("state"))
    groups = _checked_groups(optimizer, found.get("param_groups"))
    tensors = list(parameters.values())
    params: list[list[Tensor]] = []
    for index, (own, group) in enumerate(zip(optimizer.param_groups, groups, strict=True)):
        count = len(_checked_indexes(index, own, group))
        if count > len(tensors):
            raise RuntimeError(f"{_NAME} the explicit parameter state to match optimizer.param_groups ordering.")
        params.append(tensors[:count])
        del tensors[:count]
    known = {key for group in groups for key in group["params"]}
    extra = [key for key in state if key not in known]
    if extra:
        raise RuntimeError(
            f"{_NAME} swapin_optim_state['state'] to be keyed only by packed parameter ids from "
            f"param_groups[*]['params']; got extra keys {extra!r}."
        )
    return state, groups, params


def _checked_state(state: Any) -> dict[Any, Any]:
    if not isinstance(state, dict):
        raise RuntimeError(
            f"{_NAME} swapin_optim_state['state'] to be a dict mapping packed parameter ids to per-param state dicts, "
            f"got {type(state).__name__}."
        )
    found = cast("dict[Any, Any]", state)
    if any(isinstance(key, Tensor) for key in found):
        raise RuntimeError(f"{_NAME} optimizer.state_dict()-style state keyed by packed parameter ids.")
    if any(isinstance(key, int) and not isinstance(value, dict) for key, value in found.items()):
        raise RuntimeError(f"{_NAME} per-parameter optimizer state entries to be dictionaries.")
    return found


def _checked_groups(optimizer: Optimizer, groups: Any) -> list[dict[str, Any]]:
    if not isinstance(groups, list):
        raise RuntimeError(
            f"{_NAME} swapin_optim_state['param_groups'] to be a list of param-group dicts, got "
            f"{type(groups).__name__}."
        )
    found = cast("list[dict[str, Any]]", groups)
    if len(found) != len(optimizer.param_groups):
        raise RuntimeError("swapin_optim_state has a different number of parameter groups than the live optimizer.")
    return found


def _checked_indexes(index: int, own: dict[str, Any], group: Any) -> list[int]:
    """The indexes of a group's parameters."""
    if not isinstance(group, dict):
        raise RuntimeError(f"{_NAME} each optimizer param group to be a dictionary.")
    found = cast("dict[str, Any]", group)
    indexes: Any = found.get("params")
    if not isinstance(indexes, list) or not all(isinstance(item, int) for item in cast("list[Any]", indexes)):
        raise RuntimeError(
            f"{_NAME} optimizer.state_dict()-style param_groups[*]['params'] entries keyed by packed parameter ids."
        )
    result = cast("list[int]", indexes)
    if len(own["params"]) != len(result):
        raise RuntimeError(
            f"swapin_optim_state param group {index} has a different number of params than the live optimizer param "
            "group."
        )
    given_only, own_only = [key for key in found if key not in own], [key for key in own if key not in found]
    if given_only or own_only:
        raise RuntimeError(
            f"{_NAME} optimizer.state_dict()-style param group keys to exactly match the live optimizer group keys for "
            f"group {index}. Keys only in swap-in: {given_only}. Keys only in live: {own_only}."
        )
    return result
