"""CivilNet: the small convolutional network that the quickstart trains."""

from flambeau.nn import Conv2d, Linear, MaxPool2d, Module
from flambeau.nn import functional as F
from flambeau.tensors import Tensor

__all__ = ["CivilNet"]


class CivilNet(Module):
    """Two convolutions, each with pooling, and three linear layers.

    Args:
        classes: number of classes.

    Shapes:
        input (batch, 3, 32, 32), output (batch, classes).
    """

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = Conv2d(3, 6, 5)
        self.pool = MaxPool2d(2, 2)
        self.conv2 = Conv2d(6, 16, 5)
        self.fc1 = Linear(16 * 5 * 5, 120)
        self.fc2 = Linear(120, 84)
        self.fc3 = Linear(84, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of every class, before softmax."""
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = x.view(-1, 16 * 5 * 5)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)
