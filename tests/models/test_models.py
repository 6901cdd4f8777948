"""Vision models: torchvision's keys, sizes and counts; results equal to the same code run on PyTorch's layers."""

import inspect
import re
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import flambeau
from flambeau.models import resnet, vgg

# Numbers of parameters, as torchvision's documentation gives them.
COUNTS = {
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "vgg11_bn": 132_868_840,
    "vgg13_bn": 133_053_736,
    "vgg16_bn": 138_365_992,
    "vgg19_bn": 143_678_248,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
}


@pytest.mark.parametrize("name", COUNTS)
def test_number_of_parameters(name: str) -> None:
    with flambeau.device("meta"):
        model = getattr(flambeau.models, name)()
    assert sum(parameter.numel() for parameter in model.parameters()) == COUNTS[name]
    assert model(flambeau.zeros(2, 3, 64, 64, device="meta")).shape == (2, 1000)


def test_keys() -> None:
    with flambeau.device("meta"):
        model = flambeau.models.resnet50(num_classes=10)
    keys = list(model.state_dict())
    assert len(keys) == 320
    assert keys[:2] == ["conv1.weight", "bn1.weight"]
    assert "layer1.0.downsample.1.num_batches_tracked" in keys
    assert keys[-2:] == ["fc.weight", "fc.bias"]


def test_weights_are_not_downloaded() -> None:
    for options in ({"weights": "DEFAULT"}, {"pretrained": True}):
        with pytest.raises(NotImplementedError, match="weights are not downloaded; make the model without, and load"):
            flambeau.models.vgg16(**options)


def on_pytorch(module: ModuleType) -> dict[str, Any]:
    """The names of a module whose layers are PyTorch's."""
    torch = pytest.importorskip("torch")
    source = re.sub(r"from flambeau import nn\n", "", inspect.getsource(module))
    names: dict[str, Any] = {"nn": torch.nn, "__name__": module.__name__}
    exec(compile(source, module.__file__ or "", "exec"), names)
    return names


@pytest.mark.parametrize(
    ("module", "make"),
    [
        (resnet, lambda names: names["ResNet"](names["BasicBlock"], (1, 1, 1, 1), num_classes=5)),
        (resnet, lambda names: names["ResNet"](names["Bottleneck"], (1, 1, 1, 1), 5, True, 2, 32)),
    ],
)
def test_the_same_code_on_pytorch_gives_the_same(module: ModuleType, make: Any) -> None:
    theirs_names = on_pytorch(module)
    torch = pytest.importorskip("torch")
    image = np.random.default_rng(0).normal(size=(2, 3, 33, 33)).astype(np.float32)
    results = []
    for library, names in ((flambeau, vars(module)), (torch, theirs_names)):
        library.manual_seed(0)
        model = make(names)
        results.append([list(model.state_dict()), model.eval()(library.tensor(image)).detach().numpy()])
    assert results[0][0] == results[1][0]
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-4, atol=1e-4)


def test_vgg_is_initialized_as_by_torchvision() -> None:
    torch = pytest.importorskip("torch")
    found = []
    for library, names in ((flambeau, vars(vgg)), (torch, on_pytorch(vgg))):
        library.manual_seed(0)
        features = library.nn.Sequential(library.nn.Conv2d(3, 8, 3), library.nn.BatchNorm2d(8))
        for module in features.modules():
            names["_initialize"](module)
        found.append([value.numpy() for value in features.state_dict().values()])
    for mine, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-7)
