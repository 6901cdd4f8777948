"""PyTorch's ``torch.utils.tensorboard``, on tensorboardX.

Source: https://docs.pytorch.org/docs/stable/tensorboard.html
"""

from flambeau.utils.tensorboard.writer import SummaryWriter

__all__ = ["SummaryWriter"]
