"""``save``: tensors become records, and the checkpoint room writes them."""

import os
from collections.abc import Callable
from typing import Any, BinaryIO

from flambeau.checkpoint import prepare
from flambeau.serialization.background import BackgroundSave, in_background, wait_for_all
from flambeau.serialization.describing import Describer

__all__ = ["prepared", "save"]


def save(
    obj: Any,
    f: str | os.PathLike[str] | BinaryIO,
    pickle_module: Any = None,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
    *,
    background: bool = False,
) -> BackgroundSave | None:
    """Save an object to a file that PyTorch's ``torch.load`` reads.

    A file is replaced in one step: it is the old one or the new one, whatever happens. Tensors are written as if they
    lived on the CPU, so that a file opens anywhere. Numbers of NumPy are saved as Python numbers.

    Of an object of a class, such as a whole model, the attributes are saved and the class by its name: layers and
    optimizers under PyTorch's, so that PyTorch makes its own of them, and classes of yours under their module's.
    ``state_dict()`` needs no classes, and is what other programs expect: prefer it.

    Args:
        obj: any object; what PyTorch's ``torch.load(weights_only=True)`` reads without more is tensors, parameters,
            numbers, strings, and dictionaries, lists, tuples and sets of them.
        f: a path, or a file opened for writing in binary mode.
        pickle_module, pickle_protocol, _disable_byteorder_record: PyTorch's; only their defaults are supported.
        _use_new_zipfile_serialization: False writes the format from before PyTorch 1.6, which has no checksums.
        background: return as soon as what is to be written is fixed, and write it while the program goes on. Saves are
            done in the order they were asked for.

    Returns:
        With ``background``, a handle to ask or wait for the save; else None.

    Raises:
        AttributeError: ``f`` is neither a path nor a file.
        SaveError: the object holds something that cannot be saved (a lambda, an open file), or the file cannot be
            written; or an earlier save in the background failed.
        NotImplementedError: another pickle module or protocol is asked for.

    Example:
        >>> import io
        >>> import flambeau as torch
        >>> file = io.BytesIO()
        >>> torch.save({"weight": torch.ones(2), "epoch": 3}, file)
        >>> file.seek(0)
        0
        >>> torch.load(file)
        {'weight': tensor([1., 1.]), 'epoch': 3}

    Source: https://docs.pytorch.org/docs/stable/generated/torch.save.html
    """
    if (pickle_module, pickle_protocol, _disable_byteorder_record) != (None, 2, False):
        raise NotImplementedError(
            "save() writes pickle protocol 2 only, with a record of the byte order; pickle_module, pickle_protocol and "
            "_disable_byteorder_record cannot be changed"
        )
    if not isinstance(f, (str, os.PathLike)) and not hasattr(f, "write"):
        raise AttributeError("expected 'f' to be string, path, or a file-like object with a 'write' attribute")
    if not background:
        wait_for_all()
    writing = prepared(obj, f, legacy=not _use_new_zipfile_serialization)
    if background:
        return in_background(f, writing)
    writing()
    return None


def prepared(obj: Any, f: str | os.PathLike[str] | BinaryIO, *, legacy: bool = False) -> Callable[[], None]:
    """Describe an object as it is now; what is returned writes that, whenever it is called.

    Raises:
        SaveError: the object holds something that cannot be saved.
    """
    describer = Describer()
    return describer.keeping(prepare(obj, f, describe=describer, legacy=legacy))
