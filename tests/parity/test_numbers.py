"""Python numbers beside PyTorch's: which fit a data type, and operands that are neither tensors nor numbers."""

from typing import Any

import pytest

import flambeau
from tests.parity.outcomes import outcome, torch

# u is a tensor of 2 ones of uint8, s of int8, w of int64, h of float16, b of bfloat16, x of float32, t of truth values,
# c of complex numbers; m is a mask.
NUMBERS = """
u.fill_(300)
u.fill_(-1)
u.fill_(-256)
u.fill_(-1.5)
u.fill_(2.7)
u.fill_(nan)
h.fill_(65504.5)
h.fill_(inf)
x.fill_(1e39)
x.fill_(2j)
x.fill_(2 + 0j)
c.fill_(1e39)
w.fill_(2**63)
u.masked_fill(m, 2.5)
u.masked_fill(m, -1.5)
u.masked_fill(m, 300)
u.masked_fill(m, T.tensor(300))
w.masked_fill_(m, 2.5)
w.masked_fill(m, nan)
t.masked_fill(m, 7)
t.masked_fill(m, 2j)
h.masked_fill(m, -1e9)
h.masked_fill_(m, -1e9)
b.masked_fill(m, -1e39)
x.masked_fill(m, 2 + 0j)
u.clamp(0, 300)
u.clamp(-300, 2)
u.clamp(-1, 30)
u.clamp(0, 300.0)
u.clamp_(0, 300)
s.clamp(max=-129)
h.clamp(0, 1e9)
h.clamp(max=inf)
x.clamp(0, 1e39)
w.clamp(0, 1e39)
T.where(m, u, 300)
T.where(m, u, -1)
T.where(m, 1e39, x)
T.where(m, h, 1e39)
s.where(m, 128)
assigned(u, 300)
assigned(u, -256)
assigned(u, nan)
assigned(w, inf)
assigned(x, 1e39)
assigned(x, 2j)
assigned(x, 2 + 0j)
assigned(w, 2j)
assigned(h, 1e39)
assigned(h, -65519)
assigned(h, 1e9, m)
assigned(u, 300, m)
assigned(u, 300, T.tensor([0]))
T.full((2,), -1, dtype=T.uint8)
T.full((2,), -1.0, dtype=T.uint8)
T.full((2,), 300, dtype=T.uint8)
T.full((2,), -1e9, dtype=T.float16)
T.full((0,), 1e39)
T.full_like(u, -1)
u.scatter(0, T.tensor([0]), 300)
x.scatter(0, T.tensor([0]), 1e39)
u.scatter_(0, T.tensor([0]), 300, reduce='add')
h.index_fill(0, T.tensor([0]), 1e9)
F.pad(u, (1, 1), value=300)
F.pad(u, (1, 1), value=-1)
F.pad(h, (1, 1), value=1e9)
s ** 300
u ** 256
h ** 1e9
x ** 1e39
T.linspace(0, 300, 3, dtype=T.int8)
T.linspace(-1, 3, 3, dtype=T.uint8)
T.linspace(0, 1e39, 3)
F.threshold(u, 300, 2.5)
F.threshold(u, 2, -1.5)
F.threshold(u, -255, 1)
F.threshold(s, 3.7, 2.2)
F.threshold(h, 1e9, 1)
F.threshold(h, 1, 1e9)
F.hardtanh(u)
F.hardtanh(u, -0.5, 4)
F.hardtanh(u, 0, inf)
F.hardtanh(u, 0, 300)
F.hardtanh(u, -1, 4, inplace=True)
F.hardtanh(s, -1000, 4.5)
F.hardtanh(x, nan, 2)
F.hardtanh(x, -inf, inf)
"""


def _assigned(tensor: Any, value: Any, place: Any = 0) -> Any:
    tensor[place] = value
    return tensor


def _same(expression: str) -> None:
    def run(T: Any) -> Any:
        kinds = {"u": "uint8", "s": "int8", "w": "int64", "h": "float16", "b": "bfloat16", "x": "float32", "t": "bool"}
        names: dict[str, Any] = {name: T.ones(2, dtype=getattr(T, kind)) for name, kind in kinds.items()}
        names |= {"T": T, "F": T.nn.functional, "nan": float("nan"), "inf": float("inf"), "assigned": _assigned}
        names |= {"c": T.ones(2, dtype=T.complex64), "m": T.tensor([True, False]), "O": _Other()}
        return eval(expression, names)

    found, expected = outcome(flambeau, run)[0], outcome(torch, run)[0]
    assert found.partition(" but expected one of")[0] == expected.partition(" but expected one of")[0]


@pytest.mark.parametrize("expression", NUMBERS.strip().splitlines())
def test_numbers_fit_or_are_refused(expression: str) -> None:
    _same(expression)


class _Other:
    """Something that knows what to do with tensors."""

    def _answer(self, other: Any) -> str:
        return "answered"

    __radd__ = __rsub__ = __rmul__ = __rtruediv__ = __rfloordiv__ = __rmod__ = __rpow__ = __rmatmul__ = _answer
    __rand__ = __ror__ = __rxor__ = __rlshift__ = __rrshift__ = __gt__ = _answer


SIGNS = "+ - * / // % ** @ & | ^ << >> <".split()
OPERATORS = [f"w {sign} {other}" for sign in SIGNS for other in ("'a'", "None", "O")]
OPERATORS += [f"None {sign} w" for sign in "+ - * / // ** @ & | < >".split()] + ["'a' + w", "w == 'a'", "w != None"]


@pytest.mark.parametrize("expression", OPERATORS)
def test_operators_leave_what_they_do_not_know_to_the_other_operand(expression: str) -> None:
    _same(expression)


@pytest.mark.parametrize("sign", "+ - * / // % ** & | ^".split())
@pytest.mark.parametrize("other", ["'a'", "O"])
def test_operators_in_place(sign: str, other: str) -> None:
    def run(T: Any) -> Any:
        names: dict[str, Any] = {"w": T.ones(2, dtype=T.int64), "O": _Other()}
        exec(f"w {sign}= {other}", names)
        return names["w"]

    assert outcome(flambeau, run)[0] == outcome(torch, run)[0]


NO_TENSORS = """
T.sum(1)
T.mean([1.0])
T.matmul(x, 1)
T.matmul(None, x)
x.matmul(1)
T.mm(1, 2)
T.dot(x, 1)
T.cumsum([1], 0)
T.maximum(x, 1)
T.linalg.inv(1)
F.cross_entropy(1, 2)
T.meshgrid(1)
T.meshgrid(x, None)
T.meshgrid([1, 2])
T.meshgrid((x, x), x)
T.meshgrid(x, indexing=1)
T.einsum()
x.reshape()
x.permute()
x.expand()
x.repeat()
x.tile()
x.flip()
"""


@pytest.mark.parametrize("expression", NO_TENSORS.strip().splitlines())
def test_arguments_that_are_missing_or_no_tensors(expression: str) -> None:
    _same(expression)


def test_view_of_nothing() -> None:
    with pytest.raises(TypeError, match=r"^view\(\) missing 1 required positional arguments: \"size\"$"):
        flambeau.ones(1).view()
