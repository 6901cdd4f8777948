"""Loading, moving and copying modules against PyTorch: outcomes, errors and warnings of one line each."""

import copy
import pickle
from collections import OrderedDict
from typing import Any

import pytest

import flambeau
from tests.parity.outcomes import outcome, same, torch


def kit(t: Any) -> dict[str, Any]:
    """Names for the expressions: a library, small modules, and functions that show what became of them."""
    nn = t.nn

    def net(**options):
        t.manual_seed(0)
        return nn.Sequential(OrderedDict(a=nn.Linear(2, 3, **options), n=nn.BatchNorm1d(3, **options)))

    def tied():
        m = nn.Sequential(OrderedDict(e=nn.Embedding(3, 2), d=nn.Linear(2, 3, bias=False)))
        m.d.weight = m.e.weight
        return m

    def after(m, action):
        result = action(m)
        return result is m, [(k, v.dtype, v.device) for k, v in m.state_dict().items()]

    def grads(m):
        for p in m.parameters():
            p.grad = t.ones_like(p)
        return m

    def failed(m, action):
        before = {k: (v, v._version) for k, v in m.state_dict().items()}
        try:
            action(m)
        except Exception as error:  # noqa: BLE001  (whatever it is, it must be the same)
            return type(error).__name__, str(error), [v._version == w for v, w in before.values()]
        return "nothing"

    def lazy():
        m = nn.Module()
        m.w = nn.UninitializedParameter()
        return m

    def load(m, n, keep=False, **options):
        return m.load_state_dict(n.state_dict(keep_vars=keep), **options)

    def two():
        m = net()
        return m, m.a.weight

    def consume(state, prefix="module."):
        t.nn.modules.utils.consume_prefix_in_state_dict_if_present(state, prefix)
        return list(state), getattr(state, "_metadata", None)

    return {
        "t": t,
        "nn": nn,
        "net": net,
        "tied": tied,
        "after": after,
        "grads": grads,
        "failed": failed,
        "copy": copy,
        "two": two,
        "lazy": lazy,
        "load": load,
        "consume": consume,
    }


MOVES = """
after(net(), lambda m: m.to(t.float64)) || after(net(), lambda m: m.to('cpu', t.float16))
after(net(), lambda m: m.to('cpu', t.float64, True)) || after(net(), lambda m: m.to(t.float64, True))
after(net(), lambda m: m.to(tensor=t.ones(1).double())) || after(net(), lambda m: m.to(t.ones(1).half(), False))
after(net(), lambda m: m.to(device='meta')) || after(net(), lambda m: m.to(device='meta', dtype=t.float64))
after(net(), lambda m: m.to(None)) || after(net(), lambda m: m.to(dtype=None)) || after(net(), lambda m: m.to())
after(net(), lambda m: m.float()) || after(net(), lambda m: m.double()) || after(net(), lambda m: m.half())
after(net(), lambda m: m.bfloat16()) || after(net(), lambda m: m.cpu()) || net().to(t.int64) || net().to(t.bool)
after(net(), lambda m: m.type('torch.DoubleTensor')) || net().type('nothing') || net().type(t.int32)
after(net().requires_grad_(False), lambda m: m.type(t.int32)) || net().to('cpu', copy=True)
after(net(), lambda m: m.to(t.complex64)) || net().to('meta').to('cpu') || net().to('meta').cpu()
net().to('meta').double().to('cpu', t.float16) || after(net().to('meta'), lambda m: m.to_empty(device='cpu'))
after(net(), lambda m: m.to_empty(device='meta')) || net().to_empty('cpu') || net().to_empty()
after(net(), lambda m: m.to_empty(device='meta', recurse=False)) || after(net(device='meta'), lambda m: m.half())
after(nn.Conv2d(1, 1, 1), lambda m: m.to(t.float64)) || [b.dtype for b in net().half().buffers()]
(lambda m: (m.double(), [p.grad.dtype for p in m.parameters()]))(grads(net()))
(lambda m, g: (m.double(), m.a.weight.grad is g, g.dtype))(m := grads(net()), m.a.weight.grad)
(lambda m, g: (m.to('meta'), m.a.weight.grad is g, m.a.weight.grad.device))(m := grads(net()), m.a.weight.grad)
(lambda m, w: (m.double(), m.a.weight is w, w.dtype, w.requires_grad))(*two())
(lambda m, w: (m.requires_grad_(False).to('meta'), m.a.weight is w, m.a.weight.requires_grad))(*two())
(lambda m: (m.double(), m.d.weight is m.e.weight, m.d.weight.dtype))(tied())
[p.requires_grad for p in net().requires_grad_(False).parameters()] || net().requires_grad_(1).a.weight.requires_grad
net().zero_grad() || (lambda m: (m.zero_grad(), m.a.weight.grad))(grads(net()))
(lambda m: (m.zero_grad(False), m.a.weight.grad))(grads(net()))
(setattr(m := grads(net()), '_is_replica', True), m.zero_grad())
net().to('nonsense:1:2') || t.cuda.is_available() || t.cuda.device_count()
t.cuda.manual_seed(3) || t.cuda.manual_seed_all(3)
sorted(t.__future__.__dict__)[-4:]
""".strip()

FLAGS = """
(lambda m, w: (m.double(), m.a.weight is w, w.dtype, m.a.weight.dtype))(*two())
(lambda m, w: (m.float(), m.a.weight is w))(*two())
(lambda m, w: (m.to('meta'), m.a.weight is w, m.a.weight.device))(*two())
(lambda m, w: (load(m, net().double(), assign=True), m.a.weight is w, m.a.weight.dtype))(*two())
(lambda m, w: (load(m, net().double()), m.a.weight is w, m.a.weight.dtype))(*two())
(lambda m: (m.double(), [p.grad.dtype for p in m.parameters()]))(grads(net()))
t.__future__.get_swap_module_params_on_conversion() || t.__future__.get_overwrite_module_params_on_conversion()
""".strip()

LOADS = """
net().load_state_dict({**net().state_dict(), 'n.num_batches_tracked': t.tensor([7, 8])})
net().load_state_dict({**net().state_dict(), 'n.num_batches_tracked': t.tensor([7])})
net().load_state_dict({k: v for k, v in net().state_dict().items() if 'num' not in k})
load(net(), net().double(), assign=True) || net().load_state_dict({'a.weight': None}, strict=False)
failed(net(), lambda m: m.load_state_dict({})) || failed(net(), lambda m: m.load_state_dict({'x': 1}))
net(device='meta').load_state_dict(net().state_dict())
load(net(), net(device='meta')) || load(net(), net(device='meta'), strict=False)
(lambda m: (m.load_state_dict(net().state_dict(), assign=True), m.a.weight.device))(net(device='meta'))
(load(m := net().requires_grad_(False), n := net(), keep=True, assign=True), m.a.weight is n.a.weight, n.a.weight)
net().load_state_dict({**net().state_dict(), 'a.weight': t.ones(3, 2).int()}, assign=True)
(lambda m: (m.load_state_dict({'weight': t.ones(3, 2).int()}, False), m.weight))(nn.Linear(2, 3, bias=False))
tuple(net().load_state_dict({}, strict=False)) || net().load_state_dict({}, strict=False)._fields
len(net().load_state_dict({}, strict=False)) || net().load_state_dict({}, False).missing_keys
net().load_state_dict({}, False) == ([], []) || net().load_state_dict(net().state_dict()) == ([], [])
copy.copy(net().load_state_dict({'y': 1}, False))
copy.deepcopy(net().load_state_dict({'y': 1}, False)).unexpected_keys
net().load_state_dict({3: 1}) || net().load_state_dict(None) || net().load_state_dict(iter([]))
net().load_state_dict({'.': 1, '': 2, 'a.': 3, 'a..weight': 4}, strict=True)
nn.Sequential().load_state_dict({}) || nn.Sequential().load_state_dict({'_extra_state': 1})
nn.Sequential(nn.Identity()).load_state_dict({'0._extra_state': 1, '0.x': 2})
tied().load_state_dict(tied().state_dict()) || list(tied().state_dict())
consume({'module.a': 1, 'b': 2, 'module.c.module.d': 3}) || consume({}) || consume({'a.b.c': 1, 'ab': 2}, 'a.b.')
consume(nn.ModuleDict({'module': net()}).state_dict()) || consume(nn.ModuleDict({'w': net()}).state_dict())
consume(nn.ModuleDict({'module': nn.ModuleDict({'module': net()})}).state_dict()) || consume(net().state_dict(), '')
""".strip()

LAZY = """
nn.LazyLinear(2).load_state_dict(nn.LazyLinear(2).state_dict()) || nn.LazyLinear(2).load_state_dict({})
(m := nn.LazyLinear(2)).load_state_dict(nn.Linear(3, 2).state_dict()) and m || nn.LazyLinear(2).state_dict()
nn.Linear(3, 2).load_state_dict(nn.LazyLinear(2).state_dict()) || load(nn.Linear(3, 2), nn.LazyLinear(2), assign=True)
lazy().load_state_dict({'w': t.ones(2)}) || lazy().load_state_dict({'w': t.ones(1)}) || lazy().load_state_dict({})
lazy().load_state_dict({'w': nn.UninitializedParameter()}) || lazy().load_state_dict({'w': 3})
(m := lazy()).load_state_dict({'w': t.ones(2)}, assign=True) and m.w || copy.deepcopy(lazy()).w
nn.LazyBatchNorm1d().load_state_dict(nn.BatchNorm1d(2).state_dict()) || nn.LazyBatchNorm1d().double().weight.dtype
""".strip()

COPIES = """
copy.deepcopy(net()).state_dict() || copy.copy(net()).a is net().a || (lambda m: copy.copy(m).a is m.a)(net())
(lambda m: [p is q for p, q in zip(m.parameters(), copy.deepcopy(m).parameters())])(net())
(lambda m: copy.deepcopy(m).d.weight is copy.deepcopy(m).e.weight)(tied())
(lambda m: (c := copy.deepcopy(m), c.d.weight is c.e.weight))(tied())[1] || copy.deepcopy(grads(net())).a.weight.grad
(lambda m: copy.deepcopy(m).a.weight.requires_grad)(net().requires_grad_(False)) || copy.deepcopy(net().eval()).training
(lambda m: sorted(copy.deepcopy(m).__dict__) == sorted(m.__dict__))(net()) || list(copy.deepcopy(net()).__dict__)
(lambda m: (setattr(m, 'x', m.a), (c := copy.deepcopy(m)).x is c.a))(net())[1] || len(copy.deepcopy([net(), net()]))
(lambda m: (setattr(m, 'l', [1, {2: t.ones(1)}]), copy.deepcopy(m).l is m.l))(net())[1]
(lambda m: (m.register_forward_hook(lambda m, a, o: o * 2), copy.deepcopy(m).eval()(t.ones(1, 2))))(net())[1].detach()
copy.deepcopy(nn.Conv2d(1, 1, 1)) || hasattr(copy.deepcopy(net()), 'zz')
pickle.loads(pickle.dumps(net())).state_dict()
pickle.loads(pickle.dumps(net())) || (c := pickle.loads(pickle.dumps(tied()))).d.weight is c.e.weight
""".strip()


def expressions(table: str) -> list[str]:
    return [part.strip() for line in table.splitlines() for part in line.split(" || ")]


def evaluated(expression: str):
    return lambda t: eval(expression, {**kit(t), "pickle": pickle, "OrderedDict": OrderedDict})


@pytest.mark.parametrize("expression", [item for table in (MOVES, LOADS, LAZY, COPIES) for item in expressions(table)])
def test_outcome(expression: str) -> None:
    same(evaluated(expression))


WITHOUT_GPU = """
net().cuda() || net().to('cuda:0') || net().to_empty(device='cuda') || t.cuda.current_device() || t.cuda.synchronize()
t.cuda.get_device_name() || t.cuda.get_device_name(0)
""".strip()


@pytest.mark.skipif(flambeau.cuda.is_available() or torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("expression", expressions(WITHOUT_GPU))
def test_without_a_gpu(expression: str) -> None:
    (found, _), (expected, _) = (outcome(library, evaluated(expression)) for library in (flambeau, torch))
    assert expected == "AssertionError: Torch not compiled with CUDA enabled"
    assert found.startswith(expected + " (JAX sees no cuda device: ")


@pytest.mark.parametrize("flag", ["overwrite", "swap"])
@pytest.mark.parametrize("expression", expressions(FLAGS))
def test_outcome_under_a_flag(expression: str, flag: str) -> None:
    name = f"set_{flag}_module_params_on_conversion"
    for library in (flambeau, torch):
        getattr(library.__future__, name)(True)
    try:
        same(evaluated(expression))
    finally:
        for library in (flambeau, torch):
            getattr(library.__future__, name)(False)
