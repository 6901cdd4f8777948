"""How many compiled programs are kept: as many as the process's memory maps allow.

XLA's programs on the CPU take 10 to 100 memory maps each. Linux gives a process 65,530; at the next one XLA ends the
process.
"""

from pathlib import Path
from typing import Any, Final

from flambeau.base.config import config

__all__ = ["make_room"]

_MAPS: Final = Path("/proc/self/maps")
_LIMIT: Final = Path("/proc/sys/vm/max_map_count")
_EVERY: Final = 32  # programs compiled between two looks, which take milliseconds


def make_room(programs: dict[Any, Any]) -> None:
    """Drop the older half of the programs if there are too many, or if they take half of the maps there are."""
    count = len(programs)
    if count >= config.programs_kept or (count and count % _EVERY == 0 and _crowded()):
        for old in list(programs)[: count // 2]:
            del programs[old]


def _crowded() -> bool:
    """Whether half of the memory maps are taken; systems without this limit are never crowded."""
    try:
        return _MAPS.read_bytes().count(b"\n") > int(_LIMIT.read_text()) // 2
    except OSError:
        return False
