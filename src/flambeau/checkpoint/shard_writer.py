"""Writing tensors as several files of limited size, with the index that says which tensor is in which.

Source: https://huggingface.co/docs/transformers/big_models
"""

import os
from collections.abc import Callable, Mapping
from typing import Final, Literal, TypeAlias

from flambeau.checkpoint.records import TensorRecord
from flambeau.checkpoint.row_order import row_bytes
from flambeau.checkpoint.safetensors_writer import write_safetensors
from flambeau.checkpoint.shards import index_text
from flambeau.checkpoint.sharing import find_sharing
from flambeau.checkpoint.sink import writing_to
from flambeau.checkpoint.writer import write

__all__ = ["ShardFormat", "write_shards"]

ShardFormat: TypeAlias = Literal["safetensors", "pytorch"]

# Format -> beginning and end of the files' names, as other programs look for them.
_NAMES: Final[dict[ShardFormat, tuple[str, str]]] = {
    "safetensors": ("model", ".safetensors"),
    "pytorch": ("pytorch_model", ".bin"),
}


def write_shards(
    tensors: Mapping[str, TensorRecord],
    folder: str | os.PathLike[str],
    *,
    most: int,
    format: ShardFormat = "safetensors",
) -> list[str]:
    """Write tensors as files of limited size, and their index after them.

    Each file is replaced in one step. Tensors that share a storage go into one file. A tensor larger than the limit
    gets a file of its own.

    Args:
        tensors: the tensors by name.
        folder: where the files go; it has to exist.
        most: largest number of bytes of tensors in one file.
        format: ``"safetensors"``, or ``"pytorch"`` for what ``torch.load`` reads.

    Returns:
        The paths of the files, the index last.

    Raises:
        SaveError: one of its subclasses, by the reason.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> tensors = {name: TensorRecord.from_array(np.ones(100)) for name in "abc"}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for path in write_shards(tensors, folder, most=1600):
        ...         print(os.path.basename(path))
        model-00001-of-00002.safetensors
        model-00002-of-00002.safetensors
        model.safetensors.index.json
    """
    begin, end = _NAMES[format]
    shards = _divided(tensors, most)
    save: Callable[[Mapping[str, TensorRecord], str], None] = write_safetensors if format == "safetensors" else _write
    weight_map: dict[str, str] = {}
    paths: list[str] = []
    total = 0
    for number, shard in enumerate(shards, 1):
        file = f"{begin}-{number:05}-of-{len(shards):05}{end}"
        path = os.path.join(folder, file)
        save(shard, path)
        paths.append(path)
        ties = find_sharing(shard).ties
        total += sum(row_bytes(record) for name, record in shard.items() if name not in ties)
        # A tied tensor is not in a safetensors file itself, and other programs look for what the index lists.
        weight_map.update((name, file) for name in shard if format == "pytorch" or name not in ties)
    index = os.path.join(folder, f"{begin}{end}.index.json")
    with writing_to(index) as sink:
        sink.write(index_text(weight_map, total).encode())
    return [*paths, index]


def _write(tensors: Mapping[str, TensorRecord], path: str) -> None:
    """Write one file for `torch.load`."""
    write(dict(tensors), path)


def _divided(tensors: Mapping[str, TensorRecord], most: int) -> list[dict[str, TensorRecord]]:
    """Divide tensors into shards, in their order; those that share a storage stay together."""
    groups: dict[int, dict[str, TensorRecord]] = {}
    for name, record in tensors.items():
        groups.setdefault(id(record.storage), {})[name] = record
    shards: list[dict[str, TensorRecord]] = []
    filled = 0
    for group in groups.values():
        ties = find_sharing(group).ties
        size = sum(row_bytes(record) for name, record in group.items() if name not in ties)
        if not shards or filled + size > most:
            shards.append({})
            filled = 0
        shards[-1].update(group)
        filled += size
    return shards or [{}]
