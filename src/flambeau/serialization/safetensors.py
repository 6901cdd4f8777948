"""``save_safetensors``, ``load_safetensors``, ``save_shards``: dictionaries of tensors without a pickle.

``load`` opens such files, too: which kind a file is, it sees from what is in it. ``save`` writes PyTorch's format,
whatever the file is called, as in PyTorch.

Source: https://github.com/huggingface/safetensors#format
"""

import os
from collections.abc import Mapping
from typing import Any, BinaryIO, cast

from flambeau.base.errors import CannotSave
from flambeau.checkpoint import TensorRecord, read_safetensors, write_safetensors, write_shards
from flambeau.serialization.describing import Describer
from flambeau.serialization.loading import built
from flambeau.serialization.places import MapLocation
from flambeau.tensors.core import Core
from flambeau.tensors.tensor import Tensor

__all__ = ["load_safetensors", "save_safetensors", "save_shards"]


def load_safetensors(f: str | os.PathLike[str] | BinaryIO, map_location: MapLocation = None) -> dict[str, Tensor]:
    """Load a safetensors file as a dictionary of tensors; they are mapped, and read when they are used.

    Tensors that ``save_safetensors`` found tied, or that shared a storage, do so again; of those that
    ``safetensors.torch.save_model`` left out as tied, the names are given back.

    Args:
        f: a path, or a file opened for reading in binary mode.
        map_location: where tensors go, as for ``load``; by default the CPU.

    Raises:
        BadSafetensors: the file is malformed; the class and the text say how, and which tensor.
        UnsupportedTensor: a tensor has a type that PyTorch does not have.

    Example:
        >>> import io
        >>> import flambeau as torch
        >>> file = io.BytesIO()
        >>> torch.serialization.save_safetensors({"weight": torch.ones(2)}, file)
        >>> file.seek(0)
        0
        >>> torch.serialization.load_safetensors(file)
        {'weight': tensor([1., 1.])}

    Source: https://huggingface.co/docs/safetensors/api/torch
    """
    return built(lambda builders: read_safetensors(f, build=builders).obj, map_location)


def save_safetensors(
    tensors: Mapping[str, Tensor],
    f: str | os.PathLike[str] | BinaryIO,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Save a dictionary of tensors, such as a ``state_dict()``, as a safetensors file.

    A file is replaced in one step. Tied tensors are written once, and the file says so; those that show different parts
    of one storage are written each in full. Whether a tensor requires a gradient is not saved.

    Args:
        tensors: the tensors by name.
        f: a path, or a file opened for writing in binary mode.
        metadata: text by name, for the file's header; by default ``{"format": "pt"}``.

    Raises:
        TypeError: ``tensors`` holds something else.
        SaveError: the format has no such type, or the file cannot be written.

    Example:
        >>> import io
        >>> import flambeau as torch
        >>> layer = torch.nn.Linear(2, 2)
        >>> torch.serialization.save_safetensors(layer.state_dict(), io.BytesIO())

    Source: https://huggingface.co/docs/safetensors/api/torch
    """
    write_safetensors(_described("save_safetensors", tensors), f, metadata=metadata)


def save_shards(
    tensors: Mapping[str, Tensor], folder: str | os.PathLike[str], max_size: int = 5_000_000_000
) -> list[str]:
    """Save a dictionary of tensors as safetensors files of limited size, with an index that ``load`` opens.

    Args:
        tensors: the tensors by name.
        folder: where the files go; it has to exist.
        max_size: largest number of bytes of tensors in one file. A larger tensor gets a file of its own.

    Returns:
        The paths of the files, the index last.

    Raises:
        TypeError: ``tensors`` holds something else.
        SaveError: the format has no such type, or a file cannot be written.

    Example:
        >>> import tempfile
        >>> import flambeau as torch
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     paths = torch.serialization.save_shards({"a": torch.ones(2), "b": torch.zeros(2)}, folder, max_size=8)
        ...     list(torch.load(paths[-1]))
        ['a', 'b']

    Source: https://huggingface.co/docs/transformers/big_models
    """
    return write_shards(_described("save_shards", tensors), folder, most=max_size)


def _described(function: str, tensors: Any) -> dict[str, TensorRecord]:
    """Describe tensors by name; refuse what is none. Those that share a storage share its record."""
    if not isinstance(tensors, Mapping):
        raise TypeError(f"{function}() expected a dictionary of tensors, but got {type(tensors).__name__}")
    describer = Describer()
    described: dict[str, TensorRecord] = {}
    named = cast("Mapping[str, Core]", tensors)
    for name, tensor in named.items():
        if not isinstance(tensor, Core):
            kind = type(tensor).__name__
            raise TypeError(f"{function}() expected tensors, but {name!r} is of type {kind}; save() takes any value")
        record = describer(tensor)
        if not isinstance(record, TensorRecord):
            raise CannotSave(
                f"cannot save tensor {name!r} in a safetensors file: it is on the meta device, without values"
            )
        described[name] = record
    return described
