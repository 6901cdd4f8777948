"""Rows 119 to 129: data types, printing, vgg16, and the seed."""

import importlib

import pytest

from tests.behavior.errors import raises, raises_like
from tests.behavior.models import batch_norm_net, civil_net, simple_model, vgg16

VGG16_KEYS = [
    *[f"features.{n}.{k}" for n in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28) for k in ("weight", "bias")],
    *[f"classifier.{n}.{k}" for n in (0, 3, 6) for k in ("weight", "bias")],
]


def test_row_119_to_another_type_and_back(torch):
    test = batch_norm_net(torch)()
    assert test.to(torch.double) is test
    assert test._modules["linear1"].weight.dtype is torch.float64
    assert test.batch_norm.running_mean.dtype is torch.float64
    assert test.batch_norm.num_batches_tracked.dtype is torch.int64
    test.to(torch.float32)
    assert test._modules["linear1"].weight.dtype is torch.float32


def test_row_120_to_empty(torch):
    layer = torch.nn.Linear(2, 3, device="meta")
    text = (
        "Cannot copy out of meta tensor; no data! Please use torch.nn.Module.to_empty() instead of "
        "torch.nn.Module.to() when moving module from meta to a different device."
    )
    with raises(NotImplementedError, text):
        layer.to("cpu")
    assert layer.to_empty(device="cpu") is layer
    assert (layer.weight.device.type, layer.weight.shape) == ("cpu", torch.Size([3, 2]))


def test_row_121_to_whole_numbers(torch):
    text = "nn.Module.to only accepts floating point or complex dtypes, but got desired dtype=torch.int32"
    with raises(TypeError, text):
        batch_norm_net(torch)().to(torch.int32)


def test_row_122_vgg16_has_these_keys(torch):
    assert list(vgg16(torch).state_dict()) == VGG16_KEYS
    assert len(VGG16_KEYS) == 32
    if torch.__name__ == "flambeau":
        models = importlib.import_module("flambeau.models")
    else:
        models = pytest.importorskip("torchvision").models
    with torch.device("meta"):
        model = models.vgg16(weights=None)
    assert list(model.state_dict()) == VGG16_KEYS


def test_row_123_vgg16_is_built_loaded_and_evaluated(torch):
    saved = vgg16(torch).state_dict()
    model = vgg16(torch)
    assert repr(model.load_state_dict(saved)) == "<All keys matched successfully>"
    assert model.eval() is model
    assert model(torch.randn(1, 3, 32, 32)).shape == torch.Size([1, 10])


def test_row_124_civil_net_printed(torch, capsys):
    print(civil_net(torch)())
    assert capsys.readouterr().out == (
        "CivilNet(\n"
        "  (conv1): Conv2d(3, 6, kernel_size=(5, 5), stride=(1, 1))\n"
        "  (pool): MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)\n"
        "  (conv2): Conv2d(6, 16, kernel_size=(5, 5), stride=(1, 1))\n"
        "  (fc1): Linear(in_features=400, out_features=120, bias=True)\n"
        "  (fc2): Linear(in_features=120, out_features=84, bias=True)\n"
        "  (fc3): Linear(in_features=84, out_features=10, bias=True)\n"
        ")\n"
    )


def test_row_125_extra_repr(torch):
    class E(torch.nn.Module):
        def extra_repr(self):
            return "gemfield=1"

    assert repr(E()) == "E(gemfield=1)"
    outer = E()
    outer.l = torch.nn.Linear(1, 2)
    assert repr(outer) == "E(\n  gemfield=1\n  (l): Linear(in_features=1, out_features=2, bias=True)\n)"


def test_row_126_linear_printed(torch):
    assert repr(simple_model(torch)().fc1) == "Linear(in_features=10, out_features=5, bias=True)"


def test_row_127_a_class_keeps_its_name(torch):
    model = civil_net(torch, "TheModelClass")()
    assert repr(model).startswith("TheModelClass(\n")
    with raises_like(RuntimeError, "Error(s) in loading state_dict for TheModelClass:\n"):
        model.load_state_dict({})


def test_row_128_arguments_that_a_module_does_not_take(torch):
    args, kwargs = (), {}
    assert len(list(civil_net(torch)(*args, **kwargs).parameters())) == 10
    with raises(TypeError, "Module.__init__() takes 1 positional argument but 2 were given"):
        torch.nn.Module(1)


def test_row_129_the_same_seed_gives_the_same_weights(torch):
    torch.manual_seed(0)
    weight = torch.nn.Linear(3, 2).weight
    rounded = [[round(value, 4) for value in row] for row in weight.tolist()]
    assert rounded == [[-0.0043, 0.3097, -0.4752], [-0.4249, -0.2224, 0.1548]]
