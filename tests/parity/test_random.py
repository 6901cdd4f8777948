"""Random tensors against PyTorch: the same seed, the same numbers, and the same state afterwards."""

import copy
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flambeau
from flambeau.runtime.report import COMPILATIONS
from flambeau.tensors import random as ours

torch = pytest.importorskip("torch")

SIZES = (*range(1, 18), 100, 1000)
SHAPES = (*((size,) for size in SIZES), (2, 3), (4, 5, 6), (), (0,), (3, 0))

# PyTorch draws trials of one probability by Intel's library where the processor is Intel's: not followed.
BY_MKL = sys.platform == "linux" and "GenuineIntel" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
EXACT = torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512") and sys.platform == "linux"


class Both:
    """A name looked up in PyTorch, or in our random module and then in the package."""

    def __init__(self, library: Any) -> None:
        self.library = library

    def __getattr__(self, name: str) -> Any:
        if self.library is flambeau and hasattr(ours, name):
            return getattr(ours, name)
        return getattr(self.library, name)


def ramp(t: Any, shape: tuple[int, ...], kind: str = "float32") -> Any:
    """Probabilities over [0, 1]."""
    count = int(np.prod(shape))
    return t.tensor((np.arange(count) % 17 / 16).reshape(shape).astype(kind))


DRAWS: dict[str, Callable[[Any, tuple[int, ...]], Any]] = {
    "rand": lambda t, s: t.rand(*s) if s else t.rand(()),
    "rand tuple": lambda t, s: t.rand(s),
    "rand size": lambda t, s: t.rand(size=s),
    "rand double": lambda t, s: t.rand(s, dtype=t.float64),
    "rand half": lambda t, s: t.rand(s, dtype=t.float16),
    "rand complex": lambda t, s: t.rand(s, dtype=t.complex64),
    "randn": lambda t, s: t.randn(s),
    "randn double": lambda t, s: t.randn(s, dtype=t.float64),
    "randn bfloat16": lambda t, s: t.randn(s, dtype=t.bfloat16),
    "randn complex": lambda t, s: t.randn(s, dtype=t.complex128),
    "randint": lambda t, s: t.randint(10, s),
    "randint low": lambda t, s: t.randint(-5, 5, s),
    "randint names": lambda t, s: t.randint(low=3, high=300, size=s, dtype=t.int32),
    "randint wide": lambda t, s: t.randint(0, 2**40, s),
    "randint float": lambda t, s: t.randint(0, 9, s, dtype=t.float32),
    "randperm": lambda t, s: t.randperm(int(np.prod(s))),
    "rand_like": lambda t, s: t.rand_like(t.zeros(s)),
    "rand_like double": lambda t, s: t.rand_like(t.zeros(s), dtype=t.float64),
    "randn_like": lambda t, s: t.randn_like(t.zeros(s)),
    "randint_like": lambda t, s: t.randint_like(t.zeros(s), 7),
    "randint_like low": lambda t, s: t.randint_like(t.zeros(s, dtype=t.int64), 2, 7),
    "normal numbers": lambda t, s: t.normal(1.5, 2.0, s),
    "normal names": lambda t, s: t.normal(mean=-1.0, std=0.1, size=s),
    "normal mean": lambda t, s: t.normal(ramp(t, s), 2.0),
    "normal default std": lambda t, s: t.normal(ramp(t, s)),
    "normal std": lambda t, s: t.normal(1.0, ramp(t, s)),
    "normal both": lambda t, s: t.normal(ramp(t, s), ramp(t, s) + 1),
    "normal broadcast": lambda t, s: t.normal(ramp(t, (3, 1)), ramp(t, (4,)) + 1),
    "normal mixed": lambda t, s: t.normal(ramp(t, s, "float64"), ramp(t, s)),
    "bernoulli": lambda t, s: t.bernoulli(ramp(t, s)),
    "bernoulli double": lambda t, s: t.bernoulli(ramp(t, s, "float64")),
    "bernoulli method": lambda t, s: ramp(t, s).bernoulli(),
    "normal_": lambda t, s: t.zeros(s).normal_(1, 2),
    "normal_ double": lambda t, s: t.zeros(s, dtype=t.float64).normal_(),
    "uniform_": lambda t, s: t.zeros(s).uniform_(-2, 3),
    "uniform_ names": lambda t, s: t.zeros(s).uniform_(**{"from": -1, "to": 2}),
    "uniform_ to": lambda t, s: t.zeros(s).uniform_(-1, to=2),
    "random_": lambda t, s: t.zeros(s).random_(),
    "random_ to": lambda t, s: t.zeros(s, dtype=t.int64).random_(7),
    "random_ from to": lambda t, s: t.zeros(s, dtype=t.int64).random_(-7, 7),
    "random_ from": lambda t, s: t.zeros(s, dtype=t.uint8).random_(200, None),
    "random_ names": lambda t, s: t.zeros(s, dtype=t.int64).random_(**{"from": -7, "to": 7}),
    "bernoulli_ tensor": lambda t, s: t.zeros(s).bernoulli_(ramp(t, s)),
    "bernoulli_ broadcast": lambda t, s: t.zeros(5, 4).bernoulli_(ramp(t, (4,))),
    "exponential_": lambda t, s: t.zeros(s, dtype=t.float64).exponential_(0.5),
    "geometric_": lambda t, s: t.zeros(s).geometric_(0.3),
    "log_normal_": lambda t, s: t.zeros(s).log_normal_(0.5, 0.25),
    "cauchy_": lambda t, s: t.zeros(s).cauchy_(1, 2),
    "multinomial": lambda t, s: t.multinomial(t.tensor([0.1, 0.0, 0.5, 2.0]), 3),
    "multinomial again": lambda t, s: t.multinomial(t.tensor([[0.1, 0.0], [0.5, 2.0]]), 30, replacement=True),
    "multinomial one": lambda t, s: t.multinomial(ramp(t, (3, 40)) + 0.1, 1),
    "poisson": lambda t, s: t.poisson(ramp(t, s) * 30),
    "poisson double": lambda t, s: t.poisson(ramp(t, s, "float64") * 5),
    "poisson transposed": lambda t, s: t.poisson((ramp(t, (3, 5)) * 30).t()),
    "poisson endless": lambda t, s: t.poisson(t.tensor([0.0, 1e9, 1e25, float("inf")])),
    "binomial": lambda t, s: t.binomial(t.floor(ramp(t, s) * 90), ramp(t, s)),
    "binomial double": lambda t, s: t.binomial(ramp(t, s, "float64") * 8, ramp(t, s, "float64")),
    "binomial broadcast": lambda t, s: t.binomial(ramp(t, (2, 5)) * 60, t.tensor([0.1, 0.5, 0.9, -1.0, 2.0])),
    "binomial not a number": lambda t, s: t.binomial(t.tensor([5.0, -1.0]), t.tensor([float("nan"), 0.5])),
    "transposed": lambda t, s: t.zeros(3, 5).t().uniform_(),
    "transposed normal": lambda t, s: t.zeros(5, 5).t().normal_(),
    "permuted": lambda t, s: t.zeros(2, 3, 5).permute(2, 0, 1).normal_(),
    "like transposed": lambda t, s: t.rand_like(t.zeros(3, 5).t()),
    "normal like transposed": lambda t, s: t.randn_like(t.zeros(5, 5).t()),
    "like transposed, row-major": lambda t, s: (
        t.rand_like(t.zeros(3, 5).t(), memory_format=t.contiguous_format)
        if hasattr(t, "contiguous_format")
        else t.rand_like(t.zeros(5, 3))
    ),
    "row of a matrix": lambda t, s: written_row(t),
    "column of a matrix": lambda t, s: t.zeros(20, 3)[:, 1].normal_(),
    "empty double": lambda t, s: t.rand(s, out=t.zeros(s, dtype=t.float64)),
    "requires_grad": lambda t, s: t.randn(s, requires_grad=True).detach(),
}
if not BY_MKL:
    DRAWS["bernoulli number"] = lambda t, s: t.bernoulli(t.zeros(s), 0.3)
    DRAWS["bernoulli_ number"] = lambda t, s: t.zeros(s).bernoulli_(0.3)


def written_row(t: Any) -> Any:
    x = t.zeros(3, 20)
    x[1].normal_()
    return x


def same(mine: Any, theirs: Any, ulps: int = 0) -> None:
    """Equal shape, type, and bits (or a few last places)."""
    assert tuple(mine.shape) == tuple(theirs.shape)
    assert str(mine.dtype) == str(theirs.dtype)
    if str(theirs.dtype) == "torch.bfloat16":
        mine, theirs = mine.float(), theirs.float()
    if ulps:
        np.testing.assert_array_max_ulp(np.array(mine.host()), theirs.numpy(), ulps)
    else:
        np.testing.assert_array_equal(mine.host(), theirs.numpy())


def states_agree() -> None:
    assert np.array_equal(ours.get_rng_state().numpy(), torch.get_rng_state().numpy())


@pytest.mark.parametrize("name", DRAWS)
def test_draws(name: str) -> None:
    loose = 0 if EXACT else 2
    for seed, shape in enumerate(SHAPES):
        ours.manual_seed(seed)
        torch.manual_seed(seed)
        for _ in range(2):
            theirs = DRAWS[name](torch, shape)
            same(DRAWS[name](Both(flambeau), shape), theirs, loose if "complex" not in name else 0)
            states_agree()


def test_interleaved_draws() -> None:
    order = np.random.RandomState(0)
    names = list(DRAWS)
    ours.manual_seed(7)
    torch.manual_seed(7)
    for _ in range(300):
        name, shape = names[order.randint(len(names))], SHAPES[order.randint(len(SHAPES))]
        theirs = DRAWS[name](torch, shape)
        same(DRAWS[name](Both(flambeau), shape), theirs)
    states_agree()


def test_generator_objects() -> None:
    mine, theirs = ours.Generator().manual_seed(3), torch.Generator().manual_seed(3)
    assert mine.initial_seed() == theirs.initial_seed() == 3
    assert str(mine.device) == str(theirs.device)
    before = ours.get_rng_state().numpy()
    same(ours.randn(20, generator=mine), torch.randn(20, generator=theirs))
    same(ours.randperm(9, generator=mine), torch.randperm(9, generator=theirs))
    twin = mine.clone_state()
    assert np.array_equal(mine.get_state().numpy(), theirs.get_state().numpy())
    same(ours.rand(5, generator=twin), torch.rand(5, generator=theirs.clone_state()))
    for other in (copy.deepcopy(mine), pickle.loads(pickle.dumps(mine))):
        assert np.array_equal(mine.get_state().numpy(), other.get_state().numpy())
    assert np.array_equal(before, ours.get_rng_state().numpy())
    assert ours.Generator().initial_seed() == torch.Generator().initial_seed()


def test_states_are_exchangeable() -> None:
    torch.manual_seed(11)
    torch.randn(5)
    ours.set_rng_state(flambeau.tensor(torch.get_rng_state().numpy()))
    same(ours.randn(7), torch.randn(7))
    torch.set_rng_state(torch.from_numpy(np.array(ours.get_rng_state().numpy())))
    same(ours.rand(7), torch.rand(7))


@pytest.mark.parametrize("seed", [0, -1, 2**63, 2**64 - 1, 1.9, "12"])
def test_seeds(seed: Any) -> None:
    ours.manual_seed(seed)
    torch.manual_seed(seed)
    assert ours.initial_seed() == torch.initial_seed()
    same(ours.rand(3), torch.rand(3))


def test_poisson_has_gradients_of_zero() -> None:
    found = []
    for library in (flambeau, torch):
        rates = library.tensor([1.0, 20.0], requires_grad=True)
        drawn = library.poisson(rates)
        (drawn * 2).sum().backward()
        found.append((drawn.grad_fn.name(), rates.grad.tolist()))
    assert found[0] == found[1] == ("PoissonBackward0", [0.0, 0.0])


def test_fork_rng() -> None:
    ours.manual_seed(0)
    torch.manual_seed(0)
    with ours.fork_rng(), torch.random.fork_rng():
        same(ours.rand(3), torch.rand(3))
    states_agree()
    with ours.fork_rng(enabled=False), torch.random.fork_rng(enabled=False):
        same(ours.rand(3), torch.rand(3))
    states_agree()


ERRORS: dict[str, Callable[[Any], Any]] = {
    "negative size": lambda t: t.randn(2, -1),
    "whole rand": lambda t: t.rand(2, dtype=t.int64),
    "whole randn": lambda t: t.randn(2, dtype=t.int64),
    "whole rand_like": lambda t: t.rand_like(t.zeros(2, dtype=t.int64)),
    "empty range": lambda t: t.randint(5, 5, (2,)),
    "negative randperm": lambda t: t.randperm(-1),
    "probability above one": lambda t: t.bernoulli(t.tensor([2.0])),
    "whole probability": lambda t: t.bernoulli(t.tensor([1])),
    "number above one": lambda t: t.zeros(2).bernoulli_(2.0),
    "negative std": lambda t: t.normal(0.0, -1.0, (2,)),
    "negative normal_": lambda t: t.zeros(2).normal_(0, -1),
    "normal without size": lambda t: t.normal(1.0, 2.0),
    "too many samples": lambda t: t.multinomial(t.tensor([1.0, 2.0]), 3),
    "negative rate": lambda t: t.poisson(t.tensor([1.0, -1.0])),
    "whole rate": lambda t: t.poisson(t.tensor([1])),
    "rate of no tensor": lambda t: t.poisson(3),
    "whole trials": lambda t: t.binomial(t.tensor([1]), t.tensor([0.5])),
    "whole odds": lambda t: t.binomial(t.tensor([1.0]), t.tensor([1])),
    "trials of no tensor": lambda t: t.binomial(3, t.tensor([0.5])),
    "odds of another type": lambda t: t.binomial(t.tensor([1.0]), t.tensor([0.5], dtype=t.float64)),
    "odds of another shape": lambda t: t.binomial(t.tensor([1.0, 2.0]), t.tensor([0.5, 0.5, 0.5])),
    "half trials": lambda t: t.binomial(t.tensor([1.0]).half(), t.tensor([0.5]).half()),
    "binomial backward": lambda t: t.binomial(t.tensor([1.0], requires_grad=True), t.tensor([0.5])).backward(),
    "no samples": lambda t: t.multinomial(t.tensor([1.0, 2.0]), 0),
    "size of a wrong class": lambda t: t.randn("a"),
    "leaf": lambda t: t.zeros(2, requires_grad=True).normal_(),
    "turned bounds": lambda t: t.zeros(2).uniform_(1, 0),
    "expanded": lambda t: t.zeros(3).expand(2, 3).uniform_(),
    "seed": lambda t: t.manual_seed(2**64),
    "state": lambda t: t.set_rng_state(t.zeros(3)),
    "whole gradient": lambda t: t.randint(5, (2,), requires_grad=True),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_begin_with_the_same_words(name: str) -> None:
    with pytest.raises(Exception, match=r".") as theirs:
        ERRORS[name](torch)
    with pytest.raises(type(theirs.value), match=r".") as mine:
        ERRORS[name](Both(flambeau))
    assert str(mine.value).startswith(str(theirs.value)[:35])


def test_a_generator_of_another_class_or_device_is_refused() -> None:
    with pytest.raises(TypeError, match=r"argument 'generator' must be torch\.Generator, not int"):
        flambeau.zeros(2).normal_(generator=5)
    with pytest.raises(RuntimeError, match="Expected a 'cpu' device type for generator but found 'cuda'"):
        ours.rand(2, generator=ours.Generator("cuda"))


def test_draws_on_the_tape_have_gradients_of_zero() -> None:
    for library in (torch, Both(flambeau)):
        x = library.ones(3, requires_grad=True)
        for drawn in ((x * 2).normal_(), library.bernoulli(x * 0.5), library.normal(x, 1.0)):
            (gradient,) = library.autograd.grad(drawn.sum(), x)
            assert gradient.tolist() == [0.0, 0.0, 0.0]
    assert repr(ours.normal(flambeau.ones(1, requires_grad=True), 0.0)) == "tensor([1.], grad_fn=<NormalBackward1>)"


def test_the_meta_device_draws_nothing() -> None:
    ours.manual_seed(0)
    state = ours.get_rng_state().numpy()
    assert repr(ours.randn(2, 3, device="meta")) == repr(torch.randn(2, 3, device="meta"))
    assert np.array_equal(state, ours.get_rng_state().numpy())


def test_device_keys_follow_the_seed_and_compile_nothing() -> None:
    ours.manual_seed(5)
    first, second = ours.device_key(), ours.device_key()
    ours.manual_seed(5)
    assert np.array_equal(ours.device_key().numpy(), first.numpy())
    assert not np.array_equal(first.numpy(), second.numpy())
    assert (first.shape, str(first.dtype)) == ((2,), "torch.uint32")
    _ = (ours.randn(3) * flambeau.tensor(2.0)).sum().item()
    compiled = len(COMPILATIONS)
    _ = (ours.randn(3) * flambeau.tensor(2.0)).sum().item()
    assert len(COMPILATIONS) == compiled
