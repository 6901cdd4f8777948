"""ResNet: convolutions with shortcuts around them.

Source: https://arxiv.org/abs/1512.03385, https://docs.pytorch.org/vision/stable/models/resnet.html
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from flambeau import nn
from flambeau.models.weights import check_weights
from flambeau.tensors.tensor import Tensor

__all__ = ["BasicBlock", "Bottleneck", "ResNet", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]


def _conv(kernel: int, channels: int, width: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, width, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut.

    Args:
        inplanes: channels of the input.
        planes: channels of the result.
        stride: step of the first convolution.
        downsample: the shortcut, where shapes differ.
        groups: groups of the convolutions.
        base_width: accepted as in ``Bottleneck``.
    """

    expansion: ClassVar[int] = 1

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
    ) -> None:
        super().__init__()
        if groups != 1 or base_width != 64:
            raise ValueError("BasicBlock only supports groups=1 and base_width=64")
        self.conv1 = _conv(3, inplanes, planes, stride)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = _conv(3, planes, planes)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """(N, inplanes, H, W) to (N, planes, H / stride, W / stride)."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions and a shortcut.

    Args:
        inplanes: channels of the input.
        planes: a quarter of the channels of the result.
        stride: step of the 3x3 convolution.
        downsample: the shortcut, where shapes differ.
        groups: groups of the 3x3 convolution.
        base_width: width of a group, where ``planes`` is 64.
    """

    expansion: ClassVar[int] = 4

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
    ) -> None:
        super().__init__()
        width = int(planes * (base_width / 64.0)) * groups
        self.conv1 = _conv(1, inplanes, width)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv(3, width, width, stride, groups)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = _conv(1, width, planes * self.expansion)
        self.bn3 = nn.BatchNorm2d(planes * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """(N, inplanes, H, W) to (N, 4 planes, H / stride, W / stride)."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """Four stages of blocks, then one linear layer.

    Args:
        block: ``BasicBlock`` or ``Bottleneck``.
        layers: number of blocks of each stage.
        num_classes: number of classes.
        zero_init_residual: whether each block begins as its shortcut.
        groups: groups of the blocks' 3x3 convolutions.
        width_per_group: their width, in the first stage.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.models import resnet18
        >>> with torch.device("meta"):
        ...     model = resnet18()
        >>> sum(parameter.numel() for parameter in model.parameters())
        11689512

    Source: https://docs.pytorch.org/vision/stable/models/resnet.html
    """

    def __init__(
        self,
        block: type[BasicBlock | Bottleneck],
        layers: Sequence[int],
        num_classes: int = 1000,
        zero_init_residual: bool = False,
        groups: int = 1,
        width_per_group: int = 64,
    ) -> None:
        super().__init__()
        self.inplanes = 64
        self.groups = groups
        self.base_width = width_per_group
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = self._make_layer(block, 64, layers[0])
        self.layer2 = self._make_layer(block, 128, layers[1], stride=2)
        self.layer3 = self._make_layer(block, 256, layers[2], stride=2)
        self.layer4 = self._make_layer(block, 512, layers[3], stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        self._initialize(zero_init_residual)

    def _initialize(self, zero_init_residual: bool) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        for module in self.modules() if zero_init_residual else ():
            last = getattr(module, "bn3" if isinstance(module, Bottleneck) else "bn2", None)
            if isinstance(module, (BasicBlock, Bottleneck)) and last is not None:
                nn.init.constant_(last.weight, 0)

    def _make_layer(
        self, block: type[BasicBlock | Bottleneck], planes: int, blocks: int, stride: int = 1
    ) -> nn.Sequential:
        """One stage."""
        width = planes * block.expansion
        downsample = None
        if stride != 1 or self.inplanes != width:
            downsample = nn.Sequential(_conv(1, self.inplanes, width, stride), nn.BatchNorm2d(width))
        layers = [block(self.inplanes, planes, stride, downsample, self.groups, self.base_width)]
        self.inplanes = width
        for _ in range(1, blocks):
            layers.append(block(width, planes, groups=self.groups, base_width=self.base_width))
        return nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, num_classes)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


def _model(
    name: str, block: type[BasicBlock | Bottleneck], layers: Sequence[int], weights: object, options: dict[str, Any]
) -> ResNet:
    check_weights(name, options.pop("pretrained", None) or weights)
    return ResNet(block, layers, **options)


def resnet18(*, weights: object = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet with 18 layers.

    Args:
        weights: must be None: nothing is downloaded.
        progress: accepted.
        kwargs: ``num_classes``, ``zero_init_residual``, ``groups``, ``width_per_group``; see ``ResNet``.

    Raises:
        NotImplementedError: weights are asked for.

    Source: https://docs.pytorch.org/vision/stable/models/generated/torchvision.models.resnet18.html
    """
    return _model("resnet18", BasicBlock, (2, 2, 2, 2), weights, kwargs)


def resnet34(*, weights: object = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet with 34 layers; arguments as for ``resnet18``."""
    return _model("resnet34", BasicBlock, (3, 4, 6, 3), weights, kwargs)


def resnet50(*, weights: object = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet with 50 layers; arguments as for ``resnet18``."""
    return _model("resnet50", Bottleneck, (3, 4, 6, 3), weights, kwargs)


def resnet101(*, weights: object = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet with 101 layers; arguments as for ``resnet18``."""
    return _model("resnet101", Bottleneck, (3, 4, 23, 3), weights, kwargs)


def resnet152(*, weights: object = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet with 152 layers; arguments as for ``resnet18``."""
    return _model("resnet152", Bottleneck, (3, 8, 36, 3), weights, kwargs)
