"""PyTorch's ``torch.cuda.streams``: points in a GPU's work, to wait for and to measure between.

XLA does a device's work in the order in which it was given, so there is one stream, and whatever waits for it waits for
all that is pending.

Source: https://docs.pytorch.org/docs/stable/cuda.html#streams-and-events
"""

from time import perf_counter
from typing import Any

from flambeau.devices.backend import available, jax_device
from flambeau.devices.device import as_device, device
from flambeau.runtime.force import finish_all

__all__ = ["Event", "Stream", "StreamContext", "current_stream", "default_stream", "set_stream", "stream"]

Device = device | str | int | None


class Event:
    """A point in a GPU's work.

    Args:
        enable_timing: whether it can be measured from.
        blocking, interprocess, external: accepted, they change nothing.

    Raises:
        RuntimeError: there is no GPU.

    Example:
        >>> import flambeau as torch
        >>> if torch.cuda.is_available():
        ...     start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        ...     start.record()
        ...     end.record()
        ...     milliseconds = start.elapsed_time(end)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cuda.Event.html
    """

    def __init__(
        self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False, external: bool = False
    ) -> None:
        if not available("cuda"):
            raise RuntimeError("Tried to instantiate dummy base class Event")
        self.enable_timing = enable_timing
        self._time: float | None = None

    def record(self, stream: "Stream | None" = None) -> None:
        """Be the point where the work has come to: what is pending is done first."""
        finish_all()
        self._time = perf_counter()

    def wait(self, stream: "Stream | None" = None) -> None:
        """Have later work come after this point, as it does anyway."""

    def query(self) -> bool:
        """Whether the work up to this point is done: it was when the event was recorded."""
        return True

    def synchronize(self) -> None:
        """Wait until the work up to this point is done: it was when the event was recorded."""

    def elapsed_time(self, end_event: "Event") -> float:
        """Milliseconds from this point to another one.

        Raises:
            ValueError: an event was made without ``enable_timing``, or not recorded.
        """
        if not (self.enable_timing and end_event.enable_timing):
            raise ValueError("Both events must be created with argument 'enable_timing=True'.")
        if self._time is None or end_event._time is None:
            raise ValueError("Both events must be recorded before calculating elapsed time.")
        return (end_event._time - self._time) * 1000


class Stream:
    """The one order of a GPU's work.

    Args:
        device: the GPU; the first if None.
        priority: accepted: there is nothing to come before.

    Raises:
        RuntimeError: there is no GPU.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cuda.Stream.html
    """

    def __init__(self, device: Device = None, priority: int = 0) -> None:
        if not available("cuda"):
            raise RuntimeError("torch.cuda.Stream requires CUDA support")
        self.device = as_device("cuda:0" if device is None else device)
        jax_device(self.device)

    def synchronize(self) -> None:
        """Do what is pending, and wait for it."""
        finish_all()

    def query(self) -> bool:
        """Whether the work is done: it is, since this waits for it."""
        finish_all()
        return True

    def wait_event(self, event: Event) -> None:
        """Have later work come after an event, as it does anyway."""

    def wait_stream(self, stream: "Stream") -> None:
        """Have later work come after another stream's, as it does anyway."""

    def record_event(self, event: Event | None = None) -> Event:
        """Record an event, a new one if None, and return it."""
        event = Event() if event is None else event
        event.record(self)
        return event

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and self.device == other.device

    def __hash__(self) -> int:
        return hash(self.device)

    def __repr__(self) -> str:
        return f"<torch.cuda.Stream device={self.device}>"


class StreamContext:
    """``with torch.cuda.stream(...)``: work goes to the one stream inside as well.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cuda.StreamContext.html
    """

    def __init__(self, stream: Stream | None) -> None:
        self.stream = stream

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: Any) -> None:
        pass


def stream(stream: Stream | None) -> StreamContext:
    """A block whose work goes to a stream: where the work goes anyway.

    Example:
        >>> import flambeau as torch
        >>> with torch.cuda.stream(None):
        ...     x = torch.ones(1)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cuda.stream.html
    """
    return StreamContext(stream)


def current_stream(device: Device = None) -> Stream:
    """The stream of a GPU, the first if None.

    Raises:
        AssertionError: there is no GPU.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cuda.current_stream.html
    """
    jax_device(as_device("cuda" if device is None else device))
    return Stream(device)


def default_stream(device: Device = None) -> Stream:
    """The stream of a GPU, like ``current_stream``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cuda.default_stream.html
    """
    return current_stream(device)


def set_stream(stream: Stream | None) -> None:
    """Accepted: there is one stream.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cuda.set_stream.html
    """
