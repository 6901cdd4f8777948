"""Rows 68 to 78: what ``load_state_dict`` takes, and what it says of the rest."""

from typing import Any

from tests.behavior.differences import differs
from tests.behavior.errors import raises, raises_like
from tests.behavior.models import CIVIL_KEYS, civil_net, my_model, simple_model


def quoted(names: Any) -> str:
    return ", ".join(f'"{name}"' for name in names)


def test_row_068_strict_by_default(torch):
    result = simple_model(torch)().load_state_dict(simple_model(torch)().state_dict())
    assert repr(result) == str(result) == "<All keys matched successfully>"
    assert type(result).__name__ == "_IncompatibleKeys"
    assert tuple(result) == (result.missing_keys, result.unexpected_keys) == ([], [])


def test_row_069_keys_that_do_not_match(torch):
    missing = quoted(["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"])
    unexpected = quoted(["conv.weight", "conv.bias", "linear.weight", "linear.bias"])
    text = (
        "Error(s) in loading state_dict for SimpleModel:\n"
        f"\tMissing key(s) in state_dict: {missing}. \n\tUnexpected key(s) in state_dict: {unexpected}. "
    )
    with raises(RuntimeError, text):
        simple_model(torch)().load_state_dict(my_model(torch)().state_dict())


def test_row_070_strict_false_takes_what_is_there(torch):
    model = simple_model(torch)()
    result = model.load_state_dict({"fc1.bias": torch.ones(5), "x": torch.ones(1)}, strict=False)
    missing = ["fc1.weight", "fc2.weight", "fc2.bias"]
    assert repr(result) == f"_IncompatibleKeys(missing_keys={missing!r}, unexpected_keys=['x'])"
    assert model.fc1.bias.tolist() == [1.0] * 5
    with raises_like(RuntimeError, "Error(s) in loading state_dict for SimpleModel:\n\tsize mismatch for fc1.bias: "):
        model.load_state_dict({"fc1.bias": torch.ones(4)}, strict=False)


def test_row_071_shapes_that_do_not_match(torch):
    text = (
        "Error(s) in loading state_dict for Linear:\n"
        "\tsize mismatch for weight: copying a param with shape torch.Size([5, 3]) from checkpoint, the shape in "
        "current model is torch.Size([4, 3])."
    )
    with raises_like(RuntimeError, text):
        torch.nn.Linear(3, 4).load_state_dict({"weight": torch.ones(5, 3), "bias": torch.ones(4)})


def test_row_072_what_is_no_state(torch):
    layer = torch.nn.Linear(2, 2)
    with raises(TypeError, "Expected state_dict to be dict-like, got <class 'list'>."):
        layer.load_state_dict([])
    text = (
        'Error(s) in loading state_dict for Linear:\n\tWhile copying the parameter named "weight", expected '
        "torch.Tensor or Tensor-like object from checkpoint but received <class 'int'>"
    )
    with raises(RuntimeError, text):
        layer.load_state_dict({"weight": 3, "bias": torch.ones(2)})


def test_row_073_the_models_data_type_wins(torch):
    layer = torch.nn.Linear(2, 2)
    layer.load_state_dict({"weight": torch.ones(2, 2).double() / 3, "bias": torch.ones(2, dtype=torch.int64)})
    assert (layer.weight.dtype, layer.bias.dtype) == (torch.float32, torch.float32)
    assert torch.equal(layer.weight, torch.full((2, 2), 1 / 3))
    assert layer.bias.tolist() == [1.0, 1.0]


def test_row_074_a_load_that_fails(torch):
    layer = torch.nn.Linear(2, 2)
    before = layer.weight.detach().clone()
    with raises_like(RuntimeError, "Error(s) in loading state_dict for Linear:\n\tMissing key(s) in state_dict: "):
        layer.load_state_dict({"weight": torch.full((2, 2), 5.0)})
    if differs(torch, 74):
        assert torch.equal(layer.weight, before)
    else:
        assert layer.weight.tolist() == [[5.0, 5.0], [5.0, 5.0]]


def test_row_075_a_checkpoint_of_a_data_parallel_model(torch):
    net, parallel = civil_net(torch)(), torch.nn.DataParallel(civil_net(torch)())
    plain, prefixed = quoted(CIVIL_KEYS), quoted("module." + key for key in CIVIL_KEYS)
    for target, source, names in ((net, parallel, (plain, prefixed)), (parallel, net, (prefixed, plain))):
        lines = (
            f"Error(s) in loading state_dict for {type(target).__name__}:\n\tMissing key(s) in state_dict: "
            f"{names[0]}. \n\tUnexpected key(s) in state_dict: {names[1]}. "
        )
        with raises_like(RuntimeError, lines):
            target.load_state_dict(source.state_dict())
    state = parallel.state_dict()
    torch.nn.modules.utils.consume_prefix_in_state_dict_if_present(state, "module.")
    for fixed in (parallel.module.state_dict(), state):
        assert repr(net.load_state_dict(fixed)) == "<All keys matched successfully>"


def test_row_076_transfer_learning(torch):
    nn = torch.nn
    a, b = (nn.Sequential(nn.Linear(2, 3), nn.Linear(3, size)) for size in (3, 3))
    b.add_module("head", nn.Linear(3, 5))
    head = b.head.weight.detach().clone()
    result = b.load_state_dict(a.state_dict(), strict=False)
    assert result.missing_keys == ["head.weight", "head.bias"]
    assert torch.equal(b.head.weight, head)
    assert torch.equal(b[0].weight, a[0].weight)
    assert torch.equal(b[1].bias, a[1].bias)


def test_row_077_an_equal_model_takes_the_dictionary(torch):
    one, other = civil_net(torch)(), civil_net(torch)()
    assert not torch.equal(one.fc3.weight, other.fc3.weight)
    other.load_state_dict(one.state_dict())
    assert all(torch.equal(p, q) for p, q in zip(one.parameters(), other.parameters(), strict=True))


def test_row_078_loading_keeps_the_parameters(torch):
    layer, values = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2).state_dict()
    weight = layer.weight
    optimizer = torch.optim.SGD(layer.parameters(), lr=1.0)
    layer.load_state_dict(values)
    assert layer.weight is weight
    weight.grad = torch.ones(2, 2)
    optimizer.step()
    assert torch.allclose(layer.weight, values["weight"] - 1)
    layer.load_state_dict(values, assign=True)
    assert layer.weight is not weight
    assert isinstance(layer.weight, torch.nn.Parameter)
