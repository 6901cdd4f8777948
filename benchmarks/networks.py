"""The models that are measured, for either library: ``build(library)`` gives the model."""

import math
from typing import Any

__all__ = ["civilnet", "gpt", "lstm", "mlp", "resnet18", "resnet50", "vgg16"]


def civilnet(library: Any) -> Any:
    """The seeds' CivilNet."""
    nn = library.nn
    functional = nn.functional

    class CivilNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(3, 6, 5)
            self.pool = nn.MaxPool2d(2, 2)
            self.conv2 = nn.Conv2d(6, 16, 5)
            self.fc1 = nn.Linear(16 * 5 * 5, 120)
            self.fc2 = nn.Linear(120, 84)
            self.fc3 = nn.Linear(84, 10)

        def forward(self, x: Any) -> Any:
            x = self.pool(functional.relu(self.conv1(x)))
            x = self.pool(functional.relu(self.conv2(x)))
            x = x.view(-1, 16 * 5 * 5)
            x = functional.relu(self.fc1(x))
            x = functional.relu(self.fc2(x))
            return self.fc3(x)

    return CivilNet()


def mlp(library: Any) -> Any:
    """A perceptron 784-256-256-10."""
    nn = library.nn
    return nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))


def resnet18(library: Any) -> Any:
    """ResNet-18 as it is built for images of 32 x 32: a 3 x 3 convolution first, and no pooling after it."""
    nn = library.nn

    class Block(nn.Module):
        def __init__(self, inputs: int, outputs: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(outputs)
            self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(outputs)
            self.relu = nn.ReLU()
            self.shortcut = nn.Identity()
            if stride > 1:
                self.shortcut = nn.Sequential(
                    nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
                )

        def forward(self, x: Any) -> Any:
            y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
            return self.relu(y + self.shortcut(x))

    blocks = []
    for inputs, outputs, stride in ((64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2)):
        blocks += [Block(inputs, outputs, stride), Block(outputs, outputs, 1)]
    first = (nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU())
    return nn.Sequential(*first, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


def vgg16(library: Any) -> Any:
    """VGG-16 for images of 224 x 224."""
    nn = library.nn
    layers: list[Any] = []
    channels = 3
    for width, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2, 2))
    head = (nn.Linear(25088, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000))
    return nn.Sequential(*layers, nn.Flatten(), *head)


def resnet50(
    library: Any,
    classes: int = 1000,
    widths: tuple[int, ...] = (64, 128, 256, 512),
    blocks: tuple[int, ...] = (3, 4, 6, 3),
) -> Any:
    """ResNet-50 for images of 224 x 224."""
    nn = library.nn

    class Bottleneck(nn.Module):
        def __init__(self, inputs: int, width: int, stride: int) -> None:
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width)
            self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(width)
            self.conv3, self.bn3 = nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width)
            self.relu = nn.ReLU()
            self.shortcut = nn.Identity()
            if stride > 1 or inputs != 4 * width:
                self.shortcut = nn.Sequential(
                    nn.Conv2d(inputs, 4 * width, 1, stride, bias=False), nn.BatchNorm2d(4 * width)
                )

        def forward(self, x: Any) -> Any:
            y = self.relu(self.bn1(self.conv1(x)))
            y = self.relu(self.bn2(self.conv2(y)))
            return self.relu(self.bn3(self.conv3(y)) + self.shortcut(x))

    layers: list[Any] = [nn.Conv2d(3, widths[0], 7, 2, 3, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()]
    layers.append(nn.MaxPool2d(3, 2, 1))
    inputs = widths[0]
    for width, count, stride in zip(widths, blocks, (1, 2, 2, 2), strict=True):
        for index in range(count):
            layers.append(Bottleneck(inputs, width, stride if index == 0 else 1))
            inputs = 4 * width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))


def lstm(library: Any) -> Any:
    """Two LSTM layers of 256, and a classification of their last output."""
    nn = library.nn

    class Classifier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(256, 256, 2)
            self.head = nn.Linear(256, 10)

        def forward(self, x: Any) -> Any:
            return self.head(self.lstm(x)[0][-1])

    return Classifier()


def gpt(
    library: Any, layers: int = 4, width: int = 128, heads: int = 4, context: int = 128, vocabulary: int = 256
) -> Any:
    """GPT in the shape of nanoGPT: tokens in, scores of the next ones out, as (batch * length, vocabulary)."""
    nn = library.nn
    functional = nn.functional

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mixed = nn.Linear(width, 3 * width)
            self.out = nn.Linear(width, width)

        def forward(self, x: Any) -> Any:
            batch, length, _ = x.shape
            query, key, value = (
                part.view(batch, length, heads, width // heads).transpose(1, 2)
                for part in self.mixed(x).split(width, dim=2)
            )
            y = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
            return self.out(y.transpose(1, 2).contiguous().view(batch, length, width))

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.attention = Attention()
            self.wide, self.gelu, self.narrow = nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)

        def forward(self, x: Any) -> Any:
            x = x + self.attention(self.norm1(x))
            return x + self.narrow(self.gelu(self.wide(self.norm2(x))))

    class GPT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens, self.places = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
            self.blocks = nn.ModuleList([Block() for _ in range(layers)])
            self.norm = nn.LayerNorm(width)
            self.head = nn.Linear(width, vocabulary, bias=False)
            self.tokens.weight = self.head.weight
            for name, parameter in self.named_parameters():
                if parameter.dim() == 2:
                    deeper = name.endswith(("out.weight", "narrow.weight"))
                    nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * layers) if deeper else 0.02)
                elif name.endswith("bias"):
                    nn.init.zeros_(parameter)

        def forward(self, tokens: Any) -> Any:
            x = self.tokens(tokens) + self.places(library.arange(tokens.shape[1], device=tokens.device))
            for block in self.blocks:
                x = block(x)
            return self.head(self.norm(x)).view(-1, vocabulary)

    return GPT()
