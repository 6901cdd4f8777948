"""``Module`` against PyTorch: registration, traversal, state, calls, hooks, and every error text."""

import copy
import inspect
from collections import OrderedDict, namedtuple
from collections.abc import Callable
from typing import Any

import pytest

import flambeau
from tests.parity.outcomes import same, torch

Pair = namedtuple("Pair", "a b")


class Kit:
    """A library's names, and small modules made with it."""

    def __init__(self, t: Any) -> None:
        nn = t.nn
        self.t, self.nn, self.o, self.P, self.M = t, nn, t.ones, nn.Parameter, nn.Module
        self.module = __import__(f"{t.__name__}.nn.modules.module", fromlist=["Module"])

        class Lin(nn.Module):
            def __init__(self, a=2, b=2, **kw):
                super().__init__()
                self.a, self.b = a, b
                self.weight = nn.Parameter(t.ones(b, a, **kw))
                self.bias = nn.Parameter(t.zeros(b, **kw))

            def forward(self, x):
                return x @ self.weight.T + self.bias

            def extra_repr(self):
                return f"a={self.a}, b={self.b}"

        class Norm(nn.Module):
            _version = 2

            def __init__(self, n=2):
                super().__init__()
                self.weight = nn.Parameter(t.ones(n))
                self.register_parameter("bias", None)
                self.register_buffer("mean", t.zeros(n))
                self.register_buffer("count", t.tensor(0))
                self.register_buffer("scratch", t.zeros(1), persistent=False)
                self.register_buffer("absent", None)

            def forward(self, x):
                return (x - self.mean) * self.weight

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.one = Lin(2, 3)
                self.norm = Norm(3)
                self.body = nn.Sequential(Lin(3, 3), Norm(3))
                self.note = "text"
                self.loose = t.ones(1)

            def forward(self, x):
                return self.body(self.norm(self.one(x)))

        self.Lin, self.Norm, self.Net = Lin, Norm, Net
        self.Forgot, self.Scale, self.Two, self.Bad = small_modules(t)

    def leaf(self, *shape: int) -> Any:
        return self.t.ones(*(shape or (2,)), requires_grad=True)


def small_modules(t: Any) -> tuple[Any, ...]:
    """A module that forgot its base class, and three others."""
    nn = t.nn

    class Forgot(nn.Module):
        def __init__(self):
            pass

    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(t.ones(2))

        def forward(self, x, k=3):
            return self.w * x

    class Two(nn.Module):
        def forward(self, a, b):
            return a * 2, b * 3

    class Bad(nn.Module):
        def forward(self, x):
            raise ValueError("no")

    return Forgot, Scale, Two, Bad


def assigned(target: Any, name: str, value: Any) -> Any:
    setattr(target, name, value)
    return target


def text(value: Any) -> str:
    return str(value)


# -- registration: expressions on k (the kit), n (a Net), l (a Lin), f (a module whose __init__ forgot super) ---------

EXPRESSIONS = """
k.M() || list(k.M().__dict__) || [type(v).__name__ for v in k.M().__dict__.values()] || k.M().training || k.M._version
k.M.dump_patches || k.M.call_super_init || k.M(1) || k.M(a=1) || k.M(1, a=2) || k.M()(1) || k.M()(x=1)
k.M().forward() || f.x || setattr(f, 'p', k.P()) || setattr(f, 'p', k.Lin()) || setattr(f, 'p', k.nn.Buffer(k.o(1)))
setattr(f, 'x', 3) || f.register_parameter('x', None) || f.register_buffer('x', None) || f.add_module('x', k.Lin())
repr(f) || f(1) || f.state_dict() || list(f.parameters()) || f.to('cpu') || f.eval() || delattr(f, 'x')
f.load_state_dict({}) || f.apply(print) || dir(f) || f.zero_grad() || list(f.modules()) || f.training
f.register_forward_hook(print) || f.get_submodule('x') || assigned(f, 'x', 3).x || f._version
setattr(f, 'fn', k.o(2)) || f.named_modules() || l.register_buffer('a.b', None) || l.register_buffer('', None)
l.register_buffer('weight', k.o(1)) || l.register_buffer(3, None) || l.register_buffer('zz', 3)
l.register_parameter('a.b', None) || l.register_parameter('', None) || l.register_parameter(3, None)
l.register_parameter('forward', None) || l.register_parameter('zz', 3) || l.register_parameter('zz', k.o(1))
l.register_parameter('zz', assigned(k.P(k.o(1)), '_x', 1)) || l.add_module('a', 3) || l.add_module('a.b', k.M())
l.add_module('', k.M()) || l.add_module(3, k.M()) || l.add_module('weight', k.M()) || (l.add_module('z', None), l)
l.register_module('z', k.M()) || list(l.named_children()) || assigned(l, 'weight', k.o(1)) || assigned(l, 'weight', 3)
assigned(l, 'weight', None).state_dict() || assigned(n, 'one', 's') || assigned(n, 'one', k.o(1))
assigned(n, 'one', None) || assigned(n.norm, 'mean', 's') || assigned(n.norm, 'mean', None).state_dict()
assigned(n.norm, 'mean', k.o(7)).mean || assigned(n.norm, 'mean', k.P(k.o(7))).state_dict()
assigned(n, 'one', k.P(k.o(7))).state_dict() || n.norm._non_persistent_buffers_set
assigned(l, 'weight', k.Norm()).state_dict() || assigned(l, 'a', k.Norm()).a || assigned(l, 'a', k.P(k.o(1))).a
assigned(l, 'buf', k.nn.Buffer(k.o(2))).state_dict()
assigned(l, 'buf', k.nn.Buffer(k.o(2), persistent=False)).state_dict()
assigned(n.norm, 'scratch', k.nn.Buffer(k.o(2))).state_dict()
assigned(n.norm, 'mean', k.nn.Buffer(k.o(2), persistent=False)).state_dict() || delattr(l, 'nope')
(delattr(l, 'weight'), l.state_dict()) || (delattr(n, 'one'), n) || (delattr(n.norm, 'scratch'), n.norm._buffers)
(delattr(n, 'note'), n.__dict__.keys() - k.M().__dict__.keys() == {'loose'}) || l.nope || n.one.weight.nope
'weight' in dir(l) || [x for x in dir(n) if x in ('one', 'norm', 'body', 'note', 'loose', 'forward')]
'0' in dir(n.body) || n || k.Norm() || l || hasattr(n, 'one') || hasattr(n, 'two') || getattr(n, 'two', 5)
n._modules || n._parameters || n.norm._buffers.keys() || n.get_submodule('') || n.get_submodule('body.0')
n.get_submodule('one.weight') || n.get_submodule('x') || n.get_submodule('body.7') || n.get_submodule('note')
n.get_parameter('one.weight') || n.get_parameter('one.mean') || n.get_parameter('norm.mean') || n.get_parameter('')
n.get_parameter('x.y') || n.get_parameter('one') || n.get_buffer('norm.mean') || n.get_buffer('norm.weight')
n.get_buffer('') || n.get_buffer('norm.x') || n.get_buffer('norm.absent') || n.get_parameter('norm.bias')
(n.set_submodule('body.1', k.M()), n) || (n.set_submodule('new', k.M()), n) || n.set_submodule('', k.M())
n.set_submodule('x.y', k.M()) || n.set_submodule('x', k.M(), strict=True) || n.set_submodule('one', 3)
n.set_submodule('one.weight', k.M()) || n.set_submodule('note', k.M())
(n.set_submodule('one', k.M(), strict=True), n) || n.get_extra_state() || n.set_extra_state(1) || n._get_name()
n.extra_repr()
""".strip()

TRAVERSAL = """
[x for x, _ in n.named_parameters()] || [x for x, _ in n.named_buffers()] || [x for x, _ in n.named_modules()]
[x for x, _ in n.named_children()] || list(n.children()) || list(n.modules()) || [p.shape for p in n.parameters()]
[x for x, _ in n.named_parameters(prefix='p')] || [x for x, _ in n.named_parameters(recurse=False)]
len(list(n.parameters(recurse=False))) || [x for x, _ in n.named_modules(prefix='p')]
[x for x, _ in n.named_buffers('q', False)] || [b.shape for b in n.buffers()]
[x for x, _ in n.named_parameters(remove_duplicate=False)] || text(n.parameters()) || text(n.named_parameters())
text(n.modules()) || text(n.named_modules()) || text(n.children()) || text(n.named_children()) || text(n.buffers())
text(n.named_buffers()) || type(n.parameters()).__name__ || n.parameters(1, 2) || n.named_parameters(x=1)
text(n._named_members(lambda m: m._parameters.items())) || [x for x, _ in tied(n).named_parameters()]
[x for x, _ in tied(n).named_modules()] || [x for x, _ in tied(n).named_children()]
[x for x, _ in tied(n).named_parameters(remove_duplicate=False)]
[x for x, _ in tied(n).named_modules(remove_duplicate=False)] || list(tied(n).state_dict())
len(list(tied(n).modules())) || len(list(tied(n).modules(remove_duplicate=False))) || list(tied(n).buffers())
[x for x, _ in n.named_modules(memo={n.body})] || [x for x, _ in n.named_modules({n})]
n.apply(lambda m: log.append(type(m).__name__)) is n and log || n.eval() is n
[m.training for m in n.eval().modules()] || [m.training for m in n.eval().train().modules()] || n.train(1)
n.train(None) || n.requires_grad_(False) is n || [p.requires_grad for p in n.requires_grad_(False).parameters()]
n.zero_grad() || backed(n).one.weight.grad || (lambda m: (m.zero_grad(), m.one.weight.grad))(backed(n))
(lambda m: (m.zero_grad(set_to_none=False), m.one.weight.grad))(backed(n))
""".strip()

STATE = """
n.state_dict() || n.state_dict()._metadata || list(n.state_dict(prefix='p.')) || n.state_dict(prefix='p.')._metadata
text(n.state_dict().keys()) || type(n.state_dict()).__name__
[type(v).__name__ for v in n.state_dict(keep_vars=True).values()] || n.state_dict(keep_vars=True)
[v.requires_grad for v in n.state_dict().values()] || list(n.state_dict({}, 'q.', True).items())[0]
list(n.state_dict(OrderedDict(), 'q.')) || n.state_dict({}, prefix='r.')
n.state_dict(destination={'x': 1}, prefix='r.') || hasattr(n.state_dict(destination=OrderedDict()), '_metadata')
n.load_state_dict(k.Net().state_dict()) || n.load_state_dict({}) || n.load_state_dict({}, strict=False)
n.load_state_dict([]) || n.load_state_dict(3) || l.load_state_dict({'weight': 3, 'bias': k.o(3), 'x.y': 1, 'z': 2})
l.load_state_dict({'weight': 3, 'bias': k.o(3)}, strict=False)
l.load_state_dict({'weight': k.o(2, 2).double() * 3, 'bias': k.o(2).int()}) and l.state_dict()
l.load_state_dict({'bias': k.o(2) * 3}, False) and l.bias
n.load_state_dict({**n.state_dict(), 'one.x': 1, 'y': 2, 'norm.x.y': 3})
n.load_state_dict({**n.state_dict(), 'norm.scratch': k.o(1)})
n.load_state_dict({**n.state_dict(), 'norm.count': k.t.tensor([7])}) and n.norm.count
n.load_state_dict({**n.state_dict(), '_extra_state': 1})
n.load_state_dict({'module.' + a: b for a, b in n.state_dict().items()}) || tied(n).load_state_dict(n.state_dict())
l.load_state_dict(k.Lin(2, 2, dtype=k.t.float64).state_dict(), assign=True) and l.weight
l.load_state_dict(l.state_dict(keep_vars=True), assign=True)
l.load_state_dict({'weight': k.P(k.o(2, 2)), 'bias': k.o(2)}, assign=True) and (l.weight, l.bias)
l.load_state_dict({'weight': k.o(3, 3)}, False, True) || l.load_state_dict(k.Lin(2, 2, device='meta').state_dict())
k.Lin(2, 2, device='meta').load_state_dict(l.state_dict())
k.Lin(2, 2, device='meta').load_state_dict(l.state_dict(), assign=True)
k.Norm().load_state_dict({'weight': k.o(2), 'mean': k.o(2), 'count': k.o(1)}) || Extra(k)().state_dict()
Extra(k)().load_state_dict({}) || (lambda m: (m.load_state_dict({'_extra_state': 9}), m.got))(Extra(k)())
Half(k)().load_state_dict({'_extra_state': 1}) || k.nn.Sequential(Extra(k)(), l).state_dict()
k.nn.Sequential(Extra(k)(), l).load_state_dict({}) || k.nn.Sequential(l).load_state_dict({'0.weight.x': 1})
hooked(n, 'post') || hooked(n, 'post_return') || hooked(n, 'old') || hooked(n, 'pre') || hooked(n, 'load_pre')
hooked(n, 'load_post') || hooked(n, 'load_post_return') || hooked(n, 'twice') || Own(k)().state_dict()
Own(k)().load_state_dict({'w': k.o(1)})
""".strip()

CONVERSION = """
same_objects(n, n.double()) || [v.dtype for v in n.double().state_dict().values()]
[v.dtype for v in n.half().state_dict().values()] || [v.dtype for v in n.bfloat16().float().state_dict().values()]
[v.dtype for v in n.type(k.t.float64).state_dict().values()] || n.type('torch.DoubleTensor').loose.dtype
n.to(k.t.float64) is n || n.to(k.t.int32) || n.to(k.t.complex64).one.weight.dtype
n.to('cpu', k.t.float64).one.weight.dtype || n.to(dtype=k.t.float16).norm.count.dtype
n.to(k.o(1).double()).one.weight.dtype || n.to(None) is n || n.to() is n || n.to(device='cpu') is n || n.cpu() is n
n.to_empty('cpu') || n.float(1) || n.to('meta').one.weight.device
(lambda w: n.to('meta').one.weight is w)(n.one.weight) || n.to('meta').to('cpu') || n.to('meta').cpu()
n.to('meta').double().one.weight.dtype || n.to('meta').to_empty(device='cpu').one.weight.shape
(lambda w: n.to_empty(device='cpu').one.weight is w)(n.one.weight)
(lambda g: (n.double(), n.one.weight.grad is g, g.dtype))(backed(n).one.weight.grad)
(lambda d: (n.double(), d.dtype))(n.one.weight.data) || (lambda b: n.double().norm.mean is b)(n.norm.mean)
(lambda s: (n.double(), s['one.weight'].dtype))(n.state_dict()) || n._apply(lambda x: x + 1).one.bias
n._apply(lambda x: x + 1, recurse=False).one.bias
""".strip()

PARAMETERS = """
k.P() || k.P(k.o(2)) || k.P(k.o(2), requires_grad=False) || k.P([1.0]) || k.P(3) || k.P(k.o(2).int())
k.P(k.o(2).int(), False) || k.P(k.leaf() * 2) || issubclass(k.P, k.t.Tensor) || isinstance(k.P(), k.t.Tensor)
isinstance(k.o(1), k.P) || (k.P(k.P(k.o(2)))) || type(k.P(k.o(1)).data).__name__ || type(k.P(k.o(1)) * 1).__name__
(lambda x: (lambda p: (x.add_(1), p, p._version))(k.P(x)))(k.o(2)) || copied(k.P(k.o(2))) || pickled(k.P(k.o(2)))
(lambda p: p.data is p)(k.P()) || type(k.P(k.o(1)).detach()).__name__ || k.nn.Buffer(k.o(2))
type(k.nn.Buffer(k.o(2))).__name__ || isinstance(k.nn.Buffer(k.o(2)), k.nn.Buffer) || isinstance(k.o(2), k.nn.Buffer)
isinstance(k.nn.Buffer(k.o(2)), k.P) || k.nn.Buffer(k.o(2)).persistent
k.nn.Buffer(k.o(2), persistent=False).persistent || k.nn.Buffer() || k.nn.Buffer([1]) || k.nn.Buffer(k.leaf())
k.nn.Buffer(k.o(1), True) || issubclass(k.nn.Buffer, k.t.Tensor) || isinstance(k.P(), k.nn.Buffer)
isinstance(k.nn.Buffer(k.o(2)) * 2, k.nn.Buffer) || bool(k.P(k.o(1))) || k.P(k.o(2)).is_leaf || copied(n)
pickled(n) || copied(l).weight is l.weight || copied(tied(n)).one is copied(n)
(lambda m: m.one is m.again)(copied(tied(n))) || copied(f)
""".strip()


def tied(n: Any) -> Any:
    n.again = n.one
    n.shared = n.body[0].weight
    return n


def backed(n: Any) -> Any:
    for p in n.parameters():
        p.grad = p.detach() * 2
    return n


def same_objects(n: Any, m: Any) -> Any:
    return m is n, [type(p).__name__ for p in m.parameters()]


def copied(value: Any) -> Any:
    return copy.deepcopy(value)


def pickled(value: Any) -> Any:
    import pickle

    if isinstance(value, type(value)) and hasattr(value, "_modules"):  # local classes do not pickle
        fields = value.__getstate__()
        again: Any = object.__new__(type(value))
        again.__setstate__({a: b for a, b in fields.items() if a != "_state_dict_pre_hooks"})
        return again, again.state_dict(), sorted(again.__dict__)
    return pickle.loads(pickle.dumps(value))


def Extra(k: Kit) -> Any:
    class Extra(k.M):
        def get_extra_state(self):
            return {"a": 1}

        def set_extra_state(self, state):
            self.got = state

    return Extra


def Half(k: Kit) -> Any:
    class Half(k.M):
        def get_extra_state(self):
            return 1

    return Half


def Own(k: Kit) -> Any:
    class Own(k.M):
        def __init__(self):
            super().__init__()
            self.w = k.P(k.o(1))

        def _save_to_state_dict(self, destination, prefix, keep_vars):
            super()._save_to_state_dict(destination, prefix, keep_vars)
            destination[prefix + "more"] = 1

        def _load_from_state_dict(self, state_dict, prefix, *rest):
            state_dict[prefix + "v"] = 1
            super()._load_from_state_dict(state_dict, prefix, *rest)

    return Own


def hooked(n: Any, kind: str) -> Any:
    log: list[Any] = []

    def post(module, state, prefix, metadata):
        log.append((type(module).__name__, prefix, metadata))
        state[prefix + "extra"] = 1
        return {"replaced": 1} if kind in ("post_return", "old") else None

    def pre(module, prefix, keep):
        log.append((type(module).__name__, prefix, keep))

    def load_pre(module, state, prefix, metadata, strict, missing, unexpected, errors):
        log.append((type(module).__name__, prefix, metadata, strict, list(state)))
        state.pop("norm.weight")
        errors.append("own error")

    def load_post(module, keys):
        log.append((type(module).__name__, text(keys)))
        keys.missing_keys.clear()
        return 1 if kind == "load_post_return" else None

    if kind in ("post", "post_return"):
        handle = n.register_state_dict_post_hook(post)
    elif kind == "old":
        handle = n._register_state_dict_hook(post)
    elif kind == "pre":
        handle = n.norm.register_state_dict_pre_hook(pre)
    elif kind == "load_pre":
        handle = n.norm.register_load_state_dict_pre_hook(load_pre)
        return log, n.load_state_dict(n.state_dict())
    elif kind == "twice":
        n.register_state_dict_post_hook(post)
        return n._register_state_dict_hook(post)
    else:
        handle = n.register_load_state_dict_post_hook(load_post)
        return n.load_state_dict({}), log
    first = n.state_dict()
    handle.remove()
    return first, n.state_dict(), log


def expressions(table: str) -> list[str]:
    """The expressions of a table, one by one; ``||`` separates them."""
    return [part.strip() for line in table.splitlines() for part in line.split(" || ")]


def evaluated(expression: str) -> Callable[[Any], Any]:
    def run(t: Any) -> Any:
        k = Kit(t)
        scope = {
            **globals(),
            "OrderedDict": OrderedDict,
            "k": k,
            "n": k.Net(),
            "l": k.Lin(),
            "f": k.Forgot(),
            "log": [],
        }
        return eval(expression, scope)

    return run


@pytest.mark.parametrize(
    "expression",
    [item for table in (EXPRESSIONS, TRAVERSAL, STATE, CONVERSION, PARAMETERS) for item in expressions(table)],
)
def test_module(expression: str) -> None:
    same(evaluated(expression))


MORE = {"load_state_dict": ("mismatched", "ignore")}  # arguments that PyTorch lacks
CLASSES = ("Module", "Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict")


@pytest.mark.parametrize("name", CLASSES)
def test_every_name_and_signature(name: str) -> None:
    mine, theirs = getattr(flambeau.nn, name), getattr(torch.nn, name)
    wanted = set(dir(theirs)) - {"__annotations__"}
    assert wanted - set(dir(mine)) == set()
    for member in wanted:
        function = getattr(theirs, member)
        if inspect.isfunction(function) and member not in ("__subclasshook__", "__init_subclass__"):
            own = MORE.get(member, ())
            assert [item for item in parameters(getattr(mine, member)) if item[0] not in own] == parameters(function), (
                member
            )
            assert getattr(mine, member).__qualname__ == function.__qualname__ or member.startswith("_"), member


def parameters(function: Any) -> list[Any]:
    return [(item.name, item.kind, item.default) for item in inspect.signature(function).parameters.values()]


def test_global_hook_functions() -> None:
    mine, theirs = flambeau.nn.modules.module, torch.nn.modules.module
    assert sorted(mine.__all__) == sorted(theirs.__all__)
    for name in theirs.__all__:
        if name != "Module":
            assert parameters(getattr(mine, name)) == parameters(getattr(theirs, name)), name
