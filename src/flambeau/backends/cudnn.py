"""PyTorch's ``torch.backends.cudnn``: settings, kept and read back.

Example:
    >>> import flambeau as torch
    >>> torch.backends.cudnn.deterministic = True
    >>> torch.backends.cudnn.benchmark = False

Source: https://docs.pytorch.org/docs/stable/backends.html#torch-backends-cudnn
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

__all__ = ["allow_tf32", "benchmark", "benchmark_limit", "deterministic", "enabled", "flags", "is_available", "version"]

enabled = True
benchmark = False
benchmark_limit: int | None = None
deterministic = False
allow_tf32 = True


def is_available() -> bool:
    """Whether kernels of cuDNN can be called by themselves: never, XLA calls them.

    Source: https://docs.pytorch.org/docs/stable/backends.html#torch.backends.cudnn.is_available
    """
    return False


def version() -> int | None:
    """Its version: None, as where there is none.

    Source: https://docs.pytorch.org/docs/stable/backends.html#torch.backends.cudnn.version
    """
    return None


@contextmanager
def flags(
    enabled: bool = False,
    benchmark: bool = False,
    benchmark_limit: int = 10,
    deterministic: bool = False,
    allow_tf32: bool = True,
) -> Generator[None]:
    """Settings for the length of a ``with``.

    Source: https://docs.pytorch.org/docs/stable/backends.html#module-torch.backends.cudnn
    """
    settings: dict[str, Any] = {
        "enabled": enabled,
        "benchmark": benchmark,
        "benchmark_limit": benchmark_limit,
        "deterministic": deterministic,
        "allow_tf32": allow_tf32,
    }
    before = {name: globals()[name] for name in settings}
    globals().update(settings)
    try:
        yield
    finally:
        globals().update(before)
