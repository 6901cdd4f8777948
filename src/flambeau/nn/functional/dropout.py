"""Dropout: random zeros in training."""

import warnings
from math import isnan

from flambeau.primitives import dropout as primitives
from flambeau.primitives.primitive import Primitive
from flambeau.tensors.core import call, call_in_place
from flambeau.tensors.options import tensor_argument
from flambeau.tensors.random import device_key
from flambeau.tensors.tensor import Tensor

__all__ = [
    "alpha_dropout",
    "checked_probability",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "dropped",
    "feature_alpha_dropout",
]


def checked_probability(p: float) -> float:
    """``p``; raises ValueError unless it is within 0 to 1, and RuntimeError if it is NaN."""
    if p < 0 or p > 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    if isnan(p):
        raise RuntimeError("dropout probability has to be between 0 and 1, but got nan")
    return p


def dropped(primitive: Primitive, input: Tensor, p: float, training: bool, inplace: bool, by_channel: bool) -> Tensor:
    """Apply one of the dropout primitives, in training."""
    checked_probability(p)
    if not isinstance(input, Tensor):
        tensor_argument(primitive.name, 1, input)
    if not training or p == 0 or 0 in input.shape:
        return input
    if by_channel and len(input.shape) < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    operands = (input, device_key(None, input.device), float(p))
    if inplace:
        return call_in_place(input, primitive, operands, (by_channel,))
    return call(primitive, operands, (by_channel,))


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Elements zero with probability p, the others divided by 1 - p; outside training, the input itself.

    The zeros are drawn on the device, from a key that the default generator gives: the same seed gives the same
    zeros, but not PyTorch's.

    Args:
        input: any shape.
        p: probability of a zero.
        training: whether to drop at all.
        inplace: whether to overwrite the input.

    Raises:
        ValueError: ``p`` is not within 0 to 1.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.functional.dropout(torch.ones(2), p=1.0)
        tensor([0., 0.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.dropout.html
    """
    return dropped(primitives.dropout, input, p, training, inplace, by_channel=False)


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Whole channels of (N, C, L) or (C, L) zero with probability p; see ``dropout``.

    Raises:
        RuntimeError: the input has neither 2 nor 3 dimensions.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.dropout1d.html
    """
    checked_probability(p)
    rank = len(input.shape)
    if rank not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {rank}D input. Note that dropout1d exists to provide "
            "channel-wise dropout on inputs with 1 spatial dimension, a channel dimension, and an optional batch "
            "dimension (i.e. 2D or 3D inputs)."
        )
    return _unbatched(input, p, training, inplace, rank == 2)


def _unbatched(input: Tensor, p: float, training: bool, inplace: bool, lone: bool) -> Tensor:
    """Channel dropout of a batch, or of one instance."""
    if not lone:
        return dropped(primitives.dropout, input, p, training, inplace, by_channel=True)
    batch = dropped(primitives.dropout, input.unsqueeze(0), p, training, inplace, by_channel=True)
    return input if inplace else batch.squeeze(0)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Whole channels of (N, C, H, W) zero with probability p; see ``dropout``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.dropout2d.html
    """
    checked_probability(p)
    rank = len(input.shape)
    if rank not in (3, 4):
        _warn_of_rank("dropout2d", rank, 2, "3D or 4D")
    if rank == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout behavior is desired "
            "- input is interpreted as shape (N, C, L), where C is the channel dim. This behavior will change in a "
            "future release to interpret the input as one without a batch dimension, i.e. shape (C, H, W). To maintain "
            "the 1D channel-wise dropout behavior, please switch to using dropout1d instead.",
            stacklevel=2,
        )
    return dropped(primitives.dropout, input, p, training, inplace, by_channel=True)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Whole channels of (N, C, D, H, W) or (C, D, H, W) zero with probability p; see ``dropout``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.dropout3d.html
    """
    checked_probability(p)
    rank = len(input.shape)
    if rank not in (4, 5):
        _warn_of_rank("dropout3d", rank, 3, "4D or 5D")
    return _unbatched(input, p, training, inplace, rank in (1, 4))


def _warn_of_rank(name: str, rank: int, spatial: int, ranks: str) -> None:
    warnings.warn(
        f"{name}: Received a {rank}-D input to {name}, which is deprecated and will result in an error in a future "
        "release. To retain the behavior and silence this warning, please use dropout instead. Note that "
        f"{name} exists to provide channel-wise dropout on inputs with {spatial} spatial dimensions, a channel "
        f"dimension, and an optional batch dimension (i.e. {ranks} inputs).",
        stacklevel=3,
    )


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Dropout that keeps the mean and the variance of a SELU network's activations.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.alpha_dropout.html
    """
    return dropped(primitives.alpha_dropout, input, p, training, inplace, by_channel=False)


def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """``alpha_dropout`` of whole channels.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.feature_alpha_dropout.html
    """
    return dropped(primitives.alpha_dropout, input, p, training, inplace, by_channel=True)
