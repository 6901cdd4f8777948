"""The small networks that the articles describe, as classes of whichever library is given."""

import sys
import types
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

CIVIL_KEYS = [
    "conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias", "fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias",
    "fc3.weight", "fc3.bias",
]  # fmt: skip


def my_model(torch: Any) -> Any:
    """A convolution and a linear layer for images of 7x7."""
    nn = torch.nn

    class MyModel(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(in_channels=3, out_channels=20, kernel_size=3)
            self.linear = nn.Linear(500, 10)

        def forward(self, x):
            bs, c, h, w = x.shape
            x = self.conv(x)
            x = x.reshape(bs, -1)
            x = self.linear(x)
            x = nn.functional.leaky_relu(x)
            return x

    return MyModel


def simple_model(torch: Any) -> Any:
    """Two linear layers."""
    nn = torch.nn

    class SimpleModel(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1 = nn.Linear(10, 5)
            self.fc2 = nn.Linear(5, 2)

    return SimpleModel


def civil_net(torch: Any, name: str = "CivilNet") -> Any:
    """Two convolutions and three linear layers for images of 32x32, and two attributes that are no members."""
    nn = torch.nn
    F = torch.nn.functional

    class CivilNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(3, 6, 5)
            self.pool = nn.MaxPool2d(2, 2)
            self.conv2 = nn.Conv2d(6, 16, 5)
            self.fc1 = nn.Linear(16 * 5 * 5, 120)
            self.fc2 = nn.Linear(120, 84)
            self.fc3 = nn.Linear(84, 10)
            self.gemfield = "gemfield.org"
            self.syszux = torch.zeros([1, 1])

        def forward(self, x):
            x = self.pool(F.relu(self.conv1(x)))
            x = self.pool(F.relu(self.conv2(x)))
            x = x.view(-1, 16 * 5 * 5)
            x = F.relu(self.fc1(x))
            x = F.relu(self.fc2(x))
            x = self.fc3(x)
            return x

    CivilNet.__name__ = CivilNet.__qualname__ = name
    return CivilNet


def listed_net(torch: Any, kind: Any) -> Any:
    """The layers of ``CivilNet``, held in a list of the given kind."""
    nn = torch.nn

    class CivilNet(nn.Module):
        def __init__(self):
            super().__init__()
            conv1 = nn.Conv2d(3, 6, 5)
            pool = nn.MaxPool2d(2, 2)
            conv2 = nn.Conv2d(6, 16, 5)
            fc1 = nn.Linear(16 * 5 * 5, 120)
            fc2 = nn.Linear(120, 84)
            fc3 = nn.Linear(84, 10)
            self.gemfield = kind([conv1, pool, conv2, fc1, fc2, fc3])

    return CivilNet


def batch_norm_net(torch: Any) -> Any:
    """Two linear layers and a batch normalization, without a ``forward``."""
    nn = torch.nn

    class Test(nn.Module):
        __test__ = False  # it is no test

        def __init__(self):
            super().__init__()
            self.linear1 = nn.Linear(2, 3)
            self.linear2 = nn.Linear(3, 4)
            self.batch_norm = nn.BatchNorm2d(4)

    return Test


def vgg16(torch: Any, width: int = 4) -> Any:
    """A network with the structure and the names of vgg16, its widths divided by 64 / ``width``."""
    nn = torch.nn
    plan = [1, 1, "M", 2, 2, "M", 4, 4, 4, "M", 8, 8, 8, "M", 8, 8, 8, "M"]
    layers: list[Any] = []
    channels = 3
    for step in plan:
        if step == "M":
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
            continue
        layers += [nn.Conv2d(channels, int(step) * width, kernel_size=3, padding=1), nn.ReLU(inplace=True)]
        channels = int(step) * width

    class VGG(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Sequential(*layers)
            self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
            self.classifier = nn.Sequential(
                nn.Linear(channels, 16), nn.ReLU(True), nn.Dropout(), nn.Linear(16, 16), nn.ReLU(True), nn.Dropout(),
                nn.Linear(16, 10),
            )  # fmt: skip

        def forward(self, x):
            return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))

    return VGG()


@contextmanager
def importable(*classes: Any, module: str = "behavior_models") -> Generator[str]:
    """Make classes importable by name, as a pickle needs them, inside the block; yields the module's name."""
    home = types.ModuleType(module)
    for item in classes:
        item.__module__, item.__qualname__ = module, item.__name__
        setattr(home, item.__name__, item)
    sys.modules[module] = home
    try:
        yield module
    finally:
        del sys.modules[module]
