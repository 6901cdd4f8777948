"""Building the native library: found in the cache folder, or compiled into it once.

docs/decisions/kernels.md says why it is built on the user's machine, and from what.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import jax

from flambeau.base.config import config

if sys.platform != "win32":
    import fcntl

__all__ = ["Toolchain", "Unavailable", "built", "digest", "is_built", "toolchain"]

_NATIVE = Path(__file__).parent / "native"
_RUNTIME, _HEADERS = "onednn-cpu-gomp", "onednn-devel-cpu-gomp"
_COMPILERS = ("c++", "g++", "clang++")
_FLAGS = ("-std=c++17", "-O3", "-march=native", "-fPIC", "-fvisibility=hidden", "-fno-math-errno", "-w")
_PATIENCE = 600.0  # seconds; it takes 60 of one processor


class Unavailable(Exception):  # noqa: N818  (it names a state, and never leaves the room)
    """The native kernels cannot be used; its text says why, and what to do."""


class Toolchain(NamedTuple):
    """What the library is made with."""

    compiler: str
    headers: Path
    library: Path


def toolchain() -> Toolchain:
    """The compiler and oneDNN's packages; raises Unavailable where something is missing. Nothing is run."""
    found = _found()
    if isinstance(found, str):
        raise Unavailable(found)
    return found


@cache
def _found() -> Toolchain | str:
    """The tools, or what is missing; looked for once a process."""
    try:
        return _looked_for()
    except Unavailable as problem:
        return str(problem)


def _looked_for() -> Toolchain:
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise Unavailable(f"oneDNN's package is for Linux on x86-64, this is {sys.platform} on {platform.machine()}")
    names = (config.compiler,) if config.compiler else _COMPILERS
    compiler = next(filter(None, map(shutil.which, names)), None)
    library = _located(_RUNTIME, "libdnnl.so.3")
    headers = _located(_HEADERS, "oneapi/dnnl/dnnl.hpp").parents[2]
    if compiler is None:
        raise Unavailable(f"there is no C++ compiler ({', '.join(names)}): install one, or name it in CXX")
    return Toolchain(compiler, headers, library)


def _located(package: str, ending: str) -> Path:
    """A file of an installed package."""
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError:
        raise Unavailable(f"the package {package} is not installed: pip install 'flambeau[kernels]'") from None
    for file in files:
        if file.as_posix().endswith(ending):
            found = Path(os.fspath(file.locate())).resolve()
            if found.exists():
                return found
    raise Unavailable(f"the package {package} has no file {ending}: install it again")


def built(tools: Toolchain) -> tuple[Path, str]:
    """Path of the library, compiled now if it has never been, and the key that tells its versions apart.

    Raises:
        Unavailable: the compiler failed, or took too long, or there is no safe folder to keep the library in.
    """
    key = digest(tools)
    folder = _folder()
    library = folder / f"kernels-{key}.so"
    failure = folder / f"kernels-{key}.failed"
    with _alone(folder / f"kernels-{key}.lock", until=library):
        if not library.exists():
            if failure.exists():
                raise Unavailable(f"compiling them failed; {failure} says how, and deleting it tries again")
            _compile(tools, library, failure)
    return library, key


def is_built(tools: Toolchain) -> bool:
    """Whether the library is there already; nothing is made."""
    folder = config.kernel_folder
    return folder is not None and (folder / f"kernels-{digest(tools)}.so").exists()


@cache
def digest(tools: Toolchain) -> str:
    """Digest of everything the library depends on: sources, flags, versions, places and the processor."""
    parts = [*_FLAGS, jax.__version__, metadata.version("jaxlib"), _processor()]
    for path in (Path(tools.compiler).resolve(), tools.library):
        parts += [str(path), str(path.stat().st_mtime_ns)]
    digest = hashlib.sha256("\0".join(parts).encode())
    for path in sorted(_NATIVE.iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _processor() -> str:
    """What instructions this machine has: the library is made for them, and the folder may be other machines', too."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line for line in lines if line.startswith("flags")), "")


def _folder() -> Path:
    """The folder of built libraries, made if it is not there; nobody else may write into it."""
    folder = config.kernel_folder
    if folder is None:
        raise Unavailable("there is no folder to keep them in (FLAMBEAU_CACHE=0)")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = folder.stat()
    except OSError as problem:
        raise Unavailable(f"the folder {folder} cannot be made: {problem}") from None
    if state.st_uid != os.getuid() or state.st_mode & 0o022:
        raise Unavailable(f"the folder {folder} belongs to, or can be written by, somebody else")
    return folder


@contextmanager
def _alone(lock: Path, until: Path) -> Generator[None]:
    """Keep other processes from building the same; they wait, and find it there. Free as soon as it is there."""
    if until.exists():
        yield
        return
    deadline = time.monotonic() + _PATIENCE
    try:
        descriptor = os.open(lock, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as problem:
        raise Unavailable(f"the folder {lock.parent} cannot be written to: {problem}") from None
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # pyright: ignore[reportPossiblyUnboundVariable]  # Linux only
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise Unavailable(f"another process has been building them for {_PATIENCE:.0f} seconds") from None
                time.sleep(0.05)
        yield
    finally:
        os.close(descriptor)


def _compile(tools: Toolchain, library: Path, failure: Path) -> None:
    """Compile under another name, then rename: whoever looks sees all of it or nothing. Sources go side by side."""
    deadline = time.monotonic() + _PATIENCE
    with tempfile.TemporaryDirectory(dir=library.parent, prefix="building-") as scratch:
        made = Path(scratch) / library.name
        start = [tools.compiler, *_FLAGS, "-isystem", jax.ffi.include_dir(), "-isystem", str(tools.headers)]
        objects = {source: str(Path(scratch) / f"{source.stem}.o") for source in sorted(_NATIVE.glob("*.cc"))}
        commands = [[*start, "-c", str(source), "-o", path] for source, path in objects.items()]
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            list(threads.map(partial(_run, failure=failure, deadline=deadline), commands))
        link = ["-shared", *objects.values(), "-o", str(made), str(tools.library), f"-Wl,-rpath,{tools.library.parent}"]
        _run([tools.compiler, *link], failure, deadline)
        os.chmod(made, 0o700)
        made.replace(library)


def _run(command: list[str], failure: Path, deadline: float) -> None:
    """Run the compiler once; raises Unavailable if it fails, and writes down how."""
    try:
        patience = max(0.0, deadline - time.monotonic())
        outcome = subprocess.run(command, capture_output=True, text=True, timeout=patience, check=False)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"compiling them took longer than {_PATIENCE:.0f} seconds") from None
    except OSError as problem:
        raise Unavailable(f"the compiler {command[0]} cannot be run: {problem}") from None
    if outcome.returncode:
        failure.write_text(" ".join(command) + "\n\n" + outcome.stderr[-20_000:])
        raise Unavailable(f"compiling them failed; {failure} says how, and deleting it tries again")
