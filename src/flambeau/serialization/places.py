"""Where the storages of a file go: ``map_location`` in its five forms, and the devices that there are.

Source: https://docs.pytorch.org/docs/stable/notes/serialization.html
"""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

from flambeau.checkpoint import StorageRecord
from flambeau.devices.backend import available, jax_device
from flambeau.devices.device import CPU, META, as_device, device

__all__ = [
    "MapLocation",
    "UntypedStorage",
    "default_restore_location",
    "location_tag",
    "placed",
    "register_package",
    "validate_cuda_device",
    "validate_hpu_device",
]

MapLocation = str | device | dict[str, str] | Callable[[Any, str], Any] | None
Tagger = Callable[[Any], str | None]
Deserializer = Callable[[Any, str], Any]


class UntypedStorage:
    """The bytes of tensors on their way from a file to a device: what functions for ``map_location`` take and return.

    Moving it moves nothing yet: it says where the tensors that view it will be.

    Attributes:
        device: where it is.

    Source: https://docs.pytorch.org/docs/stable/storage.html
    """

    def __init__(self, record: StorageRecord, place: device = CPU) -> None:
        self._record = record
        self.device = place

    def nbytes(self) -> int:
        """Number of bytes."""
        return self._record.nbytes

    size = __len__ = nbytes

    def element_size(self) -> int:
        """Bytes an element takes: one."""
        return 1

    @property
    def is_cuda(self) -> bool:
        """Whether it is on a GPU."""
        return self.device.type == "cuda"

    def cpu(self) -> "UntypedStorage":
        """On the CPU."""
        return UntypedStorage(self._record, CPU)

    def cuda(self, device: Any = None, non_blocking: bool = False) -> "UntypedStorage":
        """On a GPU; raises AssertionError where there is none."""
        return self.to(device="cuda" if device is None else device)

    def to(self, *, device: Any, non_blocking: bool = False) -> "UntypedStorage":
        """On a device; raises AssertionError, or RuntimeError, where it is not there."""
        place = as_device(device)
        if place.type not in ("cpu", "meta"):
            jax_device(place)
        return UntypedStorage(self._record, place)

    def __repr__(self) -> str:
        return f"<UntypedStorage of {self.nbytes()} bytes on {self.device}>"


def _typename(storage: Any) -> str:
    """Name of a storage in PyTorch's messages."""
    return "torch.storage.UntypedStorage" if isinstance(storage, UntypedStorage) else type(storage).__name__


# -- devices -------------------------------------------------------------------------------------------------------


def _validated(location: str, kind: str) -> device:
    """The device that a location names; raises RuntimeError, in PyTorch's words, where this machine has it not."""
    place = as_device(location)
    if place.type != kind:
        raise ValueError(f"Expected a {kind} device, but got: {place.type}")
    count, name = available(kind), kind.upper()
    if count == 0:
        raise RuntimeError(
            f"Attempting to deserialize object on a {name} device but torch.{kind}.is_available() is False. "
            "If you are running on a CPU-only machine, please use torch.load with map_location=torch.device('cpu') "
            "to map your storages to the CPU."
        )
    if (place.index or 0) >= count:
        raise RuntimeError(
            f"Attempting to deserialize object on {name} device {place.index} but torch.{kind}.device_count() is "
            f"{count}. Please use torch.load with map_location to map your storages to an existing device."
        )
    return place


def validate_cuda_device(location: str) -> int | None:
    """Number of the GPU that a location such as ``"cuda:1"`` names.

    Raises:
        ValueError: it names something else.
        RuntimeError: this machine has no such GPU.
    """
    return _validated(location, "cuda").index


def validate_hpu_device(location: str) -> int | None:
    """Raise RuntimeError: JAX knows no Gaudi devices."""
    raise RuntimeError(
        "The HPU device module is not registered. If you are running on a CPU-only machine, please use torch.load with "
        "map_location=torch.device('cpu') to map your storages to the CPU."
    )


# -- the registry --------------------------------------------------------------------------------------------------


def _tagged(kind: str, storage: Any) -> str | None:
    """The location of a storage on a kind of device."""
    return str(storage.device) if storage.device.type == kind else None


def _restored(kind: str, storage: Any, location: str) -> Any:
    """A storage on the device of a kind that a location names; None where it names another kind."""
    if location != kind and not location.removeprefix(kind).startswith((":", *"0123456789")):
        return None
    if not location.startswith(kind):
        return None
    place = {"cpu": CPU, "meta": META}.get(location)
    return storage.to(device=_validated(location, kind) if place is None else place)


# Priority, what finds a storage's location, and what brings it there: the lowest priority is asked first.
_packages: list[tuple[int, Tagger, Deserializer]] = [
    (priority, partial(_tagged, kind), partial(_restored, kind))
    for priority, kind in ((10, "cpu"), (20, "cuda"), (22, "meta"), (25, "xpu"), (30, "tpu"), (31, "xla"))
]


def register_package(priority: int, tagger: Tagger, deserializer: Deserializer) -> None:
    """Have locations of one's own understood by ``load``.

    Args:
        priority: place among all; PyTorch's own begin at 10, and the lowest is asked first.
        tagger: takes a storage and returns its location, or None where it is not the one to tell.
        deserializer: takes a storage and a location and returns the storage there (``storage.cpu()``, say), or None
            where it does not know the location.

    Example:
        >>> import flambeau as torch
        >>> torch.serialization.register_package(
        ...     9, lambda storage: None, lambda storage, location: storage.cpu() if location == "disk" else None
        ... )

    Source: https://docs.pytorch.org/docs/stable/notes/serialization.html#torch.serialization.register_package
    """
    _packages.append((priority, tagger, deserializer))
    _packages.sort(key=lambda entry: entry[0])


def location_tag(storage: Any) -> str:
    """The location of a storage, or of a tensor, such as ``"cpu"`` or ``"cuda:0"``.

    Raises:
        RuntimeError: no registered function knows it.
    """
    for _, tagger, _ in _packages:
        location = tagger(storage)
        if location:
            return location
    raise RuntimeError(f"don't know how to determine data location of {_typename(storage)}")


def default_restore_location(storage: Any, location: str) -> Any:
    """A storage at a location, by the first registered function that knows it.

    Raises:
        RuntimeError: none knows it, or this machine does not have the device.
    """
    for _, _, deserializer in _packages:
        result = deserializer(storage, location)
        if result is not None:
            return result
    raise RuntimeError(f"don't know how to restore data location of {_typename(storage)} (tagged with {location})")


def placed(record: StorageRecord, wanted: MapLocation) -> device:
    """Device for the tensors of a storage.

    Raises:
        RuntimeError: there is no such device; the text is PyTorch's.
        TypeError: a function returned something that is no storage.
    """
    storage, location = UntypedStorage(record), record.location
    if isinstance(wanted, dict):
        location = str(cast("dict[str, str]", wanted).get(location, location))
    elif isinstance(wanted, (str, device)):
        location = str(wanted)
    elif wanted is not None:
        result = wanted(storage, location)
        if isinstance(result, UntypedStorage):
            return result.device
        if result is not None:
            raise TypeError(
                "map_location: expected the function to return a storage (such as storage.cpu()) or None, but got "
                f"{type(result).__name__}"
            )
    return default_restore_location(storage, location).device
