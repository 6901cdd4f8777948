"""Containers against PyTorch: every method, every error."""

from collections import OrderedDict, UserDict
from collections.abc import Callable
from typing import Any

import pytest

from tests.parity.outcomes import same


def kinds(t: Any) -> tuple[Any, Any, Any]:
    """Three small modules."""

    class I(t.nn.Module):  # noqa: E742
        def forward(self, x):
            return x

    class R(t.nn.Module):
        def forward(self, x):
            return x * 2

    class T(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.w = t.nn.Parameter(t.ones(2))

        def forward(self, x):
            return x * self.w

        def extra_repr(self):
            return "w"

    return I, R, T


def names(m: Any) -> Any:
    return [(key, type(value).__name__) for key, value in m._modules.items()]


# What is done to s, l, d, p, q (a container of each kind), one after another on fresh containers.
EXPRESSIONS = """
s | s[0] | s[-1] | s[3] | s[-4] | names(s[1:]) | names(s[::2]) | len(s) | s['0'] | s[1.0] | s+3 | names(s+S(I()))
names(s*2) | names(2*s) | s*0 | s*'a' | names(s*True) | I in s | s[0] in s | s.append(3) | s.insert(7,I())
s.insert(0,3) | names(s.extend([I()])) | s.extend(3) | names(s.insert(-1,T())) | names(s.insert(3,I())) | s.pop(10)
s.pop(0) | (type(s.pop(0)).__name__, names(s)) | s.pop('2') | (names(s.pop(slice(0,2))), names(s)) | list(s)
bool(S()) | S() | S(3) | S(OrderedDict(a=I(),b=R())) | names(S(OrderedDict(a=I(),b=R()))+S(I()))
S(OrderedDict(a=I(),b=R()))[0:1] | S({'a':I()}) | S([I()]) | s.__iadd__(3) | names(s.__iadd__(S(I())))
names(s.__imul__(2)) | s.__imul__(0) | s.__imul__('a') | S(I(),I(),I()) | S(None)
names(S(OrderedDict(a=I(),b=R())).append(I())) | s.index | [n for n in dir(s) if n.isdigit()] | s(torch.ones(2))
S(OrderedDict(weight=T(),bias=T())).state_dict() | s.state_dict() | S(S(T(),T()),T()) | isinstance(s, torch.nn.Module)
setitem(s,0,R()) | setitem(s,-1,R()) | setitem(s,5,R()) | setitem(s,0,3) | setitem(s,0,None) | delitem(s,0)
delitem(s,9) | delitem(s,-1) | delitem(s,slice(0,2)) | setitem(s,'1',R()) | S(None)(1) | type(s*2).__name__ | l | L()
L([S(I(),I()),S(I(),I())]) | l[0] | l[-1] | l[5] | l[-6] | l[1:3] | l['0'] | l+[I()] | l+3 | len(l) | l.append(3)
l.append(None) | (l.insert(1,R()),names(l)) | (l.insert(100,T()),names(l)) | (l.insert(-1,T()),names(l)) | l.pop(0)
(l.pop(-1),names(l)) | (l.pop(slice(0,2)),names(l)) | l.pop(77) | l.extend(3) | l.extend(x for x in [I()]) | l(1)
l.forward(1) | l[0] in l | l.index | list(reversed(l)) | bool(L()) | names(l.__iadd__([I()])) | L(3) | L({'a':I()})
L(I()) | names(l+l) | L([None]) | L(L([I()])) | l[True] | l[1.5] | l.clear | type(l[0:1]).__name__ | setitem(l,0,T())
setitem(l,-1,T()) | setitem(l,99,T()) | delitem(l,0) | delitem(l,99) | delitem(l,slice(0,2)) | setitem(l,0,3)
[n for n in dir(l) if n.isdigit()] | l.state_dict() | issubclass(L,torch.nn.Module) | isinstance(l,list) | d | D()
d['a'] | d['z'] | d.a | len(d) | list(d) | 'a' in d | d.keys() | list(d.items()) | list(d.values())
(d.pop('a'),list(d)) | d.pop('z') | (d.update({'c':T()}),d) | (d.update([('e',I())]),list(d)) | d.update([['e']])
d.update([3]) | d.update(3) | d.update([('e',I(),3)]) | d.update(d) | (d.update(D({'z':I()})),list(d)) | d(1)
(d.clear(),d) | D([('x',I()),('y',R())]) | D({'y':I(),'x':R()}) | D({'keys':I()}) | D({'a.b':I()}) | D({'a':3})
D({1:I()}) | D({'':I()}) | D({'training':I()}) | D(UserDict({'q':I()})) | d.get | d.update('ab') | d.update(['ab'])
setitem(d,'k',I()) | delitem(d,'a') | delitem(d,'k') | setitem(d,'k',None) | setitem(d,'k',3) | bool(D()) | p | PL()
p[0] | p[-1] | p[9] | p[1:3] | len(p) | p.append(4) | p.extend([o(1)]) | p.extend(3) | p(1) | p+p
len(list(p.parameters())) | p.state_dict() | p.__dict__.keys()-M().__dict__.keys() == {'2','3','4','_size'}
p.__iadd__([1]) | PL(3) | PL(P(o(2))) | PL([o(1).int()]) | p['0'] | p.pop | list(p)[2:5] | p.append(T())
p.forward(1) | (setitem(p,0,P(o(5))),p,p._size) | (setitem(p,1,o(2)),p) | (setitem(p,-1,o(7)),p) | setitem(p,99,o(1))
p[1:][0] | (setitem(p,2,o(4)),p) | setitem(p,0,3) | [n for n in dir(p) if n.isdigit()] | PL([o(())]) | PL(PL([o(1)]))
p[slice(None)] | q | PD() | q['a'] | q['z'] | q.a | len(q) | list(q) | list(reversed(q)) | q.copy() | 'a' in q
q.setdefault('a') | q.setdefault('n',o(1)) | q.setdefault('m') | q.pop('b') | q.pop('nope') | q.popitem()
PD().popitem() | q.get('a') | q.get('zz') | q.get('zz',3) | q.fromkeys(['x','y'],o(1)) | q.keys() | list(q.items())
list(q.values()) | (q.update({'e':o(1)}),q) | (q.update([('f',o(1))]),q) | q.update(3) | q.update([['e']])
q.update([3]) | (q.update(PD({'g':o(1)})),list(q)) | q|PD({'a':o(1),'h':o(9)}) | PD({'a':o(1),'h':o(9)})|q | q|{'a':1}
{'a':o(1)}|q | q.__ior__({'zz':o(1)}) | q(1) | q['x.y'] | q[1] | (q.clear(),q) | PD([('y',o(1)),('x',o(2))])
PD({'y':o(1),'x':o(2)}) | PD({'a':1,'d':o(1).int()}) | q.state_dict() | PD({'keys':o(1)}) | PD({'a.b':o(1)})
PD({'b':T()}) | (setitem(q,'k',o(1)),q) | setitem(q,1,o(1)) | delitem(q,'a') | delitem(q,'k')
(setitem(q,'a',P(o(2))),q) | (setitem(q,'a',None),q) | setitem(q,'a',2) | setitem(q,'a',T()) | list(M().parameters())
PD(OrderedDict(y=o(1),x=o(2))) | torch.nn.Container(a=I()) | PL([P(o(1), requires_grad=False)])[0]
type(q._keys).__name__ | q._keys
"""


def expressions() -> list[str]:
    """The expressions above, one by one; a ``|`` with spaces around separates them."""
    return [part.strip() for line in EXPRESSIONS.strip().splitlines() for part in line.split(" | ")]


def evaluated(expression: str) -> Callable[[Any], Any]:
    """The expression as a function of the library, on fresh containers."""

    def run(t: Any) -> Any:
        I, R, T = kinds(t)  # noqa: E741
        nn, o = t.nn, t.ones
        S, L, D, PL, PD = nn.Sequential, nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict

        def setitem(container, key, value):
            container[key] = value
            return container

        def delitem(container, key):
            del container[key]
            return container

        scope = {
            "torch": t, "I": I, "R": R, "T": T, "S": S, "L": L, "D": D, "PL": PL, "PD": PD, "M": nn.Module,
            "P": nn.Parameter, "o": o, "names": names, "setitem": setitem, "delitem": delitem,
            "OrderedDict": OrderedDict, "UserDict": UserDict,
            "s": S(I(), R(), T()), "l": L([I(), I(), R(), T(), T()]), "d": D({"a": I(), "b": R()}),
            "p": PL([o(2), nn.Parameter(o(3, 2)), 3, "a", None]), "q": PD({"b": o(2), "a": nn.Parameter(o(3)), "c": 4}),
        }  # fmt: skip
        return eval(expression, scope)

    return run


@pytest.mark.parametrize("expression", expressions())
def test_containers(expression: str) -> None:
    same(evaluated(expression))
