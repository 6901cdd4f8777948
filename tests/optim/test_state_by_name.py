"""Optimizer state finds its parameter by name: reordered, grown, shrunk, regrouped and resized models."""

import warnings
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau.optim import SGD, Adam, Optimizer


def weight(*values: float) -> Any:
    return torch.tensor(np.array(values, np.float32), requires_grad=True)


def named(*groups: str, **settings: Any) -> SGD:
    """An optimizer with one group for each text, whose letters name parameters."""
    made = [{"params": [(name, weight(1.0)) for name in group]} for group in groups]
    return SGD(made, lr=0.1, momentum=0.9, **settings)


def stepped(optimizer: Optimizer) -> Any:
    """The optimizer after a step in which every parameter's gradient was told by its name."""
    for group in optimizer.param_groups:
        for name, param in zip(group["param_names"], group["params"], strict=True):
            param.grad = torch.full(tuple(param.shape), float(ord(name)))
    optimizer.step()
    return optimizer


def moments(optimizer: Optimizer) -> dict[str, str | None]:
    """For each parameter the name of the one whose gradient its momentum comes from."""
    found: dict[str, str | None] = {}
    for group in optimizer.param_groups:
        for name, param in zip(group["param_names"], group["params"], strict=True):
            buffer = optimizer.state[param].get("momentum_buffer")
            found[name] = None if buffer is None else chr(int(buffer.reshape(-1)[0].item()))
    return found


def own(names: str, new: str = "") -> dict[str, str | None]:
    return {name: None if name in new else name for name in names}


# Groups when saved, groups when loaded, parameters that begin anew, what is warned of.
CASES: dict[str, tuple[tuple[str, ...], tuple[str, ...], str, str | None]] = {
    "as saved": (("ab", "c"), ("ab", "c"), "", None),
    "reordered": (("abc",), ("cab",), "", None),
    "groups reordered": (("ab", "c"), ("c", "ab"), "", None),
    "grown": (("ac",), ("abc",), "b", r"begin anew \(\['b'\]\)"),
    "shrunk": (("abc",), ("ca",), "", r"left out \(\['b'\]\)"),
    "one group more": (("ab",), ("ab", "c"), "c", r"begin anew \(\['c'\]\)"),
    "regrouped": (("abc",), ("ca", "b"), "", "each group keeps the settings it has"),
    "merged": (("a", "b"), ("ab",), "", "each group keeps the settings it has"),
}


@pytest.mark.parametrize("case", CASES)
def test_each_moment_on_its_own_parameter(case: str) -> None:
    before, after, new, told = CASES[case]
    loaded = named(*after)
    saved = stepped(named(*before)).state_dict()
    if told is None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            loaded.load_state_dict(saved)
    else:
        with pytest.warns(UserWarning, match=told):
            loaded.load_state_dict(saved)
    assert moments(loaded) == own("".join(after), new)
    assert [group["param_names"] for group in loaded.param_groups] == [list(group) for group in after]
    stepped(loaded)


def test_settings_go_with_their_group() -> None:
    saved = named("ab", "c")
    saved.param_groups[0]["lr"], saved.param_groups[1]["lr"] = 0.3, 0.5
    loaded = named("c", "ba")
    loaded.load_state_dict(saved.state_dict())
    assert [group["lr"] for group in loaded.param_groups] == [0.5, 0.3]


def test_regrouped_settings_stay() -> None:
    loaded = named("a", "b")
    loaded.param_groups[1]["weight_decay"] = 0.5
    with pytest.warns(UserWarning, match="each group keeps the settings it has"):
        loaded.load_state_dict(named("ab").state_dict())
    assert [group["weight_decay"] for group in loaded.param_groups] == [0, 0.5]


def test_no_name_in_common_goes_by_position() -> None:
    loaded = named("xy")
    with pytest.warns(UserWarning, match="so state is matched by position"):
        loaded.load_state_dict(stepped(named("ab")).state_dict())
    assert list(moments(loaded).values()) == ["a", "b"]
    with pytest.warns(UserWarning, match="by position"), pytest.raises(ValueError, match="match the size of"):
        loaded.load_state_dict(stepped(named("abc")).state_dict())


def test_files_without_names_go_by_position() -> None:
    saved = stepped(named("ab")).state_dict()
    for group in saved["param_groups"]:
        del group["param_names"]
    loaded = named("ba")
    loaded.load_state_dict(saved)
    assert moments(loaded) == {"b": "a", "a": "b"}


def test_another_shape_is_refused_by_name_and_nothing_changes() -> None:
    saved = Adam([("head", weight(1.0, 2.0))])
    saved.param_groups[0]["params"][0].grad = torch.ones(2)
    saved.step()
    param = weight(1.0)
    loaded = Adam([("head", param)])
    param.grad = torch.ones(1)
    loaded.step()
    before = loaded.state[param]["exp_avg"]
    expected = r"'exp_avg(_sq)?' of parameter 'head' has shape \(2,\), but the parameter has shape \(1,\)"
    with pytest.raises(ValueError, match=expected):
        loaded.load_state_dict(saved.state_dict())
    assert loaded.state[param]["exp_avg"] is before


def test_a_hook_that_raises_changes_nothing() -> None:
    def refuse(optimizer: Optimizer) -> None:
        raise ValueError("refused")

    loaded = named("a")
    loaded.register_load_state_dict_post_hook(refuse)
    with pytest.raises(ValueError, match="refused"):
        loaded.load_state_dict(stepped(named("a")).state_dict())
    assert moments(loaded) == {"a": None}
