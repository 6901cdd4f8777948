"""Report: what would mend a ``load_state_dict`` that failed, found by comparing the paths and shapes of both sides."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

import numpy as np

from flambeau.base.shapes import Size
from flambeau.nn.modules.renaming import Renaming, renamings
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


def remedies(module: Any, state: Mapping[str, Any], missing: list[str], unexpected: list[str]) -> list[str]:
    """Lines that say what would mend a failed load; none where nothing is certain.

    Args:
        module: what the state is loaded into.
        state: the dictionary.
        missing: paths of the module that the dictionary lacks.
        unexpected: paths of the dictionary that the module lacks.
    """
    members = _members(module)
    model = {path: member.shape for path, member in members.items()}
    given = _shapes(state)
    absent = [path for path in missing if path in model and path not in state]
    lines = [
        *_tied(members, given, missing),
        *_nested(module, state, unexpected, absent, model),
        *_renamed(module, [path for path in unexpected if path in given], absent, given, model),
        *_transposed(given, model),
        *_resized(given, model),
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
                    if member is not None and name not in temporary
                }
            )
    return found


def _shapes(state: Mapping[str, Any]) -> dict[str, Size]:
    """Shapes of a dictionary's tensors, by path."""
    return {path: value.shape for path, value in state.items() if isinstance(value, Tensor)}


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
            best = (
                explained,
                [
                    f'the state is under the key "{key}": pass {place}.',
                    *[_told(module, item, given, place) for item in found],
                ],
            )
    return best[1]


def _renamed(module: Any, strange: list[str], absent: list[str], given: Shapes, model: Shapes) -> list[str]:
    """If paths of the dictionary are those of the module under other names."""
    return [_told(module, item, given, "state_dict") for item in renamings(strange, absent, given, model)]


def _told(module: Any, found: Renaming, given: Shapes, state: str) -> str:
    """What to do about renamed paths."""
    old, new, pairs = found
    every = len(pairs) == len(given)
    if old.startswith("^.") and new == "^.":
        whose = "every key" if every else f"{len(pairs)} of {len(given)} keys"
        return f'{whose} of {state} begins with "{old[2:]}": call {_CONSUME}({state}, "{old[2:]}") before loading.'
    if old == "^." and every:
        path = new[2:-1]
        if path in dict(module.named_modules(remove_duplicate=False)):
            return f"{state} is that of model.{path}: call model.{path}.load_state_dict({state})."
    count = "1 key is" if len(pairs) == 1 else f"{len(pairs)} keys are"
    shown = _listed(f'"{before}" is "{after}"' for before, after in pairs.items())
    return f"{count} named otherwise: {shown}{_code(found, given, state)}."


def _code(found: Renaming, given: Shapes, state: str) -> str:
    """A line of Python that renames the paths, if a plain ``str.replace`` does it."""
    if found.old == "^.":
        if len(found.pairs) < len(given):
            return ""
        return f': pass {{"{found.new[2:]}" + key: value for key, value in {state}.items()}}'
    for dots in ("^.", "^", ""):
        old, new = (text.lstrip(dots) if dots else text for text in found[:2])
        trimmed = [(old, new), (old.rstrip("."), new.rstrip("."))]
        for one, other in trimmed:
            if one and all(path.replace(one, other) == found.pairs.get(path, path) for path in given):
                return f': pass {{key.replace("{one}", "{other}"): value for key, value in {state}.items()}}'
    return ""


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
    layers = dict.fromkeys(path.rpartition(".")[0] for path in paths)
    whose = ", ".join(f'"{layer}"' for layer in layers if layer)
    sizes = _listed(f"{list(given[path])} for {list(model[path])}" for path in paths)
    owner = f"{_listed(whose.split(', '))} has" if len(layers) == 1 and whose else "some layers have"
    if len(layers) > 1 and whose:
        owner = f"{_listed(whose.split(', '))} have"
    return [f'{owner} another size ({sizes}): pass mismatched="skip" to keep the model\'s own values there.']


def _arrays(state: Mapping[str, Any]) -> list[str]:
    """If the values are arrays of NumPy."""
    if not any(isinstance(value, np.ndarray) for value in state.values()):
        return []
    return ["the values are arrays of NumPy: pass {key: torch.as_tensor(value) for key, value in state_dict.items()}."]


def _quoted(paths: Iterable[str]) -> list[str]:
    return [f'"{path}"' for path in paths]
