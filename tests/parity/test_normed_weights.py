"""Weight norm, spectral norm (both forms of each) and orthogonal weights against PyTorch."""

import copy
import io
import re
import warnings
from typing import Any

import numpy as np
import pytest

import flambeau
from flambeau.runtime.force import RUNS
from flambeau.testing import compilations
from tests.parity.oracle import compare
from tests.parity.outcomes import outcome, same

torch = pytest.importorskip("torch")

LIBRARIES = (flambeau, torch)
INPUTS = {
    "Linear": np.cos(np.arange(12, dtype=np.float32)).reshape(2, 6),
    "Bilinear": np.cos(np.arange(12, dtype=np.float32)).reshape(2, 6),
    "Conv2d": np.cos(np.arange(150, dtype=np.float32)).reshape(1, 6, 5, 5),
    "ConvTranspose2d": np.cos(np.arange(150, dtype=np.float32)).reshape(1, 6, 5, 5),
    "LayerNorm": np.cos(np.arange(12, dtype=np.float32)).reshape(2, 6),
}
SIZES = {
    "Linear": (6, 4),
    "Conv2d": (6, 4, 3),
    "ConvTranspose2d": (6, 4, 3),
    "LayerNorm": (6,),
    "Square": (6, 6),
    "Tall": (4, 6),
}


def layer_of(t: Any, kind: str = "Linear") -> Any:
    t.manual_seed(3)
    return getattr(t.nn, "Linear" if kind in ("Square", "Tall") else kind)(*SIZES[kind])


def older(t: Any) -> Any:
    """The module of the functions that register hooks, whose warning is tested elsewhere."""
    warnings.simplefilter("ignore", FutureWarning)
    return t.nn.utils


def newer(t: Any) -> Any:
    return t.nn.utils.parametrizations


WAYS: dict[str, tuple[str, Any]] = {
    "weight_norm": ("Linear", lambda t, m: newer(t).weight_norm(m)),
    "weight_norm along 1": ("Conv2d", lambda t, m: newer(t).weight_norm(m, dim=1)),
    "weight_norm of all": ("Linear", lambda t, m: newer(t).weight_norm(m, dim=None)),
    "weight_norm of convolutions": ("Conv2d", lambda t, m: newer(t).weight_norm(m)),
    "weight_norm of the bias": ("Linear", lambda t, m: newer(t).weight_norm(m, "bias")),
    "older weight_norm": ("Linear", lambda t, m: older(t).weight_norm(m)),
    "older weight_norm along 1": ("Conv2d", lambda t, m: older(t).weight_norm(m, "weight", 1)),
    "older weight_norm of all": ("Linear", lambda t, m: older(t).weight_norm(m, dim=None)),
    "spectral_norm": ("Linear", lambda t, m: newer(t).spectral_norm(m)),
    "spectral_norm of convolutions": ("Conv2d", lambda t, m: newer(t).spectral_norm(m, n_power_iterations=3)),
    "spectral_norm transposed": ("ConvTranspose2d", lambda t, m: newer(t).spectral_norm(m)),
    "spectral_norm along 2": ("Conv2d", lambda t, m: newer(t).spectral_norm(m, dim=-2, eps=1e-6)),
    "spectral_norm of a vector": ("LayerNorm", lambda t, m: newer(t).spectral_norm(m)),
    "older spectral_norm": ("Linear", lambda t, m: older(t).spectral_norm(m)),
    "older spectral_norm transposed": ("ConvTranspose2d", lambda t, m: older(t).spectral_norm(m)),
    "older spectral_norm along 1": ("Conv2d", lambda t, m: older(t).spectral_norm(m, dim=1, n_power_iterations=2)),
    "orthogonal": ("Square", lambda t, m: newer(t).orthogonal(m)),
    "orthogonal tall": ("ConvTranspose2d", lambda t, m: newer(t).orthogonal(m, "weight")),
    "orthogonal wide": ("Linear", lambda t, m: newer(t).orthogonal(m)),
    "orthogonal matrix_exp wide": ("Linear", lambda t, m: newer(t).orthogonal(m, orthogonal_map="matrix_exp")),
    "orthogonal cayley": ("Square", lambda t, m: newer(t).orthogonal(m, orthogonal_map="cayley")),
    "orthogonal cayley wide": ("Linear", lambda t, m: newer(t).orthogonal(m, orthogonal_map="cayley")),
    "orthogonal householder": ("Square", lambda t, m: newer(t).orthogonal(m, orthogonal_map="householder")),
    **{f"orthogonal {name} without base": ("Linear", lambda t, m, name=name: newer(t).orthogonal(
        m, orthogonal_map=name, use_trivialization=False)) for name in ("matrix_exp", "cayley", "householder")},
}  # fmt: skip


def result_of(t: Any, way: str) -> tuple[Any, Any, Any]:
    """A layer with its weight normed, an input for it, and an optimizer."""
    kind, norm = WAYS[way]
    module = norm(t, layer_of(t, kind))
    return module, t.tensor(INPUTS["Linear" if kind == "Square" else kind]), t.optim.SGD(module.parameters(), lr=0.1)


def step(module: Any, x: Any, optimizer: Any) -> Any:
    optimizer.zero_grad()
    loss = (module(x) - 0.5).square().mean()
    loss.backward()
    optimizer.step()
    return loss


@pytest.mark.parametrize("way", WAYS)
def test_keys_values_gradients_and_training(way: str) -> None:
    def run(t: Any) -> tuple[Any, list[Any]]:
        module, x, optimizer = result_of(t, way)
        drawn = t.rand(2)
        facts = [
            repr(module),
            list(module.state_dict()),
            [name for name, _ in module.named_parameters()],
            [name for name, _ in module.named_buffers()],
            list(map(dict, module.state_dict()._metadata.values())),
        ]
        values = [drawn, *module.state_dict().values()]
        for _ in range(3):
            loss = step(module, x, optimizer)
            values += [loss, *[parameter.grad.clone() for parameter in module.parameters()]]
        module.eval()
        with t.no_grad():
            values += [module(x), module.weight, module(x)]
        return facts, [*values, *module.state_dict().values()]

    (facts, values), (expected_facts, expected) = map(run, LIBRARIES)
    assert facts == expected_facts
    compare(values, expected, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("way", WAYS)
def test_a_step_is_one_program_and_the_same_from_the_first_on(way: str) -> None:
    module, x, optimizer = result_of(flambeau, way)
    compiled: list[int] = []
    programs: list[int] = []
    for _ in range(4):
        before = RUNS["programs"]
        with compilations() as entries:
            step(module, x, optimizer).item()
        compiled.append(len(entries))
        programs.append(RUNS["programs"] - before)
    assert compiled[0] <= 1
    assert compiled[1:] == [0, 0, 0]
    assert programs == [1] * 4


STATES = ["weight_norm", "spectral_norm", "older weight_norm", "older spectral_norm", "orthogonal",
          "orthogonal cayley wide"]  # fmt: skip


@pytest.mark.parametrize("way", STATES)
def test_state_goes_from_library_to_library(way: str) -> None:
    for source, target in (LIBRARIES, LIBRARIES[::-1]):
        given, x, optimizer = result_of(source, way)
        step(given, x, optimizer)
        taking, y, _ = result_of(target, way)
        stream = io.BytesIO()
        source.save(given.state_dict(), stream)
        stream.seek(0)
        state = target.load(stream)
        taking.load_state_dict(state)
        compare([taking.eval()(y)], [given.eval()(x)]) if source is torch else compare(
            [given.eval()(x)], [taking.eval()(y)]
        )
        assert list(map(dict, state._metadata.values())) == list(map(dict, given.state_dict()._metadata.values()))


def test_state_of_the_older_weight_norm_is_taken_inside_another_module_too() -> None:
    def run(t: Any) -> list[Any]:
        given = t.nn.Sequential(older(t).weight_norm(layer_of(t), dim=None))
        with t.no_grad():
            given[0].weight_g.mul_(2)
        taking = t.nn.Sequential(newer(t).weight_norm(layer_of(t), dim=None))
        taking.load_state_dict(given.state_dict())
        return [taking[0].weight, *taking.state_dict().values()]

    compare(run(flambeau), run(torch))


def test_state_of_the_first_spectral_norm() -> None:
    """Version 0 kept the weight and u; v is solved for."""

    def run(t: Any) -> list[Any]:
        taking, x = older(t).spectral_norm(layer_of(t, "Tall")).eval(), t.tensor(INPUTS["Linear"][:, :4].copy())
        taking.load_state_dict(state_of_version_0(t, "Tall"))
        return [taking.weight_v, taking(x)]

    compare(run(flambeau), run(torch), rtol=1e-3, atol=1e-4)


def state_of_version_0(t: Any, kind: str) -> Any:
    module = older(t).spectral_norm(layer_of(t, kind))
    for _ in range(5):
        module(t.ones(1, SIZES[kind][0]))
    state = module.state_dict()
    state["weight"] = module.weight.detach().clone()
    del state["weight_v"]
    del state._metadata[""]["spectral_norm"]
    return state


def test_state_of_the_first_spectral_norm_for_a_wide_weight() -> None:
    """What is solved for is not unique; it keeps what PyTorch, too, wants of it."""
    module = older(flambeau).spectral_norm(layer_of(flambeau)).eval()
    state = state_of_version_0(flambeau, "Linear")
    weight = state["weight"]
    module.load_state_dict(state)
    product = module.weight_orig @ module.weight_v
    flambeau.testing.assert_close(product / product.norm(), module.weight_u)
    module(flambeau.ones(1, 6))
    flambeau.testing.assert_close(module.weight.detach(), weight)


STATE_CASES: dict[str, Any] = {
    "made by hand": lambda t, module, state: (delattr(state, "_metadata"), state)[1],
    "without the weight": lambda t, module, state: {"bias": state["bias"]},
    "of another layer": lambda t, module, state: layer_of(t).state_dict(),
}  # fmt: skip


@pytest.mark.parametrize("name", STATE_CASES)
def test_states_that_do_not_fit(name: str) -> None:
    def run(t: Any) -> Any:
        module = result_of(t, "older spectral_norm")[0]
        return module.load_state_dict(STATE_CASES[name](t, module, module.state_dict()))

    same(run)


REMOVALS: dict[str, Any] = {
    "weight_norm": lambda t, m: t.nn.utils.parametrize.remove_parametrizations(m, "weight"),
    "spectral_norm": lambda t, m: t.nn.utils.parametrize.remove_parametrizations(m, "weight"),
    "orthogonal": lambda t, m: t.nn.utils.parametrize.remove_parametrizations(m, "weight"),
    "older weight_norm": lambda t, m: t.nn.utils.remove_weight_norm(m),
    "older spectral_norm": lambda t, m: t.nn.utils.remove_spectral_norm(m),
}


@pytest.mark.parametrize("way", REMOVALS)
def test_removal(way: str) -> None:
    def run(t: Any) -> tuple[Any, list[Any]]:
        module, x, optimizer = result_of(t, way)
        step(module, x, optimizer)
        assert REMOVALS[way](t, module) is module
        facts = [repr(module), list(module.state_dict()), type(module.weight).__name__, module.weight.requires_grad,
                 len(module._forward_pre_hooks), len(module._state_dict_hooks)]  # fmt: skip
        return facts, [module.weight, module(x), step(module, x, t.optim.SGD(module.parameters(), 0.1)), module.weight]

    (facts, values), (expected_facts, expected) = map(run, LIBRARIES)
    assert facts == expected_facts
    compare(values, expected, rtol=1e-4, atol=1e-5)


def test_a_module_whose_older_spectral_norm_was_removed_takes_a_plain_state() -> None:
    """PyTorch leaves a hook behind, which then misses weight_orig and weight_u."""
    module = older(flambeau).spectral_norm(layer_of(flambeau))
    flambeau.nn.utils.remove_spectral_norm(module)
    assert str(module.load_state_dict(layer_of(flambeau).state_dict())) == "<All keys matched successfully>"


@pytest.mark.parametrize("way", ["weight_norm", "spectral_norm", "orthogonal"])
def test_copies(way: str) -> None:
    module, x, optimizer = result_of(flambeau, way)
    replica = copy.deepcopy(module)
    replica.eval(), module.eval()
    assert replica(x).tolist() == module(x).tolist()
    module.train()
    step(module, x, optimizer)
    module.eval()
    assert replica(x).tolist() != module(x).tolist()


def test_two_forward_passes_before_a_backward_pass() -> None:
    """As in the training of adversarial networks; power iterations write into the buffers in between."""

    def run(t: Any) -> list[Any]:
        values: list[Any] = []
        for way in ("spectral_norm", "older spectral_norm"):
            module, x, _ = result_of(t, way)
            (module(x).sum() - module(x * 2).square().sum()).backward()
            values += [parameter.grad for parameter in module.parameters()]
        return values

    compare(run(flambeau), run(torch), rtol=1e-4, atol=1e-4)


def test_both_norms_in_a_chain() -> None:
    def run(t: Any) -> list[Any]:
        module = newer(t).spectral_norm(newer(t).weight_norm(layer_of(t)))
        module(t.tensor(INPUTS["Linear"])).sum().backward()
        return [*module.state_dict().values(), *[parameter.grad for parameter in module.parameters()]]

    compare(run(flambeau), run(torch), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["matrix_exp", "cayley", "householder"])
def test_assigning_to_an_orthogonal_weight(name: str) -> None:
    def run(t: Any) -> list[Any]:
        module = newer(t).orthogonal(layer_of(t), orthogonal_map=name)
        t.manual_seed(1)
        module.weight = t.nn.init.orthogonal_(t.empty(4, 6))
        return [module.weight, module.weight @ module.weight.T]

    compare(run(flambeau), run(torch), rtol=1e-4, atol=1e-5)


def test_complex_unitary_weights() -> None:
    def run(t: Any) -> list[Any]:
        values: list[Any] = []
        for name in ("matrix_exp", "cayley"):
            module = t.nn.Module()
            t.manual_seed(2)
            module.weight = t.nn.Parameter(t.randn(3, 3, dtype=t.complex64))
            newer(t).orthogonal(module, orthogonal_map=name)
            values += [module.weight, module.weight @ module.weight.mH]
        return values

    compare(run(flambeau), run(torch), rtol=1e-4, atol=1e-5)


def test_an_orthogonal_weight_stays_orthogonal() -> None:
    for way in (name for name in WAYS if name.startswith("orthogonal") and "tall" not in name):
        module, x, optimizer = result_of(flambeau, way)
        for _ in range(3):
            step(module, x, optimizer)
        weight = module.weight.detach()
        flambeau.testing.assert_close(weight @ weight.T, flambeau.eye(len(weight)), rtol=0, atol=1e-5)


# -- errors ------------------------------------------------------------------------------------------------------------


def assigned(module: Any, value: Any) -> None:
    module.weight = value


FAILURES: dict[str, Any] = {
    "weight_norm name": lambda t: newer(t).weight_norm(layer_of(t), "foo"),
    "weight_norm dimension": lambda t: newer(t).weight_norm(layer_of(t), dim=5),
    "spectral_norm name": lambda t: newer(t).spectral_norm(layer_of(t), "foo"),
    "spectral_norm dimension": lambda t: newer(t).spectral_norm(layer_of(t), dim=2),
    "spectral_norm iterations": lambda t: newer(t).spectral_norm(layer_of(t), n_power_iterations=0),
    "orthogonal name": lambda t: newer(t).orthogonal(layer_of(t), "foo"),
    "orthogonal vector": lambda t: newer(t).orthogonal(layer_of(t), "bias"),
    "orthogonal map": lambda t: newer(t).orthogonal(layer_of(t), orthogonal_map="foo"),
    "orthogonal complex": lambda t: newer(t).orthogonal(layer_of(t).to(t.complex64), orthogonal_map="householder"),
    "orthogonal shape": lambda t: assigned(newer(t).orthogonal(layer_of(t)), t.ones(2, 2)),
    "orthogonal assigned": lambda t: assigned(newer(t).orthogonal(
        layer_of(t), orthogonal_map="cayley", use_trivialization=False), t.ones(4, 6)),
    "older weight_norm twice": lambda t: older(t).weight_norm(older(t).weight_norm(layer_of(t))),
    "older weight_norm name": lambda t: older(t).weight_norm(layer_of(t), "foo"),
    "older weight_norm not there": lambda t: older(t).remove_weight_norm(layer_of(t)),
    "older spectral_norm twice": lambda t: older(t).spectral_norm(older(t).spectral_norm(layer_of(t))),
    "older spectral_norm name": lambda t: older(t).spectral_norm(layer_of(t), "foo"),
    "older spectral_norm None": lambda t: older(t).spectral_norm(t.nn.Linear(2, 2, bias=False), "bias"),
    "older spectral_norm iterations": lambda t: older(t).spectral_norm(layer_of(t), n_power_iterations=0),
    "older spectral_norm not there": lambda t: older(t).remove_spectral_norm(layer_of(t)),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILURES)
def test_errors_are_pytorchs(name: str) -> None:
    found, expected = (outcome(t, FAILURES[name])[0] for t in LIBRARIES)
    assert re.match(r"[A-Za-z]+Error: ", expected)
    assert found == expected


def test_the_older_weight_norm_warns_as_pytorch_does() -> None:
    same(lambda t: t.nn.utils.weight_norm(layer_of(t)))
    with pytest.warns(FutureWarning, match="is deprecated in favor of `torch.nn.utils.parametrizations.weight_norm`"):
        flambeau.nn.utils.weight_norm(layer_of(flambeau))
