"""PyTorch's ``torch.nn.attention``: which kernel of attention may be chosen; accepted, XLA chooses.

Source: https://docs.pytorch.org/docs/stable/nn.attention.html
"""

from collections.abc import Generator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

__all__ = ["SDPBackend", "sdpa_kernel"]


class SDPBackend(IntEnum):
    """PyTorch's kernels of ``scaled_dot_product_attention``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.attention.SDPBackend.html
    """

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4


@contextmanager
def sdpa_kernel(backends: list[SDPBackend] | SDPBackend, set_priority: bool = False) -> Generator[None]:
    """Accepted: a kernel, or several, that attention may be computed by inside a ``with``.

    Args:
        backends: the kernels.
        set_priority: whether their order counts.

    Raises:
        AssertionError: ``backends`` is something else.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.attention import SDPBackend, sdpa_kernel
        >>> x = torch.ones(1, 2, 4)
        >>> with sdpa_kernel(SDPBackend.MATH):
        ...     torch.nn.functional.scaled_dot_product_attention(x, x, x).shape
        torch.Size([1, 2, 4])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.attention.sdpa_kernel.html
    """
    given: Any = backends
    if not isinstance(given, (list, SDPBackend)):
        raise AssertionError(
            f"Backend must be an instance of SDPBackend or a list of SDPBackend instances, got {type(given).__name__}"
        )
    yield
