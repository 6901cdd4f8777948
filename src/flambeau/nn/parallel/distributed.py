"""``DistributedDataParallel``: a name only."""

from typing import Any

from flambeau.nn.modules.module import Module

__all__ = ["DistributedDataParallel"]


class DistributedDataParallel(Module):
    """Not supported: a model runs in one process.

    Raises:
        NotImplementedError: always.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.parallel.DistributedDataParallel.html
    """

    def __init__(self, module: Module, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        raise NotImplementedError(
            "nn.parallel.DistributedDataParallel is not supported: a model runs in one process; use the module itself, "
            "or nn.DataParallel for keys that begin with 'module.'"
        )
