"""Which accelerators ``DataParallel`` finds, and which of them it uses."""

from collections.abc import Sequence

from flambeau.devices.backend import available
from flambeau.devices.device import device

__all__ = ["Place", "accelerator", "check_single", "index_of"]

Place = int | str | device


def accelerator() -> str | None:
    """The kind of accelerator in this process, or None."""
    return next((kind for kind in ("cuda", "tpu") if available(kind)), None)


def index_of(place: Place) -> int:
    """Number of a device among those of its kind; -1 for the CPU."""
    if isinstance(place, int):
        return place
    named = device(place)
    return -1 if named.type == "cpu" else named.index or 0


def check_single(places: Sequence[Place], name: str) -> None:
    """Raise NotImplementedError where several devices are named."""
    if len(places) > 1:
        raise NotImplementedError(
            f"{name} on several devices ({', '.join(map(str, places))}) is not supported: name one, or none for the "
            "first; a model runs on one device at a time"
        )
