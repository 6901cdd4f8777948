"""``AveragedModel``: a copy of a model that holds averages of its parameters; ``update_bn`` for its statistics."""

from collections.abc import Iterable
from copy import deepcopy
from itertools import chain
from typing import Any, cast

from flambeau.devices.device import device
from flambeau.differentiation.modes import no_grad
from flambeau.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]  # PyTorch's name
from flambeau.nn.modules.module import Module
from flambeau.optim.applying import dispatch
from flambeau.optim.averaging import AverageEach, AverageMany, average
from flambeau.optim.counting import write_scalars
from flambeau.primitives.update import mean_update
from flambeau.tensors.creation import tensor
from flambeau.tensors.tensor import Tensor

__all__ = ["AveragedModel", "update_bn"]


class AveragedModel(Module):
    """A copy of a model whose parameters are averages of that model's, for stochastic weight averaging and the like.

    By default the average is the plain mean of all models seen. An update is recorded and started without waiting for
    it; the default one is one operation for all parameters.

    Args:
        model: the model to follow; it is copied.
        device: where the averages live; by default where the model does.
        avg_fn: new average of one parameter from the old one, the present parameter and how many were averaged.
        multi_avg_fn: changes the averages of many parameters, of one device and data type, in place, from the same.
        use_buffers: average buffers, too; otherwise they are copied.

    Attributes:
        module: the copy, with the averages.
        n_averaged: int64, how many models were averaged.

    Raises:
        AssertionError: both averaging functions are given.

    Example:
        >>> import flambeau as torch
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> averaged = torch.optim.swa_utils.AveragedModel(model)
        >>> for value in (1.0, 2.0, 6.0):
        ...     _ = torch.nn.init.constant_(model.weight, value)
        ...     averaged.update_parameters(model)
        >>> averaged(torch.ones(1, 1)).item()
        3.0

    Source: https://arxiv.org/abs/1803.05407,
        https://docs.pytorch.org/docs/stable/generated/torch.optim.swa_utils.AveragedModel.html
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: int | str | device | None = None,
        avg_fn: AverageEach | None = None,
        multi_avg_fn: AverageMany | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", tensor(0, device=device))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the averaged model returns."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the present parameters of ``model`` into the averages; the first time they are copied.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.swa_utils.AveragedModel.html
        """
        with no_grad():
            pairs = [
                (mine.detach(), other.detach().to(mine.device))
                for mine, other in zip(self._followed(self.module), self._followed(model), strict=False)
            ]
            if self.n_averaged.item() > 0:
                self._average(pairs)
            else:
                _copy(pairs)
            if not self.use_buffers:
                _copy(list(zip(self.module.buffers(), model.buffers(), strict=True)))
            write_scalars([(self.n_averaged,)], self.n_averaged.item() + 1)
            dispatch(list(chain(self.module.parameters(), self.module.buffers())))

    def _followed(self, model: Module) -> Iterable[Tensor]:
        """The tensors that are averaged."""
        return chain(model.parameters(), model.buffers()) if self.use_buffers else model.parameters()

    def _average(self, pairs: list[tuple[Tensor, Tensor]]) -> None:
        count = self.n_averaged
        if self.avg_fn is not None:
            for mine, other in pairs:
                mine.copy_(self.avg_fn(mine, other, count.to(mine.device)))
        elif self.multi_avg_fn is not None:
            groups: dict[Any, list[tuple[Tensor, Tensor]]] = {}
            for pair in pairs:
                groups.setdefault((pair[0].device, pair[0].dtype), []).append(pair)
            for (place, _), group in groups.items():
                self.multi_avg_fn([pair[0] for pair in group], [pair[1] for pair in group], count.to(place))
        else:
            average(mean_update, count.item() + 1, [pair[0] for pair in pairs], [pair[1] for pair in pairs])


def _copy(pairs: list[tuple[Tensor, Tensor]]) -> None:
    for mine, other in pairs:
        mine.copy_(other)


def update_bn(loader: Iterable[Any], model: Module, device: int | str | device | None = None) -> None:
    """Compute the running statistics of all batch normalizations anew, as means over the batches of ``loader``.

    For an averaged model, whose statistics belong to no parameters it ever had.

    Args:
        loader: gives batches, each a tensor or a list or tuple whose first item is one.
        model: it is called on each batch, in training mode and without gradients.
        device: where each batch is moved first.

    Example:
        >>> import flambeau as torch
        >>> model = torch.nn.BatchNorm1d(1)
        >>> torch.optim.swa_utils.update_bn([torch.tensor([[0.0], [2.0]]), torch.tensor([[4.0], [6.0]])], model)
        >>> model.running_mean, model.momentum
        (tensor([3.]), 0.1)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.swa_utils.update_bn.html
    """
    momenta = {module: module.momentum for module in model.modules() if isinstance(module, _BatchNorm)}
    if not momenta:
        return
    was_training = model.training
    for module in momenta:
        module.reset_running_stats()
        module.momentum = None
    try:
        model.train()
        with no_grad():
            for batch in loader:
                first = cast("Any", batch[0] if isinstance(batch, (list, tuple)) else batch)
                model(first if device is None else first.to(device))
                dispatch([buffer for module in momenta for buffer in module.buffers()])
    finally:
        for module, momentum in momenta.items():
            module.momentum = momentum
        model.train(was_training)
