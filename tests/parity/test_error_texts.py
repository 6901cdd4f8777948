"""Errors against PyTorch: class and whole text, one line a case.

Other tables hold more of them: modules, containers, hooks, schedulers and optimizers with all their outcomes, losses
and tensors with their operations.
"""

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest

import flambeau
from tests.parity.outcomes import outcome, torch

# T is the library, nn its nn, F nn.functional, O its optim, S its schedulers; x is a tensor of 2x3 ones, p a parameter
# of 2, l a Linear(2, 3), b a BatchNorm2d(2), s a Sequential of two Linears, o an SGD with lr 0.1, m an empty module.
MODULES = """
l.nope()
setattr(l, 'weight', 'text')
setattr(l, 'weight', l)
setattr(l, 'bias', [1.0])
setattr(l, 'new', nn.Parameter('text'))
setattr(s, '0', p.data)
setattr(b, 'running_mean', 3)
setattr(b, 'running_mean', [1.0])
delattr(l, 'missing')
l.register_parameter('weight', x)
l.register_parameter('in_features', p)
l.register_parameter('new', p * 2)
l.register_parameter('new', 'text')
l.register_parameter(None, p)
l.register_buffer('new', 'text')
l.register_buffer('new', [1.0])
l.add_module('new', nn.Linear)
m.get_submodule('nope')
s.get_submodule('0.nope')
s.get_parameter('5.weight')
s.get_parameter('0')
b.get_buffer('nope')
s.set_submodule('nope', m, strict=True)
s.set_submodule('0', 'text')
nn.Module(size=3)
m.to(T.int64)
l.to(T.uint8)
l.to(dtype=T.bool)
l.type('nothing')
m.requires_grad_('a', 'b')
l.to_empty()
nn.Linear(2, 2, device='meta').weight.item()
m.apply()
m.register_forward_hook()
s[-3]
s.insert(9, m)
s * -1
nn.ModuleList([m]).pop(4)
nn.ModuleDict({'a': m})['b']
nn.ParameterList([x]).extend(x)
nn.ParameterDict({'a': x})['b']
nn.ParameterDict().update([('a', x, x)])
"""

PARAMETERS = """
nn.Parameter(3.0)
nn.Parameter(x, True, 3)
nn.Parameter(x, nope=1)
setattr(p, 'grad', 3)
setattr(p, 'grad', T.ones(3))
setattr(p, 'grad', T.ones(2).double())
setattr(p * 2, 'requires_grad', False)
T.ones(2, dtype=T.int64).requires_grad_()
p.backward()
x.backward()
(p * 2).sum().backward(T.ones(3))
[(q.backward(), q.backward()) for q in [(p * p).sum()]]
p.numpy()
x.register_hook(print)
(p * 2).register_post_accumulate_grad_hook(print)
x.retain_grad()
p.add_(1)
p[0].fill_(3)
T.autograd.grad(p.sum(), x)
T.autograd.grad((p * 2).sum(), T.ones(2, requires_grad=True))
T.autograd.backward([p.sum()], inputs=[])
bool(p)
float(p)
p.item()
len(T.tensor(1.0))
p.detach_().requires_grad_().view(3)
copy.deepcopy(p * 2)
"""

STATE = """
l.load_state_dict(None)
l.load_state_dict({})
l.load_state_dict({'weight': x.T})
l.load_state_dict({'weight': x.T, 'bias': T.ones(3), 'more': x})
l.load_state_dict({'weight': x, 'bias': T.ones(3)})
l.load_state_dict({'weight': x, 'bias': T.ones(4)})
l.load_state_dict({'weight': 3, 'bias': 'text'})
l.load_state_dict({'weight': x.T, 'bias': T.ones(3), 'weight.more': x})
l.load_state_dict({'weight': [[1.0]], 'bias': None})
s.load_state_dict({'0.weight': x})
s.load_state_dict(l.state_dict())
s.load_state_dict({**s.state_dict(), '2.weight': x})
s.load_state_dict({'module.' + k: v for k, v in s.state_dict().items()})
b.load_state_dict({})
b.load_state_dict(b.state_dict(), 3, 4, 5)
b.load_state_dict({**b.state_dict(), 'running_mean': T.ones(3)})
b.load_state_dict({**b.state_dict(), 'num_batches_tracked': T.ones(2)})
l.load_state_dict({'weight': x.T, 'bias': T.ones(2, 2)}, assign=True)
nn.ModuleDict({'a': l}).load_state_dict({'b.weight': x})
nn.ParameterList([x]).load_state_dict({'1': x})
nn.BatchNorm2d(2, affine=False).load_state_dict({'weight': x})
nn.Sequential(b, nn.Sequential(l)).load_state_dict({'1.0.weight': x, '0.weight': x, 'z': x})
o.load_state_dict({'param_groups': [{'params': [0]}]})
o.load_state_dict(3)
"""

HOOKS = """
[l.register_forward_pre_hook(lambda *a: (1, 2, 3), with_kwargs=True), l(x)]
[l.register_forward_pre_hook(lambda m, a: ()), l(x)]
[l.register_forward_pre_hook(lambda m, a: (1, 2)), l(x)]
[l.register_forward_pre_hook(lambda m: None), l(x)]
[l.register_forward_hook(lambda m, a: None), l(x[:, :2])]
[l.register_load_state_dict_pre_hook(lambda *a: fail('pre')), l.load_state_dict(l.state_dict())]
[l.register_forward_hook(lambda *a: fail('hook')), l(x[:, :2])]
[l.register_forward_hook(lambda *a: fail('hook'), always_call=True), l(x)]
[p.register_hook(lambda g: 3), p.sum().backward()]
[p.register_hook(lambda g: g[:1]), p.sum().backward()]
[p.register_hook(lambda g: g.double()), p.sum().backward()]
[p.register_post_accumulate_grad_hook(lambda q: fail('after')), p.sum().backward()]
o.register_step_pre_hook()
[o.register_step_pre_hook(lambda *a: 3), o.step()]
l.register_forward_hook(print, 3)
l.register_forward_hook(print, nope=1)
"""

OPTIMIZERS = """
O.SGD()
O.SGD(None)
O.SGD([[p]])
O.SGD([{'params': p}, p])
O.SGD([p, {'params': p}])
O.SGD([p], lr='a')
O.SGD([p], lr=-0.1)
O.SGD([p], nope=1)
O.SGD([p], 0.1, 0.9, 0, 0, True, 7)
O.Adam([p], betas=(-0.1, 0.9))
O.Adam([p], betas=0.9)
O.Adam([p], betas=(0.9,))
O.AdamW([p], betas=(0.9, 2.0))
O.AdamW([p], eps=-1e-8)
O.AdamW([p], weight_decay=-0.01)
o.add_param_group(3)
O.Optimizer()
O.Optimizer([p])
o.step(1, 2, 3)
o.zero_grad(1, 2)
o.nope
"""

SCHEDULERS = """
S.StepLR()
S.StepLR(o)
S.StepLR(o, 0).step()
S.MultiStepLR(o)
S.MultiStepLR(o, [5, 3]).nope
S.ExponentialLR(o)
S.ExponentialLR(None, 0.5)
S.LambdaLR(o)
S.LambdaLR(o, [abs, abs])
S.LambdaLR(o, 3)
S.PolynomialLR('text')
S.CosineAnnealingLR(o)
S.CosineAnnealingWarmRestarts(o, 1.5)
S.CosineAnnealingWarmRestarts(o, 2, T_mult=1.5)
S.CyclicLR(o, 0.1)
S.CyclicLR(o, [0.1, 0.1], 1)
S.OneCycleLR(o, 1, total_steps=-1)
S.OneCycleLR(o, 1, total_steps='a')
S.OneCycleLR(o, 1, epochs=-1, steps_per_epoch=2)
S.OneCycleLR(o, 1, epochs=2, steps_per_epoch=1.5)
S.OneCycleLR(o, 1, total_steps=5, pct_start=-1)
S.OneCycleLR(o, 1, total_steps=5, anneal_strategy='nope')
S.ReduceLROnPlateau(o, 'nope')
S.ReduceLROnPlateau(o, threshold_mode='nope')
S.ReduceLROnPlateau(o, min_lr=[1, 2])
S.ReduceLROnPlateau(o).step()
S.ReduceLROnPlateau(o).step('a')
S.ChainedScheduler([3])
"""


def set_item(container, key, value):
    container[key] = value


def del_item(container, key):
    del container[key]


def fail(text):
    raise ValueError(text)


def evaluated(expression: str) -> Callable[[Any], Any]:
    """The expression as a function of the library, on fresh things."""

    def run(T: Any) -> Any:
        nn = T.nn
        p = nn.Parameter(T.ones(2))
        scope = {
            "T": T, "nn": nn, "F": nn.functional, "O": T.optim, "S": T.optim.lr_scheduler, "copy": copy,
            "x": T.ones(2, 3), "p": p, "l": nn.Linear(2, 3), "b": nn.BatchNorm2d(2),
            "s": nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)), "o": T.optim.SGD([p], lr=0.1), "m": nn.Module(),
            "set_item": set_item, "del_item": del_item, "fail": fail,
        }  # fmt: skip
        return eval(expression, scope)

    return run


def lines(*tables: str) -> list[str]:
    """The cases of some tables."""
    return [line for table in tables for line in table.strip().splitlines()]


def same_error(expression: str) -> None:
    """Assert that both libraries raise an error of one class with one text."""
    found, expected = (outcome(library, evaluated(expression))[0] for library in (flambeau, torch))
    assert found == expected, f"\nfound    {found}\nexpected {expected}"
    assert isinstance(expected, str), "PyTorch raises nothing"
    assert re.match(r"[A-Z]\w+(Error|Exception)\b", expected), "PyTorch raises nothing"


@pytest.mark.parametrize("expression", lines(MODULES, PARAMETERS, STATE, HOOKS, OPTIMIZERS, SCHEDULERS))
def test_error(expression: str) -> None:
    same_error(expression)
