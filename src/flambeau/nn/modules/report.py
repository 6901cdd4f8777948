"""Report: what would mend a ``load_state_dict`` that failed, found by comparing the paths and shapes of both sides."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

import numpy as np

from flambeau.base.shapes import Size
from flambeau.nn.modules.renaming import Renaming, renamings
from flambeau.nn.parameter import is_lazy
from flambeau.tensors.tensor import Tensor

__all__ = ["remedies"]

_FIX = "Fix: "
_CONSUME = "torch.nn.modules.utils.consume_prefix_in_state_dict_if_present"
_SHOWN = 3

# Orders of axes that other libraries keep weights in, and how to get PyTorch's.
_TRANSPOSED: tuple[tuple[tuple[int, ...], str], ...] = (
    ((1, 0), ".T"),
    ((2, 1, 0), ".permute(2, 1, 0)"),
    ((3, 2, 0, 1), ".permute(3, 2, 0, 1)"),
)

Shapes = Mapping[str, Size]


def remedies(
    module: Any, state: Mapping[str, Any], missing: list[str], unexpected: list[str], mismatched: bool
) -> list[str]:
    """Lines that say what would mend a failed load; none where nothing is certain.

    Args:
        module: what the state is loaded into.
        state: the dictionary.
        missing: paths of the module that the dictionary lacks, as far as they are errors.
        unexpected: paths of the dictionary that the module lacks, as far as they are errors.
        mismatched: whether other shapes are errors.
    """
    members = _members(module)
    model = {path: member.shape for path, member in members.items()}
    given = _shapes(state)
    absent = [path for path in model if path not in state] if missing or unexpected else []
    strange = [path for path in unexpected if path in given]
    lines = [
        *_tied(members, given, missing),
        *_nested(module, state, unexpected, absent, model),
        *_told(module, renamings(strange, absent, given, model), given, model, "state_dict"),
        *(_transposed(given, model) + _resized(given, model) if mismatched else ()),
        *_arrays(state),
    ]
    return [_FIX + line for line in lines]


def _members(module: Any) -> dict[str, Tensor]:
    """All that a module gives and takes, by path."""
    found: dict[str, Tensor] = {}
    for prefix, part in module.named_modules(remove_duplicate=False):
        before = prefix + "." if prefix else ""
        temporary = part._non_persistent_buffers_set
        for members in (part._parameters, part._buffers):
            found.update(
                {
                    before + name: member
                    for name, member in members.items()
                    if member is not None and name not in temporary and not is_lazy(member)
                }
            )
    return found


def _shapes(state: Mapping[str, Any]) -> dict[str, Size]:
    """Shapes of a dictionary's tensors, by path."""
    return {path: value.shape for path, value in state.items() if isinstance(value, Tensor) and not is_lazy(value)}


def _listed(items: Iterable[str]) -> str:
    """The first few of some texts."""
    several = list(items)
    shown = ", ".join(several[:_SHOWN])
    return shown if len(several) <= _SHOWN else f"{shown} and {len(several) - _SHOWN} more"


def _tied(members: Mapping[str, Tensor], given: Shapes, missing: list[str]) -> list[str]:
    """If all that is missing is there under another name of the same tensor."""
    if not missing or not given:
        return []
    there = {id(member): path for path, member in members.items() if path in given}
    names = {path: there.get(id(members.get(path))) for path in missing}
    if None in names.values():
        return []
    pairs = _listed(f'"{path}" is the same tensor as "{name}"' for path, name in names.items())
    return [f"{pairs}, which is there: pass strict=False."]


def _nested(
    module: Any, state: Mapping[str, Any], unexpected: list[str], absent: list[str], model: Shapes
) -> list[str]:
    """If the dictionary holds the state under one of its keys."""
    best: tuple[int, list[str]] = (0, [])
    for key in unexpected:
        inner = state.get(key)
        if not isinstance(inner, Mapping):
            continue
        given = _shapes(cast("Mapping[str, Any]", inner))
        lacking = [path for path in absent if path not in given]
        found = renamings([path for path in given if path not in model], lacking, given, model)
        explained = len(absent) - len(lacking) + sum(len(item.pairs) for item in found)
        if explained > best[0]:
            place = f'state_dict["{key}"]'
            lines = [f'the state is under the key "{key}": pass {place}.']
            best = explained, lines + _told(module, found, given, model, place)
    return best[1]


def _told(module: Any, found: list[Renaming], given: Shapes, model: Shapes, state: str) -> list[str]:
    """What to do about renamed paths."""
    lines: list[str] = []
    others: list[Renaming] = []
    for item in found:
        old, new = item.old.removeprefix("^."), item.new.removeprefix("^.")
        if item.new == "^.":
            begin = sum(path.startswith(old) for path in given)
            whose = "every key" if begin == len(given) else f"{begin} of {len(given)} keys"
            verb = "begins" if begin in (1, len(given)) else "begin"
            call = f'call {_CONSUME}({state}, "{old}") before loading'
            lines.append(f'{whose} of {state} {verb} with "{old}", which the model\'s do not: {call}.')
        elif item.old == "^." and all(new + path in model for path in given):
            place = f"model.{new[:-1]}"
            lines.append(f"the model has all of this under {place}: call {place}.load_state_dict({state}).")
        else:
            others.append(item)
    if others:
        lines.append(_other_names(others, given, state))
    return lines


def _other_names(found: list[Renaming], given: Shapes, state: str) -> str:
    """What to do about paths that have other names in the model."""
    pairs = {old: new for item in found for old, new in item.pairs.items()}
    count = "1 key has another name" if len(pairs) == 1 else f"{len(pairs)} keys have other names"
    shown = _listed(f'"{old}" is "{new}"' for old, new in pairs.items())
    replacements = [_replacement(item, given) for item in found]
    chain = "".join(f'.replace("{old}", "{new}")' for old, new in replacements)
    works = all(old for old, _ in replacements)
    works = works and all(_replaced(path, replacements) == pairs.get(path, path) for path in given)
    code = f": pass {{key{chain}: value for key, value in {state}.items()}}" if works else ""
    return f"{count} in the model: {shown}{code}."


def _replacement(found: Renaming, given: Shapes) -> tuple[str, str]:
    """The shortest texts by which ``str.replace`` does what a rule does; empty if none."""
    old, new = found.old.removeprefix("^."), found.new.removeprefix("^.")
    for one, other in ((old.lstrip("."), new.lstrip(".")), (old, new), (old.rstrip("."), new.rstrip("."))):
        if one and all(path.replace(one, other) == found.pairs.get(path, path) for path in given):
            return one, other
    return "", ""


def _replaced(path: str, replacements: list[tuple[str, str]]) -> str:
    for old, new in replacements:
        path = path.replace(old, new)
    return path


def _transposed(given: Shapes, model: Shapes) -> list[str]:
    """Tensors whose axes stand in another order."""
    lines: list[str] = []
    for axes, code in _TRANSPOSED:
        paths = [path for path in given if _is_transposed(given[path], model.get(path), axes)]
        if paths:
            several = "are" if len(paths) > 1 else "is"
            codes = _listed(f'state_dict["{path}"]{code}' for path in paths)
            lines.append(f"{_listed(_quoted(paths))} {several} transposed: pass {codes}.")
    return lines


def _is_transposed(found: Size, wanted: Size | None, axes: tuple[int, ...]) -> bool:
    return (
        wanted is not None
        and found != wanted
        and len(found) == len(axes) == len(wanted)
        and tuple(found[axis] for axis in axes) == wanted
    )


def _resized(given: Shapes, model: Shapes) -> list[str]:
    """Layers of another size, such as the last one of a classifier of other classes."""
    paths = [
        path
        for path, shape in given.items()
        if path in model
        and model[path] != shape
        and (model[path] or shape != (1,))
        and not any(_is_transposed(shape, model[path], axes) for axes, _ in _TRANSPOSED)
    ]
    if not paths:
        return []
    layers = dict.fromkeys(path.rpartition(".")[0] or path for path in paths)
    sizes = _listed(f"{list(given[path])} instead of {list(model[path])}" for path in paths)
    owner = f"{_listed(_quoted(layers))} {'has another size' if len(layers) == 1 else 'have other sizes'}"
    return [
        f'{owner} in state_dict ({sizes}): pass mismatched="skip" to keep the model\'s own values there, or give the '
        "model these sizes."
    ]


def _arrays(state: Mapping[str, Any]) -> list[str]:
    """If the values are arrays of NumPy."""
    if not any(isinstance(value, np.ndarray) for value in state.values()):
        return []
    return ["the values are arrays of NumPy: pass {key: torch.as_tensor(value) for key, value in state_dict.items()}."]


def _quoted(paths: Iterable[str]) -> list[str]:
    return [f'"{path}"' for path in paths]
