"""Channels in another order."""

from typing import ClassVar

from flambeau.nn import functional as F
from flambeau.nn.modules.module import Module
from flambeau.tensors.tensor import Tensor

__all__ = ["ChannelShuffle"]


class ChannelShuffle(Module):
    """The channels of all groups in turn; see ``nn.functional.channel_shuffle``.

    Args:
        groups: number of groups of neighboring channels.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ChannelShuffle.html
    """

    __constants__: ClassVar[list[str]] = ["groups"]
    groups: int

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, ...), shuffled."""
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        """The layer's arguments."""
        return f"groups={self.groups}"
