"""Making tensors, against PyTorch: printed text, type, and the words of errors."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import flambeau
from flambeau.dtypes import kinds, layouts, limits
from flambeau.tensors import creation, legacy, ranges
from tests.parity.oracle import check

torch = pytest.importorskip("torch")

MODULES = (creation, ranges, legacy, limits)
NAMES = {**layouts.LAYOUTS, **layouts.MEMORY_FORMATS}


class Ours:
    """A public name, wherever it stands."""

    def __getattr__(self, name: str) -> Any:
        if name in NAMES:
            return NAMES[name]
        if name in kinds.ALIASES or name in kinds.DTYPES:
            return kinds.named(name)
        for module in MODULES:
            if name in module.__all__:
                return getattr(module, name)
        return getattr(flambeau, name)


ours = Ours()


class Sequence2:
    """A sequence of a class of the user's."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> int:
        return [7, 8][index]


CASES: dict[str, Callable[[Any], Any]] = {
    # tensor
    "empty list": lambda t: t.tensor([]),
    "list of empty list": lambda t: t.tensor([[]]),
    "empty lists": lambda t: t.tensor([[], []]),
    "empty list first": lambda t: t.tensor([[], [1]]),
    "empty tuple": lambda t: t.tensor(()),
    "float among whole": lambda t: t.tensor([1, 2.5]),
    "whole among bool": lambda t: t.tensor([True, 2]),
    "bools": lambda t: t.tensor([[True], [False]]),
    "complex among whole": lambda t: t.tensor([1, 1j]),
    "whole": lambda t: t.tensor(5),
    "float": lambda t: t.tensor(5.0),
    "bool": lambda t: t.tensor(True),
    "complex number": lambda t: t.tensor(1j),
    "least": lambda t: t.tensor(-(2**63)),
    "greatest": lambda t: t.tensor(2**63 - 1),
    "large unsigned": lambda t: t.tensor(2**63, dtype=t.uint64),
    "large whole as float": lambda t: t.tensor(2**70, dtype=t.float32),
    "negative unsigned": lambda t: t.tensor([-1, -255], dtype=t.uint8),
    "fraction as whole": lambda t: t.tensor([1.7, -1.7], dtype=t.int64),
    "too large for float": lambda t: t.tensor([1e300, -1e40]),
    "too large for half": lambda t: t.tensor(70000.0, dtype=t.float16),
    "half through single": lambda t: t.tensor([1.0004883, 0.1, 1 / 3], dtype=t.float16).double(),
    "bfloat16 through single": lambda t: t.tensor([1.0, 0.1, 1 / 3, 1.00390625001], dtype=t.bfloat16).double(),
    "fraction as bool": lambda t: t.tensor([0.5, 0.0], dtype=t.bool),
    "whole as complex": lambda t: t.tensor([1, 2], dtype=t.complex64),
    "deep": lambda t: t.tensor([[[1, 2], [3, 4]], [[5, 6], [7, 8]]]),
    "tuples in lists": lambda t: t.tensor([(1, 2), (3, 4)]),
    "range": lambda t: t.tensor(range(4)),
    "sequence of the user's": lambda t: t.tensor(Sequence2()),
    "bytes": lambda t: t.tensor(bytearray(b"ab")),
    "numpy array": lambda t: t.tensor(np.arange(6, dtype=np.int16).reshape(2, 3)),
    "numpy array to float": lambda t: t.tensor(np.arange(3), dtype=t.float32),
    "numpy scalar": lambda t: t.tensor(np.float32(1.5)),
    "numpy double scalar": lambda t: t.tensor(np.float64(1.5)),
    "list of numpy double": lambda t: t.tensor([np.float64(1.5), 2.0]),
    "list of numpy single": lambda t: t.tensor([np.float32(1.5)]),
    "list of numpy int": lambda t: t.tensor([np.int32(1)]),
    "list of numpy bool": lambda t: t.tensor([np.bool_(True)]),
    "list of numpy arrays": lambda t: t.tensor([np.array([1.0, 2]), np.array([3.0, 4])]),
    "fortran order": lambda t: t.tensor(np.asfortranarray(np.arange(6.0).reshape(2, 3))),
    "list of tensors": lambda t: t.tensor([t.tensor(1), t.tensor(2)]),
    "list of float tensors": lambda t: t.tensor([t.tensor(1.0), t.tensor(2)]),
    "list of double tensors": lambda t: t.tensor([t.tensor(1.0, dtype=t.float64)]),
    "tensor and number": lambda t: t.tensor([t.tensor(1), 2.5]),
    "one-element tensors": lambda t: t.tensor([[t.tensor([1]), 2]]),
    "with gradient": lambda t: t.tensor([1.0], requires_grad=True),
    "torch.tensor of a class": lambda t: t.tensor([1, 2], dtype=float),
    # constants
    "zeros": lambda t: t.zeros(2, 3),
    "zeros tuple": lambda t: t.zeros((2, 3)),
    "zeros name": lambda t: t.zeros(size=(2,)),
    "zeros 0-d": lambda t: t.zeros(()),
    "zeros of numpy sizes": lambda t: t.zeros(np.int64(2), t.tensor(3)),
    "zeros of a class": lambda t: [t.zeros(2, dtype=k) for k in (bool, int, float, complex)],
    "zeros out": lambda t: t.zeros(2, out=t.ones(2, dtype=t.float64)),
    "zeros options": lambda t: t.zeros(2, layout=t.strided, device="cpu", pin_memory=False),
    "ones": lambda t: t.ones(2, requires_grad=True),
    "empty shape": lambda t: t.empty(2, 0, 3),
    "full whole": lambda t: t.full((2,), 1),
    "full float": lambda t: t.full((2,), 1.5),
    "full bool": lambda t: t.full((2,), True),
    "full complex": lambda t: t.full((2,), 1j),
    "full tensor": lambda t: t.full((2,), t.tensor(3.0, dtype=t.float64)),
    "full cut": lambda t: t.full((2,), 1.5, dtype=t.int64),
    "full names": lambda t: t.full(size=(2,), fill_value=3),
    "zeros_like": lambda t: t.zeros_like(t.ones(2, dtype=t.int64)),
    "ones_like": lambda t: t.ones_like(t.zeros(2, requires_grad=True)),
    "ones_like other type": lambda t: t.ones_like(t.zeros(2), dtype=t.int32, requires_grad=False),
    "full_like": lambda t: t.full_like(t.zeros(2, dtype=t.int64), 3.7),
    "empty_like": lambda t: t.empty_like(t.zeros(2, 0), memory_format=t.preserve_format),
    "scalar_tensor": lambda t: [t.scalar_tensor(3), t.scalar_tensor(3, dtype=t.int64), t.scalar_tensor(True)],
    "empty_strided": lambda t: [t.empty_strided((2, 3), s).stride() for s in ((1, 2), (3, 1))],
    # ranges
    "arange": lambda t: t.arange(5),
    "arange two": lambda t: t.arange(2, 7),
    "arange float": lambda t: t.arange(1, 2.5, 0.5),
    "arange float end": lambda t: t.arange(3.0),
    "arange negative": lambda t: t.arange(5, 0, -2),
    "arange tensor": lambda t: [t.arange(t.tensor(3)), t.arange(t.tensor(3.0, dtype=t.float64))],
    "arange tenths": lambda t: t.arange(0, 1, 0.1),
    "arange bool": lambda t: t.arange(True),
    "arange names": lambda t: [t.arange(end=4), t.arange(start=1, end=4, step=2), t.arange(1, end=4)],
    "arange half": lambda t: t.arange(0, 3, dtype=t.float16),
    "arange int32 of floats": lambda t: t.arange(0, 5.5, dtype=t.int32),
    "arange int64 of floats": lambda t: t.arange(0.5, 5.5, dtype=t.int64),
    "arange empty": lambda t: t.arange(3, 3),
    "arange gradient": lambda t: t.arange(0.0, 4, requires_grad=True),
    "arange large": lambda t: t.arange(2**53, 2**53 + 3),
    "range included": lambda t: t.range(0, 4, 2),
    "linspace": lambda t: t.linspace(0, 1, 5),
    "linspace many": lambda t: t.linspace(1, 7, 13),
    "linspace none": lambda t: t.linspace(0, 1, 0),
    "linspace one": lambda t: t.linspace(3, 4, 1),
    "linspace whole": lambda t: t.linspace(0, 10, 4, dtype=t.int64),
    "linspace half": lambda t: t.linspace(0, 1, 11, dtype=t.float16),
    "linspace double": lambda t: t.linspace(0, 1, 7, dtype=t.float64),
    "linspace tensors": lambda t: t.linspace(t.tensor(0), t.tensor(1.5), 3),
    "linspace complex": lambda t: t.linspace(0, 1j, 3),
    "linspace names": lambda t: t.linspace(start=0, end=2, steps=3),
    "logspace": lambda t: t.logspace(0, 2, 5),
    "logspace base": lambda t: t.logspace(0, 2, 3, base=2),
    "logspace whole": lambda t: t.logspace(0, 2, 3, base=2, dtype=t.int64),
    "logspace none": lambda t: t.logspace(0, 2, 0),
    "eye": lambda t: [t.eye(2), t.eye(2, 3), t.eye(3, 2, dtype=t.bool), t.eye(0)],
    # from elsewhere
    "as_tensor numpy": lambda t: t.as_tensor(np.array([1, 2], np.int32)),
    "as_tensor list": lambda t: t.as_tensor([1, 2], dtype=t.float64),
    "asarray": lambda t: [t.asarray([1, 2]), t.asarray(np.arange(3)), t.asarray(3)],
    "asarray gradient": lambda t: t.asarray(t.ones(2), requires_grad=True),
    "from_numpy": lambda t: [t.from_numpy(np.arange(3.0)), t.from_numpy(np.array(3.0)), t.from_numpy(np.zeros((0, 2)))],
    "from_numpy types": lambda t: [t.from_numpy(np.ones(2, k)) for k in (bool, "u1", "i1", "i2", "f2", "c8", "u4")],
    "frombuffer": lambda t: t.frombuffer(bytearray(b"\1\0\0\0\2\0\0\0"), dtype=t.int32),
    "frombuffer part": lambda t: t.frombuffer(bytearray(range(8)), dtype=t.uint8, count=3, offset=2),
    "complex": lambda t: t.complex(t.ones(2), t.tensor([1.0, -2.0])),
    "polar": lambda t: t.polar(t.ones(2), t.tensor([0.0, 1.0])),
    # legacy
    "Tensor sizes": lambda t: t.Tensor(2, 3).shape,
    "Tensor list": lambda t: t.Tensor([1, 2]),
    "Tensor tuple": lambda t: t.Tensor((2, 3)),
    "Tensor nothing": lambda t: t.Tensor(),
    "Tensor size": lambda t: t.Tensor(t.Size([2, 3])).shape,
    "Tensor tensor": lambda t: [t.Tensor(t.ones(2)), t.Tensor(t.ones(2, dtype=t.float64))],
    "Tensor numpy": lambda t: t.Tensor(np.ones(2)),
    "Tensor data": lambda t: t.Tensor(data=[1]),
    "typed": lambda t: [t.FloatTensor([1, 2]), t.LongTensor([1.5]), t.BoolTensor([1, 0]), t.HalfTensor([1])],
    "typed more": lambda t: [t.DoubleTensor([1]), t.IntTensor([[1, 2]]), t.ByteTensor([3]), t.BFloat16Tensor([1.5])],
    "typed sizes": lambda t: [t.LongTensor(2).shape, t.FloatTensor(2, 3).shape, t.CharTensor().shape],
    "typed numpy": lambda t: t.LongTensor(np.ones(2)),
    "typed instances": lambda t: [isinstance(t.ones(1), k) for k in (t.FloatTensor, t.LongTensor, t.Tensor)],
    "typed class": lambda t: [str(t.FloatTensor), t.FloatTensor.dtype],
    # new_*
    "new": lambda t: [t.ones(2, dtype=t.float64).new([1, 2]), t.ones(1).new(2).shape, t.ones(1).new()],
    "new_tensor": lambda t: [t.ones(2, dtype=t.float64).new_tensor(d) for d in ([1, 2], 1.5, np.ones(1))],
    "new_tensor whole": lambda t: t.ones(2, dtype=t.int64).new_tensor([1.5]),
    "new_zeros": lambda t: [t.ones(2, dtype=t.float64).new_zeros(s) for s in ((2, 3), (), 2)],
    "new_zeros sizes": lambda t: t.ones(2).new_zeros(2, 3, dtype=t.int64),
    "new_ones": lambda t: t.ones(2, dtype=t.int32).new_ones((2,)),
    "new_full": lambda t: [t.ones(2, dtype=t.int64).new_full((2,), 3.5), t.ones(1).new_full((2,), True)],
    "new_empty": lambda t: [t.ones(2).new_empty(2, 0), t.ones(1).new_empty_strided((2, 3), (1, 2)).stride()],
    "new_zeros gradient": lambda t: t.ones(2).new_zeros(2, requires_grad=True),
    # meta
    "meta": lambda t: [t.zeros(2, device="meta"), t.arange(5, device="meta"), t.tensor([1, 2], device="meta")],
    "meta operations": lambda t: (t.ones(2, 3, device="meta") @ t.ones(3, 4, device="meta")).relu().sum(0) + 1,
    "meta like": lambda t: t.zeros_like(t.ones(2, device="meta"), dtype=t.int32),
    "meta moved": lambda t: t.ones(2).to("meta"),
    "meta facts": lambda t: [t.ones(2, device="meta").is_meta, t.ones(2, 3, device="meta").t().stride()],
    "finfo": lambda t: [t.finfo(getattr(t, k)) for k in ("float16", "bfloat16", "float32", "float64", "complex64")],
    "finfo eight bits": lambda t: [t.finfo(getattr(t, k)) for k in ("float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu")],
    "finfo fields": lambda t: [getattr(t.finfo(t.half), k) for k in ("bits", "eps", "max", "min", "tiny", "dtype")],
    "finfo default": lambda t: [t.finfo(), t.finfo() == t.finfo(t.float32)],
    "iinfo": lambda t: [t.iinfo(getattr(t, k)) for k in ("int8", "uint8", "int16", "int32", "int64", "uint64")],
    "iinfo fields": lambda t: [getattr(t.iinfo(t.int64), k) for k in ("bits", "max", "min", "dtype")],
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore")
def test_what_is_made_prints_the_same(name: str) -> None:
    assert repr(CASES[name](ours)) == repr(CASES[name](torch))


ERRORS: dict[str, Callable[[Any], Any]] = {
    "ragged": lambda t: t.tensor([[1, 2], [3]]),
    "ragged longer": lambda t: t.tensor([[1], [2, 3]]),
    "ragged deep": lambda t: t.tensor([[[1, 2]], [[3]]]),
    "list after number": lambda t: t.tensor([1, [2]]),
    "list after float": lambda t: t.tensor([1.5, [2.0]]),
    "number after list": lambda t: t.tensor([[1], 2]),
    "text": lambda t: t.tensor("a"),
    "list of text": lambda t: t.tensor(["a"]),
    "none": lambda t: t.tensor(None),
    "list of none": lambda t: t.tensor([None]),
    "dict": lambda t: t.tensor({}),
    "object": lambda t: t.tensor([object()]),
    "too large": lambda t: t.tensor(2**63),
    "far too large": lambda t: t.tensor([2**70]),
    "too large for uint8": lambda t: t.tensor([300], dtype=t.uint8),
    "nan as whole": lambda t: t.tensor(float("nan"), dtype=t.int64),
    "infinity as whole": lambda t: t.tensor([float("inf")], dtype=t.int64),
    "complex as float": lambda t: t.tensor(1j, dtype=t.float32),
    "array of text": lambda t: t.tensor(np.array(["a"])),
    "array of objects": lambda t: t.tensor(np.array([1, 2], dtype=object)),
    "tensors of several elements": lambda t: t.tensor([t.tensor([1, 2])]),
    "whole gradient": lambda t: t.tensor([1], requires_grad=True),
    "float size": lambda t: t.zeros(2.0),
    "float sizes": lambda t: t.zeros([2.0]),
    "no size": lambda t: t.zeros(),
    "negative size": lambda t: t.ones(2, -1),
    "unknown option": lambda t: t.zeros(2, foo=1),
    "text as type": lambda t: t.zeros(2, dtype="float32"),
    "types disagree": lambda t: t.zeros(2, dtype=t.float32, out=t.zeros(2, dtype=t.float64)),
    "full size": lambda t: t.full(2, 1),
    "full tensor": lambda t: t.full((2,), t.tensor([1, 2])),
    "full too large": lambda t: t.full((2,), 300, dtype=t.uint8),
    "full complex": lambda t: t.full((2,), 1j, dtype=t.float32),
    "like a list": lambda t: t.zeros_like([1]),
    "arange turned": lambda t: t.arange(5, 0),
    "arange no step": lambda t: t.arange(0, 5, 0),
    "arange cut step": lambda t: t.arange(0, 1, 0.1, dtype=t.int64),
    "arange nan": lambda t: t.arange(float("nan")),
    "arange infinite": lambda t: t.arange(0, float("inf")),
    "arange bool": lambda t: t.arange(3, dtype=t.bool),
    "arange nothing": lambda t: t.arange(),
    "arange gradient": lambda t: t.arange(0, 4, requires_grad=True),
    "linspace negative": lambda t: t.linspace(0, 1, -1),
    "linspace of dimensions": lambda t: t.linspace(t.tensor([0.0, 1]), 1, 3),
    "eye negative": lambda t: t.eye(-1),
    "eye negative columns": lambda t: t.eye(2, -1),
    "eye float": lambda t: t.eye(2.0),
    "complex types": lambda t: t.complex(t.ones(2), t.ones(2, dtype=t.float64)),
    "complex whole": lambda t: t.complex(t.ones(2, dtype=t.int64), t.ones(2, dtype=t.int64)),
    "strides": lambda t: t.empty_strided((2, 3), (1,)),
    "from_numpy list": lambda t: t.from_numpy([1]),
    "from_numpy text": lambda t: t.from_numpy(np.array(["a"])),
    "frombuffer length": lambda t: t.frombuffer(bytearray(7), dtype=t.int32),
    "frombuffer empty": lambda t: t.frombuffer(bytearray(0), dtype=t.int32),
    "frombuffer count": lambda t: t.frombuffer(bytearray(8), dtype=t.int32, count=3),
    "frombuffer offset": lambda t: t.frombuffer(bytearray(8), dtype=t.int32, offset=9),
    "frombuffer object": lambda t: t.frombuffer(5, dtype=t.int32),
    "asarray alias": lambda t: t.asarray([1.0], copy=False),
    "Tensor float": lambda t: t.Tensor(1.5),
    "Tensor text": lambda t: t.Tensor("abc"),
    "Tensor bool": lambda t: t.Tensor(True),
    "Tensor meta": lambda t: t.Tensor([1], device="meta"),
    "Tensor ragged": lambda t: t.Tensor([[1, 2], [3]]),
    "Tensor option": lambda t: t.Tensor(2, requires_grad=True),
    "ByteTensor": lambda t: t.ByteTensor([300]),
    "default type whole": lambda t: t.set_default_dtype(t.int64),
    "default type text": lambda t: t.set_default_dtype("float32"),
    "finfo whole": lambda t: t.finfo(t.bool),
    "iinfo bool": lambda t: t.iinfo(t.bool),
    "meta item": lambda t: t.ones((), device="meta").item(),
    "meta list": lambda t: t.ones(2, device="meta").tolist(),
    "meta numpy": lambda t: t.ones(2, device="meta").numpy(),
    "meta bool": lambda t: bool(t.ones(1, device="meta")),
    "meta to cpu": lambda t: t.ones(2, device="meta").cpu(),
}  # fmt: skip

# Longer prefixes of some messages name the library's own way of finding out.
COMPARED = 40
FEWER = {"finfo whole": 30, "meta bool": 30}


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.filterwarnings("ignore")
def test_errors_begin_with_the_same_words(name: str) -> None:
    with pytest.raises(Exception, match=r".") as theirs:
        ERRORS[name](torch)
    with pytest.raises(type(theirs.value), match=r".") as mine:
        ERRORS[name](ours)
    assert str(mine.value).startswith(str(theirs.value)[: FEWER.get(name, COMPARED)].rstrip())


def test_copying_a_tensor_warns_in_the_same_words() -> None:
    for library in (torch, ours):
        x = library.ones(2, requires_grad=True)
        with pytest.warns(UserWarning, match=r"To copy construct from a tensor, it is recommended to use") as caught:
            y = library.tensor(x)
        assert "rather than torch.tensor(sourceTensor)." in str(caught[0].message)
        assert caught[0].filename == __file__
        assert not y.requires_grad


@pytest.fixture
def double() -> Iterator[None]:
    for library in (torch, ours):
        library.set_default_dtype(library.float64)
    yield
    for library in (torch, ours):
        library.set_default_dtype(library.float32)


DEFAULTS: dict[str, Callable[[Any], Any]] = {
    "tensor": lambda t: t.tensor([1.5, 2]),
    "complex": lambda t: t.tensor(1j),
    "zeros": lambda t: t.zeros(2),
    "arange": lambda t: t.arange(0, 1, 0.25),
    "division": lambda t: t.tensor([1, 2]) / 2,
    "sum with a number": lambda t: t.tensor([1, 2]) + 1.5,
    "exp": lambda t: t.tensor([0, 1]).exp(),
    "Tensor": lambda t: t.Tensor([1, 2]),
    "float32": lambda t: t.zeros(2, dtype=t.float32),
    "default": lambda t: t.get_default_dtype(),
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_the_default_type_changes_results(name: str, double: None) -> None:
    assert repr(DEFAULTS[name](ours)) == repr(DEFAULTS[name](torch))


def test_operations_forget_the_default_type_they_were_evaluated_under() -> None:
    whole = flambeau.tensor([1, 2])
    assert str((whole + 1.5).dtype) == "torch.float32"
    ours.set_default_dtype(flambeau.float64)
    try:
        assert (whole + 1.5).tolist() == [2.5, 3.5]
        assert str((whole + 1.5).dtype) == "torch.float64"
    finally:
        ours.set_default_dtype(flambeau.float32)
    assert str((whole + 1.5).dtype) == "torch.float32"


def test_a_device_is_a_context() -> None:
    for library in (torch, ours):
        with library.device("meta"):
            assert library.zeros(2).is_meta
            assert library.tensor([1]).is_meta
            assert not library.zeros(2, device="cpu").is_meta
            assert not library.zeros_like(library.zeros(2, device="cpu")).is_meta
            assert not library.from_numpy(np.ones(2)).is_meta
            assert str(library.get_default_device()) == "meta"
            with library.device("cpu"):
                assert not library.ones(2).is_meta
            assert library.ones(2).is_meta
        assert not library.ones(2).is_meta


def test_ranges_and_identities_are_part_of_programs() -> None:
    x = np.array([[0.5, -1.0, 2.0], [1.0, 3.0, -2.0]], np.float32)
    check(lambda t, x: x * t_of(t).arange(3) + t_of(t).linspace(0, 1, 3), x)
    check(lambda t, x: x @ t_of(t).eye(3) + t_of(t).logspace(0, 1, 3), x)
    check(lambda t, x: (x[:, None] < t_of(t).arange(4).view(1, 4, 1)).sum(), x)
    check(lambda t, x: t_of(t).complex(x, x * 2).abs(), x)
    check(lambda t, x: t_of(t).polar(x.abs(), x).real if t is torch else x.abs() * x.cos(), x)


def t_of(library: Any) -> Any:
    """The names of this file's modules for ours."""
    return ours if library is flambeau else library


def test_values_of_numpy_are_copied() -> None:
    array = np.zeros(3, np.float32)
    made = [flambeau.tensor(array), flambeau.from_numpy(array), flambeau.as_tensor(array)]
    array[:] = 7
    assert [tensor.tolist() for tensor in made] == [[0.0, 0.0, 0.0]] * 3


def test_tensor_shares_with_a_tensor_it_is_made_from() -> None:
    x = flambeau.zeros(2)
    flambeau.Tensor(x).fill_(3)
    assert x.tolist() == [3.0, 3.0]


def test_dlpack_from_numpy_jax_and_torch() -> None:
    import jax.numpy as jnp

    for source in (np.arange(4.0), jnp.arange(4.0), torch.arange(4.0)):
        found = ours.from_dlpack(source)
        assert found.tolist() == [0.0, 1.0, 2.0, 3.0]
        assert str(found.dtype).removeprefix("torch.") == str(source.dtype).removeprefix("torch.")
    with pytest.raises(ValueError, match=r"from_dlpack\(copy=False\) is not possible"):
        ours.from_dlpack(np.ones(2), copy=False)


def test_other_layouts_are_refused() -> None:
    with pytest.raises(NotImplementedError, match=r"zeros\(layout=torch.sparse_coo\) is not supported"):
        flambeau.zeros(2, layout=ours.sparse_coo)
