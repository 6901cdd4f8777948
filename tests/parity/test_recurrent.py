"""Recurrent layers against PyTorch: initial values, text, state, results, gradients, errors."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import flambeau
from flambeau.testing import compilations
from tests.parity.oracle import compare, flat, torch, weights
from tests.parity.outcomes import same

RANDOM = np.random.default_rng(3)


def draw(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


STEPS, BATCH, SIZE = 4, 3, 2
PADDED, LONE = draw(STEPS, BATCH, SIZE), draw(STEPS, SIZE)
SEQUENCES = [draw(2, SIZE), draw(4, SIZE), draw(1, SIZE)]
STATE = draw(4, BATCH, 3)
ROW = draw(BATCH, SIZE)

# The layer, then how it is called: on padded sequences, packed ones, or one without a batch; with a state or without.
LAYERS: dict[str, tuple[str, bool]] = {
    "RNN(2, 3)": ("padded", False),
    "RNN(2, 3, 2, 'relu', bias=False, bidirectional=True)": ("padded", True),
    "RNN(2, 3, batch_first=True, nonlinearity='relu')": ("lone", True),
    "RNN(2, 3, bidirectional=True)": ("packed", True),
    "LSTM(2, 3)": ("padded", False),
    "LSTM(2, 3, 2, False, True, 0.0, True, 2)": ("padded", True),
    "LSTM(2, 3, batch_first=True)": ("lone", False),
    "LSTM(2, 3, bidirectional=True)": ("packed", True),
    "LSTM(2, 3, proj_size=2, bias=False)": ("packed", False),
    "LSTM(2, 3, dtype=torch.float64)": ("lone", True),
    "GRU(2, 3)": ("padded", False),
    "GRU(2, 3, 2, bidirectional=True, bias=False)": ("padded", True),
    "GRU(2, 3, batch_first=True)": ("lone", True),
    "GRU(2, 3, bidirectional=True)": ("packed", False),
    "RNNCell(2, 3)": ("row", True),
    "RNNCell(2, 3, False, 'relu')": ("row", False),
    "LSTMCell(2, 3)": ("row", True),
    "LSTMCell(2, 3, bias=False)": ("row", False),
    "GRUCell(2, 3)": ("row", True),
    "GRUCell(2, 3, dtype=torch.float64)": ("row", False),
}


def made(library: Any, expression: str) -> Any:
    library.manual_seed(7)
    return eval(f"nn.{expression}", {"nn": library.nn, "torch": library})


def called(library: Any, layer: Any, how: str, given: bool) -> tuple[list[Any], list[Any]]:
    """Results of a call, in training if a state is given and else in evaluation, and the gradients of everything."""
    kind = next(layer.parameters()).dtype
    arrays = {"padded": [PADDED], "lone": [LONE], "packed": SEQUENCES, "row": [ROW]}[how]
    leaves = [library.tensor(item).to(kind).requires_grad_() for item in arrays]
    rnn = library.nn.utils.rnn
    turned = getattr(layer, "batch_first", False) and how == "padded"
    input = leaves[0].transpose(0, 1) if turned else leaves[0]
    if how == "packed":
        input = rnn.pack_sequence(leaves, enforce_sorted=False)
    state = states(library, layer, how) if given else None
    found = layer.train(given)(input, state)
    results = flat([rnn.pad_packed_sequence(found[0]), found[1]] if how == "packed" else found)
    roots = [item for item in results if item.requires_grad]
    sum((item * weights(library, item)).sum() for item in roots).backward()  # pyright: ignore[reportAttributeAccessIssue]
    inputs = [*leaves, *([] if state is None else flat(state))]
    return results, [item.grad for item in (*inputs, *layer.parameters())]


def states(library: Any, layer: Any, how: str) -> Any:
    """First states of the shape the layer wants; a pair for LSTMs."""
    kind = next(layer.parameters()).dtype
    count = getattr(layer, "num_layers", 1) * (2 if getattr(layer, "bidirectional", False) else 1)

    def state(size: int) -> Any:
        array = STATE[:count, :, :size]
        array = {"row": array[0], "lone": array[:, 0]}.get(how, array)
        return library.tensor(array.copy()).to(kind).requires_grad_()

    hidden = state(getattr(layer, "proj_size", 0) or 3)
    return (hidden, state(3)) if "LSTM" in type(layer).__name__ else hidden


@pytest.mark.parametrize("expression", LAYERS)
def test_made_as_in_pytorch(expression: str) -> None:
    mine, theirs = made(flambeau, expression), made(torch, expression)
    assert repr(mine) == repr(theirs)
    assert mine.__constants__ == theirs.__constants__
    names = [name for name in theirs.__dict__ if not name.startswith("_")]
    assert [name for name in mine.__dict__ if not name.startswith("_")] == names
    assert {name: getattr(mine, name) for name in names} == {name: getattr(theirs, name) for name in names}
    assert mine.__dict__.keys() == theirs.__dict__.keys()
    assert list(mine.state_dict()) == list(theirs.state_dict())
    for name, value in theirs.state_dict().items():
        np.testing.assert_array_equal(mine.state_dict()[name].host(), value.numpy(), err_msg=name)
    if hasattr(theirs, "all_weights"):
        assert mine._flat_weights_names == theirs._flat_weights_names
        assert mine._all_weights == theirs._all_weights
        shapes = [[[tuple(item.shape) for item in part] for part in layer.all_weights] for layer in (mine, theirs)]
        assert shapes[0] == shapes[1]


@pytest.mark.parametrize("expression", LAYERS)
def test_computes_as_in_pytorch(expression: str) -> None:
    expected, expected_gradients = called(torch, made(torch, expression), *LAYERS[expression])
    for limit in (None, 0):
        with compilations(at_most=limit):
            found, found_gradients = called(flambeau, made(flambeau, expression), *LAYERS[expression])
            compare(found, expected)
            compare(found_gradients, expected_gradients, what="gradient")


@pytest.mark.parametrize(("expression", "packed"), [("RNN(2, 3)", False), ("LSTM(2, 3)", False), ("GRU(2, 3)", True)])
def test_second_derivatives(expression: str, packed: bool) -> None:
    def second(library: Any) -> list[Any]:
        layer = made(library, expression).double()
        x = library.tensor(PADDED.astype(np.float64)).requires_grad_()
        rnn = library.nn.utils.rnn
        output = layer(rnn.pack_padded_sequence(x, [4, 3, 1]) if packed else x)[0]
        if packed:
            output = output.data
        first = library.autograd.grad((output * output).sum(), [x, *layer.parameters()], create_graph=True)
        return list(library.autograd.grad(sum((item * item).sum() for item in first), [x, *layer.parameters()]))

    compare(second(flambeau), second(torch))


def test_half_types() -> None:
    for name in ("bfloat16", "float16"):
        results: list[Any] = []
        for library in (flambeau, torch):
            layer = made(library, "GRU(2, 3)").to(getattr(library, name))
            results.append(layer(library.tensor(PADDED).to(getattr(library, name)))[0])
        compare(results[:1], results[1:])


def test_functions() -> None:
    """``torch.lstm`` and its kin, of padded and of packed sequences."""

    def both(library: Any, kind: str) -> list[Any]:
        layer = made(library, f"{kind.upper()}(2, 3)")
        x, hx = library.tensor(PADDED), states(library, layer, "padded")
        packed = library.nn.utils.rnn.pack_padded_sequence(x, [4, 3, 1])
        settings = (list(layer.parameters()), True, 1, 0.0, False, False)
        function = getattr(library, kind)
        with library.no_grad():
            return flat([function(x, hx, *settings, False), function(packed.data, packed.batch_sizes, hx, *settings)])

    for kind in ("lstm", "gru"):
        compare(both(flambeau, kind), both(torch, kind))


def test_functions_by_name() -> None:
    def named(library: Any) -> list[Any]:
        layer = made(library, "RNN(2, 3)")
        names = "input hx params has_biases num_layers dropout train bidirectional batch_first".split()
        given = [library.tensor(LONE)[:, None], library.zeros(1, 1, 3), list(layer.parameters())]
        with library.no_grad():
            return flat(library.rnn_tanh(**dict(zip(names, [*given, True, 1, 0.0, False, False, False], strict=True))))

    compare(named(flambeau), named(torch))


# -- errors ----------------------------------------------------------------------------------------------------------

ERRORS: dict[str, Callable[[Any], Any]] = {
    "dropout": lambda torch: torch.nn.LSTM(2, 3, dropout=1.5),
    "dropout bool": lambda torch: torch.nn.LSTM(2, 3, dropout=True),
    "dropout without effect": lambda torch: torch.nn.LSTM(2, 3, dropout=0.5),
    "bias": lambda torch: torch.nn.LSTM(2, 3, bias=1),
    "batch_first": lambda torch: torch.nn.LSTM(2, 3, batch_first=2),
    "input_size": lambda torch: torch.nn.LSTM(2.0, 3),
    "input_size 0": lambda torch: torch.nn.LSTM(0, 3),
    "hidden_size": lambda torch: torch.nn.LSTM(2, "3"),
    "hidden_size 0": lambda torch: torch.nn.LSTM(2, 0),
    "num_layers": lambda torch: torch.nn.LSTM(2, 3, 0),
    "proj_size": lambda torch: torch.nn.LSTM(2, 3, proj_size=-1),
    "proj_size too large": lambda torch: torch.nn.LSTM(2, 3, proj_size=3),
    "proj_size of a GRU": lambda torch: torch.nn.GRU(2, 3, proj_size=1),
    "proj_size of an RNN": lambda torch: torch.nn.RNN(2, 3, proj_size=1),
    "nonlinearity": lambda torch: torch.nn.RNN(2, 3, nonlinearity="gelu"),
    "mode": lambda torch: torch.nn.RNNBase("ABC", 2, 3),
    "no forward": lambda torch: torch.nn.RNNBase("LSTM", 2, 3)(torch.zeros(4, 3, 2)),
    **{
        f"{kind} rank {rank}": lambda torch, kind=kind, rank=rank: getattr(torch.nn, kind)(2, 3)(
            torch.zeros((2,) * rank)
        )
        for kind in ("RNN", "LSTM", "GRU")
        for rank in (1, 4)
    },
    **{
        f"{kind} {name}": lambda torch, kind=kind, shape=shape: getattr(torch.nn, kind)(2, 3)(torch.zeros(shape))
        for kind in ("RNN", "LSTM", "GRU")
        for name, shape in {"input size": (4, 3, 5), "no steps": (0, 3, 2), "lone input size": (4, 5)}.items()
    },
    "input type": lambda torch: torch.nn.GRU(2, 3)(torch.zeros(4, 3, 2, dtype=torch.float64)),
    "state rank": lambda torch: torch.nn.GRU(2, 3)(torch.zeros(4, 3, 2), torch.zeros(3, 3)),
    "lone state rank": lambda torch: torch.nn.RNN(2, 3)(torch.zeros(4, 2), torch.zeros(1, 3, 3)),
    "state size": lambda torch: torch.nn.GRU(2, 3)(torch.zeros(4, 3, 2), torch.zeros(1, 2, 3)),
    "state type": lambda torch: torch.nn.GRU(2, 3)(torch.zeros(4, 3, 2), torch.zeros(1, 3, 3, dtype=torch.float64)),
    "states rank": lambda torch: torch.nn.LSTM(2, 3)(torch.zeros(4, 3, 2), (torch.zeros(1, 3, 3), torch.zeros(3, 3))),
    "lone states rank": lambda torch: torch.nn.LSTM(2, 3)(torch.zeros(4, 2), (torch.zeros(1, 3), torch.zeros(3))),
    "hidden[0]": lambda torch: torch.nn.LSTM(2, 3)(torch.zeros(4, 3, 2), (torch.zeros(2, 3, 3), torch.zeros(1, 3, 3))),
    "hidden[1]": lambda torch: torch.nn.LSTM(2, 3)(torch.zeros(4, 3, 2), (torch.zeros(1, 3, 3), torch.zeros(1, 3, 4))),
    "one state": lambda torch: torch.nn.LSTM(2, 3)(torch.zeros(4, 3, 2), torch.zeros(1, 3, 3)),
    "three states": lambda torch: torch.nn.LSTM(2, 3)(torch.zeros(4, 3, 2), (torch.zeros(1, 3, 3),) * 3),
    "packed input size": lambda torch: torch.nn.GRU(2, 3)(pack(torch, 5)),
    "packed state": lambda torch: torch.nn.GRU(2, 3)(pack(torch, 2), torch.zeros(1, 3, 3)),
    "packed LSTM input size": lambda torch: torch.nn.LSTM(2, 3)(pack(torch, 5)),
    "packed LSTM state": lambda torch: torch.nn.LSTM(2, 3)(pack(torch, 2), (torch.zeros(1, 3, 3),) * 2),
    "packed LSTM layers": lambda torch: torch.nn.LSTM(2, 3)(pack(torch, 2), (torch.zeros(2, 2, 3),) * 2),
    "packed LSTM type": lambda torch: torch.nn.LSTM(2, 3).double()(pack(torch, 2)),
    "weights missing": lambda torch: function(torch, 3),
    **{
        f"{kind} {name}": lambda torch, kind=kind, shape=shape: getattr(torch.nn, kind)(2, 3)(torch.zeros(shape))
        for kind in ("RNNCell", "LSTMCell", "GRUCell")
        for name, shape in {"rank": (4, 3, 2), "scalar": (), "input size": (4, 5)}.items()
    },
    "cell state rank": lambda torch: torch.nn.GRUCell(2, 3)(torch.zeros(4, 2), torch.zeros(1, 4, 3)),
    "cell state batch": lambda torch: torch.nn.RNNCell(2, 3)(torch.zeros(4, 2), torch.zeros(3, 3)),
    "cell state size": lambda torch: torch.nn.GRUCell(2, 3)(torch.zeros(4, 2), torch.zeros(4, 2)),
    "cell lone state": lambda torch: torch.nn.RNNCell(2, 3)(torch.zeros(2), torch.zeros(1, 3)),
    "cell type": lambda torch: torch.nn.RNNCell(2, 3)(torch.zeros(4, 2, dtype=torch.float64)),
    "cell one state": lambda torch: torch.nn.LSTMCell(2, 3)(torch.zeros(4, 2), (torch.zeros(4, 3),)),
    "cell states rank": lambda torch: torch.nn.LSTMCell(2, 3)(
        torch.zeros(4, 2), (torch.zeros(4, 3), torch.zeros(1, 4, 3))
    ),
    "cell states size": lambda torch: torch.nn.LSTMCell(2, 3)(
        torch.zeros(4, 2), (torch.zeros(4, 3), torch.zeros(4, 2))
    ),
    "cell nonlinearity": lambda torch: torch.nn.RNNCell(2, 3, nonlinearity="gelu")(torch.zeros(4, 2)),
    "cell nonlinearity in text": lambda torch: torch.nn.RNNCell(2, 3, nonlinearity="relu"),
}


def pack(library: Any, size: int) -> Any:
    return library.nn.utils.rnn.pack_sequence([library.zeros(3, size), library.zeros(2, size)])


def function(library: Any, count: int) -> Any:
    state = library.zeros(1, 3, 3)
    params = [*library.nn.LSTM(2, 3).parameters()] * 2
    return library.lstm(library.zeros(4, 3, 2), (state, state), params[:count], True, 1, 0.0, False, False, False)


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    same(ERRORS[name])


# -- the weights as a list -------------------------------------------------------------------------------------------


def test_copies_know_their_own_weights() -> None:
    layer = made(flambeau, "LSTM(2, 3, bidirectional=True)")
    for again in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        for weight, name in zip(again._flat_weights, again._flat_weights_names, strict=True):
            assert weight is getattr(again, name)
            assert weight is not getattr(layer, name)
        assert flambeau.equal(again(flambeau.tensor(PADDED))[0], layer(flambeau.tensor(PADDED))[0])
    assert "_flat_weight_refs" not in layer.__getstate__()


def test_an_old_pickle_without_names_gets_them() -> None:
    for library in (flambeau, torch):
        layer = made(library, "LSTM(2, 3, 2, bias=False)")
        state = layer.__getstate__()
        del state["proj_size"], state["_flat_weights_names"]
        state["all_weights"] = [[library.zeros(1)]]
        old = library.nn.LSTM.__new__(library.nn.LSTM)
        old.__setstate__(state)
        assert old.proj_size == 0
        assert old._flat_weights_names == ["weight_ih_l0", "weight_hh_l0", "weight_ih_l1", "weight_hh_l1"]
        assert old._flat_weights[0] is layer.weight_ih_l0


def test_assigned_weights_are_used() -> None:
    def run(library: Any) -> list[Any]:
        layer = made(library, "GRU(2, 3)")
        x = library.tensor(PADDED)
        layer.weight_hh_l0 = library.nn.Parameter(library.ones(9, 3))
        first = layer(x)[0]
        assert layer._flat_weights[1] is layer.weight_hh_l0
        twice = {name: value * 2 for name, value in layer.named_parameters()}
        swapped = library.func.functional_call(layer, twice, (x,))[0]
        layer.flatten_parameters()
        layer.reset_parameters()
        return [first, swapped, layer(x)[0]]

    compare(run(flambeau), run(torch))
