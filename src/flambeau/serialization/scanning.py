"""``scan``: what a file names, without running any of it."""

import os
from typing import BinaryIO

from flambeau.checkpoint import scanning
from flambeau.checkpoint.scanning import Scan
from flambeau.serialization.classes import CLASSES, FUNCTIONS, GENERATOR
from flambeau.serialization.registry import registered

__all__ = ["get_unsafe_globals_in_checkpoint", "scan"]


def scan(f: str | os.PathLike[str] | bytes | BinaryIO) -> Scan:
    """List every class and function that a file names, and tell those that are suspicious. Nothing is run.

    A name is ``"allowed"`` where ``load`` knows it or it was registered with ``add_safe_globals``, ``"suspicious"``
    where no checkpoint has a use for it (``os.system``, ``builtins.eval``), and otherwise ``"unknown"``: a class of
    somebody's project, mostly. A scan is for people who look at a file; ``load`` does not depend on it.

    Args:
        f: a path, the bytes themselves, or a file opened for reading in binary mode, in any of PyTorch's containers; a
            bare pickle; or a safetensors file, which names nothing.

    Returns:
        A report: ``container``, ``globals`` (each with ``name``, ``verdict``, ``reason``, ``called`` and ``where``),
        ``opcodes`` that ``load`` does not execute, and ``problems`` that kept a part from being scanned to its end.

    Raises:
        LoadError: the container is malformed.

    Example:
        >>> import io
        >>> import flambeau as torch
        >>> file = io.BytesIO()
        >>> torch.save(torch.nn.ReLU(), file)
        >>> report = torch.serialization.scan(file.getvalue())
        >>> [entry.name for entry in report.globals if entry.called]
        ['torch.nn.modules.activation.ReLU', 'builtins.set', 'collections.OrderedDict']
        >>> report.safe
        True
    """
    return scanning.scan(f, allowed=_allowed())


def _allowed() -> set[str]:
    """Names that ``load`` knows beside those of the checkpoint room."""
    return {*CLASSES, *FUNCTIONS, GENERATOR, *registered(lambda: None)}


def get_unsafe_globals_in_checkpoint(f: str | os.PathLike[str] | BinaryIO) -> list[str]:
    """List the classes and functions that a file names and ``load`` would refuse, by their full names.

    Args:
        f: a path, or a file opened for reading in binary mode.

    Raises:
        ValueError: the file was not written by ``save``.

    Example:
        >>> import io
        >>> import flambeau as torch
        >>> file = io.BytesIO()
        >>> torch.save({"weight": torch.ones(2), "f": print}, file)
        >>> _ = file.seek(0)
        >>> torch.serialization.get_unsafe_globals_in_checkpoint(file)
        ['builtins.print']

    Source: https://docs.pytorch.org/docs/stable/notes/serialization.html#torch.serialization.get_unsafe_globals_in_checkpoint
    """
    report = scan(f)
    if report.container != "zip archive":
        raise ValueError("Expected input to be a checkpoint returned by torch.save")
    if any(entry.where.endswith("/constants.pkl") for entry in report.globals):
        raise ValueError("Expected input to be a checkpoint returned by torch.save but got a torchscript checkpoint")
    return [entry.name for entry in report.globals if entry.verdict != "allowed"]
