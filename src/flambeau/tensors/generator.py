"""``Generator``: a host-side random stream as PyTorch's users hold it, and the default one's state."""

import threading
from collections.abc import Callable
from collections.abc import Generator as Yields
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from flambeau.devices import device as devices
from flambeau.devices.device import CPU
from flambeau.differentiation.batching import active_batches
from flambeau.differentiation.tape import Tracked
from flambeau.dtypes.kinds import DTYPES, dtype
from flambeau.generators.draws import integers
from flambeau.generators.streams import Stream, default_stream
from flambeau.graph.node import Node
from flambeau.graph.observing import observer
from flambeau.graph.record import record
from flambeau.primitives.barrier import barrier
from flambeau.primitives.primitive import picks
from flambeau.runtime.force import host_value
from flambeau.tensors.core import Core, made, wrap_array

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = [
    "Generator",
    "default_generator",
    "device_key",
    "drawn",
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "keys_after",
    "manual_seed",
    "seed",
    "set_rng_state",
    "thread_safe_generator",
]


class Generator:
    """A seeded sequence of random numbers, the one PyTorch's CPU generator gives from the same seed.

    Numbers are drawn on the host, also for tensors on an accelerator: there they are reproducible, but they are not
    those of PyTorch's CUDA generator.

    Args:
        device: the device of the tensors to draw for.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.tensors.generator import Generator
        >>> from flambeau.tensors.random import rand
        >>> rand(2, generator=Generator().manual_seed(0))
        tensor([0.4963, 0.7682])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.Generator.html
    """

    __module__ = "flambeau"  # where everybody finds it

    def __init__(self, device: "str | devices.device | int | None" = None) -> None:
        place = devices.device("cpu" if device is None else device)
        if place.type == "meta":
            raise RuntimeError("META device type not an accelerator.")
        self._device = place
        self._stream = Stream()

    @property
    def device(self) -> devices.device:
        """The device of the tensors to draw for."""
        return self._device

    @property
    def stream(self) -> Stream:
        """The stream that the numbers are drawn from."""
        return self._stream

    def manual_seed(self, seed: int) -> "Generator":
        """Restart from ``seed``; returns the generator.

        Raises:
            RuntimeError: the seed is no whole number.
            ValueError: it does not fit 64 bits.
        """
        self._stream.manual_seed(seed)
        return self

    def seed(self) -> int:
        """Restart from a seed of the operating system's randomness, and return it."""
        return self._stream.seed()

    def initial_seed(self) -> int:
        """The seed it was last started from."""
        return self._stream.initial_seed()

    def get_state(self) -> "Tensor":
        """The state as 5,056 bytes (a uint8 tensor), which PyTorch's CPU generator accepts."""
        return wrap_array(self._stream.get_state(), DTYPES["uint8"], CPU)

    def set_state(self, new_state: "Tensor") -> None:
        """Continue from a state of this class, or of PyTorch's CPU generator.

        Raises:
            TypeError: the state is no uint8 tensor.
            RuntimeError: its length or its content is not that of a state.
        """
        if not isinstance(new_state, Core):
            raise TypeError(f"expected a torch.ByteTensor, but got {type(new_state).__name__}")
        self._stream.set_state(new_state.host())

    def clone_state(self) -> "Generator":
        """A new generator that will draw what this one would draw next."""
        return _restored(str(self._device), self._stream.get_state())

    def __reduce__(self) -> tuple[Any, tuple[str, Any]]:
        return _restored, (str(self._device), self._stream.get_state())


def _restored(place: str, state: Any) -> Generator:
    """A generator in a given state."""
    made = Generator(place)
    made.stream.set_state(state)
    return made


def _of_stream(stream: Stream) -> Generator:
    made = Generator()
    made._stream = stream  # pyright: ignore[reportPrivateUsage]  # the default one wraps the room's own stream
    return made


default_generator: Final = _of_stream(default_stream())


def stream_of(generator: Generator | None, place: devices.device) -> Stream:
    """The stream to draw from for tensors on a device; raises where the generator is for others, or is none."""
    if generator is None:
        return default_stream()
    if not isinstance(generator, Generator):
        raise TypeError(f"argument 'generator' must be torch.Generator, not {type(generator).__name__}")
    if place.type not in {generator.device.type, "meta"}:
        raise RuntimeError(f"Expected a '{place.type}' device type for generator but found '{generator.device.type}'")
    return generator.stream


def manual_seed(seed: Any) -> Generator:
    """Restart the default generator from ``seed``, and return it.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.tensors.random import manual_seed, randn
        >>> _ = manual_seed(0)
        >>> randn(3)
        tensor([ 1.5410, -0.2934, -2.1788])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.manual_seed.html
    """
    return default_generator.manual_seed(int(seed))


def seed() -> int:
    """Restart the default generator from the operating system's randomness; returns the seed.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.seed.html
    """
    return default_generator.seed()


def initial_seed() -> int:
    """The seed the default generator was last started from.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.initial_seed.html
    """
    return default_generator.initial_seed()


def get_rng_state() -> "Tensor":
    """The default generator's state, as 5,056 bytes.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.get_rng_state.html
    """
    return default_generator.get_state()


def set_rng_state(new_state: "Tensor") -> None:
    """Continue the default generator from a state.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.set_rng_state.html
    """
    default_generator.set_state(new_state)


@contextmanager
def fork_rng(
    devices: Any = None,
    enabled: bool = True,
    _caller: str = "fork_rng",
    _devices_kw: str = "devices",
    device_type: str = "cuda",
) -> Yields[None]:
    """Put the default generator back, at the end of the ``with`` block, to where it was at its beginning.

    Args:
        devices: accepted; every draw comes from the one host-side generator.
        enabled: whether to do so.
        device_type: accepted, as ``devices``.

    Source: https://docs.pytorch.org/docs/stable/random.html#torch.random.fork_rng
    """
    state = default_generator.stream.get_state() if enabled else None
    try:
        yield
    finally:
        if state is not None:
            default_generator.stream.set_state(state)


def device_key(generator: Generator | None = None, device: "str | devices.device | int | None" = None) -> "Tensor":
    """Two random words, a uint32 tensor of shape (2,), to seed draws made on the device.

    The words are a leaf, so that a program reads them as an input and need not be compiled again for others.

    Args:
        generator: where to draw them from; the default one if None.
        device: where the draws will be made; the CPU if None.
    """
    stream = default_stream() if generator is None else generator.stream
    place = CPU if device is None else devices.as_device(device)
    sizes, examples = lots()

    def draw(stream: Stream) -> Any:
        return integers(stream, (*sizes, 2), 0, 1 << 32, np.uint32)

    return examples(_behind_gate(drawn(stream, draw, DTYPES["uint32"], place)))


def drawn(stream: Stream, draw: Callable[[Stream], Any], kind: dtype, place: devices.device) -> "Tensor":
    """A tensor of numbers that ``draw(stream)`` draws, now and in every replay."""
    result = wrap_array(draw(stream), kind, place)
    watching = observer()
    if watching is not None:
        watching.drew(result.read(), stream, draw)
    return result


class _Gate(threading.local):
    """The value that the calling thread's keys wait for."""

    node: Node | None = None


_GATE = _Gate()


@contextmanager
def keys_after(node: Node) -> Yields[None]:
    """Have the block's device-side draws wait for a value, so that no program makes them before they are needed."""
    before, _GATE.node = _GATE.node, node
    try:
        yield
    finally:
        _GATE.node = before


def _behind_gate(key: "Tensor") -> "Tensor":
    gate = _GATE.node
    if gate is None or gate.aval.device != key.device:
        return key
    return made(picks(record(barrier, (key.read(), gate)))[0])


def thread_safe_generator() -> Generator | None:
    """The generator of a loader's thread: None, which means the default one, as its workers are processes."""
    return None


def lots() -> "tuple[tuple[int, ...], Callable[[Tensor], Tensor]]":
    """How often to draw inside ``vmap``: once for all examples, or for each.

    Returns:
        The dimensions that a draw has in front of those asked for, and what takes one example's draw from all.

    Raises:
        RuntimeError: random operations are not allowed there; in PyTorch's words.
    """
    batches = active_batches()
    if any(batch.randomness == "error" for batch in batches):
        raise RuntimeError(
            "vmap: called random operation while in randomness error mode. Please either use the 'same' or 'different' "
            "randomness flags on vmap or perform the randomness operation out of vmap"
        )
    chosen = [batch for batch in batches if batch.randomness == "different"]

    def example(drawn: "Tensor") -> "Tensor":
        tracked = Tracked(drawn.read(), None)
        for batch in chosen:
            tracked = batch.example(tracked, 0)
        return made(tracked.node) if chosen else drawn

    return tuple([batch.size for batch in chosen]), example


def parameters(*sources: Core) -> list[Any]:
    """Values that numbers are to be drawn with, as arrays of NumPy of equal rank.

    Inside ``vmap`` they are those of all examples, and have the dimensions of ``lots`` in front of their own.

    Raises:
        RuntimeError: random operations are not allowed there, or are to be the same with values that differ; in
            PyTorch's words.
    """
    lots()
    rank = max(len(source.shape) for source in sources)
    return [_of_all(source, rank) for source in sources]


def _of_all(source: Core, rank: int) -> Any:
    """The values of all examples, with size 1 along the dimensions of batches that share them."""
    tracked = Tracked(source.read(), None)
    lead: list[int] = []
    for batch in reversed(active_batches()):
        if batch.depends(tracked.node):
            if batch.randomness == "same":
                raise RuntimeError(
                    "Vmap does not currently support same randomness with a batched tensor input. Please file an issue "
                    "with functorch"
                )
            tracked = batch.whole([tracked], [0])[0]
            lead.insert(0, batch.size)
        elif batch.randomness == "different":
            lead.insert(0, 1)
    values = np.asarray(host_value(tracked.node))
    return values.reshape((*lead, *[1] * (rank - len(source.shape)), *source.shape))
