"""PyTorch's ``torch.autograd.grad_mode``: whether operations are taped, and two switches without effect."""

from types import TracebackType

from flambeau.differentiation.modes import enable_grad, inference_mode, no_grad, set_grad_enabled

__all__ = [
    "enable_grad",
    "enforce_grad_layout_policy",
    "inference_mode",
    "no_grad",
    "set_grad_enabled",
    "set_multithreading_enabled",
]


class _Accepted:
    """A switch that changes nothing."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class set_multithreading_enabled(_Accepted):  # noqa: N801  (PyTorch's name)
    """Accepted: backward records in the calling thread, and XLA shares the work among threads.

    Args:
        mode: whether PyTorch would use threads of its own.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.grad_mode.set_multithreading_enabled.html
    """

    def __init__(self, mode: bool) -> None:
        self.mode = mode


class enforce_grad_layout_policy(_Accepted):  # noqa: N801  (PyTorch's name)
    """Accepted: XLA orders memory, so gradients have no strides of their own.

    Args:
        enable: whether PyTorch would give gradients their parameters' strides.

    Source: https://docs.pytorch.org/docs/stable/autograd.html
    """

    def __init__(self, enable: bool = True) -> None:
        self.enable = enable
