"""``autocast``: products of matrices in 16 bits, delicate operations in 32, without changing the model.

Source: https://docs.pytorch.org/docs/stable/amp.html
"""

import functools
import warnings
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from flambeau.amp.state import (
    clear_autocast_cache,
    get_autocast_dtype,
    is_autocast_available,
    is_autocast_cache_enabled,
    is_autocast_enabled,
    is_present,
    set_autocast_cache_enabled,
    set_autocast_dtype,
    set_autocast_enabled,
)
from flambeau.dtypes.kinds import DTYPES, dtype
from flambeau.tensors.tensor import Tensor

__all__ = ["autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]

Function = TypeVar("Function", bound=Callable[..., Any])

_SUPPORTED = (DTYPES["bfloat16"], DTYPES["float16"])


class autocast:  # noqa: N801  (PyTorch's name)
    """Run operations in the precision that suits them; usable as a context manager and as a decorator.

    Inside, operations of one list (products of matrices, convolutions, attention) take their floating inputs in
    ``dtype``, those of another (losses and other sums that lose accuracy) in float32; float64 stays as it is.
    Operations in place are left alone. Conversions are recorded like anything else, and equal ones in a program are
    one. Run the forward pass and the loss inside, and ``backward`` outside.

    Args:
        device_type: kind of device whose operations are concerned: ``"cpu"``, ``"cuda"`` or ``"tpu"``.
        dtype: the lower precision; by default bfloat16 on CPU and TPU, float16 on GPUs.
        enabled: False makes a region without autocast, such as inside another one.
        cache_enabled: accepted; equal conversions in a program are one anyway.

    Warns:
        UserWarning: ``dtype`` is not supported there, or there is no such device; autocast is off.

    Raises:
        ValueError: ``device_type`` is no text.
        RuntimeError: there is no such kind of device, or autocast does not take it.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.Linear(3, 2)
        >>> with torch.autocast("cpu"):
        ...     y = layer(torch.ones(1, 3))
        >>> y.dtype
        torch.bfloat16

    Source: https://docs.pytorch.org/docs/stable/amp.html#torch.autocast
    """

    def __init__(
        self, device_type: str, dtype: dtype | None = None, enabled: bool = True, cache_enabled: bool | None = None
    ) -> None:
        _check_kind(device_type)
        self.device = device_type
        self.fast_dtype = get_autocast_dtype(device_type) if dtype is None else dtype
        self._cache_enabled = is_autocast_cache_enabled() if cache_enabled is None else cache_enabled
        self._enabled = enabled and self._is_possible()
        self._before: list[tuple[bool, Any, bool]] = []

    def _is_possible(self) -> bool:
        """Whether autocast can be on; warns where it cannot."""
        problem = None
        name = self.device.upper()
        if not is_present(self.device):
            problem = f"{name} is not available or torch_xla is imported. Disabling autocast."
        elif self.fast_dtype not in _SUPPORTED:
            problem = (
                f"In {name} autocast, but the target dtype is not supported. Disabling autocast.\n{name} Autocast only "
                "supports dtypes of torch.bfloat16, torch.float16 currently."
            )
        if problem is not None:
            warnings.warn(problem, stacklevel=4)
        return problem is None

    def __enter__(self) -> Self:
        place = self.device
        self._before.append((is_autocast_enabled(place), get_autocast_dtype(place), is_autocast_cache_enabled()))
        set_autocast_dtype(place, self.fast_dtype)
        set_autocast_enabled(place, self._enabled)
        set_autocast_cache_enabled(self._cache_enabled)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        enabled, before, cached = self._before.pop()
        if not self._before:
            clear_autocast_cache()
        set_autocast_enabled(self.device, enabled)
        set_autocast_dtype(self.device, before)
        set_autocast_cache_enabled(cached)

    def __call__(self, func: Function) -> Function:
        """A function that runs inside."""

        @functools.wraps(func)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with self:
                return func(*args, **kwargs)

        return wrapper  # pyright: ignore[reportReturnType]  # wraps keeps the signature


def _check_kind(device_type: Any) -> None:
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")


def custom_fwd(
    fwd: Callable[..., Any] | None = None, *, device_type: str, cast_inputs: dtype | None = None
) -> Callable[..., Any]:
    """Decorate the ``forward`` of a custom function for use inside ``autocast``.

    Args:
        fwd: the function; left out for a decorator with arguments.
        device_type: kind of device.
        cast_inputs: convert floating arguments to this type and run without autocast; None runs as the caller does.

    Raises:
        ValueError: ``device_type`` is no text.

    Source: https://docs.pytorch.org/docs/stable/amp.html#torch.amp.custom_fwd
    """
    _check_kind(device_type)
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        enabled = is_autocast_enabled(device_type)
        vars(args[0]).update(_dtype=get_autocast_dtype(device_type), _fwd_used_autocast=enabled and cast_inputs is None)
        if cast_inputs is None or not enabled:
            return fwd(*args, **kwargs)
        with autocast(device_type, enabled=False):
            return fwd(*_cast(args, device_type, cast_inputs), **_cast(kwargs, device_type, cast_inputs))

    return wrapper


def custom_bwd(bwd: Callable[..., Any] | None = None, *, device_type: str) -> Callable[..., Any]:
    """Decorate the ``backward`` of a custom function: it runs in the autocast that its forward ran in.

    Args:
        bwd: the function; left out for a decorator with arguments.
        device_type: kind of device.

    Raises:
        ValueError: ``device_type`` is no text.

    Source: https://docs.pytorch.org/docs/stable/amp.html#torch.amp.custom_bwd
    """
    _check_kind(device_type)
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        kept = cast("dict[str, Any]", vars(args[0]))
        with autocast(device_type, dtype=kept["_dtype"], enabled=kept["_fwd_used_autocast"]):
            return bwd(*args, **kwargs)

    return wrapper


def _cast(value: Any, device_type: str, kind: dtype) -> Any:
    """A structure with its floating tensors in another type, float64 excepted."""
    if isinstance(value, Tensor):
        eligible = value.is_floating_point() and value.device.type == device_type and value.dtype.itemsize <= 4
        return value.to(kind) if eligible else value
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value).items()
        return {_cast(key, device_type, kind): _cast(item, device_type, kind) for key, item in items}
    if isinstance(value, (list, tuple)):
        found = [_cast(item, device_type, kind) for item in cast("list[Any]", value)]
        return tuple(found) if isinstance(value, tuple) else found
    return value
