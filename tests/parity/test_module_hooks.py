"""Calls and hooks of ``Module`` against PyTorch: order, replacement, errors, warnings."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.parity.outcomes import same
from tests.parity.test_module import Kit, Pair


def say(log: list[Any], *what: Any, give: Any = None) -> Callable[..., Any]:
    """A hook that notes its arguments after the module, and returns ``give`` or what it makes of the arguments."""

    def hook(module: Any, *args: Any) -> Any:
        log.append((*what, type(module).__name__, repr(args)))
        return give(*args) if callable(give) else give

    return hook


def calls(k: Kit, module: Any, *args: Any, **kwargs: Any) -> Any:
    return module(*(args or (k.o(2),)), **kwargs)


def forward_order(k, log):
    m = k.Scale()
    for n in range(2):
        m.register_forward_pre_hook(say(log, "pre", n))
        m.register_forward_pre_hook(say(log, "pre first", n), prepend=True)
        m.register_forward_hook(say(log, "hook", n))
        m.register_forward_hook(say(log, "hook first", n), prepend=True)
    return m(k.o(2))


def pre_replaces(k, log):
    m = k.Scale()
    m.register_forward_pre_hook(say(log, give=lambda args: (args[0] * 5,)))
    return m(k.o(2))


def pre_replaces_by_value(k, log):
    m = k.Scale()
    m.register_forward_pre_hook(say(log, give=3.0))
    return m(k.o(2))


def pre_kwargs(k, log):
    m = k.Scale()
    m.register_forward_pre_hook(say(log, give=lambda args, kwargs: (args, {"k": 9})), with_kwargs=True)
    m.register_forward_hook(say(log, "after"), with_kwargs=True)
    return m(k.o(2), k=1)


def pre_kwargs_wrong(k, log):
    m = k.Scale()
    m.register_forward_pre_hook(say(log, give=3), with_kwargs=True)
    return m(k.o(2))


def hook_replaces(k, log):
    m = k.Scale()
    m.register_forward_hook(say(log, give=lambda args, out: out * 7))
    m.register_forward_hook(say(log, "second"))
    return m(k.o(2))


def always(k, log):
    m = k.Bad()
    m.register_forward_hook(say(log, "plain"))
    m.register_forward_hook(say(log, "always"), always_call=True)
    m.register_forward_hook(say(log, "always, kwargs"), always_call=True, with_kwargs=True)
    return calls(k, m)


def always_raises(k, log):
    m = k.Bad()
    m.register_forward_hook(boom, always_call=True)
    return calls(k, m)


def always_after_failing_hook(k, log):
    m = k.Scale()
    m.register_forward_hook(say(log, "called"), always_call=True)
    m.register_forward_hook(boom)
    m.register_forward_hook(say(log, "later"), always_call=True)
    return m(k.o(2))


def boom(*args):
    raise KeyError("boom")


def removal(k, log):
    m = k.Scale()
    with m.register_forward_hook(say(log, "in with"), always_call=True, with_kwargs=True):
        m(k.o(2))
    handle = m.register_forward_pre_hook(say(log, "pre"), with_kwargs=True)
    handle.remove()
    handle.remove()
    left = [m.__dict__[name] for name in m.__dict__ if "hooks" in name]
    return m(k.o(2)), left, type(handle).__name__


def global_hooks(k, log):
    mod = k.module
    m = k.nn.Sequential(k.Scale())
    m[0].register_forward_hook(say(log, "own"))
    m[0].register_forward_pre_hook(say(log, "own pre"))
    handles = [
        mod.register_module_forward_pre_hook(say(log, "global pre")),
        mod.register_module_forward_hook(say(log, "global"), with_kwargs=True),
        mod.register_module_forward_hook(say(log, "global always"), always_call=True),
    ]
    try:
        first = m(k.o(2))
        try:
            k.Bad()(1)
        except ValueError as error:
            log.append(str(error))
    finally:
        for handle in handles:
            handle.remove()
    return first, m(k.o(2))


def registration_hooks(k, log):
    mod = k.module
    handles = [
        mod.register_module_parameter_registration_hook(
            say(log, "parameter", give=lambda name, p: k.P(p.detach() * 4))
        ),
        mod.register_module_buffer_registration_hook(say(log, "buffer")),
        mod.register_module_module_registration_hook(say(log, "module")),
    ]
    try:
        m = k.Norm()
        m.child = k.Lin()
        m.child = None
        m.add_module("other", k.Lin())
        m.mean = k.o(2)
    finally:
        for handle in handles:
            handle.remove()
    return m.state_dict()


def full(module_args, hooks=(None,), pre=(), backward=lambda out: out.sum().backward()):
    def run(k, log):
        name, *make = module_args
        m = getattr(k, name)()
        for n, give in enumerate(hooks):
            m.register_full_backward_hook(say(log, "full", n, give=give))
        for n, give in enumerate(pre):
            m.register_full_backward_pre_hook(say(log, "pre", n, give=give))
        args = [make_one(k) if callable(make_one) else make_one for make_one in make]
        out = m(*args)
        if backward is not None:
            backward(out)
        return out, [getattr(a, "grad", None) for a in args], [p.grad for p in m.parameters()]

    return run


leaf, plain = (lambda k: k.leaf()), (lambda k: k.o(2))


def one_of_two(out):
    out[0].sum().backward()


def both(out):
    (out[0].sum() + out[1].sum()).backward()


def keyword(k, log):
    m = k.Scale()
    m.register_full_backward_hook(say(log, "full"))
    m(x=k.leaf()).sum().backward()


def without_grad(k, log):
    m = k.Scale()
    m.register_full_backward_hook(say(log, "full"))
    with k.t.no_grad():
        return m(k.leaf())


def returns_dict(k, log):
    class D(k.M):
        def forward(self, x):
            return {"a": x * 2}

    m = D()
    m.register_full_backward_hook(say(log, "full"))
    out = m(k.leaf())
    out["a"].sum().backward()
    return out["a"].detach()


def writes_into_its_input(k, log):
    class W(k.M):
        def forward(self, x, y):
            return x.mul_(3) + y

    m = W()
    m.register_full_backward_hook(say(log, "full"))
    return m(k.leaf() * 2, k.o(2))


def writes_into_a_plain_input(k, log):
    class W(k.M):
        def forward(self, x, y):
            return x.mul_(3) + y

    m = W()
    m.register_full_backward_hook(say(log, "full"))
    x, y = k.o(2), k.leaf()
    m(x, y).sum().backward()
    return x, y.grad


def named_tuple(k, log):
    class D(k.M):
        def forward(self, x):
            return Pair(x * 2, x * 3)

    m = D()
    m.register_full_backward_hook(say(log, "full"))
    out = m(k.leaf())
    both(out)
    return type(out).__name__, out.a.detach()


def no_inputs(k, log):
    class D(k.M):
        def __init__(self):
            super().__init__()
            self.w = k.P(k.o(2))

        def forward(self):
            return self.w * 2

    m = D()
    m.register_full_backward_hook(say(log, "full"))
    m().sum().backward()
    return m.w.grad


def order_of_backward(k, log):
    m = k.Scale()
    for n in range(2):
        m.register_full_backward_hook(say(log, "full", n))
        m.register_full_backward_hook(say(log, "full first", n), prepend=True)
        m.register_full_backward_pre_hook(say(log, "pre", n))
        m.register_full_backward_pre_hook(say(log, "pre first", n), prepend=True)
    m.register_forward_hook(say(log, "forward"))
    m.register_forward_pre_hook(say(log, "forward pre"))
    out = m(k.o(2), 1)
    log.append("called")
    out.sum().backward()


def nested(k, log):
    inner, outer = k.Scale(), k.nn.Sequential(k.Scale(), k.Scale())
    for index, m in enumerate([outer, *outer]):
        m.register_full_backward_hook(say(log, "full", index))
        m.register_full_backward_pre_hook(say(log, "pre", index))
    x = k.leaf()
    (outer(x) ** 2).sum().backward()
    return x.grad, type(inner).__name__


def second_order(k, log):
    m = k.Scale()
    m.register_full_backward_hook(
        lambda module, grad_in, grad_out: log.append((grad_in[0].detach(), grad_out[0].detach()))
    )
    x = k.leaf()
    (g,) = k.t.autograd.grad((m(x) ** 2).sum(), x, create_graph=True)
    g.sum().backward()
    return g.detach(), x.grad, m.w.grad


def twice_through(k, log):
    m = k.Scale()
    m.register_full_backward_hook(say(log, "full"))
    x = k.leaf()
    (m(x).sum() + m(x * 2).sum()).backward()
    return x.grad


def legacy(k, log):
    m = k.Scale()
    m.register_backward_hook(say(log, "legacy"))
    x = k.leaf()
    m(x).sum().backward()
    return x.grad


def legacy_mixed(k, log):
    m = k.Scale()
    m.register_backward_hook(say(log, "legacy"))
    m.register_full_backward_hook(say(log, "full"))


def legacy_mixed_other(k, log):
    m = k.Scale()
    m.register_full_backward_hook(say(log, "full"))
    m.register_backward_hook(say(log, "legacy"))


def legacy_outputs(make):
    def run(k, log):
        class D(k.M):
            def forward(self, x):
                return make(x)

        m = D()
        m.register_backward_hook(lambda *_: log.append("legacy"))
        out = m(k.leaf())
        first = out["a"] if isinstance(out, dict) else out if hasattr(out, "sum") else out[0]
        first.sum().backward()

    return run


def legacy_nested_input(k, log):
    class D(k.M):
        def forward(self, x):
            return x[0] * 2

    m = D()
    m.register_backward_hook(lambda *_: log.append("legacy"))
    m([k.leaf()]).sum().backward()


def legacy_replaces(k, log):
    class D(k.M):
        def forward(self, x):
            return x * 2

    m = D()
    m.register_backward_hook(lambda module, grad_in, grad_out: (grad_in[0] * 100, grad_in[1]))
    x = k.leaf()
    m(x).sum().backward()
    return x.grad


def global_backward(k, log):
    mod = k.module
    m = k.Scale()
    m.register_full_backward_hook(say(log, "own"))
    handles = [
        mod.register_module_full_backward_hook(say(log, "global")),
        mod.register_module_full_backward_pre_hook(say(log, "global pre")),
    ]
    try:
        m(k.leaf()).sum().backward()
        mod.register_module_backward_hook(print)
    finally:
        for handle in handles:
            handle.remove()


def copies_keep_hooks(k, log):
    m = k.Scale()
    m.register_forward_hook(copies_keep_hooks_hook)
    m.register_load_state_dict_pre_hook(copies_keep_hooks_load)
    again = copy.deepcopy(m)
    SEEN.clear()
    again.load_state_dict(m.state_dict())
    return again(k.o(2)), [item is again for item in SEEN], len(again._forward_hooks)


SEEN: list[Any] = []


def copies_keep_hooks_hook(module, args, out):
    return out * 3


def copies_keep_hooks_load(module, *rest):
    SEEN.append(module)


CASES: dict[str, Callable[..., Any]] = {
    item.__name__: item
    for item in (
        forward_order, pre_replaces, pre_replaces_by_value, pre_kwargs, pre_kwargs_wrong, hook_replaces, always,
        always_raises, always_after_failing_hook, removal, global_hooks, registration_hooks, keyword, without_grad,
        returns_dict, writes_into_its_input, writes_into_a_plain_input, named_tuple, no_inputs, order_of_backward,
        nested, second_order, twice_through, legacy_mixed,
        legacy, legacy_replaces, legacy_mixed_other, legacy_nested_input, global_backward, copies_keep_hooks,
    )
} | {
    "full": full(["Scale", leaf]),
    "full, plain input": full(["Scale", plain, 5]),
    "full, plain input, none": full(["Scale", plain, 5], [None, (None, None)]),
    "full, plain input, wrong": full(["Scale", plain], [lambda gi, go: go]),
    "full replaces": full(["Scale", leaf], [lambda gi, go: (gi[0] * 5,), None]),
    "full replaces by value": full(["Scale", leaf], [lambda gi, go: gi[0] * 5]),
    "full replaces by nothing": full(["Scale", leaf], [lambda gi, go: ()]),
    "pre replaces": full(["Scale", leaf], [None], [lambda go: (go[0] * 5,)]),
    "pre replaces by value": full(["Scale", leaf], [None], [lambda go: go[0] * 5]),
    "pre alone": full(["Scale", leaf], [], [None, None]),
    "two outputs": full(["Two", leaf, leaf], [None], [None], both),
    "two outputs, one used": full(["Two", leaf, leaf], [None], [None], one_of_two),
    "two outputs, one plain": full(["Two", leaf, plain], [None], [None], one_of_two),
    "two outputs, other plain": full(["Two", plain, leaf], [None], [None], lambda out: out[1].sum().backward()),
    "nothing to differentiate": full(["Two", plain, plain], [None], [None], None),
    "legacy, tuple": legacy_outputs(lambda x: (x * 2, (x + 1) * 3)),
    "legacy, list": legacy_outputs(lambda x: [x * 2, (x + 1) * 3]),
    "legacy, dict": legacy_outputs(lambda x: {"a": x * 2}),
    "legacy, chain": legacy_outputs(lambda x: (x + 1) * 3),
    "legacy, one tensor twice": legacy_outputs(lambda x: (x * 2,) * 2),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_hooks(name: str) -> None:
    def run(t: Any) -> Any:
        log: list[Any] = []
        try:
            value = CASES[name](Kit(t), log)
        except Exception as error:  # noqa: BLE001  (an error is an outcome; the log before it, too)
            value = f"{type(error).__name__}: {error}"
        return value, log

    same(run)
