"""VGG: stacks of 3x3 convolutions.

Source: https://arxiv.org/abs/1409.1556, https://docs.pytorch.org/vision/stable/models/vgg.html
"""

from typing import Any

from flambeau import nn
from flambeau.models.weights import check_weights
from flambeau.tensors.tensor import Tensor

__all__ = ["VGG", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn"]

# Number of convolutions before each of the five poolings, by depth.
_DEPTHS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
_WIDTHS = (64, 128, 256, 512, 512)


class VGG(nn.Module):
    """Convolutions, then three linear layers.

    Args:
        features: the convolutions, to 512 channels.
        num_classes: number of classes.
        init_weights: whether convolutions are initialized by Kaiming's rule and linear layers from N(0, 0.01).
        dropout: probability between the linear layers.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.models import vgg16
        >>> with torch.device("meta"):
        ...     model = vgg16()
        >>> sum(parameter.numel() for parameter in model.parameters())
        138357544

    Source: https://docs.pytorch.org/vision/stable/models/vgg.html
    """

    def __init__(
        self, features: nn.Module, num_classes: int = 1000, init_weights: bool = True, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, num_classes),
        )
        if init_weights:
            for module in self.modules():
                _initialize(module)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W), best 224 x 224, to (N, num_classes)."""
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _initialize(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, nn.BatchNorm2d) and module.weight is not None:
        nn.init.constant_(module.weight, 1)
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0, 0.01)
    if isinstance(module, (nn.Conv2d, nn.BatchNorm2d, nn.Linear)) and module.bias is not None:
        nn.init.constant_(module.bias, 0)


def _features(depth: int, normalized: bool) -> nn.Sequential:
    """The convolutions of a depth."""
    layers: list[nn.Module] = []
    channels = 3
    for count, width in zip(_DEPTHS[depth], _WIDTHS, strict=True):
        for _ in range(count):
            layers.append(nn.Conv2d(channels, width, kernel_size=3, padding=1))
            layers.extend([nn.BatchNorm2d(width)] if normalized else [])
            layers.append(nn.ReLU(inplace=True))
            channels = width
        layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
    return nn.Sequential(*layers)


def _model(depth: int, normalized: bool, weights: object, options: dict[str, Any]) -> VGG:
    check_weights(f"vgg{depth}{'_bn' if normalized else ''}", options.pop("pretrained", None) or weights)
    return VGG(_features(depth, normalized), **options)


def vgg11(*, weights: object = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG with 11 layers; arguments as for ``vgg16``."""
    return _model(11, False, weights, kwargs)


def vgg11_bn(*, weights: object = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG with 11 layers and batch normalization; arguments as for ``vgg16``."""
    return _model(11, True, weights, kwargs)


def vgg13(*, weights: object = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG with 13 layers; arguments as for ``vgg16``."""
    return _model(13, False, weights, kwargs)


def vgg13_bn(*, weights: object = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG with 13 layers and batch normalization; arguments as for ``vgg16``."""
    return _model(13, True, weights, kwargs)


def vgg16(*, weights: object = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG with 16 layers.

    Args:
        weights: must be None: nothing is downloaded.
        progress: accepted.
        kwargs: ``num_classes``, ``init_weights``, ``dropout``; see ``VGG``.

    Raises:
        NotImplementedError: weights are asked for.

    Source: https://docs.pytorch.org/vision/stable/models/generated/torchvision.models.vgg16.html
    """
    return _model(16, False, weights, kwargs)


def vgg16_bn(*, weights: object = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG with 16 layers and batch normalization; arguments as for ``vgg16``."""
    return _model(16, True, weights, kwargs)


def vgg19(*, weights: object = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG with 19 layers; arguments as for ``vgg16``."""
    return _model(19, False, weights, kwargs)


def vgg19_bn(*, weights: object = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG with 19 layers and batch normalization; arguments as for ``vgg16``."""
    return _model(19, True, weights, kwargs)
