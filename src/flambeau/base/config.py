"""The only reader of the environment: every switch a user can set from outside, with its default."""

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Config", "config"]


def _cache_folder() -> Path | None:
    """Folder of compiled programs: FLAMBEAU_CACHE names it, FLAMBEAU_CACHE=0 switches it off."""
    chosen = os.environ.get("FLAMBEAU_CACHE", "")
    if chosen == "0":
        return None
    if chosen:
        return Path(chosen)
    root = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(root) if root else Path.home() / ".cache") / "flambeau" / "programs"


def _kernel_folder(programs: Path | None) -> Path | None:
    """Folder of the native library: inside the folder FLAMBEAU_CACHE names, or beside the default one."""
    if programs is None:
        return None
    return programs / "kernels" if os.environ.get("FLAMBEAU_CACHE") else programs.parent / "kernels"


def _cache_bytes() -> int:
    """Size of the folder of compiled programs: FLAMBEAU_CACHE_MB megabytes, or 1,000."""
    chosen = os.environ.get("FLAMBEAU_CACHE_MB", "")
    if chosen and not chosen.isdecimal():
        raise ValueError(f"FLAMBEAU_CACHE_MB must be a whole number of megabytes, got {chosen!r}")
    return int(chosen or 1_000) * 1_000_000


def _may_set_the_heap() -> bool:
    """Whether nobody has decided how the C library keeps memory."""
    chosen = any(name.startswith("MALLOC_") for name in os.environ) or "glibc.malloc" in os.environ.get(
        "GLIBC_TUNABLES", ""
    )
    return os.environ.get("FLAMBEAU_KEEP_MEMORY", "") != "0" and not chosen


@dataclass(slots=True)
class Config:
    """Switches of the running process.

    Attributes:
        eager: run every operation at once (``FLAMBEAU_EAGER=1``), for debugging.
        cache: folder of compiled programs kept between processes, or None.
        cache_bytes: how large it may become (``FLAMBEAU_CACHE_MB``).
        kernels: whether native CPU kernels may be used; ``FLAMBEAU_KERNELS=0`` forbids it.
        kernel_folder: folder of the library they are built into, or None.
        xla_flags: what the user tells XLA (``XLA_FLAGS``, which XLA reads by itself): programs depend on it.
        compiler: C++ compiler to build them with (``CXX``); empty for the first one found.
        pending_limit: number of recorded operations after which they are run without being asked for.
        program_limit: largest number of operations compiled as one program.
        piece_size: size aimed at when a longer graph is run in pieces.
        programs_kept: number of compiled programs after which the older half is dropped.
        keep_memory: whether freed memory stays with the process for the next step (``devices.heap``);
            ``FLAMBEAU_KEEP_MEMORY=0`` leaves the C library as it is, and so do settings of the user's own.
        color: whether commands may write in colors to a terminal (``NO_COLOR`` and ``TERM=dumb`` say no).
    """

    eager: bool
    cache: Path | None
    kernels: bool
    kernel_folder: Path | None
    compiler: str
    cache_bytes: int = 1_000_000_000
    xla_flags: str = ""
    pending_limit: int = 20_000
    program_limit: int = 1_000
    piece_size: int = 128
    programs_kept: int = 3_000
    keep_memory: bool = True
    color: bool = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


_programs = _cache_folder()
config = Config(
    eager=os.environ.get("FLAMBEAU_EAGER", "") == "1",
    cache=_programs,
    kernels=os.environ.get("FLAMBEAU_KERNELS", "") != "0",
    kernel_folder=_kernel_folder(_programs),
    compiler=os.environ.get("CXX", ""),
    cache_bytes=_cache_bytes(),
    xla_flags=os.environ.get("XLA_FLAGS", ""),
    keep_memory=_may_set_the_heap(),
)
