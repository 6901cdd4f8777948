# ruff: noqa: N999  (PyTorch's name)
"""What programs call of PyTorch's compiled part."""

__all__ = ["_log_api_usage_once"]


def _log_api_usage_once(event: str) -> None:
    """Accepted: no use of the library is recorded anywhere."""
