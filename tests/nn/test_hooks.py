"""Hooks: order, replacement, removal; every case against PyTorch is in tests/parity."""

import pytest

import flambeau as torch
from flambeau import nn
from flambeau.nn.modules import module as global_hooks


class Times(nn.Module):
    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor([2.0, 2.0]))

    def forward(self, x):
        return x * self.factor


def test_order_of_a_step():
    log = []
    net = Times()
    net.register_forward_pre_hook(lambda *_: log.append("pre"))
    net.register_forward_hook(lambda *_: log.append("forward"))
    net.register_full_backward_pre_hook(lambda *_: log.append("backward pre"))
    net.register_full_backward_hook(lambda *_: log.append("backward"))
    out = net(torch.ones(2, requires_grad=True))
    assert log == ["pre", "forward"]
    out.sum().backward()
    assert log == ["pre", "forward", "backward pre", "backward"]


def test_values_returned_take_the_place_of_arguments_and_result():
    net = Times()
    net.register_forward_pre_hook(lambda module, args: (args[0] * 10,))
    net.register_forward_hook(lambda module, args, out: out + args[0])
    assert net(torch.ones(2)).tolist() == [30.0, 30.0]


def test_backward_hooks_see_and_replace_gradients():
    net = Times()
    seen = []
    net.register_full_backward_pre_hook(lambda module, grads: (grads[0] * 3,))
    net.register_full_backward_hook(lambda module, ins, outs: seen.append((ins[0].tolist(), outs[0].tolist())))
    net.register_full_backward_hook(lambda module, ins, outs: (ins[0] * 0,))
    x = torch.ones(2, requires_grad=True)
    out = net(x)
    assert out.grad_fn.name() == "BackwardHookFunctionBackward"
    out.sum().backward()
    assert seen == [([6.0, 6.0], [3.0, 3.0])]
    assert x.grad.tolist() == [0.0, 0.0]
    assert net.factor.grad.tolist() == [3.0, 3.0]


def test_removal():
    net = Times()
    with net.register_forward_hook(lambda *_: 5, always_call=True, with_kwargs=True):
        assert net(torch.ones(2)) == 5
    assert net(torch.ones(2)).tolist() == [2.0, 2.0]
    assert not net._forward_hooks
    assert not net._forward_hooks_always_called
    assert not net._forward_hooks_with_kwargs


def test_global_hooks_run_first():
    log = []
    net = Times()
    net.register_forward_pre_hook(lambda *_: log.append("own"))
    handle = global_hooks.register_module_forward_pre_hook(lambda *_: log.append("global"))
    try:
        net(torch.ones(2))
    finally:
        handle.remove()
    net(torch.ones(2))
    assert log == ["global", "own", "own"]


def test_the_two_forms_of_backward_hooks_do_not_mix():
    net = Times()
    net.register_full_backward_hook(lambda *_: None)
    with pytest.raises(RuntimeError, match=r"^Cannot use both regular backward hooks and full backward hooks on a "):
        net.register_backward_hook(lambda *_: None)


def test_always_called_hooks_see_failures():
    class Bad(nn.Module):
        def forward(self, x):
            raise ValueError("no")

    net = Bad()
    seen = []
    net.register_forward_hook(lambda module, args, out: seen.append(out), always_call=True)
    with pytest.raises(ValueError, match=r"^no$"):
        net(1)
    assert seen == [None]
