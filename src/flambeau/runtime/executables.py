"""Compiled programs as bytes, and back: what the store keeps."""

import pickle
from typing import Any

import jax
from jax.experimental.serialize_executable import deserialize_and_load, serialize

from flambeau.kernels.library import TARGETS, target
from flambeau.runtime import store
from flambeau.runtime.naming import Lowered

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


def keep_program(lowered: Lowered, compiled: Any) -> None:
    """Write a compiled program down under its text's name; one that JAX cannot write down is left."""
    try:
        parts = serialize(compiled)
    except (NotImplementedError, ValueError):
        return
    store.keep(lowered.name, pickle.dumps((lowered.native, *parts)))


def link_program(name: str, lowered: Lowered) -> None:
    """Have another name lead to a program.

    JAX looks LAPACK up when it traces, and a program that finds none brings the process down: programs that call it are
    found by their text only, which takes tracing.
    """
    if not lowered.factorizes:
        store.keep(name, _LINK + lowered.name.encode())
