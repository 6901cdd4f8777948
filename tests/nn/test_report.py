"""What ``load_state_dict`` says would mend a failure: golden texts, and that following them does mend it."""

from collections import OrderedDict
from typing import Any

import pytest

import flambeau as torch
from flambeau import nn

CONSUME = "torch.nn.modules.utils.consume_prefix_in_state_dict_if_present"


def net(first="conv", second="norm", third="fc", classes=10):
    layers = {first: nn.Conv2d(1, 4, 3), second: nn.BatchNorm2d(4), third: nn.Linear(4, classes)}
    return nn.Sequential(OrderedDict(layers))


def inside(module, *path):
    """A module under a path of names."""
    for name in reversed(path):
        outer = nn.Module()
        outer.add_module(name, module)
        module = outer
    return module


def blocks(*names, count=3, size=4):
    return nn.ModuleList([nn.ModuleDict({name: nn.Linear(size, size) for name in names}) for _ in range(count)])


def prefixed(prefix, module):
    return {prefix + path: value for path, value in module.state_dict().items()}


def changed(module, path, change):
    state = module.state_dict()
    return {**state, path: change(state[path])}


def tied():
    module = nn.Sequential(OrderedDict(embed=nn.Embedding(5, 4), out=nn.Linear(4, 5, bias=False)))
    module.out.weight = module.embed.weight
    return module


def told(module, state, **options) -> list[str]:
    """The lines below PyTorch's own."""
    with pytest.raises(RuntimeError, match=r"^Error\(s\) in loading state_dict for ") as caught:
        module.load_state_dict(state, **options)
    lines = str(caught.value).split("\n\t")
    own = [line for line in lines if line.startswith("Fix: ")]
    assert lines[len(lines) - len(own) :] == own  # below all others
    return [line.removeprefix("Fix: ") for line in own]


def prefix_line(prefix, whose="every key of state_dict begins", state="state_dict"):
    return f'{whose} with "{prefix}", which the model\'s do not: call {CONSUME}({state}, "{prefix}") before loading.'


def consumed(model, state, prefix):
    torch.nn.modules.utils.consume_prefix_in_state_dict_if_present(state, prefix)
    return model.load_state_dict(state)


def evaluated(code):
    """Load what an expression of the advice makes of the state."""
    return lambda model, state: model.load_state_dict(eval(code, {"state_dict": state, "torch": torch}))


# A model, a state, the advice, and what following it is.
CASES: dict[str, Any] = {
    "module.": (
        net,
        lambda: prefixed("module.", net()),
        [prefix_line("module.")],
        lambda m, s: consumed(m, s, "module."),
    ),
    "_orig_mod.": (
        net,
        lambda: prefixed("_orig_mod.", net()),
        [prefix_line("_orig_mod.")],
        lambda m, s: consumed(m, s, "_orig_mod."),
    ),
    "both": (
        net,
        lambda: prefixed("module._orig_mod.", net()),
        [prefix_line("module._orig_mod.")],
        lambda m, s: consumed(m, s, "module._orig_mod."),
    ),
    "prefix beside other keys": (
        net,
        lambda: {**prefixed("model.", net()), "loss.weight": torch.ones(7)},
        [prefix_line("model.", whose="9 of 10 keys of state_dict begin")],
        None,
    ),
    "model under module.": (
        lambda: inside(net(), "module"),
        lambda: net().state_dict(),
        ["the model has all of this under model.module: call model.module.load_state_dict(state_dict)."],
        lambda m, s: m.module.load_state_dict(s),
    ),
    "model under _orig_mod.": (
        lambda: inside(net(), "_orig_mod"),
        lambda: net().state_dict(),
        ["the model has all of this under model._orig_mod: call model._orig_mod.load_state_dict(state_dict)."],
        lambda m, s: m._orig_mod.load_state_dict(s),
    ),
    "a part of the model": (
        lambda: nn.Sequential(OrderedDict(backbone=net(), head=nn.Linear(3, 3))),
        lambda: net().state_dict(),
        ["the model has all of this under model.backbone: call model.backbone.load_state_dict(state_dict)."],
        lambda m, s: m.backbone.load_state_dict(s),
    ),
    "inserted in the middle": (
        lambda: inside(nn.Linear(2, 2), "encoder", "layer"),
        lambda: inside(nn.Linear(2, 2), "encoder", "module", "layer").state_dict(),
        [
            '2 keys have other names in the model: "encoder.module.layer.weight" is "encoder.layer.weight", '
            '"encoder.module.layer.bias" is "encoder.layer.bias": pass {key.replace("module.", ""): value for key, '
            "value in state_dict.items()}."
        ],
        evaluated('{key.replace("module.", ""): value for key, value in state_dict.items()}'),
    ),
    "removed from the middle": (
        lambda: inside(nn.Linear(2, 2), "encoder", "module", "layer"),
        lambda: inside(nn.Linear(2, 2), "encoder", "layer").state_dict(),
        [
            '2 keys have other names in the model: "encoder.layer.weight" is "encoder.module.layer.weight", '
            '"encoder.layer.bias" is "encoder.module.layer.bias": pass {key.replace("layer.", "module.layer."): value '
            "for key, value in state_dict.items()}."
        ],
        evaluated('{key.replace("layer.", "module.layer."): value for key, value in state_dict.items()}'),
    ),
    "one layer renamed": (
        net,
        lambda: net(third="head").state_dict(),
        [
            '2 keys have other names in the model: "head.weight" is "fc.weight", "head.bias" is "fc.bias": pass '
            '{key.replace("head.", "fc."): value for key, value in state_dict.items()}.'
        ],
        evaluated('{key.replace("head.", "fc."): value for key, value in state_dict.items()}'),
    ),
    "one tensor renamed": (
        lambda: nn.ParameterDict({"scale": torch.ones(3), "shift": torch.ones(2)}),
        lambda: {"scale": torch.zeros(3), "offset": torch.zeros(2)},
        [
            '1 key has another name in the model: "offset" is "shift": pass {key.replace("offset", "shift"): value for '
            "key, value in state_dict.items()}."
        ],
        evaluated('{key.replace("offset", "shift"): value for key, value in state_dict.items()}'),
    ),
    "three layers renamed": (
        net,
        lambda: net("stem", "bn", "head").state_dict(),
        [
            '9 keys have other names in the model: "bn.weight" is "norm.weight", "bn.bias" is "norm.bias", '
            '"bn.running_mean" is "norm.running_mean" and 6 more: pass {key.replace("bn.", "norm.").replace("head.", '
            '"fc.").replace("stem.", "conv."): value for key, value in state_dict.items()}.'
        ],
        evaluated(
            '{key.replace("bn.", "norm.").replace("head.", "fc.").replace("stem.", "conv."): value for key, value in '
            "state_dict.items()}"
        ),
    ),
    "a name inside of many": (
        lambda: blocks("lin"),
        lambda: blocks("linear").state_dict(),
        [
            '6 keys have other names in the model: "0.linear.weight" is "0.lin.weight", "0.linear.bias" is '
            '"0.lin.bias", "1.linear.weight" is "1.lin.weight" and 3 more: pass {key.replace("linear.", "lin."): value '
            "for key, value in state_dict.items()}."
        ],
        evaluated('{key.replace("linear.", "lin."): value for key, value in state_dict.items()}'),
    ),
    "numbered names": (
        lambda: nn.Sequential(OrderedDict(fc1=nn.Linear(4, 4), fc2=nn.Linear(4, 4))),
        lambda: nn.Sequential(OrderedDict(linear1=nn.Linear(4, 4), linear2=nn.Linear(4, 4))).state_dict(),
        [
            '4 keys have other names in the model: "linear1.weight" is "fc1.weight", "linear1.bias" is "fc1.bias", '
            '"linear2.weight" is "fc2.weight" and 1 more: pass {key.replace("linear", "fc"): value for key, value in '
            "state_dict.items()}."
        ],
        evaluated('{key.replace("linear", "fc"): value for key, value in state_dict.items()}'),
    ),
    "transposed": (
        net,
        lambda: changed(net(), "fc.weight", lambda value: value.T),
        ['"fc.weight" is transposed: pass state_dict["fc.weight"].T.'],
        evaluated('{**state_dict, "fc.weight": state_dict["fc.weight"].T}'),
    ),
    "transposed kernel": (
        net,
        lambda: changed(net(), "conv.weight", lambda value: value.permute(2, 3, 1, 0)),
        ['"conv.weight" is transposed: pass state_dict["conv.weight"].permute(3, 2, 0, 1).'],
        evaluated('{**state_dict, "conv.weight": state_dict["conv.weight"].permute(3, 2, 0, 1)}'),
    ),
    "resized": (
        net,
        lambda: net(classes=1000).state_dict(),
        [
            '"fc" has another size in state_dict ([1000, 4] instead of [10, 4], [1000] instead of [10]): pass '
            'mismatched="skip" to keep the model\'s own values there, or give the model these sizes.'
        ],
        lambda m, s: m.load_state_dict(s, mismatched="skip"),
    ),
    "resized in several places": (
        lambda: blocks("a", "b", count=2),
        lambda: blocks("a", "b", count=2, size=3).state_dict(),
        [
            '"0.a", "0.b", "1.a" and 1 more have other sizes in state_dict ([3, 3] instead of [4, 4], [3] instead of '
            '[4], [3, 3] instead of [4, 4] and 5 more): pass mismatched="skip" to keep the model\'s own values there, '
            "or give the model these sizes."
        ],
        lambda m, s: m.load_state_dict(s, mismatched="skip"),
    ),
    "prefix and another size": (
        net,
        lambda: prefixed("module.", net(classes=7)),
        [prefix_line("module.")],
        None,
    ),
    **{
        f"under {key}": (
            net,
            lambda key=key: {"epoch": 3, key: net().state_dict(), "optimizer": {"state": {}, "param_groups": []}},
            [f'the state is under the key "{key}": pass state_dict["{key}"].'],
            evaluated(f'state_dict["{key}"]'),
        )
        for key in ("state_dict", "model", "model_state_dict", "net")
    },
    "under a key, with a prefix": (
        net,
        lambda: {"epoch": 3, "model": prefixed("module.", net())},
        [
            'the state is under the key "model": pass state_dict["model"].',
            prefix_line("module.", whose='every key of state_dict["model"] begins', state='state_dict["model"]'),
        ],
        lambda m, s: consumed(m, s["model"], "module."),
    ),
    "the better of two": (
        net,
        lambda: {"optimizer": {"conv.weight": torch.ones(4, 1, 3, 3)}, "model": net().state_dict()},
        ['the state is under the key "model": pass state_dict["model"].'],
        evaluated('state_dict["model"]'),
    ),
    "tied": (
        tied,
        lambda: {"embed.weight": torch.ones(5, 4)},
        ['"out.weight" is the same tensor as "embed.weight", which is there: pass strict=False.'],
        lambda m, s: m.load_state_dict(s, strict=False),
    ),
    "arrays": (
        lambda: nn.Linear(2, 2),
        lambda: {path: value.numpy() for path, value in nn.Linear(2, 2).state_dict().items()},
        ["the values are arrays of NumPy: pass {key: torch.as_tensor(value) for key, value in state_dict.items()}."],
        evaluated("{key: torch.as_tensor(value) for key, value in state_dict.items()}"),
    ),
    "nothing is given": (net, dict, [], None),
    "nothing fits": (net, lambda: {"a": torch.ones(9, 9), "b.c": torch.ones(8)}, [], None),
    "it may be either": (
        lambda: nn.Sequential(OrderedDict(a=nn.Linear(4, 4), b=nn.Linear(4, 4))),
        lambda: nn.Sequential(OrderedDict(x=nn.Linear(4, 4), y=nn.Linear(4, 4))).state_dict(),
        [],
        None,
    ),
    "more than is needed": (net, lambda: {**net().state_dict(), "step": 1, "extra": torch.ones(1)}, [], None),
}


@pytest.mark.parametrize("name", CASES)
def test_advice(name):
    make, given, lines, follow = CASES[name]
    assert told(make(), given()) == lines
    assert told(make(), OrderedDict(given())) == lines  # the same every time
    if follow is not None:
        model, state = make(), given()
        assert follow(model, state).unexpected_keys == []


def test_the_whole_text():
    with pytest.raises(RuntimeError, match="Error") as caught:
        nn.Linear(2, 2).load_state_dict({"module.weight": torch.ones(2, 2), "module.bias": torch.ones(2)})
    assert str(caught.value) == (
        'Error(s) in loading state_dict for Linear:\n\tMissing key(s) in state_dict: "weight", "bias". \n\tUnexpected '
        'key(s) in state_dict: "module.weight", "module.bias". \n\tFix: every key of state_dict begins with "module.", '
        "which the model's do not: call torch.nn.modules.utils.consume_prefix_in_state_dict_if_present(state_dict, "
        '"module.") before loading.'
    )


def test_without_strict_only_what_is_wrong_is_spoken_of():
    state = {**prefixed("module.", net()), "fc.weight": torch.ones(3, 3)}
    assert told(net(), state, strict=False) == [
        '"fc" has another size in state_dict ([3, 3] instead of [10, 4]): pass mismatched="skip" to keep the model\'s '
        "own values there, or give the model these sizes."
    ]


@pytest.mark.parametrize("names", [("lin", "outlin", "linear", "outlinear"), ("x", "outx", "y", "outy")])
def test_big_dictionaries(names):
    model, state = blocks(*names[:2], count=500, size=1), blocks(*names[2:], count=500, size=1).state_dict()
    (line,) = told(model, state)
    assert line.startswith("2000 keys have other names in the model: ")
    assert line.endswith(
        f'and 1997 more: pass {{key.replace("{names[2]}.", "{names[0]}."): value for key, value in '
        "state_dict.items()}."
    )
