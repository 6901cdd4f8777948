"""Bernoulli trials and draws from given probabilities."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from flambeau.base.shapes import broadcast
from flambeau.generators.continuous import exponential
from flambeau.generators.kinds import (
    EVERY_REAL,
    FLOAT64,
    FLOATS,
    HALVES,
    KINDS,
    element_count,
    supported,
)
from flambeau.generators.streams import Stream
from flambeau.generators.uniform import double_fraction_blocks, double_fractions, fraction_blocks

_LARGEST_CATEGORY_COUNT = 1 << 24


def bernoulli(
    stream: Stream, shape: Sequence[int], p: float | NDArray[Any] = 0.5, dtype: DTypeLike = np.float32
) -> NDArray[Any]:
    """Draw 1 with probability `p`, else 0: `u < p`.

    For a number or a float64 array `u` is a double and costs two words; for other arrays it is a float32 and costs one.

    This is the default kernel of PyTorch. On Intel processors PyTorch draws with a *number* `p` from Intel's MKL, whose
    sequence cannot be followed; there the results for a number differ from PyTorch's (for an array they agree).

    Args:
        stream: where the random words come from.
        shape: the shape of the result, filled in row-major order.
        p: the probability, from 0 to 1; a number, or a floating array that broadcasts to `shape`.
        dtype: bool, an integer dtype, float16, bfloat16, float32 or float64.

    Returns:
        A new array of zeros and ones, equal to `torch.empty(shape, dtype=dtype).bernoulli_(p)`. `torch.bernoulli(p)` is
        `bernoulli(stream, p.shape, p, p.dtype)`.

    Raises:
        RuntimeError: if a probability is not within 0 to 1, or if `p` does not broadcast to `shape`.
        NotImplementedError: for any other dtype.

    Example:
        >>> from flambeau.generators.streams import Stream
        >>> bernoulli(Stream(0), (5,), np.full(5, 0.5, np.float32)).tolist()
        [1.0, 0.0, 1.0, 1.0, 1.0]

    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.bernoulli_.html
    """
    each = isinstance(p, np.ndarray)
    wanted = supported(dtype, EVERY_REAL, "bernoulli_tensor_cpu_self_" if each else "bernoulli_scalar_cpu_")
    out = np.empty(element_count(shape), wanted)
    if not each:
        if not 0.0 <= p <= 1.0:
            raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p:g}")
        with stream.lock:
            for where, doubles in double_fraction_blocks(stream.twister, out.size):
                out[where] = doubles < p
        return out.reshape(shape)
    thresholds = _thresholds(p, shape)
    blocks = double_fraction_blocks if p.dtype == FLOAT64 else fraction_blocks
    with stream.lock:
        for where, uniform in blocks(stream.twister, out.size):
            out[where] = uniform < thresholds[where]
    return out.reshape(shape)


def _thresholds(p: NDArray[Any], shape: Sequence[int]) -> NDArray[Any]:
    """The probabilities in the precision of the comparison, one for each element."""
    supported(p.dtype, FLOATS, "bernoulli_tensor_cpu_p_")
    values = p.astype(np.float32) if p.dtype in HALVES else p
    if not bool(((values >= 0) & (values <= 1)).all()):
        wrong = values[~((values >= 0) & (values <= 1))]
        raise RuntimeError(
            "Expected p_in >= 0 && p_in <= 1 to be true, but got false: probabilities must lie within 0 to 1, "
            f"got {wrong.flat[0]:g}"
        )
    if broadcast(values.shape, shape) != tuple(shape):
        raise RuntimeError(f"bernoulli expects p to broadcast to the shape {list(shape)}, got shape {list(p.shape)}")
    return np.broadcast_to(values, tuple(shape)).ravel()


def multinomial(
    stream: Stream, probabilities: NDArray[Any], num_samples: int, replacement: bool = False
) -> NDArray[np.int64]:
    """Draw indices with the given probabilities (which need not sum to one).

    With replacement, and more than one sample: `u`, uniform in double precision, is looked up in the cumulated
    probabilities; two words for each sample. Otherwise: the largest of `probability / e`, with one exponential draw `e`
    for each category of each row, in the dtype of the probabilities.

    Args:
        stream: where the random words come from.
        probabilities: shape (categories,) or (rows, categories); float16, bfloat16, float32 or float64.
        num_samples: how many indices to draw from each row, one or more.
        replacement: whether an index may be drawn more than once.

    Returns:
        int64 indices of shape (num_samples,) or (rows, num_samples), equal to
        `torch.multinomial(probabilities, num_samples, replacement)`.

    Raises:
        RuntimeError: if the probabilities or the number of samples are not possible. Also, unlike PyTorch, which
            returns categories of probability zero: if a row has fewer positive probabilities than samples are drawn
            without replacement.
        NotImplementedError: for float16 and bfloat16 without replacement and more than one sample: PyTorch's order
            among equal quotients, which are frequent in half precision, cannot be followed.

    Example:
        >>> from flambeau.generators.streams import Stream
        >>> multinomial(Stream(0), np.array([0.0, 10.0, 3.0, 0.0], np.float32), 2).tolist()
        [1, 2]

    Source: https://docs.pytorch.org/docs/stable/generated/torch.multinomial.html
    """
    _check_request(probabilities, num_samples, replacement)
    rows = probabilities.reshape(-1, probabilities.shape[-1])
    with stream.lock:
        if replacement and num_samples > 1:
            chosen = _with_replacement(stream, rows, num_samples)
        else:
            chosen = _without_replacement(stream, rows, num_samples)
    return chosen.reshape((*probabilities.shape[:-1], num_samples))


def _with_replacement(stream: Stream, rows: NDArray[Any], num_samples: int) -> NDArray[np.int64]:
    """The first category whose cumulated probability reaches `u`, for each sample of each row."""
    if not bool((rows >= 0).all()):
        raise RuntimeError("invalid multinomial distribution (encountering probability entry < 0)")
    if not bool(np.isfinite(rows.astype(np.float64)).all()):
        raise RuntimeError("invalid multinomial distribution (encountering probability entry = infinity or NaN)")
    sums = np.cumsum(rows.astype(np.float32) if rows.dtype in HALVES else rows, axis=1)
    if not bool((sums[:, -1] > 0).all()):
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    sums /= sums[:, -1:].copy()
    sums[:, -1] = 1.0
    uniform = double_fractions(stream.twister, rows.shape[0] * num_samples).reshape(-1, num_samples)
    chosen = [np.searchsorted(row.astype(np.float64), u) for row, u in zip(sums, uniform, strict=True)]
    return np.array(chosen, np.int64)


def _without_replacement(stream: Stream, rows: NDArray[Any], num_samples: int) -> NDArray[np.int64]:
    """The categories of the largest quotients in each row, the largest first."""
    positive = np.count_nonzero(rows, axis=1)
    if not bool(positive.all()):
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    if positive.size and num_samples > positive.min():
        raise RuntimeError(
            "invalid multinomial distribution (with replacement=False, not enough non-negative category to sample): "
            f"{num_samples} samples from {positive.min()} positive probabilities"
        )
    with np.errstate(divide="ignore", over="ignore"):
        quotients = rows / exponential(stream, rows.shape, dtype=rows.dtype)
    if num_samples == 1:
        return np.argmax(quotients, axis=1)[:, None]
    return np.argsort(-quotients, axis=1, kind="stable")[:, :num_samples]


def _check_request(probabilities: NDArray[Any], num_samples: int, replacement: bool) -> None:
    """Raise in PyTorch's words unless the shape, the dtype and the number of samples allow a draw."""
    dtype = probabilities.dtype
    if probabilities.ndim not in (1, 2):
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    if dtype not in FLOATS:
        name = KINDS[dtype].scalar_name if dtype in KINDS else dtype.name
        raise RuntimeError(f"multinomial only supports floating-point dtypes for input, got: {name}")
    if num_samples <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    categories = probabilities.shape[-1]
    if not replacement and num_samples > categories:
        raise RuntimeError("cannot sample n_sample > prob_dist.size(-1) samples without replacement")
    if categories > _LARGEST_CATEGORY_COUNT:
        raise RuntimeError("number of categories cannot exceed 2^24")
    if replacement and num_samples > 1:
        return
    if num_samples > 1 and dtype in HALVES:
        raise NotImplementedError(
            f"multinomial of several samples without replacement is not implemented for {dtype}: use float32"
        )
    if not bool((np.isfinite(probabilities.astype(np.float64)) & (probabilities >= 0)).all()):
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
