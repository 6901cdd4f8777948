"""Compiled programs as bytes, and back: what the store keeps."""

import pickle
from typing import Any

import jax
from jax.experimental.serialize_executable import deserialize_and_load, serialize

from flambeau.kernels.library import TARGETS, target
from flambeau.runtime import store

__all__ = ["keep_program", "kept_program", "link_program"]

_LINK = b"named "


def kept_program(name: str, place: Any) -> Any:
    """The program of this name, ready to run on a device; None if it has to be compiled.

    Loading it runs what is in the file, as any program does; ``store`` sees to it that the file is the user's own.
    """
    content = store.fetch(name)
    if content is not None and content.startswith(_LINK):
        name = content[len(_LINK) :].decode()
        content = store.fetch(name)
    if content is None:
        return None
    try:
        native, *parts = pickle.loads(content)
        if native and target(TARGETS[0]) is None:
            return None
        with jax.enable_x64(True):
            return deserialize_and_load(*parts, backend=place.client, execution_devices=[place])
    except Exception:  # noqa: BLE001  (whatever is wrong with an entry, compiling anew puts it right)
        store.drop(name)
        return None


def keep_program(name: str, compiled: Any) -> None:
    """Write a compiled program down under its name; one that JAX cannot write down is left."""
    try:
        parts = serialize(compiled)
    except (NotImplementedError, ValueError):
        return
    store.keep(name, pickle.dumps((_calls("flambeau", compiled), *parts)))


def link_program(name: str, other: str, compiled: Any) -> None:
    """Have a name lead to the program of another one.

    JAX looks LAPACK up when it traces, and a program that finds none brings the process down: programs that call it are
    found by their text only, which takes tracing.
    """
    if not _calls("lapack", compiled):
        store.keep(name, _LINK + other.encode())


def _calls(family: str, compiled: Any) -> bool:
    """Whether a program calls native functions whose names begin so."""
    return f'custom_call_target="{family}_' in compiled.as_text()
