"""Rows 54 to 67: what ``state_dict`` holds, under which names, and that it is no copy."""

from collections import OrderedDict

import pytest

from tests.behavior.models import CIVIL_KEYS, civil_net, listed_net, my_model

SIZES = [[6, 3, 5, 5], [6], [16, 6, 5, 5], [16], [120, 400], [120], [84, 120], [84], [10, 84], [10]]


def test_row_054_an_ordered_dictionary_with_versions(torch):
    state = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)).state_dict()
    assert type(state) is OrderedDict
    assert vars(state)["_metadata"] == OrderedDict([("", {"version": 1}), ("0", {"version": 1}), ("1", {"version": 2})])
    model = my_model(torch)()
    assert model.state_dict()["conv.weight"].shape == model.conv.weight.shape


def test_row_055_keys_printed(torch, capsys):
    model = my_model(torch)()
    print(model.state_dict().keys())
    assert capsys.readouterr().out == "odict_keys(['conv.weight', 'conv.bias', 'linear.weight', 'linear.bias'])\n"


def test_row_056_values_are_tensors_that_share_memory(torch):
    layer = torch.nn.Linear(2, 2)
    value = layer.state_dict()["weight"]
    assert (type(value), value.requires_grad) == (torch.Tensor, False)
    assert value.data_ptr() == layer.weight.data_ptr()
    value[0, 0] = 7
    assert layer.weight[0, 0].item() == 7
    assert layer.state_dict(keep_vars=True)["weight"] is layer.weight


def test_row_057_parameters_and_persistent_buffers(torch):
    norm = torch.nn.BatchNorm2d(4)
    norm.register_buffer("scratch", torch.ones(1), persistent=False)
    norm.register_parameter("nothing", None)
    norm.register_buffer("absent", None)
    assert list(norm.state_dict()) == ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]


def test_row_058_more_than_parameters(torch):
    norm = torch.nn.BatchNorm2d(4)
    assert type(norm.parameters()).__name__ == "generator"
    assert type(norm.state_dict()) is OrderedDict
    assert len(norm.state_dict()) - len(list(norm.parameters())) == 3


def test_row_059_the_keys_of_civil_net(torch):
    assert list(civil_net(torch)().state_dict()) == CIVIL_KEYS


def test_row_060_data_parallel_puts_a_prefix_before_them(torch):
    net = civil_net(torch)()
    parallel = torch.nn.DataParallel(net)
    assert list(parallel.state_dict()) == ["module." + key for key in CIVIL_KEYS]
    assert parallel.module is net
    x = torch.randn(1, 3, 32, 32)
    assert torch.allclose(parallel(x), net(x))
    if not torch.cuda.is_available():
        assert parallel.device_ids == []


def test_row_061_the_keys_of_a_module_list(torch):
    keys = [f"gemfield.{index}.{kind}" for index in (0, 2, 3, 4, 5) for kind in ("weight", "bias")]
    assert list(listed_net(torch, torch.nn.ModuleList)().state_dict()) == keys


def test_row_062_names_and_sizes_printed(torch, capsys):
    model = civil_net(torch, "TheModelClass")()
    print("Model's state_dict:")
    for param_tensor in model.state_dict():
        print(param_tensor, "\t", model.state_dict()[param_tensor].size())
    lines = [f"{key} \t torch.Size({size})" for key, size in zip(CIVIL_KEYS, SIZES, strict=True)]
    assert capsys.readouterr().out.splitlines() == ["Model's state_dict:", *lines]


def test_row_063_the_state_of_an_optimizer_printed(torch, capsys):
    model = civil_net(torch, "TheModelClass")()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    print("Optimizer's state_dict:")
    for var_name in optimizer.state_dict():
        print(var_name, "\t", optimizer.state_dict()[var_name])
    assert capsys.readouterr().out.splitlines() == [
        "Optimizer's state_dict:",
        "state \t {}",
        "param_groups \t [{'lr': 0.001, 'momentum': 0.9, 'dampening': 0, 'weight_decay': 0, 'nesterov': False, "
        "'maximize': False, 'foreach': None, 'differentiable': False, 'fused': None, "
        "'params': [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]}]",
    ]


def test_row_064_the_optimizers_must_be_imported(torch):
    with pytest.raises(NameError, match=r"^name 'optim' is not defined$"):
        exec("optim.SGD([])", {"torch": torch})
    exec(f"import {torch.__name__}.optim as optim\noptim.SGD([p], lr=0.1)", {"p": torch.ones(1)})


def test_row_065_state_dict_follows_the_model(torch):
    layer = torch.nn.Linear(2, 1)
    saved = layer.state_dict()
    assert saved["weight"].data_ptr() == layer.weight.data_ptr()
    before = saved["weight"].clone()
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.5)
    layer(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    assert torch.allclose(saved["weight"], before - 0.5)
    assert torch.equal(saved["weight"], layer.weight)


def test_row_066_a_prefix(torch):
    layer = torch.nn.Linear(2, 2)
    assert list(layer.state_dict(prefix="p.")) == ["p.weight", "p.bias"]
    with pytest.warns(FutureWarning, match=r"^Positional args are being deprecated, use kwargs instead\. "):
        assert list(layer.state_dict(OrderedDict(), "q.")) == ["q.weight", "q.bias"]


def test_row_067_what_is_shared_is_listed_under_every_name(torch):
    class A(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.l = self.k = torch.nn.Linear(2, 2)

    assert list(A().state_dict()) == ["l.weight", "l.bias", "k.weight", "k.bias"]
    assert [name for name, _ in A().named_parameters()] == ["l.weight", "l.bias"]
