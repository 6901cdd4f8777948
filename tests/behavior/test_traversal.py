"""Rows 38 to 53: parameters, modules and children, by themselves and with their names."""

from tests.behavior.errors import raises, raises_like
from tests.behavior.models import batch_norm_net, my_model, simple_model

NORM = "BatchNorm2d(4, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)"
LINEAR1 = "Linear(in_features=2, out_features=3, bias=True)"
LINEAR2 = "Linear(in_features=3, out_features=4, bias=True)"


def test_row_038_parameters_is_a_generator(torch):
    found = my_model(torch)().parameters()
    assert type(found).__name__ == "generator"
    assert repr(found).startswith("<generator object Module.parameters")
    assert isinstance(next(found), torch.nn.Parameter)


def test_row_039_an_optimizer_takes_parameters(torch):
    model = my_model(torch)()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    assert repr(optimizer) == (
        "Adam (\nParameter Group 0\n    amsgrad: False\n    betas: (0.9, 0.999)\n    capturable: False\n"
        "    decoupled_weight_decay: False\n    differentiable: False\n    eps: 1e-08\n    foreach: None\n"
        "    fused: None\n    lr: 0.005\n    maximize: False\n    weight_decay: 0\n)"
    )


def test_row_040_named_parameters_printed(torch, capsys):
    model = my_model(torch)()
    for name, param in model.named_parameters():
        print(f"{name}: {param.numel()}")
    assert capsys.readouterr().out == "conv.weight: 540\nconv.bias: 20\nlinear.weight: 5000\nlinear.bias: 10\n"


def test_row_041_numel_counts_elements(torch):
    assert torch.zeros(2, 3).numel() == 6


def test_row_042_named_modules_printed(torch, capsys):
    model = simple_model(torch)()
    for name, module in model.named_modules():
        print("named_modules:", name, module)
    fc1, fc2 = (f"Linear(in_features={a}, out_features={b}, bias=True)" for a, b in ((10, 5), (5, 2)))
    assert capsys.readouterr().out == (
        f"named_modules:  SimpleModel(\n  (fc1): {fc1}\n  (fc2): {fc2}\n)\n"
        f"named_modules: fc1 {fc1}\nnamed_modules: fc2 {fc2}\n"
    )


def test_row_043_named_modules_goes_depth_first(torch):
    nn = torch.nn
    nested = nn.Sequential(nn.Sequential(nn.ReLU(), nn.ReLU()), nn.ReLU())
    assert [name for name, _ in nested.named_modules()] == ["", "0", "0.0", "0.1", "1"]
    shared = nn.Module()
    shared.l = shared.k = nn.Linear(2, 2)
    assert [name for name, _ in shared.named_modules()] == ["", "l"]
    assert [name for name, _ in shared.named_modules(remove_duplicate=False)] == ["", "l", "k"]


def test_row_044_the_data_loader_is_elsewhere_and_no_generator(torch):
    with raises(AttributeError, f"module '{torch.__name__}.nn' has no attribute 'data'"):
        torch.nn.data.DataLoader
    loader = torch.utils.data.DataLoader([1, 2, 3], batch_size=2)
    assert isinstance(torch.utils.data.DataLoader, type)
    with raises(TypeError, "'DataLoader' object is not an iterator"):
        next(loader)
    assert next(iter(loader)).tolist() == [1, 2]


def test_row_045_a_module_without_forward(torch):
    with raises(NotImplementedError, 'Module [Test] is missing the required "forward" function'):
        batch_norm_net(torch)()(1)


def test_row_046_modules_printed(torch, capsys):
    modules = batch_norm_net(torch)()._modules
    assert type(modules) is dict
    print(modules)
    expected = f"{{'linear1': {LINEAR1}, 'linear2': {LINEAR2}, 'batch_norm': {NORM}}}\n"
    assert capsys.readouterr().out == expected


def test_row_047_the_data_type_of_a_weight(torch):
    dtype = batch_norm_net(torch)()._modules["linear1"].weight.dtype
    assert dtype is torch.float32
    assert repr(dtype) == "torch.float32"


def test_row_048_the_dictionaries_hold_own_members_only(torch):
    test = batch_norm_net(torch)()
    assert test._parameters == {}
    assert test._buffers == {}


def test_row_049_save_to_state_dict_is_called_by_state_dict(torch):
    class Own(torch.nn.Linear):
        def _save_to_state_dict(self, destination, prefix, keep_vars):
            super()._save_to_state_dict(destination, prefix, keep_vars)
            destination[prefix + "more"] = 1

    assert not hasattr(torch.nn.Module, "save_to_state_dict")
    assert list(torch.nn.Sequential(Own(2, 2)).state_dict()) == ["0.weight", "0.bias", "0.more"]


def test_row_050_state_dict_by_key(torch):
    state = batch_norm_net(torch)().state_dict()
    assert state["linear1.weight"].shape == torch.Size([3, 2])
    assert list(state) == [
        "linear1.weight", "linear1.bias", "linear2.weight", "linear2.bias", "batch_norm.weight", "batch_norm.bias",
        "batch_norm.running_mean", "batch_norm.running_var", "batch_norm.num_batches_tracked",
    ]  # fmt: skip


def test_row_051_named_members_walks_each_module(torch):
    test = batch_norm_net(torch)()
    found = [name for name, _ in test._named_members(lambda module: module._parameters.items())]
    assert found == [name for name, _ in test.named_parameters()]
    assert [name for name, _ in test._named_members(lambda module: module._buffers.items(), prefix="p")] == [
        "p.batch_norm.running_mean", "p.batch_norm.running_var", "p.batch_norm.num_batches_tracked",
    ]  # fmt: skip


def test_row_052_all_parameters_and_own(torch):
    test = batch_norm_net(torch)()
    assert len(list(test.parameters())) == 6
    assert list(test.parameters(recurse=False)) == list(test._parameters.values()) == []
    pairs = list(test.named_parameters())
    assert [type(pair) for pair in pairs] == [tuple] * 6
    assert [pair[1] is p for pair, p in zip(pairs, test.parameters(), strict=True)] == [True] * 6
    with raises_like(TypeError, "", "named_parameters() got an unexpected keyword argument 'x'"):
        test.named_parameters(x=1)


def test_row_053_named_children_printed(torch, capsys):
    test = batch_norm_net(torch)()
    children = test.named_children()
    assert type(children).__name__ == "generator"
    for p in children:
        print(p)
    assert capsys.readouterr().out == (f"('linear1', {LINEAR1})\n('linear2', {LINEAR2})\n('batch_norm', {NORM})\n")
    test.again, test.nothing = test.linear1, None
    test.add_module("absent", None)
    assert [name for name, _ in test.named_children()] == ["linear1", "linear2", "batch_norm"]
