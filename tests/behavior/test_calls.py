"""Rows 79 to 93: calling a model, its hooks, train and eval, a step of training."""

import importlib
from typing import Any

import pytest

from tests.behavior.errors import raises
from tests.behavior.models import civil_net

MIXED = (
    "Cannot use both regular backward hooks and full backward hooks on a single Module. Please use only one of them."
)
EXPECTED = [0.029669, 0.040546, -4.1e-05, 0.096916, 0.021632, -0.10959, 0.126694, -0.113726, -0.117563, 0.000231]


def noting(log: list[Any], name: str) -> Any:
    return lambda *_: log.append(name)


def test_row_079_the_order_of_a_call(torch):
    log: list[str] = []

    class Net(torch.nn.Module):
        def forward(self, x):
            log.append("forward")
            return x * 2

    net = Net()
    net.register_forward_pre_hook(noting(log, "pre"))
    net.register_forward_hook(noting(log, "fwd"))
    net.register_full_backward_pre_hook(noting(log, "bwdpre"))
    net.register_full_backward_hook(noting(log, "bwd"))
    out = net(torch.ones(2, requires_grad=True))
    assert log == ["pre", "forward", "fwd"]
    out.sum().backward()
    assert log == ["pre", "forward", "fwd", "bwdpre", "bwd"]
    net.forward(torch.ones(2))
    assert log[5:] == ["forward"]


def test_row_080_a_pre_hook_may_replace_the_input(torch):
    layer = torch.nn.Linear(2, 2)
    with layer.register_forward_pre_hook(lambda module, args: (args[0] * 0,)):
        assert torch.equal(layer(torch.ones(1, 2))[0], layer.bias)
    with layer.register_forward_pre_hook(lambda module, args: args[0] * 0):
        assert torch.equal(layer(torch.ones(1, 2))[0], layer.bias)
    order: list[Any] = []
    layer.register_forward_pre_hook(noting(order, "later"))
    layer.register_forward_pre_hook(noting(order, "first"), prepend=True)
    layer.register_forward_pre_hook(lambda module, args, kwargs: order.append(kwargs), with_kwargs=True)
    layer(input=torch.ones(1, 2))
    assert [item if isinstance(item, str) else list(item) for item in order] == ["first", "later", ["input"]]


def test_row_081_which_layers_have_pre_hooks(torch):
    nn = torch.nn
    assert nn.BatchNorm2d(3)._forward_pre_hooks == {}
    assert len(nn.utils.spectral_norm(nn.Linear(2, 2))._forward_pre_hooks) == 1
    with pytest.warns(FutureWarning, match=r"`torch\.nn\.utils\.weight_norm` is deprecated in favor of"):
        layer = nn.utils.weight_norm(nn.Linear(2, 2))
    assert len(layer._forward_pre_hooks) == 1


def test_row_082_a_hook_may_replace_the_output(torch):
    m = torch.nn.Identity()
    m.register_forward_hook(lambda module, args, output: output * 7)
    assert m(torch.ones(1)).item() == 7.0
    order: list[Any] = []
    m.register_forward_hook(noting(order, "later"))
    m.register_forward_hook(noting(order, "first"), prepend=True)
    m.register_forward_hook(lambda module, args, kwargs, output: order.append("kwargs"), with_kwargs=True)
    m(torch.ones(1))
    assert order == ["first", "later", "kwargs"]
    bad = torch.nn.Module()
    bad.register_forward_hook(noting(order, "not called"))
    bad.register_forward_hook(noting(order, "always"), always_call=True)
    with raises(NotImplementedError, 'Module [Module] is missing the required "forward" function'):
        bad(1)
    assert order[3:] == ["always"]


def test_row_083_the_older_backward_hooks(torch):
    class Two(torch.nn.Module):
        def forward(self, x):
            return (x + 1) * 2

    log: list[str] = []
    older, full = Two(), Two()
    older.register_backward_hook(noting(log, "older"))
    text = r"^Using a non-full backward hook when the forward contains multiple autograd Nodes is deprecated and will "
    with pytest.warns(FutureWarning, match=text):
        out = older(torch.ones(2, requires_grad=True))
    out.sum().backward()
    assert log == ["older"]
    with raises(RuntimeError, MIXED):
        older.register_full_backward_hook(noting(log, "full"))
    full.register_full_backward_hook(noting(log, "full"))
    with raises(RuntimeError, MIXED):
        full.register_backward_hook(noting(log, "older"))


def test_row_084_without_hooks_a_call_is_forward(torch):
    net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3), torch.nn.ReLU()).eval()
    x = torch.randn(5, 4)
    assert torch.equal(net(x), net.forward(x))


def test_row_085_handles(torch):
    handles = importlib.import_module(f"{torch.__name__}.utils.hooks").RemovableHandle
    log: list[str] = []
    m = torch.nn.Identity()
    handle = m.register_forward_hook(noting(log, "hook"))
    assert type(handle) is handles
    m(torch.ones(1))
    handle.remove()
    handle.remove()
    m(torch.ones(1))
    with m.register_forward_pre_hook(noting(log, "inside")) as inside:
        assert type(inside) is handles
        m(torch.ones(1))
    m(torch.ones(1))
    assert log == ["hook", "inside"]
    assert (m._forward_hooks, m._forward_pre_hooks) == ({}, {})


def test_row_086_hooks_of_all_modules(torch):
    module = torch.nn.modules.module
    names = [name for name in module.__all__ if name.startswith("register_module_")]
    assert len(names) == 8
    log: list[str] = []
    m = torch.nn.Identity()
    m.register_forward_pre_hook(noting(log, "own pre"))
    m.register_forward_hook(noting(log, "own"))
    m.register_full_backward_pre_hook(noting(log, "own backward pre"))
    m.register_full_backward_hook(noting(log, "own backward"))
    handles = [
        module.register_module_forward_pre_hook(noting(log, "pre")),
        module.register_module_forward_hook(noting(log, "all")),
        module.register_module_full_backward_pre_hook(noting(log, "backward pre")),
        module.register_module_full_backward_hook(noting(log, "backward")),
        module.register_module_module_registration_hook(noting(log, "module")),
        module.register_module_parameter_registration_hook(noting(log, "parameter")),
        module.register_module_buffer_registration_hook(noting(log, "buffer")),
    ]
    try:
        m(torch.ones(1, requires_grad=True)).sum().backward()
        m.child, m.p, m.b = torch.nn.Module(), torch.nn.Parameter(torch.ones(1)), torch.nn.Buffer(torch.ones(1))
    finally:
        for handle in handles:
            handle.remove()
    assert log == [
        "pre", "own pre", "all", "own", "backward pre", "own backward pre", "backward", "own backward",
        "module", "parameter", "buffer",
    ]  # fmt: skip


def test_row_087_train_and_eval(torch):
    net = civil_net(torch)()
    x = torch.randn(1, 3, 32, 32)
    training = net(x)
    assert net.eval() is net
    assert [module.training for module in net.modules()] == [False] * 7
    assert torch.equal(net(x), training)
    assert net.train() is net
    assert [module.training for module in net.modules()] == [True] * 7
    with raises(ValueError, "training mode is expected to be boolean"):
        net.train(1)


def test_row_088_dropout_differs_in_training(torch):
    dropout, ones = torch.nn.Dropout(), torch.ones(64)
    assert not torch.equal(dropout(ones), dropout(ones))
    assert sorted(set(dropout(ones).tolist())) == [0.0, 2.0]
    assert torch.equal(dropout.eval()(ones), ones)


def test_row_089_eval_sets_every_module(torch):
    net = torch.nn.Sequential(torch.nn.Sequential(torch.nn.Dropout(), torch.nn.ModuleList([torch.nn.ReLU()])))
    assert [module.training for module in net.eval().modules()] == [False] * 5


def test_row_090_the_training_flag(torch):
    assert torch.nn.Module().training is True


def test_row_091_the_forward_pass_of_civil_net(torch):
    net = civil_net(torch)()
    for batch in (1, 4):
        assert net(torch.randn(batch, 3, 32, 32)).shape == torch.Size([batch, 10])
    for size, count in ((28, 256), (36, 576)):
        with raises(RuntimeError, f"shape '[-1, 400]' is invalid for input of size {count}"):
            net(torch.randn(1, 3, size, size))


def test_row_092_values_of_the_forward_pass(torch):
    net = civil_net(torch)()
    x = torch.randn(2, 3, 32, 32)
    assert net(x)[0].tolist() == pytest.approx(EXPECTED, abs=1e-5)


def test_row_093_a_step_of_training(torch):
    net = civil_net(torch)()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    before = [p.detach().clone() for p in net.parameters()]
    assert [p.grad for p in net.parameters()] == [None] * 10
    loss = torch.nn.functional.cross_entropy(net(torch.randn(2, 3, 32, 32)), torch.tensor([1, 7]))
    loss.backward()
    assert [p.grad.shape for p in net.parameters()] == [p.shape for p in net.parameters()]
    optimizer.step()
    for old, p in zip(before, net.parameters(), strict=True):
        assert torch.allclose(p, old - 0.1 * p.grad)
        assert not torch.equal(p, old)
